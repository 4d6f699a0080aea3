//! `io = "pipe"`: every byte goes through the daemon, and nobody can tell.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::data::each_has_its_own;
use crate::harness::{
    Client, Daemon, Generated, Lifeline, Start, checksum, on_windows, probe, service, wine,
};

/// The size of the large transfers. Under Wine each byte costs more.
fn large() -> u64 {
    (if wine() { 8 } else { 64 }) << 20
}

fn pipe(name: &str, arguments: &[&str], keys: &str) -> String {
    service(name, &probe(arguments), &format!("io = 'pipe'\n{keys}"))
}

/// A client that has connected to `hold`, and the session's number.
fn held(daemon: &Daemon) -> (Client, String) {
    let mut client = daemon.connect("hold");
    let line = client.line();
    let session = line.strip_prefix("ready ").unwrap_or_else(|| panic!("{line}")).to_owned();
    (client, session)
}

#[test]
fn binary_data_comes_back_unchanged() {
    let daemon = Daemon::run(&pipe("cat", &["cat"], ""));
    let mut client = daemon.connect("cat");
    let mut sender = client.sender();
    let (size, hash) = checksum(Generated::new(3, large()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::io::copy(&mut Generated::new(3, large()), &mut sender).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        assert_eq!(checksum(client.reader()), (size, hash));
    });
    assert_eq!(&daemon.record("EXIT", |_| true)["status"], "0");
}

#[test]
fn a_client_that_half_closes_gets_its_whole_answer() {
    let daemon = Daemon::run(&pipe("sum", &["checksum"], ""));
    let mut client = daemon.connect("sum");
    std::io::copy(&mut Generated::new(4, large()), &mut client.sender()).unwrap();
    client.half_close();
    let (total, hash) = checksum(Generated::new(4, large()));
    assert_eq!(client.rest(), format!("{total} {hash:016x}\n"));
    assert_eq!(daemon.ask("sum", ""), "0 cbf29ce484222325\n");
}

/// Writes until it has to wait for too long.
fn write_some(sender: &mut TcpStream, data: &[u8]) -> usize {
    let mut written = 0;
    while written < data.len() {
        match sender.write(&data[written..]) {
            Ok(count) => written += count,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
                break;
            }
        }
    }
    written
}

#[test]
fn a_program_that_does_not_read_slows_its_peer_down() {
    let lifeline = Lifeline::new();
    let daemon = Daemon::run(&pipe("sum", &["checksum-after", &lifeline.port()], ""));
    let mut client = daemon.connect("sum");
    assert_eq!(client.line(), "ready");
    let waits_for = lifeline.accept();
    let mut sender = client.sender();
    sender.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    // As much as all buffers on the way hold.
    let (mut source, mut sent) = (Generated::new(5, 1 << 30), 0);
    let mut data = vec![0; 1 << 16];
    let left = loop {
        let size = source.read(&mut data).unwrap();
        let written = write_some(&mut sender, &data[..size]);
        sent += u64::try_from(written).unwrap();
        if written < size {
            break &data[written..size];
        }
    };
    assert!(sent < 64 << 20, "{sent} bytes are somewhere");
    // Now it reads, and nothing is lost.
    drop(waits_for);
    sender.set_write_timeout(None).unwrap();
    sender.write_all(left).unwrap();
    sent += u64::try_from(left.len()).unwrap();
    client.half_close();
    let (total, hash) = checksum(Generated::new(5, sent));
    assert_eq!(client.rest(), format!("{total} {hash:016x}\n"));
}

#[test]
fn everything_of_a_program_that_has_ended_arrives() {
    let lines = if wine() { 20_000 } else { 100_000 };
    let daemon = Daemon::run(&pipe("print", &["print", &lines.to_string()], ""));
    let mut client = daemon.connect("print");
    assert_eq!(client.line(), "00000000000000");
    for line in 1..lines {
        assert_eq!(client.line(), format!("{line:014}"));
    }
    assert_eq!(client.line(), "");
}

