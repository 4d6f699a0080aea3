//! `udp://`: datagrams.

use std::net::{SocketAddr, UdpSocket};

use crate::harness::{Daemon, deadline, left_out, probe, service, wine};

fn udp(name: &str, program: &[String], keys: &str) -> String {
    service(name, program, &format!("listen = 'udp://127.0.0.1:0'\n{keys}"))
}

fn builtin(name: &str, builtin: &str, keys: &str) -> String {
    let listen = "listen = \"udp://127.0.0.1:0\"";
    format!("[service.{name}]\n{listen}\nbuiltin = '{builtin}'\n{keys}")
}

/// Where a service takes datagrams.
fn address(daemon: &Daemon, service: &str) -> SocketAddr {
    daemon.endpoints(service)[0].strip_prefix("udp://").unwrap().parse().unwrap()
}

struct Peer {
    socket: UdpSocket,
}

impl Peer {
    fn of(daemon: &Daemon, service: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(deadline())).unwrap();
        socket.connect(address(daemon, service)).unwrap();
        Self { socket }
    }

    fn send(&self, datagram: &str) {
        self.socket.send(datagram.as_bytes()).unwrap();
    }

    fn hear(&self) -> String {
        let mut buffer = [0; 65536];
        let length = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).replace("\r\n", "\n")
    }

    fn ask(&self, datagram: &str) -> String {
        self.send(datagram);
        self.hear()
    }
}

#[test]
fn each_peer_has_its_own_program_and_keeps_it() {
    let daemon = Daemon::run(&udp("count", &probe(&["count-datagrams"]), ""));
    let (one, two) = (Peer::of(&daemon, "count"), Peer::of(&daemon, "count"));
    assert_eq!(one.ask("first"), "1 first");
    assert_eq!(two.ask("other"), "1 other");
    assert_eq!(one.ask("second"), "2 second");
    assert_eq!(two.ask("another"), "2 another");
    assert_eq!(daemon.records(2, "START").len(), 2);
}

#[test]
fn a_session_ends_when_nothing_passes_and_the_next_datagram_begins_another() {
    // Under Wine a program needs a while before it reads.
    let idle = if wine() { "5s" } else { "500ms" };
    let keys = format!("idle_timeout = '{idle}'\n");
    let daemon = Daemon::run(&udp("count", &probe(&["count-datagrams"]), &keys));
    let peer = Peer::of(&daemon, "count");
    assert_eq!(peer.ask("a"), "1 a");
    assert_eq!(&daemon.record("EXIT", |_| true)["status"], "0", "it has seen the end of its input");
    assert_eq!(peer.ask("b"), "1 b");
}

#[test]
fn a_program_knows_its_peer_and_has_no_socket() {
    let daemon = Daemon::run(&udp("facts", &probe(&["facts-of-datagram"]), ""));
    let peer = Peer::of(&daemon, "facts");
    let port = peer.socket.local_addr().unwrap().port();
    assert_eq!(peer.ask("?"), format!("UDP {port} none"));
}

#[test]
fn a_program_that_ends_at_once_is_heard() {
    let daemon = Daemon::run(&udp("say", &probe(&["say", "no questions"]), ""));
    for _ in 0..20 {
        assert_eq!(Peer::of(&daemon, "say").ask("?").trim_end(), "no questions");
    }
}

#[test]
fn senders_without_a_slot_or_without_the_right_are_dropped_and_told_in_the_log() {
    let daemon = Daemon::run(
        &[
            udp("count", &probe(&["count-datagrams"]), "max_sessions = 1\n"),
            udp("closed", &probe(&["count-datagrams"]), "allow = [\"192.0.2.1\"]\n"),
        ]
        .concat(),
    );
    let first = Peer::of(&daemon, "count");
    assert_eq!(first.ask("a"), "1 a");
    Peer::of(&daemon, "count").send("b");
    let refused = daemon.record("REFUSE", |record| &record["service"] == "count");
    assert_eq!(&refused["reason"], "service_limit");
    assert_eq!(first.ask("c"), "2 c", "who has a slot keeps it");
    Peer::of(&daemon, "closed").send("d");
    let refused = daemon.record("REFUSE", |record| &record["service"] == "closed");
    assert_eq!(&refused["reason"], "address");
}

#[test]
fn a_wait_server_gets_the_socket_and_is_started_again() {
    let daemon = Daemon::run(&udp("one", &probe(&["answer-datagram"]), "wait = true\n"));
    let peer = Peer::of(&daemon, "one");
    assert_eq!(peer.ask("a"), "got a");
    daemon.record("EXIT", |_| true);
    assert_eq!(peer.ask("b"), "got b");
}

