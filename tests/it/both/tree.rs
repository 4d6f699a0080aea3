//! Processes that a program leaves behind.

use crate::harness::{Daemon, Lifeline, probe, service};

#[test]
fn what_a_program_leaves_behind_is_killed() {
    let lifeline = Lifeline::new();
    let keys = "tree = 'kill'\nmax_sessions = 1";
    let daemon = Daemon::run(&service("leave", &probe(&["leave", &lifeline.port()]), keys));
    let mut client = daemon.connect("leave");
    assert_eq!(client.line(), "gone");
    // The one left behind held the socket: the end of the connection is its end too.
    client.closed();
    lifeline.accept().closed();
    // The slot is free again.
    let mut next = daemon.connect("leave");
    assert_eq!(next.line(), "gone");
    next.closed();
}

#[test]
fn what_has_detached_itself_is_killed_too() {
    let lifeline = Lifeline::new();
    let keys = "max_sessions = 1";
    let program = probe(&["leave-detached", &lifeline.port()]);
    let daemon = Daemon::run(&service("leave", &program, keys));
    let mut client = daemon.connect("leave");
    assert_eq!(client.rest(), "gone\n");
    lifeline.accept().closed();
    daemon.records(1, "EXIT");
    assert_eq!(daemon.connect("leave").rest(), "gone\n");
}

#[test]
fn what_a_program_leaves_behind_may_stay() {
    let lifeline = Lifeline::new();
    let keys = "tree = 'leave'\nmax_sessions = 1";
    let daemon = Daemon::run(&service("leave", &probe(&["leave", &lifeline.port()]), keys));
    let mut client = daemon.connect("leave");
    assert_eq!(client.line(), "gone");
    let left = lifeline.accept();
    // The session has ended with its program, so the only slot serves another client, while the
    // one left behind lives and even holds the first connection.
    daemon.records(1, "EXIT");
    let mut next = daemon.connect("leave");
    assert_eq!(next.line(), "gone");
    let next_left = lifeline.accept();
    assert!(left.is_quiet() && client.is_quiet());
    drop(left);
    drop(next_left);
    client.closed();
}

#[test]
fn the_record_is_written_when_the_tree_is_gone() {
    let lifeline = Lifeline::new();
    let daemon = Daemon::run(&service("leave", &probe(&["leave", &lifeline.port()]), ""));
    let mut client = daemon.connect("leave");
    assert_eq!(client.line(), "gone");
    let record = daemon.record("EXIT", |_| true);
    assert_eq!(&record["status"], "0");
    client.closed();
}
