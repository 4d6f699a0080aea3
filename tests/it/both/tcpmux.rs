//! `builtin = "tcpmux"` (RFC 1078): the peer says which service it wants.

use crate::harness::{Client, Daemon, Start, native, probe, service, wait_until};

const MUX: &str = "[service.mux]\nlisten = \"127.0.0.1:0\"\nbuiltin = \"tcpmux\"\n";

/// A service of the multiplexer.
fn offered(name: &str, listen: &str, program: &[&str], keys: &str) -> String {
    service(name, &probe(program), &format!("listen = '{listen}'\n{keys}"))
}

/// Everything that comes, with line ends as they are.
fn bytes(client: &mut Client) -> String {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut client.reader(), &mut text).unwrap();
    text
}

/// The whole answer to `request`, byte for byte.
fn answer(daemon: &Daemon, request: &str) -> String {
    let mut client = daemon.connect("mux");
    client.send(request.as_bytes());
    client.half_close();
    bytes(&mut client)
}

// RFC 1078: "A TCP client connects to a foreign host on TCP port 1. It sends the service name
// followed by a carriage-return line-feed <CRLF>." "The service name is never case sensitive."
// "The server replies with a single character indicating positive ("+") or negative ("-")
// acknowledgment, immediately followed by an optional message of explanation, terminated with a
// <CRLF>." "The name "HELP" is reserved. If received, the server will output a multi-line
// message and then close the connection. The reply to the name "HELP" must be a list of the service
// names of the supported services, one name per line."
#[test]
fn a_peer_gets_the_service_that_it_names() {
    let daemon = Daemon::run(
        &[
            MUX.to_owned(),
            offered("upper", "tcpmux://+Cat", &["cat"], ""),
            // Without a plus the program itself sends the reply, with the BSDs too.
            offered("own", "tcpmux://own", &["say", "+ hello"], ""),
        ]
        .concat(),
    );
    // What comes with the name, in one segment, is the program's.
    assert_eq!(answer(&daemon, "cAT\r\nfirst\r\n\nlast"), "+Go\r\nfirst\r\n\nlast");
    assert!(answer(&daemon, "OWN\r\n").starts_with("+ hello"));
    assert_eq!(answer(&daemon, "HELP\r\n"), "Cat\r\nown\r\n");
    assert_eq!(answer(&daemon, "upper\r\n"), "-Service not available\r\n");
    assert_eq!(answer(&daemon, "\r\n"), "-Service not available\r\n");
    assert_eq!(answer(&daemon, "cat"), "-Error reading service name\r\n");
    assert_eq!(answer(&daemon, &"x".repeat(300)), "-Service name too long\r\n");
    let start = daemon.record("START", |record| &record["service"] == "upper");
    assert!(start["peer"].starts_with("127.0.0.1:"), "{start:?}");
    let services = daemon.told(&["status"]);
    assert!(services.contains("tcpmux://+Cat") && services.contains("tcpmux://own"), "{services}");
}

#[test]
fn a_service_lets_in_whom_it_wants_after_the_multiplexer_has() {
    let daemon = Daemon::run(
        &[
            MUX.to_owned(),
            offered("shut", "tcpmux://+shut", &["cat"], "deny = ['127.0.0.0/8']"),
            offered("one", "tcpmux://+one", &["hold"], "max_sessions = 1"),
        ]
        .concat(),
    );
    assert_eq!(answer(&daemon, "shut\r\n"), "-Service not available\r\n");
    assert_eq!(&daemon.record("REFUSE", |_| true)["reason"], "address");
    let mut first = daemon.connect("mux");
    first.send(b"one\r\n");
    assert_eq!(first.line(), "+Go");
    assert!(first.line().starts_with("ready "));
    assert_eq!(answer(&daemon, "one\r\n"), "-Service not available\r\n");
    let record = daemon.record("REFUSE", |record| &record["service"] == "one");
    assert_eq!(&record["reason"], "service_limit");
    daemon.told(&["drain", "one"]);
    assert_eq!(answer(&daemon, "one\r\n"), "-Service not available\r\n");
    daemon.record("REFUSE", |record| &record["reason"] == "draining");
    drop(first);
    daemon.told(&["resume", "one"]);
    wait_until("a free slot", || {
        let mut next = daemon.connect("mux");
        next.send(b"one\r\n");
        next.line() == "+Go"
    });
}

#[test]
fn a_connection_that_moves_keeps_the_slot_that_others_wait_for() {
    let start = Start::run(&[MUX.to_owned(), offered("x", "tcpmux://+x", &["cat"], "")].concat());
    let daemon = start.daemon("max_sessions = 1").ready();
    for _ in 0..5 {
        let mut first = daemon.connect("mux");
        let mut second = daemon.connect("mux");
        for client in [&mut first, &mut second] {
            client.send(b"x\r\n");
            assert_eq!(client.line(), "+Go");
            client.send(b"hello");
            client.half_close();
            assert_eq!(client.rest(), "hello");
        }
        wait_until("a free slot", || daemon.sessions(0).is_empty());
    }
}

#[test]
fn one_slot_of_the_daemon_is_enough_for_both() {
    let start = Start::run(&[MUX.to_owned(), offered("x", "tcpmux://+x", &["cat"], "")].concat());
    let daemon = start.daemon("max_sessions = 1").ready();
    for _ in 0..5 {
        assert_eq!(answer(&daemon, "x\r\nhello"), "+Go\r\nhello");
        daemon.record("EXIT", |record| &record["service"] == "x");
        wait_until("a free slot", || daemon.sessions(0).is_empty());
    }
}

#[test]
fn relayed_services_and_built_in_ones_can_be_asked_for() {
    let daemon = Daemon::run(
        &[
            MUX.to_owned(),
            offered("pipe", "tcpmux://+pipe", &["cat"], "io = 'pipe'"),
            "[service.echo]\nlisten = ['127.0.0.1:0', 'tcpmux://+echo']\nbuiltin = 'echo'\n"
                .to_owned(),
        ]
        .concat(),
    );
    assert_eq!(answer(&daemon, "pipe\r\nhello"), "+Go\r\nhello");
    assert_eq!(answer(&daemon, "echo\r\nhello"), "+Go\r\nhello");
    assert_eq!(daemon.ask("echo", "hello"), "hello");
}

#[test]
fn a_reload_changes_what_is_offered() {
    let with = |name: &str| [MUX.to_owned(), offered("x", name, &["cat"], "")].concat();
    let daemon = Daemon::run(&with("tcpmux://+old"));
    let mut waiting = daemon.connect("mux");
    daemon.reload_with(&with("tcpmux://+new"));
    assert_eq!(answer(&daemon, "old\r\n"), "-Service not available\r\n");
    assert_eq!(answer(&daemon, "new\r\n"), "+Go\r\n");
    // Who was asked for the name before is served as it is now.
    waiting.send(b"new\r\n");
    assert_eq!(waiting.line(), "+Go");
}

#[test]
fn a_program_that_cannot_start_turns_away_who_comes_next() {
    let folder = tempfile::tempdir().unwrap();
    let cwd = format!("cwd = '{}'", native(folder.path()));
    let daemon =
        Daemon::run(&[MUX.to_owned(), offered("x", "tcpmux://x", &["cat"], &cwd)].concat());
    drop(folder);
    assert_eq!(answer(&daemon, "x\r\n"), "");
    daemon.record("FAIL", |record| &record["service"] == "x");
    wait_until("a pause that is seen", || answer(&daemon, "x\r\n").starts_with('-'));
    daemon.record("REFUSE", |record| &record["reason"] == "paused");
}
