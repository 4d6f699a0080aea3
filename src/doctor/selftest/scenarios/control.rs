//! The daemon as a whole: control, reload, one instance, its ports.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use socket2::{Domain, Socket, Type};

use super::super::bench::Bench;
use super::super::client::Client;
use super::super::{Outcome, Scenario};
use super::not_shown_by_emulator;
use crate::control::client;
use crate::sys::{FAMILY, Family, selftest};

/// The exit code of a daemon that finds another one.
const RUNNING: i32 = 3;

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "reload",
        shows: "a reload keeps listeners and connections, and changes the rest",
        run: reload,
    },
    Scenario {
        name: "control",
        shows: "the daemon tells of its sessions, and ends one if it is told to",
        run: control,
    },
    Scenario {
        name: "control-rights",
        shows: "the control endpoint is the daemon's own, and nobody else can use it",
        run: rights,
    },
    Scenario {
        name: "one-instance",
        shows: "a second daemon with the same control endpoint is told of the first",
        run: one_instance,
    },
    Scenario {
        name: "exclusive",
        shows: "no other program can take a port that the daemon has",
        run: exclusive,
    },
    Scenario {
        name: "restart",
        shows: "a daemon that is started again gets its port back, with connections still open",
        run: restart,
    },
];

fn reload(bench: &Bench) -> Result<Outcome> {
    let first = bench.service("cat", &["cat"], "");
    let daemon = bench.daemon(&first)?;
    let address = daemon.address("cat")?;
    let mut client = daemon.connect("cat")?;
    client.send(b"before\n")?;
    client.expect("before")?;
    daemon.reload(&(first.clone() + &bench.service("hold", &["hold"], "")))?;
    daemon.connect("hold")?.expect("ready")?;
    client.send(b"after\n")?;
    client.expect("after")?;
    Client::connect(address).context("the listener is gone")?;
    // A mistake changes nothing.
    ensure!(daemon.reload("[service.x]\nnonsense = 1\n").is_err(), "a mistake was taken");
    daemon.connect("hold")?.expect("ready")?;
    Ok(Outcome::Works)
}

fn control(bench: &Bench) -> Result<Outcome> {
    let keys = "stop_timeout = \"200ms\"";
    let daemon = bench.daemon(&bench.service("stubborn", &["stubborn"], keys))?;
    let mut client = daemon.connect("stubborn")?;
    client.expect("ready")?;
    let status = daemon.control_with(client::status)?;
    ensure!(status.pid == daemon.id(), "it says that its process id is {}", status.pid);
    ensure!(status.sessions == 1, "it says that it has {} sessions", status.sessions);
    // A program can answer a moment before its session is listed. The deadline ends the loop.
    let session = loop {
        if let Some(session) = daemon.control_with(client::sessions)?.sessions.pop() {
            break session;
        }
    };
    let peer = client.local()?.to_string();
    ensure!(session.peer.as_deref() == Some(&peer), "the peer is {:?}", session.peer);
    let id = session.id;
    daemon.control_with(async |endpoint| client::kill(endpoint, id).await)?;
    daemon.logged(&["EXIT service=stubborn session=1"])?;
    daemon.stop()?;
    let code = daemon.exit_code()?;
    ensure!(code == 0, "the daemon ended with code {code}");
    Ok(Outcome::Works)
}

fn rights(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = not_shown_by_emulator("it has one account, and rights of Linux") {
        return Ok(skipped);
    }
    let daemon = bench.daemon(&bench.service("cat", &["cat"], ""))?;
    match selftest::control_flaw(daemon.control(), daemon.id())? {
        Some(flaw) => bail!(flaw),
        None => Ok(Outcome::Works),
    }
}

fn one_instance(bench: &Bench) -> Result<Outcome> {
    let config = bench.service("cat", &["cat"], "");
    let first = bench.daemon(&config)?;
    let second = bench.start(&config)?;
    let code = second.exit_code()?;
    ensure!(code == RUNNING, "the second daemon ended with code {code}");
    second.logged(&["another inetd is running", &format!("(pid {})", first.id())])?;
    ensure!(first.ask("cat", "still here")? == "still here", "the first one does not answer");
    Ok(Outcome::Works)
}

/// On Windows SO_REUSEADDR takes ports away from others, if they do not protect themselves.
fn exclusive(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = not_shown_by_emulator("it has the sockets of Linux") {
        return Ok(skipped);
    }
    let daemon = bench.daemon(&bench.service("cat", &["cat"], ""))?;
    let address = daemon.address("cat")?;
    let wildcard = SocketAddr::from(([0, 0, 0, 0], address.port()));
    for address in [address, wildcard] {
        for reuse in [false, true] {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.set_reuse_address(reuse)?;
            let taken = socket.bind(&address.into()).and_then(|()| socket.listen(1));
            let how = if reuse { "with" } else { "without" };
            ensure!(taken.is_err(), "another program took {address} {how} SO_REUSEADDR");
        }
    }
    Ok(Outcome::Works)
}

fn restart(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = not_shown_by_emulator("it has the sockets of Linux") {
        return Ok(skipped);
    }
    let keys = |listen: &str| format!("listen = \"{listen}\"\nstop_timeout = \"100ms\"");
    let service = |listen: &str| bench.service("hold", &["hold"], &keys(listen));
    let first = bench.daemon(&service("127.0.0.1:0"))?;
    let address = first.address("hold")?;
    let mut open = first.connect("hold")?;
    open.expect("ready")?;
    first.stop()?;
    first.exit_code()?;
    // Our end of the connection is still open.
    let second = bench.daemon(&service(&address.to_string()))?;
    ensure!(second.address("hold")? == address, "it has another port");
    second.connect("hold")?.expect("ready")?;
    let waited = second.has_logged("cannot listen");
    Ok(match (FAMILY, waited) {
        (Family::Windows, true) => Outcome::Seen("it had to wait for the port".into()),
        (Family::Windows, false) => Outcome::Seen("at once".into()),
        (Family::Unix, _) => Outcome::Works,
    })
}
