//! Where a service can listen besides TCP.

use anyhow::{Result, ensure};

use super::super::bench::Bench;
use super::super::client::{Peer, ask_at};
use super::super::data::{Checksum, generate};
use super::super::{Outcome, Scenario};
use super::skipped;
use crate::listener::endpoint::Endpoint;
use crate::sys::socket::has_unix_sockets;

/// What is sent to a Unix socket: more than it holds by itself.
const LARGE: u64 = 4 << 20;

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "udp",
        shows: "udp://: each peer has a program of its own, and builtin answers datagrams",
        run: udp,
    },
    Scenario {
        name: "unix-socket",
        shows: "listen = \"unix:///PATH\": a Unix socket is served, forwarded to, and replaced",
        run: unix_socket,
    },
];

fn udp(bench: &Bench) -> Result<Outcome> {
    let listen = "listen = \"udp://127.0.0.1:0\"\n";
    let config = format!("[service.echo]\n{listen}builtin = \"echo\"\n")
        + &bench.service("count", &["count-datagrams"], listen);
    let daemon = bench.daemon(&config)?;
    let peer = |service| Peer::new(daemon.udp_address(service)?);
    let echo = peer("echo")?;
    for text in ["first", "second"] {
        echo.expect(text, text)?;
    }
    let (one, two) = (peer("count")?, peer("count")?);
    one.expect("a", "1 a")?;
    two.expect("b", "1 b")?;
    one.expect("c", "2 c")?;
    daemon.logged(&["START service=count session=2"])?;
    ensure!(!daemon.has_logged("session=3"), "there are more programs than peers");
    Ok(Outcome::Works)
}

fn unix_socket(bench: &Bench) -> Result<Outcome> {
    if !has_unix_sockets() {
        let why = "this system has none: Windows has them from 10 1803 and Server 2019 on";
        return Ok(skipped(why));
    }
    let at = |name: &str| bench.folder().join(name);
    let url = |name: &str| toml::Value::from(Endpoint::Unix(at(name)).to_string());
    let listen = |name: &str, keys: &str| format!("listen = {}\n{keys}", url(name));
    let config = [
        bench.service("plain", &["sum"], &listen("plain.sock", "")),
        bench.service("relayed", &["sum"], &listen("relayed.sock", "io = \"pipe\"")),
        bench.service("facts", &["environment"], &listen("facts.sock", "")),
        format!("[service.way]\nlisten = \"127.0.0.1:0\"\nforward = {}\n", url("plain.sock")),
    ]
    .concat();
    let sums = Checksum::of(generate(LARGE))?.to_string();
    let killed = bench.daemon(&config)?;
    for name in ["plain.sock", "relayed.sock"] {
        let answer = ask_at(&at(name), generate(LARGE))?;
        ensure!(answer.trim_end() == sums, "{name}: {answer:?} arrived, and not {sums}");
    }
    let facts = ask_at(&at("facts.sock"), generate(0))?;
    for expected in ["PROTO=UNIX", "INETD_REMOTE=unix"] {
        ensure!(facts.lines().any(|line| line == expected), "there is no {expected}: {facts}");
    }
    let mut client = killed.connect("way")?;
    std::io::copy(&mut generate(LARGE), &mut client.sender()?)?;
    client.half_close()?;
    let answer = client.rest()?;
    ensure!(answer.trim_end() == sums, "forward: {answer:?} arrived, and not {sums}");
    // Its files are still there, and nobody serves them.
    killed.kill()?;
    killed.exit_code()?;
    ensure!(at("plain.sock").symlink_metadata().is_ok(), "the file went although nobody took it");
    let daemon = bench.daemon(&config)?;
    ask_at(&at("plain.sock"), generate(1))?;
    daemon.stop()?;
    daemon.exit_code()?;
    ensure!(at("plain.sock").symlink_metadata().is_err(), "the file has outlived its daemon");
    Ok(Outcome::Works)
}
