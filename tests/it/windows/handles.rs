//! What a program finds open: its connection and nothing else.

use crate::harness::{Daemon, probe, service};

/// The lines of the probe that begin with this word, without it.
fn values<'a>(answer: &'a str, word: &str) -> Vec<&'a str> {
    answer.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).collect()
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_program_inherits_its_connection_and_nothing_else() {
    let config = service("list", &probe(&["descriptors"]), "")
        + &service("hold", &probe(&["hold"]), "stderr = 'log'");
    let daemon = Daemon::run(&config);
    // Other sessions, with pipes of their own, are there to leak.
    let _held = daemon.held(5);
    let answer = daemon.ask("list", "");
    let standard: Vec<_> =
        values(&answer, "std").iter().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(standard.len(), 3, "{answer}");
    for pipe in values(&answer, "pipe") {
        assert!(standard.contains(&pipe), "handle {pipe} has leaked: {answer}");
    }
    // A process keeps its working directory open.
    assert!(values(&answer, "file").len() <= 1, "{answer}");
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn the_socket_variable_is_the_handle_of_standard_input() {
    let config = service("list", &probe(&["descriptors"]), "")
        + &service("env", &probe(&["environment"]), "");
    let daemon = Daemon::run(&config);
    let answer = daemon.ask("env", "");
    let socket = answer.lines().find_map(|line| line.strip_prefix("env Inetd_SOCK=")).unwrap();
    assert!(socket.parse::<u64>().unwrap() > 0, "{answer}");
}
