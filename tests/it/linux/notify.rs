//! What a service manager is told (sd_notify(3)).

use std::os::unix::net::UnixDatagram;

use crate::harness::{Start, deadline, probe, service};

/// The next message, as its lines.
fn message(socket: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 4096];
    let count = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..count]).lines().map(Into::into).collect()
}

fn has(message: &[String], line: &str) -> bool {
    message.iter().any(|each| each == line)
}

#[test]
fn ready_reloading_ready_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(deadline())).unwrap();
    let config = service("cat", &probe(&["cat"]), "");
    let start = Start::run(&config).env("NOTIFY_SOCKET", &path.display().to_string());
    let mut daemon = start.ready();
    assert!(has(&message(&socket), "READY=1"));

    assert_eq!(daemon.reload().code, 0);
    let reloading = message(&socket);
    assert!(has(&reloading, "RELOADING=1"), "{reloading:?}");
    assert!(reloading.iter().any(|line| line.starts_with("MONOTONIC_USEC=")), "{reloading:?}");
    assert!(has(&message(&socket), "READY=1"));

    // A reload that fails ends as well.
    daemon.rewrite("nonsense");
    assert_eq!(daemon.reload().code, 1);
    assert!(has(&message(&socket), "RELOADING=1"));
    assert!(has(&message(&socket), "READY=1"));

    daemon.signal(rustix::process::Signal::TERM);
    assert!(has(&message(&socket), "STOPPING=1"));
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn programs_do_not_get_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let _socket = UnixDatagram::bind(&path).unwrap();
    let config = service("env", &probe(&["environment"]), "");
    let start = Start::run(&config).env("NOTIFY_SOCKET", &path.display().to_string());
    let answer = start.ready().ask("env", "");
    assert!(!answer.contains("NOTIFY_SOCKET"), "{answer}");
}
