//! The programs of the self-test: our own executable in a role, so that nothing else has to be
//! installed. Each one ends by itself before long, whatever happens to the test.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use socket2::SockRef;

use super::CHILD;
use super::data::{Checksum, generate};
use crate::sys::selftest::{self, StopRequests};

/// No scenario takes longer.
const LIFE: Duration = Duration::from_secs(180);
/// The exit code of a program that has lived too long.
const TOO_OLD: i32 = 99;
/// How long a program uses the processors, to see how much of them there is.
const WORK: Duration = Duration::from_secs(2);

/// Plays the role that `words` names.
pub fn play(words: &[String]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // Before any other thread, which could be asked to stop, too.
    let requests = match words[..] {
        ["polite" | "stubborn"] => Some(StopRequests::hold()?),
        _ => None,
    };
    end_some_day()?;
    match words[..] {
        ["cat"] => cat(),
        ["count-datagrams"] => count_datagrams(),
        ["sum"] => sum(),
        ["fill", size] => fill(size.parse()?),
        ["both", size] => both(size.parse()?),
        ["hold"] => hold(),
        ["environment"] => environment(),
        ["leaked"] => leaked(),
        ["socket"] => socket(),
        ["serve"] => serve(),
        ["buffers"] => buffers(),
        ["rights"] => say(&selftest::rights()?),
        ["terminal"] => terminal(),
        ["arguments", ..] => say(&format!("{:?}\n", &words[1..])),
        ["polite"] => polite(requests),
        ["stubborn"] => stubborn(),
        ["leave", port] => leave(port),
        ["leave-and-stay", port] => leave(port).and_then(|()| cat()),
        ["lifeline", port] => lifeline(port.parse()?),
        ["complain", text] => complain(text),
        ["crash"] => std::process::abort(),
        ["memory", megabytes] => memory(megabytes.parse()?),
        ["processes", count] => processes(count.parse()?),
        ["work"] => work(),
        _ => bail!("there is no role {words:?}"),
    }
}

#[expect(clippy::exit, reason = "nothing else ends a thread that waits for a peer")]
fn end_some_day() -> Result<()> {
    let end = || {
        thread::park_timeout(LIFE);
        std::process::exit(TOO_OLD)
    };
    thread::Builder::new().spawn(end)?;
    Ok(())
}

fn say(text: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}

/// Sends back what it gets, at once.
fn cat() -> Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut buffer = vec![0; 1 << 16];
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok(()),
            count => output.write_all(&buffer[..count])?,
        }
        output.flush()?;
    }
}

/// Sends each datagram back with its number before it: one call reads one, and one writes one.
fn count_datagrams() -> Result<()> {
    let (mut input, mut buffer) = (io::stdin().lock(), vec![0; 1 << 16]);
    for number in 1.. {
        let count = input.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        say(&format!("{number} {}", String::from_utf8_lossy(&buffer[..count])))?;
    }
    Ok(())
}

/// Answers when it has everything.
fn sum() -> Result<()> {
    let checksum = Checksum::of(io::stdin().lock())?;
    say(&format!("{checksum}\n"))
}

fn fill(size: u64) -> Result<()> {
    let mut output = io::stdout().lock();
    io::copy(&mut generate(size), &mut output)?;
    Ok(output.flush()?)
}

/// Waits for input and writes at the same time. One thread waits in a read while the other writes.
fn both(size: u64) -> Result<()> {
    let reader = thread::spawn(|| Checksum::of(io::stdin().lock()));
    fill(size)?;
    let read = reader.join().ok().context("the thread that reads has ended")??;
    Ok(writeln!(io::stderr(), "read {read}")?)
}

/// Says that it runs, and ends when its peer does.
fn hold() -> Result<()> {
    say("ready\n")?;
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(())
}

fn environment() -> Result<()> {
    let variables = std::env::vars_os();
    let lines: String = variables
        .map(|(name, value)| format!("{}={}\n", name.to_string_lossy(), value.to_string_lossy()))
        .collect();
    say(&lines)
}

fn leaked() -> Result<()> {
    let leaked = selftest::leaked();
    say(&format!("{} leaked\n{}", leaked.len(), leaked.join("\n")))
}

