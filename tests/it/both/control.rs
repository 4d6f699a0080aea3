//! The commands that look at sessions and end them, and `inetd stop`.

use std::time::Duration;

use crate::harness::{Client, Daemon, Start, example, probe, service, wait_until};

/// A session whose program does not stop when it is asked.
fn deaf(daemon: &Daemon) -> Client {
    let mut client = daemon.connect("deaf");
    assert_eq!(client.line(), "ready");
    client
}

fn deaf_service(stop_timeout: &str) -> String {
    service("deaf", &probe(&["ignore-stop"]), &format!("stop_timeout = '{stop_timeout}'"))
}

#[test]
fn sessions_are_listed_with_their_peers_and_programs() {
    let mut server = example("wait-server.c");
    server.push("60".into());
    let config = service("cat", &probe(&["cat"]), "") + &service("wait", &server, "wait = true");
    let daemon = Daemon::run(&config);
    daemon.sessions(0);
    let client = daemon.connect("cat");
    let start = daemon.record("START", |record| &record["service"] == "cat");
    assert!(daemon.connect("wait").rest().starts_with("You are visitor 1"));
    let listed = daemon.sessions(2);
    let cat = &listed[0];
    assert_eq!(cat["id"].to_string(), start["session"]);
    assert_eq!(cat["service"], "cat");
    assert_eq!(cat["peer"], client.local().to_string());
    assert_eq!(cat["pid"].to_string(), start["pid"]);
    assert_eq!(cat["io"], "socket");
    assert_eq!(cat["state"], "running");
    assert!(cat["seconds"].is_u64());
    let started = humantime::parse_rfc3339(cat["started"].as_str().unwrap()).unwrap();
    assert!(started.elapsed().unwrap() < Duration::from_secs(600));
    assert_eq!(listed[1]["service"], "wait");
    assert_eq!(listed[1]["peer"], serde_json::Value::Null);

    let table = daemon.told(&["sessions"]);
    assert!(table.starts_with("SESSION  SERVICE  PEER "), "{table}");
    assert!(table.contains(&client.local().to_string()), "{table}");
}

#[test]
fn a_session_is_asked_to_stop_then_killed_and_no_other_is_touched() {
    let daemon = Daemon::run(&deaf_service("60s"));
    let (mut first, mut second) = (deaf(&daemon), deaf(&daemon));
    let starts = daemon.records(2, "START");
    daemon.sessions(2);
    let id = |client: &Client| {
        let peer = client.local().to_string();
        starts.iter().find(|start| start["peer"] == peer).unwrap()["session"].to_owned()
    };
    let told = daemon.told(&["kill", &id(&first)]);
    assert_eq!(told, format!("session {} of deaf is asked to stop\n", id(&first)));
    let stopping = daemon.sessions(2).into_iter().filter(|session| session["state"] == "stopping");
    assert_eq!(stopping.map(|session| session["id"].to_string()).collect::<Vec<_>>(), [id(&first)]);
    // Once more, and its stop_timeout does not matter.
    let told = daemon.told(&["kill", &id(&first)]);
    assert_eq!(told, format!("session {} of deaf is killed\n", id(&first)));
    first.closed();
    daemon.record("EXIT", |exit| exit["session"] == id(&first));
    assert!(second.is_quiet());
    daemon.told(&["kill", "--now", &id(&second)]);
    second.closed();

    let gone = daemon.tell(&["kill", &id(&first)]);
    let text = format!("inetd: there is no session {}\n", id(&first));
    assert_eq!((gone.code, gone.out.as_str(), gone.err), (1, "", text));
}

#[test]
fn a_session_that_cannot_be_resized_is_told_why() {
    let daemon = Daemon::run(&service("cat", &probe(&["cat"]), ""));
    let client = daemon.connect("cat");
    daemon.sessions(1);
    for (session, size, code, text) in [
        ("1", "132x50", 1, "session 1 keeps its size: the session has no terminal"),
        ("9", "132x50", 1, "there is no session 9"),
        ("1", "132", 2, "write columns and rows with an x between them, for example 132x50"),
        ("one", "132x50", 2, "invalid value 'one'"),
    ] {
        let refused = daemon.tell(&["resize", session, size]);
        assert_eq!((refused.code, refused.out.as_str()), (code, ""), "{session} {size}");
        assert!(refused.err.contains(text), "{session} {size}: {}", refused.err);
    }
    assert!(client.is_quiet());
}

