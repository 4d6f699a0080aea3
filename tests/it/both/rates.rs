//! Limits of one source, and rates.

use crate::harness::{Client, Daemon, example, probe, service, wait_until};

fn held(daemon: &Daemon, source: &str) -> Client {
    let mut client = Client::connect_from(source, daemon.address("hold"));
    assert!(client.line().starts_with("ready "));
    client
}

fn refused(daemon: &Daemon, source: &str) {
    Client::connect_from(source, daemon.address("hold")).closed();
}

fn hold(keys: &str) -> Daemon {
    Daemon::run(&service("hold", &probe(&["hold"]), keys))
}

fn reasons(daemon: &Daemon, count: usize) -> Vec<String> {
    let records = daemon.records(count, "REFUSE");
    records.iter().map(|record| record["reason"].to_owned()).collect()
}

#[test]
fn a_source_has_a_limit_of_its_own() {
    let daemon = hold("max_per_source = 2");
    let _first = held(&daemon, "127.0.0.1");
    let second = held(&daemon, "127.0.0.1");
    refused(&daemon, "127.0.0.1");
    let _other = held(&daemon, "127.0.0.2");
    assert_eq!(reasons(&daemon, 1), ["per_source_limit"]);
    drop(second);
    wait_until("a free slot of the source", || {
        Client::connect_from("127.0.0.1", daemon.address("hold")).answers()
    });
}

#[test]
fn a_source_may_be_a_whole_network() {
    let daemon = hold("max_per_source = 2\nsource_prefix = [24, 64]");
    let _first = held(&daemon, "127.0.0.1");
    let _second = held(&daemon, "127.0.0.2");
    refused(&daemon, "127.0.0.3");
    let _other = held(&daemon, "127.0.1.3");
    // Sessions are counted on after a reload.
    daemon.reload_with(&service(
        "hold",
        &probe(&["hold"]),
        "max_per_source = 1\nsource_prefix = [24, 64]",
    ));
    refused(&daemon, "127.0.1.4");
}

#[test]
fn connections_above_the_rate_are_turned_away() {
    let daemon = hold("rate = '3/1h'\nover_limit = 'reject'\ndeny = ['127.0.0.9']");
    for _ in 0..10 {
        refused(&daemon, "127.0.0.9");
    }
    let _clients = ["127.0.0.1", "127.0.0.2", "127.0.0.1"].map(|source| held(&daemon, source));
    refused(&daemon, "127.0.0.3");
    let last = reasons(&daemon, 11).split_off(9);
    assert_eq!(last, ["address", "cps"], "only those who came in count");
}

#[test]
fn connections_above_the_rate_wait_until_the_pause_is_over() {
    let daemon = hold("rate = '2/200ms'\nrate_pause = '300ms'");
    // Nobody is lost.
    let _clients = daemon.held(5);
    let pauses = "Connections come too fast, the service pauses";
    let line = daemon.log().wait_for("a pause", |line| line.contains(pauses));
    assert!(line.contains("service=hold rate=2/200ms pause=0.300s"), "{line}");
    assert!(!daemon.log().all().iter().any(|line| line.contains("REFUSE")));
}

#[test]
fn a_full_service_refuses_and_a_fast_one_pauses() {
    // One session after the other: a busy machine takes half a second for each.
    let keys = "max_sessions = 1\nover_limit = 'reject'\nrate = '2/4s'\nrate_pause = '300ms'\n\
                over_rate = 'pause'";
    let daemon = hold(keys);
    let first = held(&daemon, "127.0.0.1");
    refused(&daemon, "127.0.0.1");
    assert_eq!(reasons(&daemon, 1), ["service_limit"]);
    drop(first);
    let pauses = || daemon.log().all().iter().any(|line| line.contains("come too fast"));
    // Without a moment in between, the slot of the last one may be in use still.
    wait_until("a pause", || Client::connect(daemon.address("hold")).answers() && pauses());
    wait_until("the end of the pause", || daemon.connect("hold").answers());
    let refused = daemon.log().all();
    let refused: Vec<_> = refused.iter().filter(|line| line.contains("REFUSE")).collect();
    assert!(refused.iter().all(|line| line.contains("reason=service_limit")), "{refused:?}");
}

#[test]
fn a_full_service_lets_wait_and_a_fast_one_refuses() {
    let daemon = hold("max_sessions = 1\nrate = '2/1h'\nover_rate = 'reject'");
    let first = held(&daemon, "127.0.0.1");
    let mut waiting = daemon.connect("hold");
    daemon.records(1, "START");
    assert!(waiting.is_quiet());
    drop(first);
    assert!(waiting.line().starts_with("ready "));
    drop(waiting);
    daemon.records(2, "EXIT");
    refused(&daemon, "127.0.0.1");
    assert_eq!(reasons(&daemon, 1), ["cps"]);
}

#[test]
fn a_reload_ends_the_pause() {
    let daemon = hold("rate = '1/1h'\nrate_pause = '1h'");
    let _first = held(&daemon, "127.0.0.1");
    let mut waiting = daemon.connect("hold");
    daemon.log().wait_for("a pause", |line| line.contains("come too fast"));
    assert!(waiting.is_quiet());
    daemon.reload_with(&service("hold", &probe(&["hold"]), ""));
    assert!(waiting.line().starts_with("ready "));
}

#[test]
fn a_source_that_comes_too_often_is_turned_away_alone() {
    let daemon = hold("rate_per_source = '2/1h'");
    for _ in 0..2 {
        held(&daemon, "127.0.0.1");
    }
    refused(&daemon, "127.0.0.1");
    held(&daemon, "127.0.0.2");
    assert_eq!(reasons(&daemon, 1), ["per_source_cps"]);
}

#[test]
fn starts_of_a_wait_server_have_a_rate_too() {
    let keys = "wait = true\nrate = '1/1h'\nover_limit = 'reject'";
    let mut program = example("wait-server.c");
    program.push("1".to_owned());
    let daemon = Daemon::run(&service("once", &program, keys));
    assert!(daemon.connect("once").answers());
    daemon.records(1, "EXIT");
    daemon.connect("once").closed();
    assert_eq!(reasons(&daemon, 1), ["cps"]);
}
