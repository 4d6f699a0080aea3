//! `max_load`, and how many refused peers may be there at a time.

use crate::harness::{Client, Daemon, probe, service, wait_until};

#[test]
fn a_busy_machine_lets_nobody_in() {
    // The load average has two decimals, and building this test has left something of it.
    let config = service("busy", &probe(&["cat"]), "max_load = 0.01")
        + &service("idle", &probe(&["cat"]), "max_load = 9999.5");
    let daemon = Daemon::run(&config);
    assert_eq!(daemon.ask("idle", "hello"), "hello");
    wait_until("some load", || {
        std::fs::read_to_string("/proc/loadavg").is_ok_and(|text| !text.starts_with("0.00"))
    });
    daemon.connect("busy").closed();
    assert_eq!(&daemon.record("REFUSE", |_| true)["reason"], "load");
}

#[test]
fn peers_that_are_told_why_do_not_pile_up() {
    let config = service("no", &probe(&["cat"]), "deny = ['127.0.0.0/8']\nbanner_reject = 'no'")
        + &service("yes", &probe(&["cat"]), "");
    let daemon = Daemon::run(&config);
    assert_eq!(daemon.ask("yes", "hello"), "hello");
    let before = daemon.descriptors();
    let clients: Vec<Client> = (0..1000)
        .map(|_| {
            let mut client = daemon.connect("no");
            assert_eq!(client.line(), "no");
            assert!(daemon.descriptors() <= before + 256 + 8);
            client
        })
        .collect();
    assert_eq!(daemon.ask("yes", "hello"), "hello");
    // They all stay, and are closed by the daemon all the same.
    wait_until("all of them closed", || daemon.descriptors() <= before);
    drop(clients);
}