#[test]
fn datagrams_of_refused_senders_do_not_start_a_wait_server() {
    let keys = "wait = true\ndeny = [\"127.0.0.1\"]\n";
    let daemon = Daemon::run(&udp("one", &probe(&["answer-datagram"]), keys));
    Peer::of(&daemon, "one").send("a");
    assert_eq!(&daemon.record("REFUSE", |_| true)["reason"], "address");
    assert!(daemon.log().all().iter().all(|line| !line.contains("START")));
}

#[test]
fn built_in_services_answer_datagrams() {
    let daemon = Daemon::run(
        &["echo", "chargen", "daytime", "time", "discard"]
            .map(|name| builtin(name, name, ""))
            .concat(),
    );
    let echo = Peer::of(&daemon, "echo");
    assert_eq!(echo.ask("hello"), "hello");
    assert_eq!(echo.ask(""), "");
    assert_eq!(echo.ask(&"x".repeat(9000)).len(), 9000);
    let chargen = Peer::of(&daemon, "chargen");
    chargen.send("?");
    let mut line = [0; 1024];
    let size = chargen.socket.recv(&mut line).unwrap();
    assert!(size == 74 && line[..size].ends_with(b"\r\n"), "one line, as the inetds: {size}");
    assert_eq!(Peer::of(&daemon, "daytime").ask("?").split_whitespace().count(), 5);
    let time = Peer::of(&daemon, "time");
    time.send("?");
    let mut bytes = [0; 100];
    assert_eq!(time.socket.recv(&mut bytes).unwrap(), 4);
    Peer::of(&daemon, "discard").send("?");
}

/// The sender may be forged, and what it gets for its datagram may be no flood for somebody else.
#[test]
fn an_answer_is_no_longer_than_a_line_or_the_question() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quotes");
    let long = "x".repeat(400);
    std::fs::write(&path, format!("{long}\n%\nshort\n%\n{long}\n")).unwrap();
    let name = format!("qotd:{}", path.display());
    let daemon = Daemon::run(&builtin("quotes", &name, ""));
    let peer = Peer::of(&daemon, "quotes");
    for _ in 0..6 {
        assert_eq!(peer.ask("?"), "short\n");
    }
    let question = "?".repeat(402);
    let answers: Vec<_> = (0..6).map(|_| peer.ask(&question).len()).collect();
    assert!(answers.contains(&401), "{answers:?}");
}

#[test]
fn built_in_services_never_answer_ports_of_services() {
    let daemon = Daemon::run(&[builtin("echo", "echo", ""), builtin("other", "echo", "")].concat());
    // What `echo` would see of `other`, if somebody forged the sender.
    let port = address(&daemon, "other").port();
    assert_gets_no_answer(&daemon, &UdpSocket::bind(("127.0.0.2", port)).unwrap());
}

#[test]
fn built_in_services_never_answer_ports_below_1024() {
    let daemon = Daemon::run(&builtin("echo", "echo", ""));
    let Some(low) = (512..1024).find_map(|port| UdpSocket::bind(("127.0.0.2", port)).ok()) else {
        return left_out("only root can have such a port");
    };
    assert_gets_no_answer(&daemon, &low);
}

/// Sends a datagram to `echo`, which has none for this peer.
fn assert_gets_no_answer(daemon: &Daemon, peer: &UdpSocket) {
    peer.send_to(b"x", address(daemon, "echo")).unwrap();
    // Datagrams are answered in their order.
    assert_eq!(Peer::of(daemon, "echo").ask("works"), "works");
    peer.set_nonblocking(true).unwrap();
    assert!(peer.recv(&mut [0]).is_err(), "answered");
}

#[test]
fn built_in_services_answer_one_source_only_so_often() {
    let daemon = Daemon::run(&builtin("echo", "echo", "rate_per_source = \"3/1h\"\n"));
    let peer = Peer::of(&daemon, "echo");
    for _ in 0..3 {
        assert_eq!(peer.ask("x"), "x");
    }
    peer.send("x");
    assert_eq!(&daemon.record("REFUSE", |_| true)["reason"], "per_source_cps");
}

#[test]
fn datagrams_are_forwarded_and_answers_come_back_to_their_peers() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(deadline())).unwrap();
    let to = server.local_addr().unwrap();
    let listen = "listen = \"udp://127.0.0.1:0\"";
    let daemon = Daemon::run(&format!("[service.way]\n{listen}\nforward = \"{to}\"\n"));
    let (one, two) = (Peer::of(&daemon, "way"), Peer::of(&daemon, "way"));
    let mut buffer = [0; 100];
    one.send("one");
    let (length, of_one) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"one");
    two.send("two");
    let (length, of_two) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"two");
    assert_ne!(of_one, of_two);
    server.send_to(b"to two", of_two).unwrap();
    server.send_to(b"to one", of_one).unwrap();
    assert_eq!((one.hear().as_str(), two.hear().as_str()), ("to one", "to two"));
}
