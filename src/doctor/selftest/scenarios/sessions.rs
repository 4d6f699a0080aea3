//! From an accepted connection to the end of its session.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::super::bench::Bench;
use super::super::client::{Client, Lifeline};
use super::super::{Outcome, Scenario};
use super::{not_shown_by_emulator, skipped};
use crate::sys::{FAMILY, Family};

/// More than the longest queue that Windows has unless it is asked in a special way (listen,
/// SOMAXCONN_HINT).
const WAITING: usize = 300;

/// From the record of an end to a free slot, on the slowest machine.
const FREE_SOON: Duration = Duration::from_secs(10);

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "environment",
        shows: "the program knows its peer, and gets no variables that it should not",
        run: environment,
    },
    Scenario {
        name: "inheritance",
        shows: "the program inherits its connection and nothing else",
        run: inheritance,
    },
    Scenario {
        name: "many",
        shows: "100 connections, one by one and all at once, are served",
        run: many,
    },
    Scenario {
        name: "speed",
        shows: "how long a connection waits for the first byte of its program",
        run: speed,
    },
    Scenario {
        name: "backlog",
        shows: "300 clients can wait for a service that is full",
        run: backlog,
    },
    Scenario {
        name: "queue",
        shows: "a client of a full service waits, and is served when there is room",
        run: queue,
    },
    Scenario {
        name: "reject",
        shows: "over_limit = \"reject\": a client of a full service is turned away",
        run: reject,
    },
    Scenario { name: "tree", shows: "what a program leaves behind is ended with it", run: tree },
    Scenario {
        name: "leave",
        shows: "tree = \"leave\": what a program leaves behind goes on",
        run: leave,
    },
    Scenario {
        name: "orphans",
        shows: "when the daemon is killed, its programs end too",
        run: orphans,
    },
    Scenario {
        name: "timeout",
        shows: "session_timeout: the program is asked to stop, and can still answer",
        run: timeout,
    },
    Scenario {
        name: "stop",
        shows: "a program that does not stop when it is asked is killed",
        run: stop,
    },
    Scenario {
        name: "killed-peer",
        shows: "what the peer of a program that is killed sees",
        run: killed_peer,
    },
    Scenario {
        name: "crash",
        shows: "a program that crashes ends its session at once, without a dialog",
        run: crash,
    },
    Scenario {
        name: "access",
        shows: "allow, deny and rates: who may not come in is turned away",
        run: access,
    },
    Scenario {
        name: "wait",
        shows: "wait = true: a program gets the listening socket, and the daemon takes it back",
        run: wait,
    },
    Scenario {
        name: "stderr",
        shows: "stderr = \"log\": what a program complains of is in the log",
        run: stderr,
    },
];

fn environment(bench: &Bench) -> Result<Outcome> {
    let keys = "env = { SELFTEST = \"yes\" }\npass_env = []";
    let daemon = bench.daemon(&bench.service("facts", &["environment"], keys))?;
    let mut client = daemon.connect("facts")?;
    let (local, peer) = (daemon.address("facts")?, client.local()?);
    let answer = client.rest()?;
    let value =
        |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    for (name, expected) in [
        ("PROTO", "TCP".into()),
        ("TCPLOCALIP", local.ip().to_string()),
        ("TCPLOCALPORT", local.port().to_string()),
        ("TCPREMOTEIP", peer.ip().to_string()),
        ("TCPREMOTEPORT", peer.port().to_string()),
        ("REMOTE_ADDR", peer.ip().to_string()),
        ("INETD_SERVICE", "facts".into()),
        ("INETD_REMOTE", peer.to_string()),
        ("SELFTEST", "yes".into()),
    ] {
        ensure!(value(name) == Some(&expected), "{name} is {:?} and not {expected}", value(name));
    }
    ensure!(value("Inetd_SOCK").is_some(), "there is no Inetd_SOCK");
    // Ours have it, the program must not.
    let path = value("PATH").filter(|path| !path.is_empty());
    ensure!(path.is_none(), "the program got PATH although pass_env is empty");
    Ok(Outcome::Works)
}

fn inheritance(bench: &Bench) -> Result<Outcome> {
    let config = bench.service("hold", &["hold"], "stderr = \"log\"")
        + &bench.service("leaked", &["leaked"], "");
    let daemon = bench.daemon(&config)?;
    // Other sessions, with pipes of their own, are there to leak.
    let mut others = Vec::new();
    for _ in 0..5 {
        let mut client = daemon.connect("hold")?;
        client.expect("ready")?;
        others.push(client);
    }
    let answer = daemon.ask("leaked", "")?;
    ensure!(answer.starts_with("0 leaked"), "{answer}");
    // Nobody else may have a copy of it: it ends with its program.
    for client in others {
        client.half_close()?;
    }
    Ok(Outcome::Works)
}

