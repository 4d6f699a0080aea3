//! What the commands make of a configuration file: `check`, `run` and `reload` agree about it, and
//! the clients of a daemon find in it where the daemon is.

use crate::harness::{Daemon, Start, inetd, native, probe, service};

const EMPTY: &str = "there is no service in ";

#[test]
fn a_configuration_without_services_is_refused_by_all_alike() {
    let daemon = Daemon::run(&service("x", &probe(&["say", "x"]), ""));
    daemon.rewrite("");
    let check = inetd(&["check", &native(&daemon.config())]);
    let run = Start::run("").fails();
    let reload = daemon.reload();
    for finished in [check, run, reload] {
        assert_eq!(finished.code, 1, "{}", finished.err);
        assert_eq!(finished.err.matches(EMPTY).count(), 1, "{}", finished.err);
    }
    assert_eq!(daemon.ask("x", ""), "x\n");
}

#[test]
fn clients_find_the_daemon_by_its_file_even_while_that_is_broken() {
    let daemon = Daemon::run(&service("x", &probe(&["say", "x"]), ""));
    daemon.rewrite("[service.x]\nlistne = 7000\nrun = [\n");
    let config = native(&daemon.config());
    let status = inetd(&["status", "-c", &config]);
    assert_eq!((status.code, &*status.err), (0, ""));
    let stop = inetd(&["stop", "-c", &config]);
    assert_eq!((stop.code, &*stop.err), (0, ""));
}

#[test]
fn a_daemon_without_a_control_endpoint_cannot_be_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    std::fs::write(&path, "[daemon]\ncontrol = ''\n").unwrap();
    let status = inetd(&["status", "-c", &native(&path)]);
    assert_eq!(status.code, 4);
    assert!(status.err.contains("there is no control endpoint"), "{}", status.err);
}
