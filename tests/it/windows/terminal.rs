//! `io = "pty"`: the program sits at a pseudo console.

use crate::harness::{Client, Daemon, probe, service, tool, wine};

/// A service at a terminal. Wine leaves the standard handles of a program at a pseudo console
/// empty, so `cmd` opens them; on Windows that changes nothing.
fn pty(name: &str, command: &str, keys: &str) -> String {
    let command = format!("{command} <CONIN$ >CONOUT$ 2>CONOUT$");
    let run = ["cmd.exe".to_owned(), "/c".to_owned(), command];
    service(name, &run, &format!("io = 'pty'\n{keys}"))
}

/// The probe as part of a command line.
fn probe_command(arguments: &[&str]) -> String {
    probe(arguments).join(" ")
}

/// The next line in which there is some text, without what moves the cursor and sets colours.
fn line(client: &mut Client) -> String {
    loop {
        let line = plain(&client.line());
        if !line.trim().is_empty() {
            return line.trim().to_owned();
        }
    }
}

/// A text without its escape sequences (ECMA-48: CSI and OSC).
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\x1b' {
            plain.push(character);
            continue;
        }
        match rest.next() {
            Some('[') => drop(rest.find(|c| ('@'..='~').contains(c))),
            Some(']') => drop(rest.find(|c| *c == '\x07')),
            _ => {}
        }
    }
    plain
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn what_is_typed_is_echoed_and_read_in_lines() {
    let daemon = Daemon::run(&pty("cat", &probe_command(&["cat"]), ""));
    let mut client = daemon.connect("cat");
    for text in ["one", "two"] {
        client.send(format!("{text}\r").as_bytes());
        assert_eq!(line(&mut client), text, "the echo");
        assert_eq!(line(&mut client), text, "the answer");
    }
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn the_end_of_the_program_is_the_end_of_the_connection() {
    let daemon = Daemon::run(&pty("say", &probe_command(&["say", "farewell"]), ""));
    let mut client = daemon.connect("say");
    assert_eq!(line(&mut client), "farewell");
    client.rest();
    daemon.record("EXIT", |_| true);

    let daemon = Daemon::run(&pty("exit", "exit 5", "max_sessions = 1"));
    for session in ["1", "2", "3"] {
        daemon.connect("exit").rest();
        let exit = daemon.record("EXIT", |record| &record["session"] == session);
        assert_eq!(&exit["status"], "5");
    }
}

/// Wine cannot change the size of a pseudo console, and says so (E_NOTIMPL).
#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_terminal_is_resized_or_the_system_says_that_it_cannot() {
    let daemon = Daemon::run(&pty("cat", &probe_command(&["cat"]), ""));
    let mut client = daemon.connect("cat");
    client.send(b"one\r");
    assert_eq!(line(&mut client), "one");
    let resized = daemon.tell(&["resize", "1", "132x50"]);
    if wine() {
        assert_eq!(resized.code, 1, "{}", resized.err);
        let text = "session 1 keeps its size: cannot change the size of the terminal";
        assert!(resized.err.contains(text), "{}", resized.err);
    } else {
        assert_eq!(resized.code, 0, "{}", resized.err);
        assert_eq!(resized.out, "session 1 of cat has 132x50 characters\n");
    }
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_half_close_types_the_end_of_input() {
    let program = tool("count.c");
    let daemon = Daemon::run(&pty("count", &program.join(" "), ""));
    // In the middle of a line, too.
    for text in ["one\r", "one"] {
        let mut client = daemon.connect("count");
        client.send(text.as_bytes());
        client.half_close();
        let answer = plain(&client.rest());
        assert!(answer.contains("counted:4"), "{answer:?}");
    }
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn control_c_interrupts() {
    let daemon = Daemon::run(&pty("slow", &probe_command(&["slow", "100000"]), ""));
    let mut client = daemon.connect("slow");
    assert_eq!(line(&mut client), "ready");
    client.send(b"\x03");
    assert!(!plain(&client.rest()).contains("done"));
    daemon.record("EXIT", |_| true);
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_peer_that_is_gone_closes_the_terminal() {
    let keys = "stop_timeout = '1h'";
    let daemon = Daemon::run(&pty("cat", &probe_command(&["cat"]), keys));
    let mut client = daemon.connect("cat");
    client.send(b"one\r");
    assert_eq!(line(&mut client), "one");
    assert_eq!(line(&mut client), "one");
    // Wine loses the reset, and the daemon types the end of input, whose echo finds nobody.
    client.reset();
    daemon.record("EXIT", |_| true);
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_session_whose_time_is_over_closes_the_terminal() {
    let keys = "session_timeout = '2s'\nstop_timeout = '1h'";
    let daemon = Daemon::run(&pty("slow", &probe_command(&["slow", "100000"]), keys));
    let mut client = daemon.connect("slow");
    assert_eq!(line(&mut client), "ready");
    client.rest();
    daemon.record("EXIT", |_| true);
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_stop_does_not_wait_for_a_peer_that_never_reads() {
    let keys = "stop_timeout = '300ms'\nlinger_timeout = '300ms'";
    let mut daemon = Daemon::run(&pty("flood", &probe_command(&["print", "0"]), keys));
    let client = daemon.connect("flood");
    daemon.record("START", |_| true);
    assert_eq!(daemon.stop().code, 0);
    assert_eq!(daemon.exit_code(), 0);
    daemon.record("EXIT", |_| true);
    drop(client);
}
