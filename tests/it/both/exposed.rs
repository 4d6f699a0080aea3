//! Configurations that others can change. Only a daemon with rights cares: these tests run as root,
//! or as an administrator, or have nothing to show.

use crate::harness::{Daemon, Start, inetd, left_out, native, open_to_everybody, probe, service};

/// Whether `inetd check` warns of this text.
fn warned(text: &str) -> bool {
    text.contains("warning: ") && text.contains(" can change the configuration ")
}

#[test]
fn a_configuration_that_everybody_can_change_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    std::fs::write(&path, service("x", &probe(&["cat"]), "")).unwrap();
    let check = || inetd(&["check", "-c", &native(&path)]);
    let before = check();
    assert_eq!(before.code, 0);
    assert!(!warned(&before.err), "{}", before.err);
    open_to_everybody(&path);
    let after = check();
    assert_eq!(after.code, 0);
    if !privileged() {
        return left_out("who runs this does not matter to the machine");
    }
    assert!(warned(&after.err), "{}", after.err);
    assert!(after.err.contains("inetd.toml"), "{}", after.err);
    let remedy = if crate::harness::on_windows() { "icacls" } else { "chmod o-w" };
    assert!(after.err.contains(remedy), "{}", after.err);
}

#[test]
fn a_daemon_in_the_foreground_runs_with_it_and_says_so() {
    let start = Start::run(&service("say", &probe(&["say", "x"]), ""));
    let daemon = start.ready();
    open_to_everybody(&daemon.config());
    assert_eq!(daemon.reload().code, 0);
    assert_eq!(daemon.ask("say", ""), "x\n");
    if privileged() {
        daemon.log().wait_for("a warning", |line| line.contains("has warnings: inetd check"));
    }
}

/// Whether the binary under test has more rights than an ordinary user.
fn privileged() -> bool {
    let daemon = Daemon::run(&service("who", &probe(&["identity"]), ""));
    let answer = daemon.ask("who", "");
    answer.contains("uid 0") || answer.contains("administrator 1")
}
