//! `forward`: the bytes of a connection never enter the daemon (splice(2)).

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::process::Stdio;

use crate::harness::{Daemon, Generated, Start, checksum, deadline, wait_until};

const SIZE: u64 = 8 << 20;

fn forward(to: &TcpListener) -> String {
    let to = to.local_addr().unwrap();
    format!("[service.way]\nlisten = '127.0.0.1:0'\nforward = '{to}'\n")
}

/// Sends `SIZE` bytes each way.
fn exchange(daemon: &Daemon, server: &TcpListener) {
    let mut client = daemon.connect("way");
    let (mut remote, _) = server.accept().unwrap();
    // A side that fails would leave the others waiting for ever, and they the test.
    remote.set_read_timeout(Some(deadline())).unwrap();
    remote.set_write_timeout(Some(deadline())).unwrap();
    let mut sender = client.sender();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::io::copy(&mut Generated::new(1, SIZE), &mut sender).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        scope.spawn(|| {
            let mut reader = remote.try_clone().unwrap();
            assert_eq!(checksum(&mut reader), checksum(Generated::new(1, SIZE)));
            std::io::copy(&mut Generated::new(2, SIZE), &mut remote).unwrap();
            remote.shutdown(Shutdown::Write).unwrap();
        });
        assert_eq!(checksum(client.reader()), checksum(Generated::new(2, SIZE)));
    });
    daemon.record("EXIT", |_| true);
}

/// The bytes that the calls of a trace have moved, by the name of the call.
fn bytes(trace: &str, calls: &[&str]) -> u64 {
    let result = |line: &str| {
        let call = line.split_once(' ')?.1.trim_start();
        let call = call.strip_prefix("<... ").unwrap_or(call);
        calls.iter().find(|name| {
            call.strip_prefix(**name).is_some_and(|rest| rest.starts_with(['(', ' ']))
        })?;
        // The size is behind the last equals sign; errors are negative.
        line.rsplit_once(" = ")?.1.split_whitespace().next()?.parse::<u64>().ok()
    };
    trace.lines().filter_map(result).sum()
}

#[test]
fn no_byte_of_a_forwarded_connection_is_read_or_written() {
    let works =
        std::process::Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if !works.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "strace cannot be used");
        return;
    }
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace");
    let file = file.to_str().unwrap();
    let calls = "trace=splice,read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg";
    let prefix = ["strace", "-f", "-qq", "-s", "0", "-o", file, "-e", calls];
    let mut daemon = Start::run(&forward(&server)).through(&prefix, Stdio::null()).ready();
    exchange(&daemon, &server);
    daemon.stop();
    daemon.exit_code();
    let trace = std::fs::read_to_string(file).unwrap();
    // Each byte goes into a pipe and out of it again, in both directions.
    assert_eq!(bytes(&trace, &["splice"]), 4 * SIZE);
    let copied = ["read", "readv", "recvfrom", "recvmsg", "write", "writev", "sendto", "sendmsg"];
    let copied = bytes(&trace, &copied);
    // The configuration, the log, the control endpoint.
    assert!(copied < 1 << 18, "{copied} bytes were copied");
}

/// What the daemon has open.
fn descriptors(daemon: &Daemon) -> Vec<String> {
    let folder = std::fs::read_dir(format!("/proc/{}/fd", daemon.id())).unwrap();
    let links = folder.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.map(|link| link.display().to_string()).collect()
}

#[test]
fn idle_connections_hold_no_pipe() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let daemon = Daemon::run(&forward(&server));
    let pipes = || descriptors(&daemon).iter().filter(|link| link.starts_with("pipe:")).count();
    let before = pipes();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut client = daemon.connect("way");
        let (mut remote, _) = server.accept().unwrap();
        client.send(b"question");
        remote.read_exact(&mut [0; 8]).unwrap();
        remote.write_all(b"answer").unwrap();
        client.exactly(&mut [0; 6]);
        held.push((client, remote));
    }
    // Each thread that relays keeps one for the next, which has two ends.
    wait_until("the pipes are given back", || pipes() <= before + 2 * threads);
}

#[test]
fn connections_are_relayed_when_descriptors_are_used_up() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    // Whoever finds no pipe copies.
    let script = "ulimit -n 64; exec \"$@\"";
    let prefix = ["sh", "-c", script, "sh"];
    let daemon = Start::run(&forward(&server)).through(&prefix, Stdio::null()).ready();
    // One connection whose relay runs already, then all descriptors are used up by others.
    let mut first = daemon.connect("way");
    let (mut remote, _) = server.accept().unwrap();
    let mut others = Vec::new();
    // One count decides both: a connection opens its second descriptor at any time.
    let mut open = descriptors(&daemon).len();
    while open < 62 {
        others.push(daemon.connect("way"));
        let before = open;
        wait_until("another connection", || {
            open = descriptors(&daemon).len();
            open > before
        });
    }
    let mut sender = first.sender();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::io::copy(&mut Generated::new(1, SIZE), &mut sender).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        assert_eq!(checksum(&mut remote), checksum(Generated::new(1, SIZE)));
    });
    drop(remote);
    drop(first.rest());
}
