//! Clients of services that say something and close: any number at a time, each in a closed loop.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

/// What is asked of the clients.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    pub address: SocketAddr,
    /// Connections at a time.
    pub clients: usize,
    /// No more connections than that.
    pub count: u64,
    /// No new connections after that.
    pub time: Duration,
    /// What each must bring, to the byte, before its end.
    pub expected: &'a [u8],
    /// A connection that takes longer is lost.
    pub patience: Duration,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Microseconds from connect to the end, of those that went well.
    pub latencies: Vec<f64>,
    /// Microseconds from connect to the first byte, of the same.
    pub firsts: Vec<f64>,
    pub errors: Errors,
}

/// How often something went wrong.
#[derive(Debug, Default)]
pub struct Errors(pub BTreeMap<String, u64>);

impl Errors {
    pub fn add(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    pub fn sum(&self) -> u64 {
        self.0.values().sum()
    }

    pub fn merge(&mut self, other: Self) {
        for (what, count) in other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }
}

struct Client {
    socket: OwnedFd,
    begin: Instant,
    first: Option<Instant>,
    got: Vec<u8>,
}

/// A socket that is on its way to `address`.
pub fn start_connecting(address: SocketAddr, kind: SocketType) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, kind, flags, None)?;
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// Waits for what happens to the sockets of `queue`, at most so many milliseconds. Nothing may have
/// happened.
pub fn wait(queue: &OwnedFd, events: &mut Vec<epoll::Event>, milliseconds: u32) -> io::Result<()> {
    events.clear();
    let time = Duration::from_millis(milliseconds.into());
    let time = Timespec::try_from(time).map_err(io::Error::other)?;
    match epoll::wait(queue, rustix::buffer::spare_capacity(events), Some(&time)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Load<'_> {
    pub fn run(&self) -> io::Result<Outcome> {
        let queue = epoll::create(CreateFlags::CLOEXEC)?;
        let mut clients: Vec<Option<Client>> = (0..self.clients).map(|_| None).collect();
        let mut free: Vec<usize> = (0..self.clients).rev().collect();
        let mut outcome = Outcome::default();
        let (begin, mut looked, mut begun) = (Instant::now(), Instant::now(), 0);
        let mut events = Vec::with_capacity(1024);
        loop {
            let over = begun >= self.count || begin.elapsed() >= self.time;
            if over && free.len() == clients.len() {
                return Ok(outcome);
            }
            // Not all at once, so that those that are there already are not kept waiting.
            for _ in 0..64 {
                if over || begun >= self.count {
                    break;
                }
                let Some(place) = free.pop() else { break };
                begun += 1;
                let begin = Instant::now();
                match start_connecting(self.address, SocketType::STREAM) {
                    Ok(socket) => {
                        let data = EventData::new_u64(place as u64);
                        epoll::add(&queue, &socket, data, EventFlags::IN)?;
                        clients[place] =
                            Some(Client { socket, begin, first: None, got: Vec::new() });
                    }
                    Err(error) => {
                        outcome.errors.add(format!("connect {error:?}"));
                        free.push(place);
                    }
                }
            }
            let more = !over && begun < self.count && !free.is_empty();
            wait(&queue, &mut events, if more { 0 } else { 200 })?;
            for event in events.drain(..) {
                let place = usize::try_from(event.data.u64()).unwrap_or_default();
                let Some(client) = clients[place].as_mut() else { continue };
                let Some(end) = client.read(self.expected) else { continue };
                match end {
                    Ok(()) => {
                        outcome.latencies.push(micros(client.begin.elapsed()));
                        let first = client.first.map(|first| micros(first - client.begin));
                        outcome.firsts.extend(first);
                    }
                    Err(error) => outcome.errors.add(error),
                }
                clients[place] = None;
                free.push(place);
            }
            if looked.elapsed() > Duration::from_millis(200) {
                looked = Instant::now();
                for (place, slot) in clients.iter_mut().enumerate() {
                    let late = |client: &mut Client| client.begin.elapsed() > self.patience;
                    if let Some(client) = slot.take_if(late) {
                        let what = if client.got.is_empty() { "nothing" } else { "no end" };
                        outcome.errors.add(format!("{what} in {:?}", self.patience));
                        free.push(place);
                    }
                }
            }
        }
    }
}

impl Client {
    /// Reads what there is; the result once it is over.
    fn read(&mut self, expected: &[u8]) -> Option<Result<(), String>> {
        let mut buffer = [0; 4096];
        loop {
            match rustix::io::read(&self.socket, &mut buffer) {
                Ok(0) if self.got == expected => return Some(Ok(())),
                Ok(0) if self.got.is_empty() => return Some(Err("empty".into())),
                Ok(0) => return Some(Err("wrong output".into())),
                Ok(length) => {
                    self.first.get_or_insert_with(Instant::now);
                    self.got.extend_from_slice(&buffer[..length]);
                }
                Err(Errno::AGAIN) => return None,
                Err(Errno::INTR) => {}
                Err(error) => return Some(Err(format!("{error:?}"))),
            }
            if self.got.len() > expected.len() {
                return Some(Err("wrong output".into()));
            }
        }
    }
}

/// A time in microseconds.
pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
