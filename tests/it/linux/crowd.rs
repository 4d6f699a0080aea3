//! Very many sessions at once: the daemon is told of the end of each in another way then
//! (`src/sys/unix/crowd.rs`).

use rustix::process::Rlimit;

use crate::harness::{Client, Daemon, Lifeline, probe, service, wait_until};

/// More than it takes (`MANY`).
const CROWD: usize = 600;

fn start() -> Daemon {
    let many = "max_sessions = 1000";
    let hold = service("hold", &probe(&["hold"]), many);
    Daemon::run(&(hold + &service("say", &probe(&["say", "x"]), many)))
}

/// A crowd. Those from before there was one get their descriptors when one has ended.
fn gather(daemon: &Daemon) -> Vec<Client> {
    let mut clients = daemon.held(CROWD + 1);
    end(daemon, clients.remove(0));
    clients
}

/// How many programs have a descriptor in the daemon.
fn watched(daemon: &Daemon) -> usize {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", daemon.id())).unwrap();
    let targets = descriptors.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok());
    targets.filter(|target| target.to_string_lossy().contains("pidfd")).count()
}

/// Ends one session and waits for its record.
fn end(daemon: &Daemon, mut client: Client) {
    let local = client.local().to_string();
    client.half_close();
    client.rest();
    daemon.record("EXIT", |record| record.field("peer") == Some(&local));
}

#[test]
fn each_end_in_a_crowd_is_told() {
    let daemon = start();
    let mut clients = gather(&daemon);
    clients.extend(daemon.held(1));
    wait_until("each has a descriptor", || watched(&daemon) == CROWD + 1);
    // One from before there was a crowd, and one from afterwards.
    end(&daemon, clients.remove(0));
    end(&daemon, clients.pop().unwrap());
    assert_eq!(daemon.ask("say", ""), "x\n");
    drop(clients);
    let records = daemon.records(CROWD + 3, "EXIT");
    assert!(records.iter().all(|record| record.field("status") == Some("0")), "{records:?}");
    wait_until("no crowd", || watched(&daemon) == 0);
    assert_eq!(daemon.ask("say", ""), "x\n");
    daemon.records(CROWD + 4, "EXIT");
    assert!(daemon.children().is_empty());
}

#[test]
fn a_crowd_leaves_half_of_the_descriptors_to_connections() {
    let daemon = start();
    daemon.limit_descriptors(Rlimit { current: Some(100), maximum: Some(100) });
    let mut clients = gather(&daemon);
    wait_until("some have a descriptor", || watched(&daemon) > 0);
    clients.extend(daemon.held(10));
    assert!(watched(&daemon) < 50, "{}", watched(&daemon));
    end(&daemon, clients.remove(0));
    end(&daemon, clients.pop().unwrap());
    drop(clients);
    daemon.records(CROWD + 11, "EXIT");
}

#[test]
fn trees_and_orphans_are_reaped_in_a_crowd() {
    let lifeline = Lifeline::new();
    let leave = probe(&["leave", &lifeline.port()]);
    let services = service("hold", &probe(&["hold"]), "max_sessions = 1000")
        + &service("kill", &leave, "tree = 'kill'")
        + &service("leave", &leave, "tree = 'leave'");
    let daemon = Daemon::run(&services);
    let _clients = gather(&daemon);
    let mut client = daemon.connect("kill");
    assert_eq!(client.line(), "gone");
    lifeline.accept().closed();
    daemon.record("EXIT", |record| record.field("service") == Some("kill"));
    let mut client = daemon.connect("leave");
    assert_eq!(client.line(), "gone");
    let left = lifeline.accept();
    daemon.record("EXIT", |record| record.field("service") == Some("leave"));
    wait_until("the orphan is ours", || daemon.children().len() == CROWD + 1);
    drop(left);
    client.closed();
    wait_until("it is reaped", || daemon.children().len() == CROWD);
}
