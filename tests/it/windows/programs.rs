//! Programs, as Windows runs them.

use crate::harness::{Daemon, Start, example, native, probe, service, wine};

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_program_is_in_a_job_and_has_no_window() {
    let daemon = Daemon::run(&service("who", &probe(&["identity"]), ""));
    let answer = daemon.ask("who", "");
    assert!(answer.contains("job 1\n"), "{answer}");
    assert!(answer.contains("console 0\n"), "{answer}");
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_program_that_uses_its_socket_directly() {
    // Always compiled; Wine 8 cannot run it (see the example).
    let program = example("network-windows.c");
    if wine() {
        return;
    }
    let daemon = Daemon::run(&service("hello", &program, ""));
    let mut client = daemon.connect("hello");
    assert_eq!(client.line(), "You are 127.0.0.1. Say something.");
    client.send(b"something");
    assert_eq!(client.rest(), "You sent 9 bytes: something");
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_name_without_extension_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let script = "@echo off\r\necho found %1\r\n";
    std::fs::write(folder.path().join("tool.cmd"), script).unwrap();
    let program = [native(&folder.path().join("tool")), "it".to_owned()];
    let daemon = Daemon::run(&service("tool", &program, ""));
    assert_eq!(daemon.ask("tool", ""), "found it\n");
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn arguments_of_a_script_cannot_run_commands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("args.cmd");
    std::fs::write(&path, "@echo off\r\necho one %1\r\necho two %2\r\n").unwrap();
    let program = [native(&path), "a&echo HACKED".to_owned(), "b|echo HACKED".to_owned()];
    let config = service("args", &program, "");
    let daemon = Start::run(&config).begin();
    // Either it is refused as a whole, or the script sees exactly these arguments.
    if daemon.out().to_first("ready") {
        let answer = daemon.ask("args", "");
        assert!(!answer.lines().any(|line| line.trim() == "HACKED"), "{answer}");
    }
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn what_windows_programs_need_to_load_is_always_there() {
    let daemon = Daemon::run(&service("env", &probe(&["environment"]), "pass_env = []"));
    let answer = daemon.ask("env", "").to_ascii_uppercase();
    assert!(answer.contains("ENV SYSTEMROOT="), "{answer}");
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn keys_of_unix_alone_are_problems_with_a_position() {
    let finished = Start::run(&service("x", &probe(&["cat"]), "nice = 5")).fails();
    assert_eq!(finished.code, 1);
    assert!(finished.err.contains("nice"), "{}", finished.err);
    assert!(finished.err.contains("inetd.toml:7:"), "{}", finished.err);
}
