//! The daemons that this one replaces, and their packages' files. `ci/test` unpacks the packages
//! into `target/originals/`, side by side and not installed. The original gets a file, clients talk
//! to it, it is stopped; then this daemon gets the same file and the same clients.

mod classic;
mod samples;
mod xinetd;

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use crate::harness::{Client, Daemon, Process, Start, wait_until};

/// The folder of an unpacked package, if it is there and we are root, which the originals want.
pub(super) fn original(package: &str) -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let folder = target.join("originals").join(package);
    let is_root = rustix::process::geteuid().is_root();
    if folder.is_dir() && is_root {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "no {} (see ci/test), or no root", folder.display());
    println!("left out: no {} (see ci/test), or no root", folder.display());
    None
}

/// An address that no other test process has: the built-in services have their usual ports.
fn own_host(number: u8) -> String {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    format!("127.{}.{b}.{c}", 128 + (a.wrapping_add(number)) % 64)
}

/// A port of an address.
fn at(host: &str, port: u16) -> SocketAddr {
    SocketAddr::new(host.parse().unwrap(), port)
}

/// Starts an original and waits until it is `ready`.
#[track_caller]
fn start(mut command: Command, ready: impl FnMut() -> bool) -> Process {
    command.current_dir("/").stdin(Stdio::null());
    let process = Process::start(command);
    wait_until("the original", ready);
    process
}

/// Starts this daemon with the same text.
#[track_caller]
fn ours(text: &str) -> Daemon {
    Start::classic(text).ready()
}

/// What a service answers to a whole question.
fn ask(address: SocketAddr, question: &str) -> String {
    let mut client = Client::connect(address);
    let own = client.local().port().to_string();
    client.send(question.as_bytes());
    client.half_close();
    client.rest().replace('\0', " ").replace(&own, "OWN-PORT")
}

/// What it says without being asked.
fn listen_to(address: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::new();
    Client::connect(address).reader().read_to_end(&mut bytes).unwrap();
    bytes
}

/// The first lines of a service that never stops.
fn beginning(address: SocketAddr) -> String {
    let mut bytes = [0; 3 * 74];
    Client::connect(address).exactly(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a datagram is answered with. It is sent again every second, as clients do: xinetd throws away
/// what comes before it has seen the end of a `wait` server.
fn exchange(address: SocketAddr, datagram: &str) -> Vec<u8> {
    let socket = UdpSocket::bind((address.ip(), 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut answer = [0; 2048];
    let mut length = None;
    wait_until("an answer to a datagram", || {
        socket.send_to(datagram.as_bytes(), address).unwrap();
        length = socket.recv_from(&mut answer).ok().map(|(length, from)| {
            assert_eq!(from, address);
            length
        });
        length.is_some()
    });
    answer[..length.unwrap_or_default()].to_vec()
}

/// Whether somebody who connects gets an answer. `quiet` says that there will be none.
fn is_answered(at: SocketAddr, quiet: impl Fn() -> bool) -> bool {
    let Ok(stream) = TcpStream::connect(at) else { return false };
    let mut answered = false;
    let mut byte = [0];
    stream.set_nonblocking(true).unwrap();
    wait_until("an answer, or none", || match stream.peek(&mut byte) {
        Ok(count) => {
            answered = count > 0;
            true
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => quiet(),
        Err(_) => true,
    });
    answered
}

/// A date with its digits and names taken away: two runs are not in the same second.
fn shape(date: &[u8]) -> String {
    let shape = |c: char| match c {
        '0'..='9' => 'd',
        'a'..='z' | 'A'..='Z' => 'a',
        other => other,
    };
    // ctime(3) writes a day below ten with a blank.
    String::from_utf8_lossy(date).chars().map(shape).collect::<String>().replace("  d", " dd")
}

/// RFC 868: whether the first four bytes are now. inetutils sends four more, which are zero.
fn is_now(bytes: &[u8]) -> bool {
    let seconds = u32::from_be_bytes(*bytes.first_chunk().unwrap());
    let now = UNIX_EPOCH.elapsed().unwrap() + Duration::from_secs(2_208_988_800);
    now.as_secs().abs_diff(u64::from(seconds)) < 600
}

/// RFC 864: whether these are whole lines of printable characters, each one further than the line
/// before. How many lines are in a datagram is left to the server.
fn is_pattern(bytes: &[u8]) -> bool {
    let is_next = |pair: &[u8]| pair[1] == if pair[0] == b'~' { b' ' } else { pair[0] + 1 };
    bytes.len().is_multiple_of(74)
        && bytes
            .chunks(74)
            .all(|line| line.ends_with(b"\r\n") && line[..72].windows(2).all(is_next))
}

/// How long an answer of chargen is, which must be its pattern.
fn pattern_size(bytes: &[u8]) -> String {
    assert!(is_pattern(bytes), "{bytes:?}");
    bytes.len().to_string()
}

/// Compares two lists of answers, item by item.
#[track_caller]
fn assert_same(theirs: &[(String, String)], ours: &[(String, String)]) {
    assert_eq!(theirs.len(), ours.len());
    for (theirs, ours) in theirs.iter().zip(ours) {
        assert_eq!(theirs, ours, "the original's answer, and ours");
    }
}