fn many(bench: &Bench) -> Result<Outcome> {
    let daemon = bench.daemon(&bench.service("hold", &["hold"], ""))?;
    for _ in 0..50 {
        let answer = daemon.ask("hold", "")?;
        ensure!(answer == "ready\n", "the program said {answer:?}");
    }
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(daemon.connect("hold")?);
    }
    for (number, client) in clients.iter_mut().enumerate() {
        client.expect("ready").with_context(|| format!("connection {number} of 50 at once"))?;
    }
    Ok(Outcome::Works)
}

fn speed(bench: &Bench) -> Result<Outcome> {
    let daemon = bench.daemon(&bench.service("hold", &["hold"], ""))?;
    let mut times = Vec::new();
    for _ in 0..30 {
        let begin = Instant::now();
        daemon.connect("hold")?.expect("ready")?;
        times.push(begin.elapsed());
    }
    times.sort();
    let show = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    let (middle, last) = (times[times.len() / 2], times[times.len() - 1]);
    Ok(Outcome::Seen(format!("{} as a rule, {} at the most", show(middle), show(last))))
}

fn backlog(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = not_shown_by_emulator("it has the queues of Linux") {
        return Ok(skipped);
    }
    let daemon = bench.daemon(&bench.service("hold", &["hold"], "max_sessions = 1"))?;
    let mut first = daemon.connect("hold")?;
    first.expect("ready")?;
    let mut waiting = Vec::new();
    for number in 0..WAITING {
        let client = daemon.connect("hold");
        waiting.push(client.with_context(|| format!("{number} clients wait already"))?);
    }
    for client in &waiting {
        ensure!(client.is_quiet()?, "a waiting client was served, or turned away");
    }
    Ok(Outcome::Works)
}

fn queue(bench: &Bench) -> Result<Outcome> {
    let daemon = bench.daemon(&bench.service("hold", &["hold"], "max_sessions = 1"))?;
    let mut first = daemon.connect("hold")?;
    first.expect("ready")?;
    let mut second = daemon.connect("hold")?;
    // The daemon has seen it, or would have, if it took it.
    daemon.logged(&["START service=hold session=1"])?;
    ensure!(second.is_quiet()?, "the second client was served at once, or turned away");
    first.half_close()?;
    second.expect("ready")?;
    Ok(Outcome::Works)
}

fn reject(bench: &Bench) -> Result<Outcome> {
    let keys = "max_sessions = 1\nover_limit = \"reject\"";
    let daemon = bench.daemon(&bench.service("hold", &["hold"], keys))?;
    let mut first = daemon.connect("hold")?;
    first.expect("ready")?;
    daemon.connect("hold")?.closed()?;
    daemon.logged(&["REFUSE service=hold"])?;
    first.half_close()?;
    daemon.logged(&["EXIT service=hold session=1"])?;
    // The record of an end comes before the slot is free.
    let begin = Instant::now();
    while let Err(error) = daemon.connect("hold")?.expect("ready") {
        ensure!(begin.elapsed() < FREE_SOON, "{error:#}");
    }
    Ok(Outcome::Works)
}

fn tree(bench: &Bench) -> Result<Outcome> {
    let lifeline = Lifeline::new()?;
    let role = ["leave", &lifeline.port()?];
    let daemon = bench.daemon(&bench.service("leave", &role, ""))?;
    let mut client = daemon.connect("leave")?;
    let mut left = lifeline.accept()?;
    client.expect("left")?;
    left.closed().context("the process that was left behind still lives")?;
    daemon.logged(&["EXIT service=leave session=1"])?;
    Ok(Outcome::Works)
}

fn leave(bench: &Bench) -> Result<Outcome> {
    let lifeline = Lifeline::new()?;
    let role = ["leave", &lifeline.port()?];
    let daemon = bench.daemon(&bench.service("leave", &role, "tree = \"leave\""))?;
    let mut client = daemon.connect("leave")?;
    let left = lifeline.accept()?;
    client.expect("left")?;
    daemon.logged(&["EXIT service=leave session=1"])?;
    ensure!(left.is_quiet()?, "the process that was left behind has ended");
    // The end of this connection ends it.
    Ok(Outcome::Works)
}

