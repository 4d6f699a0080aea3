//! Processes, as Linux shows them.

use crate::harness::unix::is_alive;
use crate::harness::{Daemon, Lifeline, example, probe, service, wait_until};

#[test]
fn the_pid_in_the_record_is_the_program() {
    let daemon = Daemon::run(&service("hold", &probe(&["hold"]), ""));
    let mut client = daemon.connect("hold");
    assert_eq!(client.line(), "ready 1");
    let pid: u32 = daemon.record("START", |_| true)["pid"].parse().unwrap();
    assert!(is_alive(pid));
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(command.contains("probe"), "{command}");
    client.half_close();
    assert_eq!(client.rest(), "");
    daemon.records(1, "EXIT");
    assert!(!is_alive(pid));
}

#[test]
fn a_process_in_a_session_of_its_own_is_found_and_killed() {
    let lifeline = Lifeline::new();
    let program = probe(&["leave-detached", &lifeline.port()]);
    let daemon = Daemon::run(&service("leave", &program, ""));
    assert_eq!(daemon.connect("leave").rest(), "gone\n");
    lifeline.accept().closed();
    wait_until("no child of the daemon", || daemon.children().is_empty());
}

#[test]
fn a_process_in_a_session_of_its_own_may_stay() {
    let lifeline = Lifeline::new();
    let program = probe(&["leave-detached", &lifeline.port()]);
    let daemon = Daemon::run(&service("leave", &program, "tree = 'leave'"));
    assert_eq!(daemon.connect("leave").rest(), "gone\n");
    let left = lifeline.accept();
    // Three more sessions, each of which leaves one, and a look after each.
    for _ in 0..3 {
        assert_eq!(daemon.connect("leave").rest(), "gone\n");
        drop(lifeline.accept());
    }
    wait_until("only one child", || daemon.children().len() == 1);
    assert!(left.is_quiet());
    drop(left);
    wait_until("no child of the daemon", || daemon.children().is_empty());
}

#[test]
fn a_program_whose_client_is_gone_gets_the_end_of_its_input() {
    let daemon = Daemon::run(&service("hold", &probe(&["hold"]), ""));
    let mut client = daemon.connect("hold");
    assert_eq!(client.line(), "ready 1");
    drop(client);
    assert_eq!(&daemon.record("EXIT", |_| true)["status"], "0");
}

#[test]
fn the_example_in_python() {
    let mut program = vec!["python3".to_owned(), "-u".to_owned()];
    program.extend(example("windows/greet.py"));
    let daemon = Daemon::run(&service("greet", &program, ""));
    let answer = daemon.ask("greet", "Ann\r\n");
    assert_eq!(answer, "Hello Ann, you come from 127.0.0.1.\n");
}
