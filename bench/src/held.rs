//! Clients that stay.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::SocketType;

use crate::client::{Errors, start_connecting, wait};

/// Connections that are being made at a time.
const AT_ONCE: usize = 32;

/// What the service of these clients says first.
const READY: &[u8] = b"ready\n";

/// Makes `count` connections that stay, and waits until each has been answered.
pub fn hold(
    address: SocketAddr,
    count: usize,
    patience: Duration,
    errors: &mut Errors,
) -> io::Result<Vec<OwnedFd>> {
    let queue = epoll::create(CreateFlags::CLOEXEC)?;
    let mut sockets: Vec<Option<OwnedFd>> = Vec::new();
    let (mut ready, mut pending) = (0, 0);
    let mut events = Vec::with_capacity(64);
    let begin = Instant::now();
    let mut buffer = [0; 64];
    while ready + pending < count || pending > 0 {
        if begin.elapsed() > patience {
            errors.add(format!("{} not ready in {patience:?}", count - ready));
            break;
        }
        while pending < AT_ONCE && sockets.len() < count {
            let socket = start_connecting(address, SocketType::STREAM)?;
            let data = EventData::new_u64(sockets.len() as u64);
            epoll::add(&queue, &socket, data, EventFlags::IN)?;
            sockets.push(Some(socket));
            pending += 1;
        }
        if pending == 0 {
            break; // The others failed.
        }
        wait(&queue, &mut events, 20)?;
        for event in events.drain(..) {
            let place = usize::try_from(event.data.u64()).unwrap_or_default();
            let Some(socket) = &sockets[place] else { continue };
            let got = rustix::io::read(socket, &mut buffer);
            pending -= 1;
            if got.is_ok_and(|length| &buffer[..length] == READY) {
                ready += 1;
                epoll::delete(&queue, socket)?;
            } else {
                errors.add("not ready");
                sockets[place] = None;
            }
        }
    }
    Ok(sockets.into_iter().flatten().collect())
}

/// How many of them are still there.
pub fn alive(sockets: &[OwnedFd]) -> usize {
    let mut buffer = [0; 1];
    let lives = |socket: &&OwnedFd| rustix::io::read(*socket, &mut buffer) == Err(Errno::AGAIN);
    sockets.iter().filter(lives).count()
}