/// Uses the connection as a program does that knows about networks.
fn socket() -> Result<()> {
    let mut stream = selftest::own_stream().context("no connection")?;
    writeln!(stream, "peer {}", stream.peer_addr().context("no peer")?)?;
    let mut line = String::new();
    io::BufReader::new(&stream).read_line(&mut line)?;
    write!(stream, "line {line}")?;
    Ok(())
}

/// A `wait` server for one connection.
fn serve() -> Result<()> {
    let (mut stream, peer) = selftest::own_listener().context("no listener")?.accept()?;
    writeln!(stream, "peer {peer}")?;
    Ok(())
}

fn buffers() -> Result<()> {
    let stream = selftest::own_stream().context("no connection")?;
    let socket = SockRef::from(&stream);
    let (send, receive) = (socket.send_buffer_size()?, socket.recv_buffer_size()?);
    say(&format!("send {send}\nreceive {receive}\n"))
}

/// Says whether it sits at a terminal, and answers one line.
fn terminal() -> Result<()> {
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    say(if is_terminal { "at a terminal\n" } else { "no terminal\n" })?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    say(&format!("answer to {}\n", line.trim_end()))
}

/// Ends when it is asked to stop, and says so.
fn polite(requests: Option<StopRequests>) -> Result<()> {
    say("ready\n")?;
    requests.context("nothing to wait for")?.wait()?;
    say("asked\n")
}

/// Does not end when it is asked to stop.
fn stubborn() -> Result<()> {
    say("ready\n")?;
    loop {
        thread::park();
    }
}

/// Ends, but not before a process that it leaves behind has connected to `port`.
fn leave(port: &str) -> Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([CHILD, "lifeline", port]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = start(&mut command)?;
    let output = child.stdout.take().context("no output")?;
    let mut line = String::new();
    io::BufReader::new(output).read_line(&mut line)?;
    ensure!(line.trim_end() == "connected", "the process said {line:?}");
    say("left\n")
}

/// Keeps a connection open as long as it lives.
fn lifeline(port: u16) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    say("connected\n")?;
    io::copy(&mut stream, &mut io::sink())?;
    Ok(())
}

fn complain(text: &str) -> Result<()> {
    writeln!(io::stderr(), "{text}")?;
    say("said\n")
}

/// Takes memory until it has as much or gets no more.
fn memory(megabytes: usize) -> Result<()> {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    while taken.len() < megabytes {
        let mut more = Vec::new();
        if more.try_reserve_exact(1 << 20).is_err() {
            break;
        }
        more.resize(1 << 20, 1); // Touched, so that it is really there.
        taken.push(more);
    }
    let count = taken.len();
    // What is said needs memory as well.
    drop(taken);
    say(&format!("{count}\n"))
}

/// Starts processes until there are as many or it may not.
fn processes(count: usize) -> Result<()> {
    let mut children = Vec::new();
    while children.len() < count {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([CHILD, "hold"]).stdin(Stdio::piped()).stdout(Stdio::null());
        match start(&mut command) {
            Ok(child) => children.push(child),
            Err(_) => break,
        }
    }
    say(&format!("{}\n", children.len()))
    // The end of this program ends their input, and so them.
}

/// Uses all processors for a while, and says how much of them it got, in percent.
fn work() -> Result<()> {
    let processors = thread::available_parallelism()?.get();
    let begin = Instant::now();
    let threads: Vec<_> = (0..processors).map(|_| thread::spawn(move || count(begin))).collect();
    for thread in threads {
        thread.join().ok().context("a thread has ended")?;
    }
    let (used, elapsed) = (selftest::processor_time()?, begin.elapsed());
    let all = elapsed.as_millis() * processors as u128;
    say(&format!("{}\n", used.as_millis() * 100 / all.max(1)))
}

fn count(begin: Instant) {
    let mut number = 1_u64;
    while begin.elapsed() < WORK {
        for _ in 0..100_000 {
            number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005) + 1);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program of the self-test, which misbehaves as programs do"
)]
fn start(command: &mut Command) -> io::Result<std::process::Child> {
    command.spawn()
}
