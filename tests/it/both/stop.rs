//! The stop ladder: of one session whose time is over, and of the whole daemon.

use crate::harness::{Daemon, probe, service, wine};

#[test]
fn a_session_that_lives_too_long_is_stopped() {
    // Wine 8 does not pass on the polite request, CTRL_BREAK, so there it is killed soon.
    let patience = if wine() { "1s" } else { "60s" };
    let keys = format!("session_timeout = '200ms'\nstop_timeout = '{patience}'");
    let daemon = Daemon::run(&service("hold", &probe(&["hold"]), &keys));
    let mut client = daemon.connect("hold");
    assert_eq!(client.line(), "ready 1");
    // Asked politely it goes at once: the time until it would be killed does not pass.
    client.closed();
    let exit = daemon.record("EXIT", |_| true);
    assert!(exit["duration"].strip_suffix('s').unwrap().parse::<f64>().unwrap() < 60.0);
    if !crate::harness::on_windows() {
        assert_eq!(&exit["signal"], "15");
    }
}

#[test]
fn a_program_that_ignores_a_polite_request_is_killed() {
    let keys = "session_timeout = '100ms'\nstop_timeout = '300ms'";
    let daemon = Daemon::run(&service("deaf", &probe(&["ignore-stop"]), keys));
    let mut client = daemon.connect("deaf");
    assert_eq!(client.line(), "ready");
    client.closed();
    let exit = daemon.record("EXIT", |_| true);
    assert!(exit["duration"].strip_suffix('s').unwrap().parse::<f64>().unwrap() >= 0.4);
    if !crate::harness::on_windows() {
        assert_eq!(&exit["signal"], "9");
    }
}

#[test]
fn a_stop_lets_sessions_finish() {
    let keys = "stop_timeout = '60s'";
    let mut daemon = Daemon::run(&service("cat", &probe(&["cat"]), keys));
    let mut client = daemon.connect("cat");
    client.send(b"before\n");
    assert_eq!(client.line(), "before");
    assert_eq!(daemon.stop().code, 0);
    daemon.log().wait_for("the start of the end", |line| line.contains("Stopping"));
    // Nobody new comes in, but who is in is served to the end.
    let address = daemon.address("cat");
    crate::harness::wait_until("a refused connection", || {
        std::net::TcpStream::connect(address).is_err()
    });
    client.send(b"after\n");
    assert_eq!(client.line(), "after");
    client.half_close();
    assert_eq!(client.rest(), "");
    assert_eq!(daemon.exit_code(), 0);
    assert_eq!(daemon.record("EXIT", |_| true).field("status"), Some("0"));
}

#[test]
fn a_stop_ends_what_does_not_finish() {
    let keys = "stop_timeout = '300ms'";
    let config =
        service("deaf", &probe(&["ignore-stop"]), keys) + &service("hold", &probe(&["hold"]), keys);
    let mut daemon = Daemon::run(&config);
    let mut deaf = daemon.connect("deaf");
    let mut hold = daemon.connect("hold");
    assert_eq!(deaf.line(), "ready");
    assert!(hold.line().starts_with("ready"));
    assert_eq!(daemon.stop().code, 0);
    hold.closed();
    deaf.closed();
    assert_eq!(daemon.exit_code(), 0);
    daemon.records(2, "EXIT");
}

#[test]
fn an_idle_daemon_stops_at_once() {
    let mut daemon = Daemon::run(&service("cat", &probe(&["cat"]), "stop_timeout = '60s'"));
    let before = std::time::Instant::now();
    assert_eq!(daemon.stop().code, 0);
    assert_eq!(daemon.exit_code(), 0);
    assert!(before.elapsed() < std::time::Duration::from_secs(30));
}