#[test]
fn the_slot_is_free_when_the_program_has_ended_and_the_peer_has_everything() {
    let keys = "max_sessions = 1\nlinger_timeout = '600s'";
    let config = pipe("say", &["say", "hello"], "max_sessions = 1")
        + &pipe("patient", &["say", "hello"], keys);
    let daemon = Daemon::run(&config);
    // The peer stays, and even sends: for `linger_timeout` its bytes are dropped.
    let mut first = daemon.connect("say");
    let before = Instant::now();
    first.send(b"not wanted");
    assert_eq!(first.rest(), "hello\n");
    let mut second = daemon.connect("say");
    assert_eq!(second.rest(), "hello\n");
    assert!(before.elapsed() >= Duration::from_secs(2), "{:?}", before.elapsed());
    // Who closes frees the slot at once.
    drop(second);
    for _ in 0..5 {
        assert_eq!(daemon.ask("patient", ""), "hello\n");
    }
    daemon.records(7, "EXIT");
}

#[test]
fn a_peer_that_reads_nothing_does_not_hold_a_slot_for_ever() {
    let keys = "linger_timeout = '200ms'\nstop_timeout = '200ms'\nsession_timeout = '300ms'";
    let daemon = Daemon::run(&pipe("flood", &["print", "0"], keys));
    let client = daemon.connect("flood");
    let exit = daemon.record("EXIT", |_| true);
    assert_eq!(&exit["peer"], client.local().to_string());
}

#[test]
fn a_peer_that_never_stops_sending_does_not_hold_a_slot_either() {
    let daemon = Daemon::run(&pipe("say", &["say", "hello"], "linger_timeout = '200ms'"));
    let mut client = daemon.connect("say");
    assert_eq!(client.line(), "hello");
    let mut sender = client.sender();
    // Until the other end is closed.
    while sender.write_all(&[7; 1 << 16]).is_ok() {}
    daemon.record("EXIT", |_| true);
}

#[test]
fn what_a_program_leaves_behind_is_killed_or_goes_on() {
    let lifeline = Lifeline::new();
    let program = ["leave", &lifeline.port()];
    let config = pipe("kill", &program, "tree = 'kill'") + &pipe("go", &program, "tree = 'leave'");
    let daemon = Daemon::run(&config);
    let mut client = daemon.connect("kill");
    assert_eq!(client.line(), "gone");
    client.closed();
    lifeline.accept().closed();
    // Without that, whoever still holds the pipe keeps the session.
    let mut client = daemon.connect("go");
    assert_eq!(client.line(), "gone");
    let left = lifeline.accept();
    daemon.record("EXIT", |record| &record["service"] == "kill");
    assert!(client.is_quiet());
    assert!(daemon.log().all().iter().all(|line| !line.contains("EXIT service=go")));
    drop(left);
    client.closed();
    drop(client);
    daemon.record("EXIT", |record| &record["service"] == "go");
}

#[test]
fn a_peer_that_is_gone_is_the_end_of_the_input() {
    let daemon = Daemon::run(&pipe("hold", &["hold"], ""));
    let (client, session) = held(&daemon);
    client.reset();
    let exit = daemon.record("EXIT", |record| record["session"] == session);
    assert_eq!(&exit["status"], "0");
}

#[test]
fn a_program_that_outlives_its_peer_is_stopped() {
    // Wine 8 loses the reset: all that the daemon sees is that nothing more comes.
    if wine() {
        return;
    }
    let daemon = Daemon::run(&pipe("deaf", &["ignore-stop"], "stop_timeout = '300ms'"));
    let mut client = daemon.connect("deaf");
    assert_eq!(client.line(), "ready");
    client.reset();
    let exit = daemon.record("EXIT", |_| true);
    assert!(exit["duration"].strip_suffix('s').unwrap().parse::<f64>().unwrap() >= 0.6);
    if !on_windows() {
        assert_eq!(&exit["signal"], "9");
    }
}

#[test]
fn a_session_without_traffic_is_stopped() {
    let keys = "idle_timeout = '1s'\nstop_timeout = '1s'\nmax_sessions = 1";
    let daemon = Daemon::run(&pipe("hold", &["hold"], keys));
    let (mut client, session) = held(&daemon);
    client.closed();
    let line = daemon.log().wait_for("the event", |line| line.contains("Stopping an idle session"));
    assert!(line.contains(&format!("session={session} ")), "{line}");
    let exit = daemon.record("EXIT", |_| true);
    assert!(exit["duration"].strip_suffix('s').unwrap().parse::<f64>().unwrap() >= 1.0);
    // The slot is free.
    held(&daemon);
}

