//! `wait = true`: one server gets the listening socket and accepts for itself.

use crate::harness::{Daemon, example, service};

fn config(seconds: &str) -> String {
    let mut program = example("wait-server.c");
    program.push(seconds.to_owned());
    service("wait", &program, "wait = true") + &service("cat", &crate::harness::probe(&["cat"]), "")
}

/// `You are visitor 2 of process 77.`: the two numbers.
fn visit(daemon: &Daemon) -> (u32, u32) {
    let answer = daemon.connect("wait").rest();
    let numbers: Vec<u32> =
        answer.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    assert_eq!(numbers.len(), 2, "{answer}");
    (numbers[0], numbers[1])
}

#[test]
fn one_server_answers_many_connections() {
    let daemon = Daemon::run(&config("60"));
    let (first, process) = visit(&daemon);
    assert_eq!(first, 1);
    for number in 2..20 {
        assert_eq!(visit(&daemon), (number, process));
    }
    let start = daemon.record("START", |_| true);
    assert_eq!(start["pid"], process.to_string());
    assert_eq!(start.field("peer"), None);
    assert_eq!(daemon.records(1, "START").len(), 1);
}

#[test]
fn when_the_server_has_ended_the_next_connection_starts_another() {
    let daemon = Daemon::run(&config("1"));
    let (_, first) = visit(&daemon);
    let exit = daemon.record("EXIT", |_| true);
    assert_eq!(exit["pid"], first.to_string());
    let (number, second) = visit(&daemon);
    assert_eq!(number, 1);
    assert_ne!(first, second);
}

#[test]
fn a_reload_leaves_the_server_alone() {
    let daemon = Daemon::run(&config("60"));
    let (_, process) = visit(&daemon);
    daemon.reload_with(&config("60"));
    daemon.reload_with(&(config("60") + &service("new", &crate::harness::probe(&["cat"]), "")));
    assert_eq!(visit(&daemon), (2, process));
}

#[test]
fn a_server_that_ends_at_once_does_not_spin() {
    let program = crate::harness::probe(&["exit", "3"]);
    let daemon = Daemon::run(&service("wait", &program, "wait = true"));
    let _client = daemon.connect("wait");
    // It never takes its connection, so it would be started again and again. The pauses between
    // the starts grow: five of them take more than a moment.
    let begin = std::time::Instant::now();
    daemon.records(4, "EXIT");
    assert!(begin.elapsed() > std::time::Duration::from_millis(200), "{:?}", begin.elapsed());
}
