//! `inetd doctor --selftest` works here, says what cannot be shown here, and leaves nothing behind.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use crate::harness::{Process, command, inetd, on_windows, wine};

/// A run of the self-test whose folders are in `folder`.
fn start(folder: &Path, arguments: &[&str]) -> Process {
    let mut command: Command = command(&[]);
    command.args(["doctor", "--selftest"]).args(arguments);
    if !on_windows() {
        command.env("TMPDIR", folder);
    }
    Process::start(command)
}

/// The result of each scenario. It takes longer than one deadline, but not from one to the next.
fn results(process: &mut Process) -> HashMap<String, (String, String)> {
    let mut seen = 0;
    loop {
        let lines = process
            .out
            .wait("the next scenario", |lines| (lines.len() > seen).then(|| lines.to_vec()));
        seen = lines.len();
        if lines.last().is_some_and(|line| line.ends_with(" skipped")) {
            break;
        }
    }
    let mut results: HashMap<String, (String, String)> = HashMap::new();
    let mut last = String::new();
    for line in process.out.all() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [name, result @ ("ok" | "FAILED" | "skipped"), ..] = words[..]
            && line.starts_with(name)
        {
            name.clone_into(&mut last);
            results.insert(last.clone(), (result.to_owned(), String::new()));
        } else if let Some((_, detail)) = results.get_mut(&last) {
            detail.push_str(line.trim());
        }
    }
    results
}

#[test]
fn everything_works_that_can_be_shown_here() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = start(folder.path(), &[]);
    let results = results(&mut process);
    let text = process.out.all().join("\n");
    assert_eq!(process.exit_code(), 0, "{text}");
    assert!(results.len() > 25, "{text}");
    for basic in
        ["stdio", "half-close", "pipe", "forward", "udp", "inheritance", "many", "queue", "reload"]
    {
        assert_eq!(results[basic].0, "ok", "{basic}: {text}");
    }
    for (name, (result, detail)) in &results {
        assert_ne!(result, "FAILED", "{name}: {text}");
        assert!(result == "ok" || !detail.is_empty(), "{name} was skipped without a reason");
    }
    // What Wine takes and Windows refuses, or takes and ignores, must not look as if it worked.
    for windows in
        ["transfer", "socket", "timeout", "exclusive", "memory", "processor", "restrict", "batch"]
    {
        let (result, detail) = &results[windows];
        if wine() {
            assert_eq!(result, "skipped", "{windows}: {text}");
            assert!(detail.starts_with("Wine: "), "{windows}: {detail}");
        }
    }
    // Shown by what the system is: Wine 8 has none, Linux always has.
    let (result, detail) = &results["unix-socket"];
    if on_windows() && result == "skipped" {
        assert!(detail.contains("this system has none"), "{detail}");
    }
    if !on_windows() {
        for name in ["transfer", "socket", "unix-socket", "timeout", "exclusive", "memory"] {
            assert_eq!(results[name].0, "ok", "{name}: {text}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn it_needs_no_configuration_and_a_folder() {
    let both = inetd(&["doctor", "--selftest", "-c", "x.toml"]);
    assert_eq!(both.code, 2, "{}", both.err);
    if on_windows() {
        return; // The folder for temporary files is not asked for by a variable under Wine.
    }
    let without = start(Path::new("/no/such/folder"), &["--json"]).finish();
    assert_eq!(without.code, 1, "{}", without.out);
    assert!(without.err.contains("cannot make a folder"), "{}", without.err);
    let json: serde_json::Value = serde_json::from_str(&without.out).unwrap();
    assert_eq!((&json["ok"], &json["failed"]), (&0.into(), &0.into()));
}
