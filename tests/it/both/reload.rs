//! Reading the configuration again while everything runs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::harness::{Client, Daemon, probe, service};

fn say(name: &str, what: &str) -> String {
    service(name, &probe(&["say", what]), "")
}

#[test]
fn a_service_is_added_and_another_removed() {
    let daemon = Daemon::run(&(say("old", "old") + &say("stays", "stays")));
    let old = daemon.address("old");
    let stays = daemon.address("stays");
    daemon.reload_with(&(say("stays", "stays") + &say("new", "new")));
    assert_eq!(daemon.ask("new", ""), "new\n");
    assert_eq!(daemon.address("stays"), stays);
    assert_eq!(daemon.ask("stays", ""), "stays\n");
    assert!(std::net::TcpStream::connect(old).is_err());
    assert_eq!(daemon.endpoints("stays").len(), 1, "announced twice");
}

#[test]
fn a_changed_program_is_used_from_then_on_at_the_same_address() {
    let daemon = Daemon::run(&say("x", "before"));
    let address = daemon.address("x");
    assert_eq!(daemon.ask("x", ""), "before\n");
    daemon.reload_with(&say("x", "after"));
    assert_eq!(daemon.address("x"), address);
    assert_eq!(daemon.ask("x", ""), "after\n");
}

#[test]
fn running_sessions_go_on_even_those_of_a_removed_service() {
    let daemon = Daemon::run(&(service("cat", &probe(&["cat"]), "") + &say("other", "1")));
    let mut client = daemon.connect("cat");
    client.send(b"before\n");
    assert_eq!(client.line(), "before");
    daemon.reload_with(&say("other", "2"));
    client.send(b"after\n");
    assert_eq!(client.line(), "after");
    client.half_close();
    assert_eq!(client.rest(), "");
    assert_eq!(&daemon.record("EXIT", |record| &record["service"] == "cat")["status"], "0");
}

#[test]
fn a_changed_limit_holds_for_the_sessions_that_run() {
    let hold = |limit: &str| service("hold", &probe(&["hold"]), &format!("max_sessions = {limit}"));
    let daemon = Daemon::run(&hold("1"));
    let mut first = daemon.connect("hold");
    assert_eq!(first.line(), "ready 1");
    let mut second = daemon.connect("hold");
    assert!(second.is_quiet());
    daemon.reload_with(&hold("2"));
    assert_eq!(second.line(), "ready 2");
    daemon.reload_with(&hold("1"));
    let mut third = daemon.connect("hold");
    drop(first);
    daemon.records(1, "EXIT");
    assert!(third.is_quiet());
    drop(second);
    assert_eq!(third.line(), "ready 3");
}

#[test]
fn a_broken_file_changes_nothing_and_says_why() {
    let daemon = Daemon::run(&say("x", "good"));
    daemon.rewrite(&(say("x", "bad") + "max_sesions = 3\n"));
    let reload = daemon.reload();
    assert_eq!(reload.code, 1);
    // Both to who asked and in the log: three lines of the harness, five of the service.
    assert!(reload.err.contains("inetd.toml:8:1"), "{}", reload.err);
    assert!(reload.err.contains("max_sessions"), "{}", reload.err);
    daemon.log().wait_for("the position", |line| line.contains("inetd.toml:8:1"));
    assert_eq!(daemon.ask("x", ""), "good\n");

    std::fs::remove_file(daemon.config()).unwrap();
    assert_eq!(daemon.reload().code, 1);
    assert_eq!(daemon.ask("x", ""), "good\n");

    daemon.reload_with(&say("x", "better"));
    assert_eq!(daemon.ask("x", ""), "better\n");
}

#[test]
fn an_address_that_cannot_be_bound_changes_nothing_if_nobody_wants_to_wait() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let daemon = Daemon::run(&say("x", "good"));
    let keys = format!("listen = '{}'\nbind_retry = '0s'", taken.local_addr().unwrap());
    daemon.rewrite(&(say("x", "bad") + &service("y", &probe(&["cat"]), &keys)));
    assert_eq!(daemon.reload().code, 1);
    assert_eq!(daemon.ask("x", ""), "good\n");
}

#[test]
fn an_address_may_move_from_one_service_to_another() {
    let daemon = Daemon::run(&say("a", "a"));
    let address = daemon.address("a");
    let keys = format!("listen = '{address}'");
    daemon.reload_with(&service("b", &probe(&["say", "b"]), &keys));
    let mut client = Client::connect(address);
    assert_eq!(client.rest(), "b\n");
}

#[test]
fn a_hundred_reloads_under_load_lose_nobody() {
    let reloads = if crate::harness::wine() { 20 } else { 100 };
    let config = |number: usize| {
        // Every reload changes something, and every other one adds and removes a service.
        let extra = if number.is_multiple_of(2) { String::new() } else { say("extra", "extra") };
        let keys = format!("max_sessions = {}", 50 + number);
        service("cat", &probe(&["cat"]), &keys) + &extra
    };
    let daemon = Daemon::run(&config(0));
    let address = daemon.address("cat");
    let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (over, served) = (&over, &served);
            scope.spawn(move || {
                for number in 0.. {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    // Fails the test if it is refused, or is not answered in full.
                    let mut client = Client::connect(address);
                    let text = format!("{thread} {number}\n");
                    client.send(text.as_bytes());
                    client.half_close();
                    assert_eq!(client.rest(), text);
                    served.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let stop = OnDrop(&over);
        for number in 1..=reloads {
            daemon.reload_with(&config(number));
        }
        drop(stop);
    });
    let served = served.load(Ordering::SeqCst);
    assert!(served >= reloads, "{served}");
    assert_eq!(daemon.address("cat"), address);
    daemon.records(served, "EXIT");
}

/// Ends the other threads even if this one fails.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
