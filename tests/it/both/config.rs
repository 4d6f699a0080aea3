//! What the commands make of a configuration file: `check`, `run` and `reload` agree about it, and
//! the clients of a daemon find in it where the daemon is.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use crate::harness::{Daemon, Start, command, inetd, native, probe, service};

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

/// The exit code of a command whose standard output is this.
fn code_with(out: impl Into<Stdio>, arguments: &[&str]) -> i32 {
    let mut command = command(&[]);
    command.args(arguments).stdout(out).stderr(Stdio::null());
    command.status().unwrap().code().unwrap()
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    std::fs::write(&path, service("x", &probe(&["cat"]), "")).unwrap();
    let path = native(&path);
    for arguments in [&["check", &*path][..], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(code_with(writer, arguments), 0, "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_written_is_an_error() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    std::fs::write(&path, service("x", &probe(&["cat"]), "")).unwrap();
    for arguments in [&["check", &*native(&path)][..], &["--help"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(code_with(full, arguments), 1, "{arguments:?}");
    }
}
