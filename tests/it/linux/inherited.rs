//! Listening sockets that a service manager passes (sd_listen_fds(3)).

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use crate::harness::{Daemon, Start, probe, service};

/// Passes `listener` as descriptor 3 under this name. The shell keeps its process id through
/// `exec`, which is what LISTEN_PID is about.
fn pass(start: Start, listener: TcpListener, name: &str) -> Daemon {
    let script = format!(
        "exec env LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES={name} \"$@\" 3<&0 0</dev/null"
    );
    let prefix = ["sh", "-c", &script, "sh"];
    start.through(&prefix, Stdio::from(OwnedFd::from(listener))).ready()
}

#[test]
fn a_socket_is_found_by_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = service("cat", &probe(&["cat"]), &format!("listen = '{address}'"));
    let daemon = pass(Start::run(&config), listener, "whatever");
    assert_eq!(daemon.address("cat"), address);
    assert_eq!(daemon.ask("cat", "inherited"), "inherited");
}

#[test]
fn a_socket_is_found_by_its_name() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let config = service("cat", &probe(&["cat"]), "");
    let daemon = pass(Start::run(&config), listener, "cat");
    assert_eq!(daemon.address("cat"), address);
    assert_eq!(daemon.ask("cat", "inherited"), "inherited");
}

#[test]
fn it_stays_open_through_a_reload_and_its_variables_do_not_reach_programs() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = service("env", &probe(&["environment"]), &format!("listen = '{address}'"));
    let daemon = pass(Start::run(&config), listener, "env");
    daemon.reload_with(&(config + &service("cat", &probe(&["cat"]), "")));
    let answer = daemon.ask("env", "");
    assert!(!answer.contains("LISTEN_"), "{answer}");
}

#[test]
fn variables_for_another_process_are_not_for_us() {
    let config = service("cat", &probe(&["cat"]), "");
    let prefix = ["env", "LISTEN_FDS=1", "LISTEN_PID=1"];
    let daemon = Start::run(&config).through(&prefix, Stdio::null()).ready();
    assert_eq!(daemon.ask("cat", "mine"), "mine");
}
