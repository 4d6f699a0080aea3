//! Where the daemon listens, and how it says so.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use crate::harness::{Client, Daemon, Start, left_out, probe, service};

fn cat(keys: &str) -> String {
    service("cat", &probe(&["cat"]), keys)
}

fn has_v6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn port_zero_is_announced_before_ready_and_nothing_else_is() {
    let daemon = Daemon::run(&cat(""));
    let address = daemon.address("cat");
    assert_ne!(address.port(), 0);
    assert_eq!(daemon.out().all(), [format!("listening cat tcp://{address}"), "ready".into()]);
    assert_eq!(daemon.ask("cat", "hello"), "hello");
}

#[test]
fn a_service_may_have_several_addresses() {
    let daemon = Daemon::run(&cat("listen = ['127.0.0.1:0', 'tcp://127.0.0.2:0']"));
    let endpoints = daemon.endpoints("cat");
    assert_eq!(endpoints.len(), 2, "{endpoints:?}");
    for (endpoint, ip) in endpoints.iter().zip(["127.0.0.1", "127.0.0.2"]) {
        let address: SocketAddr = endpoint.strip_prefix("tcp://").unwrap().parse().unwrap();
        assert_eq!(address.ip().to_string(), ip);
        let mut client = Client::connect(address);
        client.half_close();
        assert_eq!(client.rest(), "");
    }
}

#[test]
fn ipv6_only() {
    if !has_v6() {
        return left_out("this machine has no IPv6");
    }
    let daemon = Daemon::run(&service("env", &probe(&["environment"]), "listen = '[::1]:0'"));
    let address = daemon.address("env");
    assert_eq!(address.ip(), Ipv6Addr::LOCALHOST);
    let answer = daemon.ask("env", "");
    assert!(answer.contains("\nenv PROTO=TCP6\n"), "{answer}");
    assert!(answer.contains("\nenv TCPREMOTEIP=::1\n"), "{answer}");
    assert!(answer.contains(&format!("\nenv INETD_LOCAL={address}\n")), "{answer}");
    let peer = daemon.record("START", |_| true)["peer"].to_owned();
    assert!(peer.starts_with("[::1]:"), "{peer}");
}

#[test]
fn a_bare_port_is_both_families_and_ipv4_peers_look_like_ipv4() {
    if !has_v6() {
        return left_out("this machine has no IPv6");
    }
    let daemon = Daemon::run(&service("env", &probe(&["environment"]), "listen = '0'"));
    let port = daemon.address("env").port();
    let mut v4 = Client::connect(SocketAddr::from(([127, 0, 0, 1], port)));
    let answer = v4.rest();
    assert!(answer.contains("\nenv PROTO=TCP\n"), "{answer}");
    assert!(answer.contains("\nenv TCPREMOTEIP=127.0.0.1\n"), "{answer}");
    assert!(answer.contains("\nenv TCPLOCALIP=127.0.0.1\n"), "{answer}");
    let peer = v4.local().to_string();
    daemon.record("EXIT", |record| record["peer"] == peer);

    let mut v6 = Client::connect((Ipv6Addr::LOCALHOST, port).into());
    let answer = v6.rest();
    assert!(answer.contains("\nenv PROTO=TCP6\n"), "{answer}");
    assert!(answer.contains("\nenv TCPREMOTEIP=::1\n"), "{answer}");
}

#[test]
fn a_busy_address_is_tried_again_while_the_others_serve() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let config =
        service("late", &probe(&["cat"]), &format!("listen = '{listen}'\nbind_retry = '50ms'"))
            + &cat("");
    let daemon = Start::run(&config).begin();
    assert_eq!(daemon.ask("cat", "I serve"), "I serve");
    let line = daemon.log().wait_for("the reason", |line| line.contains("Cannot listen yet"));
    assert!(line.contains(&listen.to_string()), "{line}");
    assert!(line.contains("another program"), "what to do: {line}");
    assert!(!daemon.out().all().contains(&"ready".to_owned()));

    drop(taken);
    daemon.out().wait_for("`ready`", |line| line == "ready");
    assert_eq!(daemon.address("late"), listen);
    assert_eq!(daemon.ask("late", "me too"), "me too");
}
