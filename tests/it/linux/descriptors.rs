//! What a program finds open: its connection and nothing else.

use crate::harness::{Daemon, Start, example, probe, service};

fn targets(answer: &str) -> Vec<(i32, &str)> {
    let lines = answer.lines().filter_map(|line| line.split_once(' '));
    let mut targets: Vec<_> = lines.map(|(fd, target)| (fd.parse().unwrap(), target)).collect();
    targets.sort_unstable();
    targets
}

#[test]
fn a_program_has_0_1_and_2_and_they_are_the_connection() {
    let config = service("list", &probe(&["descriptors"]), "")
        + &service("hold", &probe(&["hold"]), "stderr = 'log'");
    let daemon = Daemon::run(&config);
    // Other sessions, with pipes of their own, are there to leak.
    let _held = daemon.held(5);
    let answer = daemon.ask("list", "");
    let targets = targets(&answer);
    let numbers: Vec<_> = targets.iter().map(|(fd, _)| *fd).collect();
    assert_eq!(numbers, [0, 1, 2], "{answer}");
    assert!(targets[0].1.starts_with("socket:"), "{answer}");
    assert!(targets.iter().all(|(_, target)| *target == targets[0].1), "{answer}");
}

#[test]
fn standard_error_may_be_something_else() {
    for (keys, kind) in [("stderr = 'null'", "/dev/null"), ("stderr = 'log'", "pipe:")] {
        let daemon = Daemon::run(&service("list", &probe(&["descriptors"]), keys));
        let answer = daemon.ask("list", "");
        let targets = targets(&answer);
        assert_eq!(targets.len(), 3, "{answer}");
        assert!(targets[2].1.starts_with(kind), "{answer}");
    }
}

#[test]
fn descriptors_that_the_daemon_inherited_do_not_reach_programs() {
    let config = service("list", &probe(&["descriptors"]), "");
    let shell = ["sh", "-c", "exec 7</dev/zero 9>&2; exec \"$@\"", "sh"];
    let daemon = Start::run(&config).through(&shell, std::process::Stdio::null()).ready();
    let answer = daemon.ask("list", "");
    assert_eq!(targets(&answer).len(), 3, "{answer}");
}

#[test]
fn a_wait_server_has_its_listener_on_0_and_on_3_as_systemd_gives_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("facts");
    // A script, because it has to look before it accepts; `sh` cannot accept at all.
    let script = format!(
        "{{ ls -l /proc/$$/fd; env; echo PID=$$; }} > {0}.new && mv {0}.new {0}; exec {1} 1",
        path.display(),
        example("wait-server.c")[0]
    );
    let program = ["sh", "-c", &script].map(String::from);
    let daemon = Daemon::run(&service("facts", &program, "wait = true"));
    let answer = daemon.connect("facts").rest();
    assert!(answer.starts_with("You are visitor 1 of process"), "{answer}");
    let facts = std::fs::read_to_string(&path).unwrap();
    let value = |name: &str| {
        let line = facts.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {name} in {facts}")).to_owned()
    };
    assert_eq!(value("LISTEN_FDS"), "1");
    assert_eq!(value("LISTEN_PID"), value("PID"));
    assert_eq!(value("LISTEN_FDNAMES"), "facts");
    assert_eq!(value("PROTO"), "TCP");
    assert_eq!(value("Inetd_SOCK"), "0");
    let target = |fd: &str| {
        let line = facts.lines().find(|line| line.contains(&format!(" {fd} -> ")));
        line.and_then(|line| line.rsplit_once(" -> ")).map(|(_, target)| target.to_owned())
    };
    assert!(target("0").unwrap().starts_with("socket:"), "{facts}");
    assert_eq!(target("0"), target("3"));
    assert_eq!(target("4"), None, "{facts}");
}

#[test]
fn an_ended_connection_is_told_although_a_neighbour_goes_on() {
    let daemon = Daemon::run(&service("cat", &probe(&["cat"]), ""));
    let clients: Vec<_> = (0..20).map(|_| daemon.connect("cat")).collect();
    for mut client in clients {
        client.half_close();
        assert_eq!(client.rest(), "");
    }
}
