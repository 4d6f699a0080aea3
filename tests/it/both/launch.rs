//! Programs that cannot be started, or that end badly.

use std::path::PathBuf;

use crate::harness::{Daemon, Start, on_windows, probe, service};

/// A copy of the probe that a test may delete, in the daemon's folder.
fn copy_of_probe(start: &Start) -> (PathBuf, Vec<String>) {
    let original = probe(&[]).remove(0);
    let original = original.strip_prefix("Z:").map_or(original.clone(), |p| p.replace('\\', "/"));
    let name = if on_windows() { "copy.exe" } else { "copy" };
    let path = start.folder().join(name);
    std::fs::copy(original, &path).unwrap();
    let words = vec![crate::harness::native(&path), "say".into(), "hello".into()];
    (path, words)
}

#[test]
fn a_program_that_has_vanished_backs_off_and_comes_back_by_itself() {
    let start = Start::run("");
    let (path, words) = copy_of_probe(&start);
    let daemon = start.services(&service("copy", &words, "")).ready();
    assert_eq!(daemon.ask("copy", ""), "hello\n");

    let aside = path.with_extension("aside");
    std::fs::rename(&path, &aside).unwrap();
    let mut client = daemon.connect("copy");
    client.closed();
    let record = daemon.record("FAIL", |_| true);
    assert_eq!(&record["service"], "copy");
    assert_eq!(record.level, "WARN");
    assert!(record["error"].contains("cannot run the program"), "{record:?}");
    assert_eq!(&record["peer"], client.local().to_string());

    std::fs::rename(&aside, &path).unwrap();
    // The service pauses for a moment; the connection waits in its queue.
    assert_eq!(daemon.ask("copy", ""), "hello\n");
}

#[test]
fn a_program_that_was_never_there_is_a_problem_at_load() {
    let words = vec!["/no/such/program".to_owned()];
    let finished = Start::run(&service("ghost", &words, "")).fails();
    assert_eq!(finished.code, 1, "{}", finished.err);
    assert!(finished.err.contains("/no/such/program"), "{}", finished.err);
    assert_eq!(finished.out, "");
}

#[test]
fn the_exit_code_is_in_the_record() {
    let daemon = Daemon::run(&service("seven", &probe(&["exit", "7"]), ""));
    daemon.connect("seven").closed();
    let record = daemon.record("EXIT", |_| true);
    assert_eq!(&record["status"], "7");
    assert!(record["duration"].ends_with('s'));
}

#[test]
fn a_crash_is_in_the_record_and_harms_nobody_else() {
    let config = service("crash", &probe(&["crash"]), "") + &service("cat", &probe(&["cat"]), "");
    let daemon = Daemon::run(&config);
    let mut neighbour = daemon.connect("cat");
    neighbour.send(b"before\n");
    assert_eq!(neighbour.line(), "before");
    daemon.connect("crash").closed();
    let record = daemon.record("EXIT", |record| &record["service"] == "crash");
    if on_windows() {
        // STATUS_ACCESS_VIOLATION
        assert_eq!(&record["status"], "3221225477");
    } else {
        assert_eq!(&record["signal"], "11");
    }
    neighbour.send(b"after\n");
    assert_eq!(neighbour.line(), "after");
}
