//! The four places where standard error can go.

use crate::harness::{Daemon, probe, service};

fn complaining(what: &str, keys: &str) -> Daemon {
    Daemon::run(&service("grumble", &probe(&["complain", what]), keys))
}

#[test]
fn to_the_peer_as_a_rule() {
    let daemon = complaining("lines", "");
    assert_eq!(daemon.ask("grumble", ""), "first complaint\nsecond complaint\nsaid\n");
}

#[test]
fn nowhere() {
    let daemon = complaining("lines", "stderr = 'null'");
    assert_eq!(daemon.ask("grumble", ""), "said\n");
}

#[test]
fn to_the_log_line_by_line() {
    let daemon = complaining("lines", "stderr = 'log'");
    assert_eq!(daemon.ask("grumble", ""), "said\n");
    let records = daemon.records(2, "STDERR");
    assert_eq!(&records[0]["line"], "first complaint");
    assert_eq!(&records[1]["line"], "second complaint");
    let start = daemon.record("START", |_| true);
    for record in records {
        assert_eq!(&record["service"], "grumble");
        assert_eq!(record["session"], start["session"]);
        assert_eq!(record["pid"], start["pid"]);
    }
}

#[test]
fn to_the_log_even_without_a_line_end() {
    let daemon = complaining("unfinished", "stderr = 'log'");
    assert_eq!(daemon.ask("grumble", ""), "said\n");
    assert_eq!(&daemon.record("STDERR", |_| true)["line"], "no line break");
}

#[test]
fn control_characters_are_escaped_in_the_log() {
    let daemon = complaining("control", "stderr = 'log'");
    assert_eq!(daemon.ask("grumble", ""), "said\n");
    daemon.records(2, "STDERR");
    for line in daemon.log().all() {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(!line.starts_with("2026-01-01"), "a program has forged a line: {line}");
    }
    let evil = daemon.record("STDERR", |record| record["line"].starts_with("evil"));
    assert!(evil["line"].contains("red") && evil["line"].contains("quote\\\""), "{evil:?}");
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let daemon = complaining("long", "stderr = 'log'");
    assert_eq!(daemon.ask("grumble", ""), "said\n");
    let total = daemon.log().wait("64 KiB of standard error", |lines| {
        let lines = lines.iter().filter(|line| line.contains(" STDERR "));
        let total: usize = lines.map(|line| line.matches('x').count()).sum();
        (total >= 1 << 16).then_some(total)
    });
    assert_eq!(total, 1 << 16);
    assert!(daemon.log().all().iter().all(|line| line.len() < 10_000));
}

#[test]
fn to_a_file_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("errors.txt");
    std::fs::write(&path, "before\n").unwrap();
    let keys = format!("stderr = 'file:{}'", crate::harness::native(&path));
    let daemon = complaining("lines", &keys);
    assert_eq!(daemon.ask("grumble", ""), "said\n");
    assert_eq!(daemon.ask("grumble", ""), "said\n");
    daemon.records(2, "EXIT");
    let twice = "first complaint\nsecond complaint\n".repeat(2);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("before\n{twice}"));
}
