//! The process group of a program, which cannot do more than its own session.

use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::harness::{Daemon, Start, probe, service, wait_until};

/// A Perl script as a service.
fn perl(name: &str, script: &str, keys: &str) -> String {
    service(name, &["/usr/bin/perl".into(), "-e".into(), script.into()], keys)
}

/// Says its process group and session, and whether it can open a terminal.
const WHERE: &str = "echo \"$$\"; ps -o pgid=,sid= -p $$; \
                     (: <>/dev/tty) 2>&- && echo open || echo none";

fn place(daemon: &Daemon) -> (String, Vec<String>) {
    let answer = daemon.ask("where", "");
    let mut words = answer.split_ascii_whitespace().map(str::to_owned);
    (words.next().unwrap(), words.collect())
}

fn whereabouts() -> String {
    service("where", &["/bin/sh".into(), "-c".into(), WHERE.into()], "")
}

#[test]
fn the_terminal_of_the_daemon_is_out_of_reach() {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
    let slave: OwnedFd = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).unwrap();
    let started = Start::run(&whereabouts()).through(&["setsid", "-c"], Stdio::from(slave));
    let daemon = started.ready();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.id())).unwrap();
    let number = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(4).unwrap();
    assert_ne!(number, "0", "the daemon has a terminal");
    let (pid, place) = place(&daemon);
    assert_eq!(place, [&*pid, &*pid, "none"], "its own group, its own session");
}

#[test]
fn without_a_terminal_a_group_is_enough() {
    let daemon = Start::run(&whereabouts()).through(&["setsid"], Stdio::null()).ready();
    let (pid, place) = place(&daemon);
    assert_eq!(place, [&*pid, &*daemon.id().to_string(), "none"]);
}

/// A program that goes to the group of the process it is told, and stays.
const MOVES: &str = "$| = 1; setpgrp(0, <STDIN>) or die; print \"moved\\n\"; sleep 1000";

/// A daemon with a program that has gone to the group of another one; the daemon, the one who has
/// the group, and the one who has moved.
fn moved(keys: &str) -> (Daemon, crate::harness::Client, crate::harness::Client) {
    let hold = service("hold", &probe(&["hold"]), "");
    let services = format!("{hold}{}", perl("moves", MOVES, keys));
    let daemon = Start::run(&services).through(&["setsid"], Stdio::null()).ready();
    let mut host = daemon.connect("hold");
    assert!(host.line().starts_with("ready "));
    let group = daemon.record("START", |record| record.field("service") == Some("hold"));
    let mut guest = daemon.connect("moves");
    guest.send(format!("{}\n", group.field("pid").unwrap()).as_bytes());
    assert_eq!(guest.line(), "moved");
    (daemon, host, guest)
}

#[test]
fn who_goes_to_the_group_of_another_session_ends_with_it_and_loses_no_slot() {
    let (daemon, host, mut guest) = moved("max_sessions = 1");
    drop(host);
    guest.closed();
    for name in ["hold", "moves"] {
        daemon.record("EXIT", |record| record.field("service") == Some(name));
    }
    wait_until("no child", || daemon.children().is_empty());
    assert_eq!(daemon.service("moves")["sessions"], 0);
    let mut again = daemon.connect("moves");
    again.send(b"0\n");
    assert_eq!(again.line(), "moved", "its slot is free");
}

#[test]
fn who_goes_to_another_group_is_stopped_all_the_same() {
    let keys = "session_timeout = '100ms'\nstop_timeout = '100ms'";
    let (daemon, mut host, mut guest) = moved(keys);
    guest.closed();
    let exit = daemon.record("EXIT", |record| record.field("service") == Some("moves"));
    assert_eq!(&exit["signal"], "9", "{exit:?}");
    host.send(b"x");
    assert!(host.is_quiet(), "it is still there");
    assert_eq!(daemon.children().len(), 1);
}
