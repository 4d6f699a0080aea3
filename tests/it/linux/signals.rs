//! What signals ask of the daemon.

use rustix::process::Signal;

use crate::harness::{Daemon, probe, service};

#[test]
fn terminate_and_interrupt_stop() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut daemon = Daemon::run(&service("cat", &probe(&["cat"]), ""));
        daemon.signal(signal);
        assert_eq!(daemon.exit_code(), 0);
        assert!(!std::path::Path::new(daemon.control()).exists(), "the control socket is left");
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let keys = "stop_timeout = '10m'";
    let mut daemon = Daemon::run(&service("deaf", &probe(&["ignore-stop"]), keys));
    let mut client = daemon.connect("deaf");
    assert_eq!(client.line(), "ready");
    daemon.signal(Signal::TERM);
    daemon.log().wait_for("the start of the end", |line| line.contains("Stopping"));
    assert!(daemon.is_running());
    daemon.signal(Signal::TERM);
    client.closed();
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn hangup_reloads() {
    let config = |what| service("say", &probe(&["say", what]), "");
    let daemon = Daemon::run(&config("before"));
    daemon.rewrite(&config("after"));
    let mark = daemon.log().mark();
    daemon.signal(Signal::HUP);
    daemon.log().wait_after(mark, "the reload", |line| line.contains("Reloaded"));
    assert_eq!(daemon.ask("say", ""), "after\n");

    daemon.rewrite("nonsense");
    let mark = daemon.log().mark();
    daemon.signal(Signal::HUP);
    daemon.log().wait_after(mark, "the position", |line| line.contains("inetd.toml:"));
    assert_eq!(daemon.ask("say", ""), "after\n");
}