#[test]
fn a_program_knows_its_peer_but_has_no_socket() {
    let daemon = Daemon::run(&pipe("env", &["environment"], ""));
    let mut client = daemon.connect("env");
    let peer = client.local();
    client.half_close();
    let answer = client.rest();
    assert!(answer.contains(&format!("env REMOTE_ADDR={}\n", peer.ip())), "{answer}");
    assert!(answer.contains(&format!("env TCPREMOTEPORT={}\n", peer.port())), "{answer}");
    assert!(!answer.contains("Inetd_SOCK"), "{answer}");
}

#[test]
fn standard_error_goes_where_it_shall() {
    let to_peer = pipe("peer", &["complain", "lines"], "stderr = 'socket'");
    let to_log = pipe("log", &["complain", "lines"], "stderr = 'log'");
    let to_nobody = pipe("nobody", &["complain", "lines"], "stderr = 'null'");
    let daemon = Daemon::run(&(to_peer + &to_log + &to_nobody));
    assert_eq!(daemon.ask("peer", ""), "first complaint\nsecond complaint\nsaid\n");
    assert_eq!(daemon.ask("log", ""), "said\n");
    assert_eq!(&daemon.record("STDERR", |_| true)["line"], "first complaint");
    assert_eq!(daemon.ask("nobody", ""), "said\n");
}

#[test]
fn two_hundred_sessions_at_once_each_have_their_own() {
    let count = 200;
    let daemon = Daemon::run(&pipe("cat", &["cat"], &format!("max_sessions = {count}")));
    for round in 0..if wine() { 1 } else { 2 } {
        each_has_its_own(&daemon, count);
        daemon.records(count * (round + 1), "EXIT");
    }
}

#[test]
fn a_reload_leaves_relays_alone() {
    let daemon = Daemon::run(&pipe("cat", &["cat"], ""));
    let mut client = daemon.connect("cat");
    client.send(b"before\n");
    assert_eq!(client.line(), "before");
    daemon.reload_with(&service("cat", &probe(&["say", "other"]), ""));
    client.send(b"after\n");
    assert_eq!(client.line(), "after");
    assert_eq!(daemon.ask("cat", ""), "other\n");
    client.half_close();
    assert_eq!(client.rest(), "");
}

#[test]
fn a_stop_lets_relayed_sessions_finish() {
    let mut daemon = Daemon::run(&pipe("cat", &["cat"], "stop_timeout = '60s'"));
    let mut client = daemon.connect("cat");
    client.send(b"before\n");
    assert_eq!(client.line(), "before");
    assert_eq!(daemon.stop().code, 0);
    daemon.log().wait_for("the start of the end", |line| line.contains("Stopping"));
    client.send(b"after\n");
    assert_eq!(client.line(), "after");
    client.half_close();
    assert_eq!(client.rest(), "");
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn a_stop_does_not_wait_for_peers_that_never_read() {
    let keys = "stop_timeout = '300ms'\nlinger_timeout = '24h'";
    let mut daemon = Daemon::run(&pipe("flood", &["print", "0"], keys));
    let clients: Vec<Client> = (0..3).map(|_| daemon.connect("flood")).collect();
    daemon.records(3, "START");
    assert_eq!(daemon.stop().code, 0);
    assert_eq!(daemon.exit_code(), 0);
    daemon.records(3, "EXIT");
    drop(clients);
}

#[test]
fn serve_relays_too() {
    let daemon = Start::serve(
        &["--io", "pipe", "--idle-timeout", "1h", "--linger-timeout", "1s", "127.0.0.1:0"],
        &probe(&["environment"]),
    );
    let daemon = daemon.ready();
    let mut client = Client::connect(daemon.only_address());
    client.half_close();
    assert!(!client.rest().contains("Inetd_SOCK"));
}
