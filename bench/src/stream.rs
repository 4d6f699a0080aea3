//! Clients of services that echo.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::SocketType;

use crate::client::{Errors, micros, start_connecting, wait};

/// Bytes of a connection that are on their way at a time.
const WINDOW: u64 = 1 << 20;
const CHUNK: usize = 64 * 1024;
/// Its length is prime, so that a byte that is lost or doubled is noticed.
const PATTERN: usize = 65_521;

struct Pipe {
    socket: OwnedFd,
    sent: u64,
    received: u64,
    writable: bool,
}

/// Keeps `connections` busy for `time`: bytes that came back, all of them checked.
pub fn bytes(
    address: SocketAddr,
    connections: usize,
    time: Duration,
    errors: &mut Errors,
) -> io::Result<u64> {
    let pattern: Vec<u8> = (0..PATTERN + CHUNK)
        .map(|place| (place % PATTERN).wrapping_mul(2_654_435_761).to_le_bytes()[2])
        .collect();
    let queue = epoll::create(CreateFlags::CLOEXEC)?;
    let mut pipes = Vec::new();
    for place in 0..connections {
        let socket = start_connecting(address, SocketType::STREAM)?;
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
        epoll::add(&queue, &socket, EventData::new_u64(place as u64), flags)?;
        pipes.push(Some(Pipe { socket, sent: 0, received: 0, writable: false }));
    }
    let mut buffer = vec![0; CHUNK];
    let mut events = Vec::with_capacity(256);
    let (begin, mut total) = (Instant::now(), 0);
    while begin.elapsed() < time && errors.sum() == 0 {
        wait(&queue, &mut events, 20)?;
        for event in events.drain(..) {
            let place = usize::try_from(event.data.u64()).unwrap_or_default();
            let Some(pipe) = pipes[place].as_mut() else { continue };
            let flags = event.flags;
            pipe.writable |= flags.contains(EventFlags::OUT);
            match pipe.pump(&pattern, &mut buffer) {
                Ok(received) => total += received,
                Err(error) => {
                    errors.add(error);
                    pipes[place] = None;
                }
            }
        }
    }
    Ok(total)
}

impl Pipe {
    /// Reads and writes until neither goes any further.
    fn pump(&mut self, pattern: &[u8], buffer: &mut [u8]) -> Result<u64, String> {
        let before = self.received;
        loop {
            let mut moved = false;
            match rustix::io::read(&self.socket, &mut *buffer) {
                Ok(0) => return Err("end of stream".into()),
                Ok(length) => {
                    let at = offset(self.received);
                    if buffer[..length] != pattern[at..at + length] {
                        return Err("other bytes than were sent".into());
                    }
                    self.received += length as u64;
                    moved = true;
                }
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(format!("read {error:?}")),
            }
            while self.writable && self.sent - self.received < WINDOW {
                let at = offset(self.sent);
                match rustix::io::write(&self.socket, &pattern[at..at + CHUNK]) {
                    Ok(length) => {
                        self.sent += length as u64;
                        moved = true;
                    }
                    Err(Errno::AGAIN) => self.writable = false,
                    Err(error) => return Err(format!("write {error:?}")),
                }
            }
            if !moved {
                return Ok(self.received - before);
            }
        }
    }
}

fn offset(position: u64) -> usize {
    usize::try_from(position % PATTERN as u64).unwrap_or_default()
}

/// Sends a line of 64 bytes and waits for it, for `time`. Microseconds of each turn.
pub fn round_trips(
    address: SocketAddr,
    time: Duration,
    errors: &mut Errors,
) -> io::Result<Vec<f64>> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let (mut turns, mut answer) = (Vec::new(), [0; 64]);
    let begin = Instant::now();
    while begin.elapsed() < time {
        let question = message(turns.len());
        let turn = Instant::now();
        let done = socket.write_all(&question).and_then(|()| socket.read_exact(&mut answer));
        if let Err(error) = done {
            errors.add(format!("round trip {:?}", error.kind()));
            break;
        }
        if answer != question {
            errors.add("other bytes than were sent");
            break;
        }
        turns.push(micros(turn.elapsed()));
    }
    Ok(turns)
}

fn message(number: usize) -> [u8; 64] {
    let mut text = [b'.'; 64];
    text[..8].copy_from_slice(&(number as u64).to_le_bytes());
    text
}

/// Keeps 32 datagrams under way for `time`: how many came back, and how many never did.
pub fn datagrams(
    address: SocketAddr,
    time: Duration,
    errors: &mut Errors,
) -> io::Result<(u64, u64)> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let (mut sent, mut back, mut lost) = (0usize, 0, 0);
    let mut under_way = std::collections::HashSet::new();
    let begin = Instant::now();
    let mut answer = [0; 65];
    let mut silences = 0;
    while begin.elapsed() < time && silences < 10 {
        while under_way.len() < 32 {
            socket.send(&message(sent))?;
            under_way.insert(sent as u64);
            sent += 1;
        }
        match socket.recv(&mut answer) {
            Ok(64) => {
                let number = u64::from_le_bytes(answer[..8].try_into().unwrap_or_default());
                // One that was given up comes late after all: neither back nor lost again.
                back += u64::from(under_way.remove(&number));
                silences = 0;
            }
            Ok(_) => errors.add("other bytes than were sent"),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock) => {
                lost += under_way.len() as u64;
                under_way.clear();
                silences += 1;
            }
            Err(error) => errors.add(format!("datagram {:?}", error.kind())),
        }
    }
    Ok((back, lost))
}
