//! The self-test when somebody does not want it any more.

use crate::harness::{Process, command};

#[test]
fn ctrl_c_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(&[]);
    command.args(["doctor", "--selftest"]).env("TMPDIR", folder.path());
    let mut process = Process::start(command);
    // In the middle of the second scenario.
    process.out.wait_for("the first scenario", |line| line.starts_with("stdio "));
    let id = rustix::process::Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_eq!(process.exit_code(), 1);
    process.err.wait_for("why", |line| line.contains("interrupted in the scenario"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let name = folder.path().display().to_string();
    for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(!line.contains(&name), "{line} still runs");
    }
}

#[test]
fn what_does_not_work_is_told_and_fails() {
    // Too long for the name of a socket, so no daemon can start there.
    let folder = tempfile::Builder::new().prefix(&"x".repeat(100)).tempdir().unwrap();
    let mut command = command(&[]);
    command.args(["doctor", "--selftest"]).env("TMPDIR", folder.path());
    let finished = Process::start(command).finish();
    assert_eq!(finished.code, 1, "{}", finished.out);
    let failed = finished.out.lines().filter(|line| line.contains("  FAILED   ")).count();
    assert!(failed > 20, "{}", finished.out);
    let why =
        "the daemon does not get ready: the daemon has ended: inetd: cannot create the control";
    assert!(finished.out.contains(why), "{}", finished.out);
    assert!(finished.out.lines().last().unwrap().starts_with("0 ok, "), "{}", finished.out);
}
