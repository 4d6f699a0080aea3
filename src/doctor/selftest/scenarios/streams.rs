//! Bytes on their way between a client and a program.

use std::io;
use std::net::Shutdown;
use std::thread;

use anyhow::{Context, Result, ensure};

use super::super::bench::{Bench, Daemon};
use super::super::client::Client;
use super::super::data::{Checksum, generate};
use super::super::{Outcome, PAUSE, Scenario};
use super::{not_shown_by_emulator, skipped};
use crate::sys::terminal;

/// The size of large transfers.
const LARGE: u64 = 16 << 20;
/// What each direction of a connection certainly does not hold by itself.
const MORE_THAN_BUFFERS: u64 = 8 << 20;

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "stdio",
        shows: "what a client sends reaches the program, and its answer comes back",
        run: stdio,
    },
    Scenario {
        name: "half-close",
        shows: "a client that closes its sending side gets the whole answer",
        run: half_close,
    },
    Scenario { name: "transfer", shows: "16 MiB go each way and arrive unchanged", run: transfer },
    Scenario {
        name: "two-threads",
        shows: "a program may write in one thread while another waits for input",
        run: two_threads,
    },
    Scenario {
        name: "socket",
        shows: "a program uses the socket in Inetd_SOCK right away",
        run: socket,
    },
    Scenario {
        name: "buffers",
        shows: "connections have the buffers of the configuration, after a reload as well",
        run: buffers,
    },
    Scenario {
        name: "pipe",
        shows: "io = \"pipe\": the same, with a program that has not got the socket",
        run: pipe,
    },
    Scenario {
        name: "reset",
        shows: "a relayed program is stopped when its peer breaks the connection off",
        run: reset,
    },
    Scenario {
        name: "terminal",
        shows: "io = \"pty\": the program sits at a terminal, and what is typed reaches it",
        run: terminal,
    },
    Scenario {
        name: "forward",
        shows: "forward and builtin: connections that need no program",
        run: forward,
    },
];

fn stdio(bench: &Bench) -> Result<Outcome> {
    let daemon = bench.daemon(&bench.service("cat", &["cat"], ""))?;
    let mut client = daemon.connect("cat")?;
    for line in ["first", "second", "third"] {
        // By now the daemon has closed its handle of the connection, and the program waits in a
        // read.
        thread::park_timeout(PAUSE * 20);
        client.send(format!("{line}\n").as_bytes())?;
        client.expect(line)?;
    }
    client.half_close()?;
    ensure!(client.rest()?.is_empty(), "there was more than was sent");
    daemon.logged(&["EXIT service=cat", "status=0"])?;
    Ok(Outcome::Works)
}

fn half_close(bench: &Bench) -> Result<Outcome> {
    let daemon = bench.daemon(&bench.service("sum", &["sum"], ""))?;
    answers_after_half_close(&daemon)?;
    Ok(Outcome::Works)
}

fn answers_after_half_close(daemon: &Daemon) -> Result<()> {
    let mut client = daemon.connect("sum")?;
    io::copy(&mut generate(LARGE), &mut client.sender()?).context("cannot send")?;
    client.half_close()?;
    let (answer, expected) = (client.rest()?, Checksum::of(generate(LARGE))?);
    ensure!(answer.trim_end() == expected.to_string(), "{answer:?} arrived, and not {expected}");
    Ok(())
}

fn transfer(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = not_shown_by_emulator("a write to a full socket reads from it there") {
        return Ok(skipped);
    }
    let daemon = bench.daemon(&bench.service("cat", &["cat"], ""))?;
    comes_back(&mut daemon.connect("cat")?)?;
    Ok(Outcome::Works)
}

/// Sends a lot to a program that sends it back.
fn comes_back(client: &mut Client) -> Result<()> {
    let mut sender = client.sender()?;
    let send = thread::spawn(move || {
        io::copy(&mut generate(LARGE), &mut sender)?;
        sender.shutdown(Shutdown::Write)
    });
    let received = Checksum::of(client.reader()).context("cannot receive")?;
    send.join().ok().context("the sending thread has ended")?.context("cannot send")?;
    let sent = Checksum::of(generate(LARGE))?;
    ensure!(received == sent, "{received} came back, and not {sent}");
    Ok(())
}

/// The documentation of Windows says that requests on a synchronous file wait for each other, so
/// there it is no failure if the program's output waits for the client's input.
fn two_threads(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = not_shown_by_emulator("its sockets never wait for each other") {
        return Ok(skipped);
    }
    let size = MORE_THAN_BUFFERS.to_string();
    let daemon = bench.daemon(&bench.service("both", &["both", &size], "stderr = \"log\""))?;
    let mut client = daemon.connect("both")?;
    // Its output should come although it has no input yet.
    let wrote_first = client.comes_within(PAUSE * 200)?;
    client.send(b"x")?;
    client.half_close()?;
    let received = Checksum::of(client.reader()).context("cannot receive")?;
    ensure!(received == Checksum::of(generate(MORE_THAN_BUFFERS))?, "{received} arrived");
    Ok(Outcome::Seen(if wrote_first {
        "the output came before there was any input".into()
    } else {
        "the output came only after input had come: use io = \"pipe\" for such programs".into()
    }))
}

