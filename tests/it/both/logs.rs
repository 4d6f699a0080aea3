//! Where the log goes.

use std::path::Path;

use crate::harness::{Daemon, Start, native, probe, service, wait_until};

fn say(name: &str) -> String {
    service(name, &probe(&["say", "x"]), "")
}

/// The services, and a `log` table.
fn with_log(keys: &str, services: &str) -> String {
    format!("[daemon.log]\n{keys}\n{services}")
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[track_caller]
fn wait_for(path: &Path, what: &str) {
    wait_until(what, || text(path).contains(what));
}

#[test]
fn a_file_is_rotated_by_size_and_nothing_is_lost() {
    let log = "log = { file = 'in.log', rotate_size = '1k', rotate_keep = 100, format = 'json' }";
    let mut daemon = Start::run(&say("say")).daemon(log).ready();
    for _ in 0..20 {
        assert_eq!(daemon.ask("say", ""), "x\n");
    }
    assert_eq!(daemon.stop().code, 0);
    assert_eq!(daemon.exit_code(), 0);
    assert_eq!(daemon.log().to_end(), [""; 0]);

    // From the oldest to the youngest.
    let path = |number| daemon.folder().join(format!("in.log.{number}"));
    let old = (1..).map(path).take_while(|path| path.exists()).collect::<Vec<_>>();
    assert!(old.len() >= 4, "{}", old.len());
    let files = old.iter().rev().cloned().chain([daemon.folder().join("in.log")]);
    let texts: Vec<_> = files.map(|path| text(&path)).collect();
    assert!(texts.iter().all(|text| text.len() <= 1024 && text.ends_with('\n')));
    let mut records = Vec::new();
    for line in texts.concat().lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        records.push(record);
    }
    assert_eq!(records.first().unwrap()["event_id"], 1000);
    assert_eq!(records.last().unwrap()["event"], "Stopped");
    for id in [3001, 3002] {
        let mut sessions: Vec<_> = records
            .iter()
            .filter(|record| record["event_id"] == id)
            .map(|record| record["session"].as_u64().unwrap())
            .collect();
        sessions.sort_unstable();
        assert_eq!(sessions, (1..=20).collect::<Vec<_>>(), "{id}");
    }
}

#[test]
fn a_reload_moves_the_log_and_changes_its_form() {
    let daemon = Daemon::run(&say("say"));
    let path = |name: &str| daemon.folder().join(name);
    assert_eq!(daemon.ask("say", ""), "x\n");
    daemon.records(1, "EXIT");

    daemon.reload_with(&with_log("file = 'first.log'\nformat = 'json'", &say("say")));
    assert_eq!(daemon.ask("say", ""), "x\n");
    wait_for(&path("first.log"), "\"event\":\"EXIT\"");
    let first = text(&path("first.log"));
    assert!(first.lines().next().unwrap().contains("\"event\":\"Reloaded\""), "{first}");
    assert!(first.contains("\"session\":2") && !first.contains("\"session\":1"), "{first}");

    // Another file, and only what is important.
    let keys = "target = 'file'\nfile = 'second.log'\nlevel = 'warn'";
    let keys = keys.to_owned() + "\nrotate_size = 0\nrotate_keep = 0";
    daemon.reload_with(&with_log(&keys, &say("say")));
    assert_eq!(daemon.ask("say", ""), "x\n");

    // Nothing changes if it cannot: the error is where the log is.
    daemon.rewrite(&with_log("file = 'no/folder/x.log'", &say("say")));
    let reload = daemon.reload();
    assert_eq!(reload.code, 1);
    assert!(reload.err.contains("of the log file does not exist"), "{}", reload.err);
    wait_for(&path("second.log"), "ERROR Not reloaded, everything stays as it was error=");

    daemon.reload_with(&say("say"));
    assert_eq!(daemon.ask("say", ""), "x\n");
    daemon.record("EXIT", |record| &record["session"] == "4");
    let second = text(&path("second.log"));
    assert!(!second.contains(" INFO "), "{second}");
    assert_eq!(text(&path("first.log")), first);
    let lines = daemon.log().all();
    let on_stderr = |session: u32| {
        let field = format!(" session={session} ");
        lines.iter().filter(|line| line.contains(&field)).count()
    };
    assert_eq!([1, 2, 3, 4].map(on_stderr), [2, 0, 0, 2], "{lines:?}");
}

#[test]
fn a_log_elsewhere_has_the_reason_why_the_daemon_does_not_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.log");
    let keys = format!("listen = '{}'\nbind_retry = '0s'", taken.local_addr().unwrap());
    let services = service("say", &probe(&["say", "x"]), &keys);
    let log = format!("log = {{ file = '{}' }}", native(&path));
    let finished = Start::run(&services).daemon(&log).fails();
    assert_eq!(finished.code, 1);
    assert!(finished.err.starts_with("inetd: "), "{}", finished.err);
    let text = text(&path);
    assert!(text.contains("ERROR Ended because of an error error=\""), "{text}");
    assert!(text.contains("service `say`: cannot listen on"), "{text}");
}