fn orphans(bench: &Bench) -> Result<Outcome> {
    if FAMILY == Family::Unix {
        return Ok(skipped("on Linux they go on to the end of their connection"));
    }
    let lifeline = Lifeline::new()?;
    let role = ["leave-and-stay", &lifeline.port()?];
    let daemon = bench.daemon(&bench.service("leave", &role, ""))?;
    let mut client = daemon.connect("leave")?;
    let mut left = lifeline.accept()?;
    client.expect("left")?;
    daemon.kill()?;
    left.closed().context("a program of the killed daemon still lives")?;
    Ok(Outcome::Works)
}

fn timeout(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = not_shown_by_emulator("it has no CTRL_BREAK") {
        return Ok(skipped);
    }
    let keys = "session_timeout = \"200ms\"\nstop_timeout = \"20s\"";
    let daemon = bench.daemon(&bench.service("polite", &["polite"], keys))?;
    let mut client = daemon.connect("polite")?;
    client.expect("ready")?;
    client.expect("asked")?;
    daemon.logged(&["EXIT service=polite", "status=0"])?;
    Ok(Outcome::Works)
}

fn stop(bench: &Bench) -> Result<Outcome> {
    let keys = "session_timeout = \"200ms\"\nstop_timeout = \"200ms\"";
    let daemon = bench.daemon(&bench.service("stubborn", &["stubborn"], keys))?;
    let mut client = daemon.connect("stubborn")?;
    client.expect("ready")?;
    daemon.logged(&["EXIT service=stubborn session=1"])?;
    if not_shown_by_emulator("").is_none() {
        client.closed()?;
    }
    Ok(Outcome::Works)
}

fn killed_peer(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = not_shown_by_emulator("sockets of a killed program can stay open") {
        return Ok(skipped);
    }
    let keys = "session_timeout = \"200ms\"\nstop_timeout = \"100ms\"";
    let daemon = bench.daemon(&bench.service("stubborn", &["stubborn"], keys))?;
    let see = |unread: bool| -> Result<&'static str> {
        let mut client: Client = daemon.connect("stubborn")?;
        client.expect("ready")?;
        if unread {
            client.send(b"nobody reads this")?;
        }
        client.closed()
    };
    let (plain, unread) = (see(false)?, see(true)?);
    Ok(Outcome::Seen(format!("the connection is {plain}, with unread input it is {unread}")))
}

fn crash(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = not_shown_by_emulator("it shows no dialogs anyway") {
        return Ok(skipped);
    }
    let daemon = bench.daemon(&bench.service("crash", &["crash"], ""))?;
    daemon.connect("crash")?.closed()?;
    let line = daemon.logged(&["EXIT service=crash session=1"])?;
    ensure!(!line.contains(" status=0 "), "{line}");
    Ok(Outcome::Works)
}

fn access(bench: &Bench) -> Result<Outcome> {
    let config = bench.service("denied", &["hold"], "deny = [\"127.0.0.0/8\"]")
        + &bench.service("allowed", &["hold"], "allow = [\"127.0.0.1\"]")
        + &bench.service("rated", &["hold"], "rate_per_source = \"2/1h\"");
    let daemon = bench.daemon(&config)?;
    daemon.connect("denied")?.closed()?;
    daemon.logged(&["REFUSE service=denied"])?;
    daemon.connect("allowed")?.expect("ready")?;
    for _ in 0..2 {
        daemon.connect("rated")?.expect("ready")?;
    }
    daemon.connect("rated")?.closed()?;
    daemon.logged(&["REFUSE service=rated"])?;
    Ok(Outcome::Works)
}

fn wait(bench: &Bench) -> Result<Outcome> {
    let daemon = bench.daemon(&bench.service("serve", &["serve"], "wait = true"))?;
    for _ in 0..3 {
        // Each one is served by a program of its own, which ends.
        let mut client = daemon.connect("serve")?;
        client.expect(&format!("peer {}", client.local()?))?;
        client.closed()?;
    }
    daemon.logged(&["EXIT service=serve session=3", "status=0"])?;
    Ok(Outcome::Works)
}

fn stderr(bench: &Bench) -> Result<Outcome> {
    let role = ["complain", "cannot find my keys"];
    let daemon = bench.daemon(&bench.service("complain", &role, "stderr = \"log\""))?;
    let answer = daemon.ask("complain", "")?;
    ensure!(answer == "said\n", "the client got {answer:?}");
    daemon.logged(&["STDERR service=complain session=1", "cannot find my keys"])?;
    Ok(Outcome::Works)
}
