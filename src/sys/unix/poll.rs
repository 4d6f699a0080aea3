//! One queue of events (epoll(7)) that all front threads wait on.
//!
//! Every registration is one-shot: an event is given to exactly one thread, and the socket stays
//! quiet until it is armed again. So "do not listen for now" is simply "do not arm".
//!
//! The ends of programs have a queue of their own, [`Poller::wait_for_end`].

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use rustix::process::Pid;

use super::children::Children;

/// Epoll data of the eventfd behind [`Poller::post`]. Tokens never have this value.
const POSTED: u64 = u64::MAX;

/// The queue.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    /// Counts the entries of `posted` (`EFD_SEMAPHORE`), so that each post wakes one thread.
    semaphore: OwnedFd,
    posted: Mutex<VecDeque<u64>>,
    children: Children,
}

impl Poller {
    /// Whether a thread has to wait for the ends of programs.
    pub const ENDS_APART: bool = true;

    /// A new, empty queue.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK | EventfdFlags::SEMAPHORE;
        let semaphore = eventfd(0, flags)?;
        epoll::add(&epoll, &semaphore, EventData::new_u64(POSTED), EventFlags::IN)?;
        Ok(Self { epoll, semaphore, posted: Mutex::default(), children: Children::default() })
    }

    /// Waits for one event and gives its token. Any number of threads may wait.
    pub fn wait(&self) -> io::Result<u64> {
        loop {
            if let Some(token) = self.next(None)? {
                return Ok(token);
            }
        }
    }

    /// The token of an event, if there is one now.
    pub fn look(&self) -> io::Result<Option<u64>> {
        self.next(Some(&Timespec::default()))
    }

    fn next(&self, timeout: Option<&Timespec>) -> io::Result<Option<u64>> {
        // One event at a time: a second one would have to wait while this thread starts a
        // program, although another thread is free.
        let mut event = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }];
        match epoll::wait(&self.epoll, &mut event, timeout) {
            Ok(0) | Err(Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let token = event[0].data.u64();
        if token != POSTED {
            return Ok(Some(token));
        }
        // Level-triggered: several threads may see it, one of them gets the token.
        let is_ours = rustix::io::read(&self.semaphore, &mut [0; 8]).is_ok();
        Ok(if is_ours { self.lock().pop_front() } else { None })
    }

    /// Waits for the end of one program and gives its token. One thread may wait, after
    /// [`super::startup::prepare`]; the program has to be reaped before it waits again.
    pub fn wait_for_end(&self) -> io::Result<u64> {
        self.children.wait_for_end()
    }

    /// The token of a program that has ended by now; otherwise as [`Poller::wait_for_end`].
    pub fn look_for_end(&self) -> io::Result<Option<u64>> {
        self.children.look_for_end()
    }

    /// The end of a program shall be told.
    pub(super) fn watch_child(&self, pid: Pid, token: u64) {
        self.children.watch(pid, token);
    }

    /// Gives `token` to one waiting thread.
    pub fn post(&self, token: u64) -> io::Result<()> {
        self.lock().push_back(token);
        rustix::io::write(&self.semaphore, &1u64.to_ne_bytes())?;
        Ok(())
    }

    /// Arms a descriptor for one event, the first time if it is `new`; if it is ready already, the event
    /// comes at once.
    pub(super) fn arm(&self, fd: impl AsFd, token: u64, new: bool) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::ONESHOT;
        let arm = if new { epoll::add } else { epoll::modify };
        Ok(arm(&self.epoll, fd, EventData::new_u64(token), flags)?)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<u64>> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::sync::Arc;

    use super::*;
    use crate::config::SocketOptions;
    use crate::listener::endpoint::Endpoint;
    use crate::sys::socket::{ListenSocket, accept_failure};

    #[test]
    fn a_listener_tells_once_for_each_arming() {
        let endpoint = Endpoint::Tcp { address: "127.0.0.1:0".parse().unwrap(), only_v6: false };
        let listener = ListenSocket::bind(&endpoint, &SocketOptions::default()).unwrap();
        let Endpoint::Tcp { address, .. } = listener.local() else { unreachable!("bound to TCP") };
        let poller = Poller::new().unwrap();
        let _clients: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
        for _ in 0..3 {
            listener.arm(&poller, 1).unwrap();
            assert_eq!(poller.wait().unwrap(), 1);
            // Not armed: the next event is ours, although connections wait.
            poller.post(2).unwrap();
            assert_eq!(poller.wait().unwrap(), 2);
            listener.accept().unwrap();
        }
        let empty = listener.accept().unwrap_err();
        assert_eq!(accept_failure(&empty), crate::sys::AcceptFailure::Empty);
    }

    #[test]
    fn a_look_does_not_wait() {
        let poller = Poller::new().unwrap();
        assert_eq!(poller.look().unwrap(), None);
        poller.post(7).unwrap();
        assert_eq!(poller.look().unwrap(), Some(7));
        assert_eq!(poller.look().unwrap(), None);
    }

    #[test]
    fn each_post_reaches_one_of_the_waiting_threads() {
        let poller = Arc::new(Poller::new().unwrap());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let poller = Arc::clone(&poller);
                std::thread::spawn(move || poller.wait().unwrap())
            })
            .collect();
        (10..14).for_each(|token| poller.post(token).unwrap());
        let mut seen: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, [10, 11, 12, 13]);
    }
}