fn socket(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = not_shown_by_emulator("it wants WSADuplicateSocket to be called first") {
        return Ok(skipped);
    }
    let daemon = bench.daemon(&bench.service("socket", &["socket"], ""))?;
    let mut client = daemon.connect("socket")?;
    client.expect(&format!("peer {}", client.local()?))?;
    client.send(b"hello\n")?;
    client.expect("line hello")?;
    Ok(Outcome::Works)
}

fn buffers(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = not_shown_by_emulator("it has the sockets of Linux") {
        return Ok(skipped);
    }
    let service = |bytes: u64| {
        let keys = format!("send_buffer = {bytes}\nreceive_buffer = {bytes}");
        bench.service("buffers", &["buffers"], &keys)
    };
    let daemon = bench.daemon(&service(50_000))?;
    let first = daemon.ask("buffers", "")?;
    daemon.reload(&service(100_000))?;
    let second = daemon.ask("buffers", "")?;
    for (answer, bytes) in [(&first, 50_000), (&second, 100_000)] {
        for line in answer.lines() {
            let size = line.split(' ').nth(1).and_then(|size| size.parse::<u64>().ok());
            // Linux doubles them (socket(7)).
            let fits = size.is_some_and(|size| size == bytes || size == 2 * bytes);
            ensure!(fits, "{line:?} where {bytes} were asked for");
        }
        ensure!(answer.lines().count() == 2, "the program said {answer:?}");
    }
    Ok(Outcome::Works)
}

fn pipe(bench: &Bench) -> Result<Outcome> {
    let size = MORE_THAN_BUFFERS.to_string();
    let daemon = bench.daemon(
        &[
            bench.service("cat", &["cat"], "io = \"pipe\""),
            bench.service("sum", &["sum"], "io = \"pipe\""),
            bench.service("both", &["both", &size], "io = \"pipe\"\nstderr = \"log\""),
        ]
        .concat(),
    )?;
    let mut client = daemon.connect("cat")?;
    client.send(b"hello\n")?;
    client.expect("hello")?;
    comes_back(&mut client)?;
    answers_after_half_close(&daemon)?;
    // Here the output never waits for input.
    let mut client = daemon.connect("both")?;
    let received = Checksum::exactly(client.reader(), MORE_THAN_BUFFERS)?;
    ensure!(received == Checksum::of(generate(MORE_THAN_BUFFERS))?, "{received} arrived");
    client.send(b"input")?;
    client.half_close()?;
    daemon.logged(&["STDERR service=both", "read 5 bytes"])?;
    Ok(Outcome::Works)
}

fn reset(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = not_shown_by_emulator("a reset looks like an end there") {
        return Ok(skipped);
    }
    let keys = "io = \"pipe\"\nstop_timeout = \"200ms\"";
    let daemon = bench.daemon(&bench.service("stubborn", &["stubborn"], keys))?;
    let mut client = daemon.connect("stubborn")?;
    client.expect("ready")?;
    client.reset()?;
    daemon.logged(&["EXIT service=stubborn session=1"])?;
    Ok(Outcome::Works)
}

fn terminal(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = not_shown_by_emulator("programs get no standard handles there") {
        return Ok(skipped);
    }
    if let Some(obstacle) = terminal::obstacle() {
        return Ok(skipped(obstacle));
    }
    let daemon = bench.daemon(&bench.service("terminal", &["terminal"], "io = \"pty\""))?;
    let mut client = daemon.connect("terminal")?;
    client.until("at a terminal")?;
    client.send(b"hello\r")?;
    client.until("answer to hello")?;
    daemon.logged(&["EXIT service=terminal session=1", "status=0"])?;
    client.rest()?;
    Ok(Outcome::Works)
}

fn forward(bench: &Bench) -> Result<Outcome> {
    // What is forwarded to fills its socket, which no program can do under Wine: see `transfer`.
    let cat = bench.service("cat", &["cat"], "io = \"pipe\"");
    let daemon = bench.daemon(&cat)?;
    let address = daemon.address("cat")?;
    let more = format!(
        "[service.forward]\nlisten = \"127.0.0.1:0\"\nforward = \"{address}\"\n\
         [service.echo]\nlisten = \"127.0.0.1:0\"\nbuiltin = \"echo\"\n"
    );
    daemon.reload(&(cat + &more))?;
    for service in ["forward", "echo"] {
        let mut client = daemon.connect(service)?;
        client.send(b"hello\n")?;
        client.expect("hello")?;
        comes_back(&mut client).context(service)?;
    }
    Ok(Outcome::Works)
}
