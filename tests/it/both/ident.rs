//! `builtin = "ident"`: whose is a connection (RFC 1413)?

use std::net::SocketAddr;

use crate::harness::{Client, Daemon, on_windows, probe, service, wine};

fn ident(options: &str) -> String {
    format!("[service.ident]\nlisten = \"0.0.0.0:0\"\nbuiltin = \"ident{options}\"\n")
}

/// The address of `ident` on this address of the machine.
fn at(daemon: &Daemon, host: &str) -> SocketAddr {
    SocketAddr::new(host.parse().unwrap(), daemon.address("ident").port())
}

fn asked(address: SocketAddr, question: &str) -> String {
    let mut client = Client::connect(address);
    client.send(question.as_bytes());
    client.rest()
}

/// The name of the account that the daemon runs as.
fn own_name() -> String {
    let command = std::process::Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(command.stdout).unwrap().trim().to_owned()
}

// inetd(8) of FreeBSD, "auth": "Without options, the service will always return "ERROR :
// HIDDEN-USER"."
#[test]
fn without_an_option_nothing_is_told() {
    let daemon = Daemon::run(&ident(""));
    let address = at(&daemon, "127.0.0.1");
    assert_eq!(asked(address, "6193, 23\r\n"), "6193 , 23 : ERROR : HIDDEN-USER\n");
    assert_eq!(asked(address, "23 , 99999\r\n"), "0 , 0 : ERROR : INVALID-PORT\n");
    assert_eq!(asked(address, &"x".repeat(2000)), "0 , 0 : ERROR : INVALID-PORT\n");
    daemon.record("EXIT", |record| &record["service"] == "ident");
}

// inetd(8) of FreeBSD, "auth": "-d fallback [...] If the real "auth" service is disabled, return this
// username for every request." "-t sec[.usec] Specify a timeout for the service." "-o osname Use
// osname instead of the name of the system".
#[test]
fn a_fixed_name_is_told_to_everybody_and_who_says_nothing_is_answered() {
    let daemon = Daemon::run(&ident(":fallback=nobody at all,os=UNIX,timeout=100ms"));
    let address = at(&daemon, "127.0.0.1");
    assert_eq!(asked(address, "6193,23\n"), "6193 , 23 : USERID : UNIX : nobody at all\n");
    assert_eq!(Client::connect(address).rest(), "0 , 0 : ERROR : INVALID-PORT\n");
}

#[test]
fn the_owner_is_told_to_the_other_end_of_the_connection_alone() {
    let daemon =
        Daemon::run(&[ident(":real"), service("hold", &probe(&["hold"]), "io = 'pipe'")].concat());
    let held = daemon.connect("hold");
    let (ours, theirs) = (daemon.address("hold").port(), held.local().port());
    let question = format!("{ours} , {theirs}\r\n");
    let none = format!("{ours} , {theirs} : ERROR : NO-USER\n");
    // The question is asked from 127.0.0.1, and the connection is between that and 127.0.0.1.
    let answer = asked(at(&daemon, "127.0.0.1"), &question);
    if on_windows() {
        // Wine does not know who owns a connection.
        let is_told = answer.starts_with(&format!("{ours} , {theirs} : USERID : WIN32 : "));
        assert!(is_told || wine() && answer == none, "{answer}");
    } else {
        let expected = format!("{ours} , {theirs} : USERID : Linux : {}\n", own_name());
        assert_eq!(answer, expected);
    }
    // From 127.0.0.2 it is a question about another connection, which there is not.
    let mut stranger = Client::connect_from("127.0.0.2", at(&daemon, "127.0.0.1"));
    stranger.send(question.as_bytes());
    assert_eq!(stranger.rest(), none);
    assert_eq!(asked(at(&daemon, "127.0.0.2"), &question), none);
    drop(held);
}