#[test]
fn the_stop_ladder_of_a_session_goes_on_by_itself() {
    let daemon = Daemon::run(&deaf_service("300ms"));
    let mut client = deaf(&daemon);
    daemon.sessions(1);
    daemon.told(&["kill", "1"]);
    client.closed();
    daemon.record("EXIT", |_| true);
}

#[test]
fn a_session_without_a_program_ends_at_once() {
    let daemon = Daemon::run(
        "[service.echo]\nlisten = '127.0.0.1:0'\nbuiltin = 'echo'\nstop_timeout = '60s'\n",
    );
    let mut client = daemon.connect("echo");
    client.send(b"hello\n");
    assert_eq!(client.line(), "hello");
    let listed = daemon.sessions(1);
    assert_eq!(listed[0]["io"], "builtin");
    assert_eq!(listed[0]["pid"], serde_json::Value::Null);
    assert_eq!(daemon.told(&["kill", "1"]), "session 1 of echo is killed\n");
    client.closed();
}

#[test]
fn stop_waits_until_everything_is_over() {
    let mut daemon = Daemon::run(&deaf_service("200ms"));
    let mut client = deaf(&daemon);
    assert_eq!(daemon.told(&["stop"]), "");
    // The next one has the endpoint right away.
    let again = Start::run(&deaf_service("1s")).control(daemon.control()).ready();
    assert_eq!(daemon.exit_code(), 0);
    client.closed();
    assert_eq!(again.tell(&["stop"]).code, 0);
}

#[test]
fn asked_to_stop_again_it_kills_what_is_left() {
    for second in [&["stop"][..], &["stop", "--now"]] {
        let mut daemon = Daemon::run(&deaf_service("600s"));
        let mut client = deaf(&daemon);
        if second.len() == 1 {
            assert_eq!(daemon.stop().code, 0);
            daemon.log().wait_for("the start of the end", |line| line.contains("Stopping"));
            assert!(client.is_quiet());
        }
        assert_eq!(daemon.told(second), "");
        client.closed();
        assert_eq!(daemon.exit_code(), 0);
        daemon.log().wait_for("the reason", |line| line.contains("Asked to stop again"));
    }
}

#[test]
fn while_it_stops_it_can_be_looked_at_and_nothing_else() {
    let daemon = Daemon::run(&deaf_service("600s"));
    let _client = deaf(&daemon);
    daemon.sessions(1);
    assert_eq!(daemon.stop().code, 0);
    let status: serde_json::Value =
        serde_json::from_str(&daemon.told(&["status", "--json"])).unwrap();
    assert_eq!(status["state"], "stopping");
    for command in [&["drain", "deaf"][..], &["resume", "deaf"], &["reload"]] {
        let finished = daemon.tell(command);
        assert_eq!(finished.code, 1, "{command:?}");
        assert!(finished.err.contains("the daemon is stopping"), "{}", finished.err);
    }
    daemon.told(&["kill", "--now", "1"]);
}

#[test]
fn status_tells_which_services_drain() {
    let daemon = Daemon::run(&(deaf_service("1s") + &service("cat", &probe(&["cat"]), "")));
    let client = deaf(&daemon);
    daemon.sessions(1);
    let state = |name: &str| {
        let status = daemon.told(&["status"]);
        let line = status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!([state("cat"), state("deaf")], ["open", "open"]);
    daemon.told(&["drain", "deaf"]);
    daemon.told(&["drain", "cat"]);
    assert_eq!([state("cat"), state("deaf")], ["drained", "draining"]);
    daemon.told(&["kill", "--now", "1"]);
    drop(client);
    wait_until("the end of the session", || state("deaf") == "drained");
}

#[test]
fn without_a_terminal_top_prints_one_picture() {
    let daemon = Daemon::run(&service("cat", &probe(&["cat"]), ""));
    let client = daemon.connect("cat");
    daemon.sessions(1);
    let picture = daemon.told(&["top"]);
    assert!(picture.starts_with("inetd "), "{picture}");
    assert!(picture.contains("\ncat "), "{picture}");
    assert!(picture.contains(&client.local().to_string()), "{picture}");
    assert!(!picture.contains('\u{1b}'), "{picture}");
}
