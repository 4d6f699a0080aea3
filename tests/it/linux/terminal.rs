//! `io = "pty"`: the program sits at a terminal.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::harness::unix::is_root;
use crate::harness::{Daemon, service};

fn pty(name: &str, run: &[&str], keys: &str) -> String {
    let run: Vec<_> = run.iter().map(ToString::to_string).collect();
    service(name, &run, &format!("io = 'pty'\n{keys}"))
}

fn shell(name: &str, script: &str, keys: &str) -> String {
    pty(name, &["/bin/sh", "-c", script], keys)
}

#[test]
fn it_is_a_terminal_of_a_usual_size_and_controls_the_program() {
    let script = "test -t 0 && test -t 1 && test -t 2 && echo terminal; stty size; echo $TERM; \
                  echo same >/dev/tty; test \"$(ps -o sid= -p $$)\" -eq $$ && echo leader; \
                  test \"$(ps -o tpgid= -p $$)\" -eq $$ && echo foreground; env | grep Inetd_SOCK";
    let daemon = Daemon::run(&shell("facts", script, ""));
    let mut client = daemon.connect("facts");
    assert_eq!(client.rest(), "terminal\n24 80\nxterm-256color\nsame\nleader\nforeground\n");
}

#[test]
fn the_kind_of_terminal_is_a_default() {
    let set = shell("set", "echo $TERM", "env = { TERM = 'vt100' }");
    let passed = shell("passed", "echo $TERM", "pass_env = ['PATH', 'TERM']");
    let config = set + &passed;
    let daemon = crate::harness::Start::run(&config).env("TERM", "dumb").ready();
    assert_eq!(daemon.connect("set").rest(), "vt100\n");
    assert_eq!(daemon.connect("passed").rest(), "dumb\n");
}

#[test]
fn what_is_typed_is_echoed_and_read_in_lines() {
    let daemon = Daemon::run(&pty("cat", &["/bin/cat"], ""));
    let mut client = daemon.connect("cat");
    // Backspace deletes a whole character.
    client.send("hallö\x7fo\n".as_bytes());
    assert_eq!(client.line(), "hallö\x08 \x08o");
    assert_eq!(client.line(), "hallo");
    client.half_close();
    assert_eq!(client.rest(), "");
    assert_eq!(&daemon.record("EXIT", |_| true)["status"], "0");
}

#[test]
fn a_half_close_in_the_middle_of_a_line_is_the_end_of_input_too() {
    let daemon = Daemon::run(&shell("count", "stty -echo; echo ready; exec wc -c", ""));
    for (text, count) in [("", "0"), ("one\n", "4"), ("one\nt", "5")] {
        let mut client = daemon.connect("count");
        assert_eq!(client.line(), "ready");
        client.send(text.as_bytes());
        client.half_close();
        assert_eq!(client.rest().trim(), count, "{text:?}");
    }
}

#[test]
fn control_c_interrupts() {
    let daemon = Daemon::run(&shell("sleep", "echo ready; exec sleep 1000", ""));
    let mut client = daemon.connect("sleep");
    assert_eq!(client.line(), "ready");
    client.send(b"\x03");
    assert_eq!(client.rest(), "^C");
    assert_eq!(&daemon.record("EXIT", |_| true)["signal"], "2");
}

#[test]
fn control_c_gets_through_while_a_program_never_stops_printing() {
    let daemon = Daemon::run(&pty("yes", &["/usr/bin/yes"], ""));
    let mut client = daemon.connect("yes");
    assert_eq!(client.line(), "y");
    let mut sender = client.sender();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| std::io::copy(&mut client.reader(), &mut std::io::sink()));
        sender.write_all(b"\x03").unwrap();
        reader.join().unwrap().unwrap();
    });
    assert_eq!(&daemon.record("EXIT", |_| true)["signal"], "2");
}

#[test]
fn a_peer_that_is_gone_is_a_hang_up() {
    let keys = "stop_timeout = '60s'";
    let daemon = Daemon::run(&shell("sleep", "echo ready; exec sleep 1000", keys));
    let mut client = daemon.connect("sleep");
    assert_eq!(client.line(), "ready");
    client.reset();
    assert_eq!(&daemon.record("EXIT", |_| true)["signal"], "1");
}

#[test]
fn an_interactive_shell_takes_commands_controls_its_jobs_and_can_be_stopped() {
    let keys = "stop_timeout = '60s'\nidle_timeout = '2s'\nenv = { PS1 = '$ ' }";
    let run = ["/bin/bash", "--norc", "--noprofile", "--noediting", "-i"];
    let daemon = Daemon::run(&pty("shell", &run, keys));
    let mut client = daemon.connect("shell");
    client.send(b"stty -echo; sleep 1000 & echo $((20 + 3)); jobs | grep -c Running\n");
    let text = std::iter::from_fn(|| Some(client.line())).find(|line| line == "23");
    assert_eq!(text.as_deref(), Some("23"));
    assert_eq!(client.line(), "1");
    // It takes no notice of SIGTERM, and what runs in the background has a group of its own.
    client.rest();
    assert_eq!(&daemon.record("EXIT", |_| true)["signal"], "1");
}

