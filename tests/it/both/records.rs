//! What the log says about a session.

use crate::harness::{Daemon, Start, probe, service};

#[test]
fn a_session_has_a_start_and_an_exit() {
    let daemon = Daemon::run(&service("cat", &probe(&["cat"]), ""));
    let mut client = daemon.connect("cat");
    let peer = client.local().to_string();
    client.half_close();
    assert_eq!(client.rest(), "");
    let exit = daemon.record("EXIT", |_| true);
    let start = daemon.record("START", |_| true);
    for record in [&start, &exit] {
        assert_eq!(record.level, "INFO");
        assert_eq!(&record["service"], "cat");
        assert_eq!(&record["session"], "1");
        assert_eq!(&record["peer"], peer);
        assert_eq!(record["pid"], start["pid"]);
        assert!(record["pid"].parse::<u32>().is_ok());
        // 2026-11-23T03:15:35.123Z
        assert_eq!(record.time.len(), 24, "{}", record.time);
        assert!(record.time.ends_with('Z') && record.time.as_bytes()[10] == b'T');
    }
    assert_eq!(&exit["status"], "0");
    let duration = exit["duration"].strip_suffix('s').unwrap();
    assert!(duration.parse::<f64>().unwrap() < 60.0);
}

#[test]
fn sessions_are_numbered_and_never_twice() {
    let daemon = Daemon::run(&service("say", &probe(&["say", "x"]), ""));
    for _ in 0..5 {
        assert_eq!(daemon.ask("say", ""), "x\n");
    }
    let mut numbers: Vec<u32> =
        daemon.records(5, "EXIT").iter().map(|r| r["session"].parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

#[test]
fn json_records_are_one_object_a_line() {
    let config = service("seven", &probe(&["exit", "7"]), "max_sessions = 1");
    let daemon = Start::run(&config).daemon("log = { format = 'json' }").ready();
    let mut client = daemon.connect("seven");
    client.closed();
    let exit = daemon.log().wait("an EXIT record", |lines| {
        let objects = lines.iter().map(|line| {
            serde_json::from_str::<serde_json::Value>(line)
                .unwrap_or_else(|error| panic!("{error}: {line}"))
        });
        objects.into_iter().find(|object| object["event"] == "EXIT")
    });
    assert_eq!(exit["level"], "INFO");
    assert_eq!(exit["service"], "seven");
    assert_eq!(exit["session"], 1);
    assert_eq!(exit["status"], 7);
    assert_eq!(exit["peer"], client.local().to_string());
    assert!(exit["pid"].is_u64() && exit["duration"].is_f64() && exit["time"].is_string());
}

#[test]
fn a_storm_of_refusals_does_not_fill_the_log() {
    let keys = "max_sessions = 1\nover_limit = 'reject'";
    let daemon = Daemon::run(&service("hold", &probe(&["hold"]), keys));
    let mut first = daemon.connect("hold");
    assert_eq!(first.line(), "ready 1");
    for _ in 0..500 {
        daemon.connect("hold").closed();
    }
    // Everything about the refusals is written before the end of the first session is.
    drop(first);
    daemon.records(1, "EXIT");
    let lines = daemon.log().all();
    let refusals = lines.iter().filter(|line| line.contains(" REFUSE ")).count();
    assert!((1..400).contains(&refusals), "{refusals} of 500 refusals are in the log");
}
