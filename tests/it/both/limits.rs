//! Slots: how many sessions there may be, and what happens to a connection when there is none.

use crate::harness::{Client, Daemon, Start, probe, service, wait_until};

fn held(daemon: &Daemon, name: &str) -> Client {
    let mut client = daemon.connect(name);
    assert!(client.line().starts_with("ready "));
    client
}

#[test]
fn a_full_service_lets_connections_wait() {
    let daemon = Daemon::run(&service("hold", &probe(&["hold"]), "max_sessions = 2"));
    let first = held(&daemon, "hold");
    let _second = held(&daemon, "hold");
    let mut third = daemon.connect("hold");
    // The third is connected, by the system, but nobody serves it: there is no third START. That
    // there never will be cannot be waited for, but every session so far is in the log.
    daemon.records(2, "START");
    assert!(third.is_quiet());
    drop(first);
    assert_eq!(third.line(), "ready 3");
    assert_eq!(daemon.records(3, "START").len(), 3);
}

#[test]
fn a_full_service_may_turn_connections_away() {
    let keys = "max_sessions = 1\nover_limit = 'reject'";
    let daemon = Daemon::run(&service("hold", &probe(&["hold"]), keys));
    let first = held(&daemon, "hold");
    let mut second = daemon.connect("hold");
    second.closed();
    let record = daemon.record("REFUSE", |_| true);
    assert_eq!(&record["service"], "hold");
    assert_eq!(&record["reason"], "service_limit");
    assert_eq!(&record["peer"], second.local().to_string());

    // The slot is free a moment after the first session has ended.
    drop(first);
    wait_until("a free slot", || daemon.connect("hold").answers());
}

#[test]
fn the_daemon_has_a_limit_for_all_services_together() {
    let config = service("queue", &probe(&["hold"]), "")
        + &service("reject", &probe(&["hold"]), "over_limit = 'reject'");
    let daemon = Start::run(&config).daemon("max_sessions = 2").ready();
    let first = held(&daemon, "queue");
    let _second = held(&daemon, "reject");
    daemon.connect("reject").closed();
    assert_eq!(&daemon.record("REFUSE", |_| true)["reason"], "process_limit");
    let mut waiting = daemon.connect("queue");
    drop(first);
    assert!(waiting.line().starts_with("ready "));
}

#[test]
fn a_slot_that_becomes_free_wakes_whichever_service_waits() {
    let names = ["a", "b", "c"];
    let config: String = names.map(|name| service(name, &probe(&["hold"]), "")).concat();
    let daemon = Start::run(&config).daemon("max_sessions = 1").ready();
    let mut running = held(&daemon, "a");
    let mut waiting: Vec<_> = names.iter().map(|name| daemon.connect(name)).collect();
    // One after the other gets the only slot; in which order is not promised.
    while !waiting.is_empty() {
        running.half_close();
        assert_eq!(running.rest(), "");
        let ready = crate::harness::position_when(&waiting, |client| !client.is_quiet());
        running = waiting.swap_remove(ready);
        assert!(running.line().starts_with("ready "));
        assert!(waiting.iter().all(Client::is_quiet));
    }
}

#[test]
fn zero_is_no_limit() {
    let daemon = Daemon::run(&service("hold", &probe(&["hold"]), "max_sessions = 0"));
    let _clients: Vec<_> = (0..20).map(|_| held(&daemon, "hold")).collect();
}