#[test]
fn all_that_a_program_prints_before_it_ends_arrives() {
    let daemon = Daemon::run(&pty("seq", &["/usr/bin/seq", "200000"], ""));
    let mut client = daemon.connect("seq");
    for number in 1..=200_000 {
        assert_eq!(client.line(), number.to_string());
    }
    assert_eq!(client.rest(), "");
}

#[test]
fn standard_error_may_go_elsewhere() {
    let script = "echo out; echo err >&2; test -t 2 || echo elsewhere";
    let daemon = Daemon::run(&shell("log", script, "stderr = 'log'"));
    assert_eq!(daemon.connect("log").rest(), "out\nelsewhere\n");
    assert_eq!(&daemon.record("STDERR", |_| true)["line"], "err");
}

#[test]
fn the_terminal_belongs_to_the_user_of_the_program() {
    if !is_root() {
        return;
    }
    let script = "stat -c %U \"$(tty)\"; echo open >\"$(tty)\"";
    let daemon = Daemon::run(&shell("owner", script, "user = 'nobody'"));
    assert_eq!(daemon.connect("owner").rest(), "nobody\nopen\n");
}

/// What the control endpoint answers to a size for a session: the status, and the body.
fn resize(daemon: &Daemon, session: u32, size: &str) -> (String, String) {
    let mut stream = UnixStream::connect(daemon.control()).unwrap();
    let length = size.len();
    write!(
        stream,
        "POST /v1/sessions/{session}/resize HTTP/1.1\r\nHost: inetd\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{size}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
}

#[test]
fn a_terminal_is_resized_and_its_program_is_told() {
    let script = "trap \"stty size\" WINCH; echo ready; while read line; do :; done";
    let config = shell("bash", script, "") + &service("plain", &["/bin/cat".to_owned()], "");
    let daemon = Daemon::run(&config);
    let mut client = daemon.connect("bash");
    assert_eq!(client.line(), "ready");
    let (status, session) = resize(&daemon, 1, r#"{"columns": 132, "rows": 50}"#);
    assert_eq!(status, "200", "{session}");
    assert!(session.contains(r#""io":"pty""#), "{session}");
    // The shell may run the trap only when its read is over.
    client.send(b"\n");
    let line = std::iter::from_fn(|| Some(client.line())).find(|line| !line.is_empty());
    assert_eq!(line.as_deref(), Some("50 132"));

    let _plain = daemon.connect("plain");
    daemon.records(2, "START");
    for (session, size, status, text) in [
        (1, r#"{"columns": 0, "rows": 24}"#, "422", "1 to 1000 columns and 1 to 1000 rows"),
        (1, r#"{"columns": 80, "rows": 70000}"#, "422", "1 to 1000 columns and 1 to 1000 rows"),
        (2, r#"{"columns": 80, "rows": 24}"#, "422", "the session has no terminal"),
        (9, r#"{"columns": 80, "rows": 24}"#, "404", "there is no session 9"),
        (1, r#"{"columns": 80}"#, "400", "missing field `rows`"),
        (1, r#"{"columns": -1, "rows": 24}"#, "400", "the body has to be like"),
        (1, "", "400", "the body has to be like"),
    ] {
        let answer = resize(&daemon, session, size);
        assert_eq!(answer.0, status, "{size}: {}", answer.1);
        assert!(answer.1.contains(text), "{size}: {}", answer.1);
    }
    let large = format!("{}{{}}", " ".repeat(5000));
    assert_eq!(resize(&daemon, 1, &large).0, "400");
}

#[test]
fn the_command_resizes_as_well() {
    let script = "trap \"stty size\" WINCH; echo ready; read line";
    let daemon = Daemon::run(&shell("sh", script, ""));
    let mut client = daemon.connect("sh");
    assert_eq!(client.line(), "ready");
    let refused = daemon.tell(&["resize", "1", "0x24"]);
    let text =
        "inetd: session 1 keeps its size: a terminal has 1 to 1000 columns and 1 to 1000 rows\n";
    assert_eq!((refused.code, refused.err.as_str()), (1, text));
    let told = daemon.told(&["resize", "1", "90x30"]);
    assert_eq!(told, "session 1 of sh has 90x30 characters\n");
    // The shell may run the trap only when its read is over.
    client.send(b"\n");
    assert!(client.rest().contains("30 90\n"));
}
