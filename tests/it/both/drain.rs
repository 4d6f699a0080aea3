//! A service that drains: nobody new comes in, sessions go on to their end.

use std::net::{SocketAddr, TcpStream};

use crate::harness::{Client, Daemon, on_windows, own_port, probe, service};

fn cat(keys: &str) -> String {
    service("cat", &probe(&["cat"]), keys)
}

/// A daemon with `cat` on a port that the configuration names.
fn with_fixed_port(keys: &str) -> (Daemon, SocketAddr, String) {
    let keys = format!("listen = '127.0.0.1:{}'\n{keys}", own_port());
    let daemon = Daemon::run(&cat(&keys));
    let address = daemon.address("cat");
    (daemon, address, keys)
}

/// Nobody comes in: the system refuses, or the connection is closed without an answer.
#[track_caller]
fn assert_refused(address: SocketAddr) {
    if on_windows() {
        Client::connect(address).closed();
    } else {
        let error = TcpStream::connect(address).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}

#[test]
fn sessions_go_on_and_nobody_new_comes_in_until_it_is_resumed() {
    let (daemon, address, _) = with_fixed_port("");
    let mut client = daemon.connect("cat");
    client.send(b"before\n");
    assert_eq!(client.line(), "before");
    assert_eq!(daemon.told(&["drain", "cat"]), "cat lets nobody new in; 1 session left\n");
    assert_eq!(daemon.service("cat")["draining"], true);
    assert_refused(address);
    client.send(b"after\n");
    assert_eq!(client.line(), "after");
    assert_eq!(daemon.told(&["drain", "cat"]), "cat lets nobody new in; 1 session left\n");

    // Before the session has ended: its connection must not be in the way.
    daemon.told(&["resume", "cat"]);
    assert_eq!(daemon.service("cat")["draining"], false);
    assert_eq!(daemon.ask("cat", "again"), "again");
    client.half_close();
    assert_eq!(client.rest(), "");
    daemon.told(&["resume", "cat"]);
    assert_eq!(daemon.ask("cat", "and again"), "and again");
    assert_eq!(daemon.endpoints("cat").len(), 1, "announced once");
}

#[test]
fn a_port_that_the_system_chose_closes_at_once_and_the_record_says_why() {
    let daemon = Daemon::run(&(cat("") + &service("other", &probe(&["cat"]), "")));
    daemon.told(&["drain", "cat"]);
    let mut client = daemon.connect("cat");
    client.closed();
    let record = daemon.record("REFUSE", |_| true);
    assert_eq!(&record["service"], "cat");
    assert_eq!(&record["reason"], "draining");
    assert_eq!(&record["peer"], client.local().to_string());
    assert_eq!(daemon.ask("other", "open"), "open");
    daemon.told(&["resume", "cat"]);
    assert_eq!(daemon.ask("cat", "open"), "open");
}

#[test]
fn a_reload_does_not_bring_it_back() {
    let (daemon, address, keys) = with_fixed_port("");
    daemon.told(&["drain", "cat"]);
    daemon.reload_with(&cat(&format!("{keys}\nnodelay = true")));
    assert_refused(address);
    // An address that is new is not let in either.
    let listen = format!("listen = ['{address}', '127.0.0.1:0']");
    daemon.reload_with(&cat(&listen));
    assert_refused(address);
    daemon.connect("cat").closed();
    assert_eq!(daemon.service("cat")["draining"], true);
    // An address that moves to another service is open there.
    daemon.reload_with(&service("moved", &probe(&["cat"]), &format!("listen = '{address}'")));
    let mut client = Client::connect(address);
    client.send(b"open");
    client.half_close();
    assert_eq!(client.rest(), "open");
}

#[test]
fn who_waits_for_a_slot_is_turned_away() {
    let hold = |keys: &str| service("hold", &probe(&["hold"]), keys);
    let daemon = Daemon::run(&hold("max_sessions = 1"));
    let mut first = daemon.connect("hold");
    assert_eq!(first.line(), "ready 1");
    let mut second = daemon.connect("hold");
    daemon.told(&["drain", "hold"]);
    second.closed();
    daemon.told(&["resume", "hold"]);
    let mut third = daemon.connect("hold");
    drop(first);
    assert!(third.line().starts_with("ready "));
}

#[test]
fn a_wait_server_ends_by_itself_and_no_other_is_started() {
    let mut program = crate::harness::example("wait-server.c");
    program.push("60".into());
    let daemon = Daemon::run(&service("wait", &program, "wait = true\nstop_timeout = '1s'"));
    assert!(daemon.connect("wait").rest().starts_with("You are visitor 1"));
    let session = daemon.sessions(1)[0]["id"].to_string();
    daemon.told(&["drain", "wait"]);
    // It has the socket and is a session itself.
    assert!(daemon.connect("wait").rest().starts_with("You are visitor 2"));
    daemon.told(&["kill", &session]);
    daemon.record("EXIT", |_| true);
    daemon.connect("wait").closed();
    daemon.told(&["resume", "wait"]);
    assert!(daemon.connect("wait").rest().starts_with("You are visitor 1"));
}

#[test]
fn a_service_that_is_not_there_is_1_with_the_nearest_name() {
    let daemon = Daemon::run(&cat(""));
    for command in ["drain", "resume"] {
        let finished = daemon.tell(&[command, "cta"]);
        assert_eq!((finished.code, finished.out.as_str()), (1, ""));
        assert_eq!(finished.err, "inetd: there is no service `cta`: did you mean `cat`?\n");
    }
}
