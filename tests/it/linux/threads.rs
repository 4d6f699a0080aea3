//! A user that has no more threads (setrlimit(2), RLIMIT_NPROC): other processes may have taken them.

use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::harness::{Client, Daemon, Start, wait_until};

/// A user of nobody else, who may have so many threads.
fn limited(threads: usize) -> Vec<String> {
    let user = 54_000 + std::process::id() % 10_000;
    let user = format!("--reuid={user} --regid={user} --clear-groups");
    let words = format!("setpriv {user} prlimit --nproc={threads}:{threads}");
    words.split(' ').map(str::to_owned).collect()
}

/// The system forbids root nothing of this, and only root can become somebody else.
fn can_be_limited() -> bool {
    let words = limited(100);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args([env!("CARGO_BIN_EXE_inetd"), "--version"]);
    let is_root = rustix::process::getuid().is_root();
    is_root && command.output().is_ok_and(|output| output.status.success())
}

/// A daemon that is alone with these threads, of which none is about to end.
fn start(threads: usize, options: &[&str]) -> Daemon {
    let words = limited(threads);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let options = [options, &["127.0.0.1:0"]].concat();
    let start = Start::serve_without_control(&options, &[]);
    let daemon = start.through(&words, Stdio::null()).ready();
    settle(&daemon);
    daemon
}

/// Waits until all threads stay, and counts them.
fn settle(daemon: &Daemon) -> usize {
    let folder = format!("/proc/{}/task", daemon.id());
    let names = || {
        let tasks = std::fs::read_dir(&folder).unwrap().map(|task| task.unwrap().path());
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.join("comm")).ok());
        names.map(|name| name.trim().to_owned()).collect::<Vec<_>>()
    };
    let mut count = 0;
    wait_until("all threads stay", || {
        let names = names();
        count = names.len();
        !names.iter().any(|name| ["ident", "names"].contains(&name.as_str()))
    });
    count
}

fn connect(daemon: &Daemon, question: &str) -> Client {
    let mut client = Client::connect(daemon.only_address());
    client.send(question.as_bytes());
    client
}

fn ends_well(mut daemon: Daemon) {
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 0);
    let log = daemon.log().all();
    assert!(!log.iter().any(|line| line.contains("Internal fault")), "{log:?}");
}

#[test]
fn a_daemon_without_a_thread_to_spare_refuses_and_goes_on() {
    const QUESTION: &str = "1 , 2\r\n";
    if !can_be_limited() {
        return;
    }
    let ident = ["--builtin", "ident:real"];
    let daemon = start(100, &ident);
    let before = settle(&daemon);
    assert_eq!(connect(&daemon, QUESTION).rest(), "1 , 2 : ERROR : NO-USER\n");
    let with_relays = settle(&daemon);
    ends_well(daemon);

    let daemon = start(before, &ident);
    connect(&daemon, QUESTION).closed();
    daemon.log().wait_for("why", |line| line.contains("no thread for relays"));
    ends_well(daemon);

    let daemon = start(with_relays, &ident);
    assert_eq!(connect(&daemon, QUESTION).rest(), "1 , 2 : ERROR : UNKNOWN-ERROR\n");
    ends_well(daemon);

    let daemon = start(with_relays, &["--forward", "localhost:1"]);
    connect(&daemon, "").closed();
    daemon.log().wait_for("why", |line| line.contains("Resource temporarily unavailable"));
    ends_well(daemon);
}
