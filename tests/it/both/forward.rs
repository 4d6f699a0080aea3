//! `forward`: connections are relayed to another server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use crate::harness::{Daemon, Generated, Start, checksum, deadline, wine};

/// The size of the large transfers. Under Wine each byte costs more.
fn large() -> u64 {
    (if wine() { 8 } else { 64 }) << 20
}

/// A server of the test and its address.
fn server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn forward(to: &str, keys: &str) -> String {
    format!("[service.way]\nlisten = \"127.0.0.1:0\"\nforward = \"{to}\"\n{keys}")
}

fn accept(server: &TcpListener) -> TcpStream {
    let (stream, _) = server.accept().unwrap();
    stream.set_read_timeout(Some(deadline())).unwrap();
    stream
}

#[test]
fn both_directions_are_relayed_at_once_and_half_closed_one_by_one() {
    let (server, address) = server();
    let daemon = Daemon::run(&forward(&address, ""));
    let mut client = daemon.connect("way");
    let mut sender = client.sender();
    let up = checksum(Generated::new(1, large()));
    let down = checksum(Generated::new(2, large()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::io::copy(&mut Generated::new(1, large()), &mut sender).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        let remote = accept(&server);
        let mut answers = remote.try_clone().unwrap();
        scope.spawn(move || {
            std::io::copy(&mut Generated::new(2, large()), &mut answers).unwrap();
            answers.shutdown(Shutdown::Write).unwrap();
        });
        scope.spawn(move || assert_eq!(checksum(&remote), up));
        assert_eq!(checksum(client.reader()), down);
    });
    assert_eq!(&daemon.record("EXIT", |_| true)["status"], "0");
}

#[test]
fn a_slot_is_free_again_when_both_sides_have_closed() {
    let (server, address) = server();
    let daemon = Daemon::run(&forward(&address, "max_sessions = 1\n"));
    for question in ["one", "two"] {
        let mut client = daemon.connect("way");
        client.send(question.as_bytes());
        client.half_close();
        let mut remote = accept(&server);
        let mut text = String::new();
        remote.read_to_string(&mut text).unwrap();
        assert_eq!(text, question);
        remote.write_all(b"answer").unwrap();
        drop(remote);
        assert_eq!(client.rest(), "answer");
    }
}

#[test]
fn a_server_that_is_not_there_is_told_and_the_connection_closed() {
    let (server, address) = server();
    drop(server);
    let daemon = Daemon::run(&forward(&address, ""));
    assert_eq!(daemon.connect("way").rest(), "");
    daemon.log().wait_for("what went wrong", |line| {
        line.contains("Cannot forward a connection") && line.contains(&address)
    });
    daemon.record("EXIT", |_| true);
}

#[test]
fn a_name_is_looked_up_for_each_connection() {
    let (server, address) = server();
    let port = address.rsplit(':').next().unwrap();
    let daemon = Daemon::run(&forward(&format!("localhost:{port}"), ""));
    let client = daemon.connect("way");
    drop(accept(&server));
    drop(client);
}

#[test]
fn an_idle_connection_is_ended_and_so_is_one_that_lives_too_long() {
    for key in ["idle_timeout", "session_timeout"] {
        let (server, address) = server();
        let keys = format!("{key} = \"200ms\"\nstop_timeout = \"0s\"\n");
        let daemon = Daemon::run(&forward(&address, &keys));
        let mut client = daemon.connect("way");
        let mut remote = accept(&server);
        assert_eq!(client.rest(), "", "{key}");
        assert_eq!(remote.read(&mut [0]).unwrap_or(0), 0, "{key}");
        daemon.record("EXIT", |_| true);
    }
}

#[test]
fn the_daemon_ends_while_connections_are_relayed() {
    let (server, address) = server();
    let mut daemon = Daemon::run(&forward(&address, "stop_timeout = \"100ms\"\n"));
    let client = daemon.connect("way");
    let remote = accept(&server);
    assert_eq!(daemon.stop().code, 0);
    assert_eq!(daemon.exit_code(), 0);
    drop((client, remote));
}

#[test]
fn a_command_line_is_enough() {
    let (server, address) = server();
    let daemon = Start::serve(&["--forward", &address, "127.0.0.1:0"], &[]).ready();
    let mut client = crate::harness::Client::connect(daemon.only_address());
    accept(&server).write_all(b"hello").unwrap();
    assert_eq!(client.rest(), "hello");
}
