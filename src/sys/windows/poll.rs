//! One queue of events (an I/O completion port) that all front threads wait on.
//!
//! Nothing but tokens travels through it: each packet is one event, and the system gives it to
//! exactly one thread. Listeners and programs put their tokens in from the system's wait threads.

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;
use std::sync::Arc;

use windows_sys::Win32::Foundation::{INVALID_HANDLE_VALUE, WAIT_TIMEOUT};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatus, PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::Threading::INFINITE;

use super::handle::{check, own};

/// The queue.
#[derive(Debug)]
pub struct Poller {
    port: Arc<Port>,
}

/// The completion port, which lives as long as anybody may still post to it.
#[derive(Debug)]
pub(super) struct Port {
    handle: OwnedHandle,
}

impl Poller {
    /// Whether a thread has to wait for the ends of programs.
    pub const ENDS_APART: bool = false;

    /// A new, empty queue.
    pub fn new() -> io::Result<Self> {
        // Zero threads stands for the number of processors. A thread that is held up, for instance
        // while it starts a program, does not count: another one is let through instead.
        // SAFETY: makes a new port without a file.
        let port = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, 0) };
        // SAFETY: a new handle that nobody else owns.
        Ok(Self { port: Arc::new(Port { handle: unsafe { own(port) }? }) })
    }

    /// Waits for one event and gives its token. Any number of threads may wait.
    pub fn wait(&self) -> io::Result<u64> {
        self.next(INFINITE)
    }

    /// The token of an event, if there is one now.
    pub fn look(&self) -> io::Result<Option<u64>> {
        match self.next(0) {
            Ok(token) => Ok(Some(token)),
            Err(error) if error.raw_os_error() == Some(WAIT_TIMEOUT.cast_signed()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits that many milliseconds.
    fn next(&self, timeout: u32) -> io::Result<u64> {
        let mut bytes = 0;
        let mut key = 0;
        let mut overlapped = ptr::null_mut();
        // SAFETY: the port is open and the pointers are valid for the call.
        check(unsafe {
            GetQueuedCompletionStatus(
                self.port.handle.as_raw_handle(),
                &raw mut bytes,
                &raw mut key,
                &raw mut overlapped,
                timeout,
            )
        })?;
        u64::try_from(key).map_err(io::Error::other)
    }

    /// The ends of programs come through [`Poller::wait`].
    pub fn wait_for_end(&self) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// As [`Poller::wait_for_end`].
    pub fn look_for_end(&self) -> io::Result<Option<u64>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Gives `token` to one waiting thread.
    pub fn post(&self, token: u64) -> io::Result<()> {
        self.port.post(token)
    }

    /// The port, for those who post from elsewhere.
    pub(super) fn port(&self) -> Arc<Port> {
        Arc::clone(&self.port)
    }
}

impl Port {
    pub(super) fn post(&self, token: u64) -> io::Result<()> {
        let key = usize::try_from(token).map_err(io::Error::other)?;
        // SAFETY: the port is open; without an OVERLAPPED nothing has to stay alive.
        check(unsafe {
            PostQueuedCompletionStatus(self.handle.as_raw_handle(), 0, key, ptr::null())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::sys::platform::testing::{PATIENCE, collect, tokens};

    #[test]
    fn a_look_does_not_wait() {
        let poller = Poller::new().unwrap();
        assert_eq!(poller.look().unwrap(), None);
        poller.post(7).unwrap();
        assert_eq!(poller.look().unwrap(), Some(7));
        assert_eq!(poller.look().unwrap(), None);
    }

    #[test]
    fn each_token_reaches_exactly_one_of_many_threads() {
        const THREADS: u64 = 4;
        const EACH: u64 = 100;
        let poller = Arc::new(Poller::new().unwrap());
        let (sender, receiver) = channel();
        for _ in 0..THREADS {
            collect(&poller, sender.clone());
        }
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let poller = &poller;
                scope.spawn(move || {
                    (0..EACH).for_each(|i| poller.post(thread * EACH + i).unwrap());
                });
            }
        });
        let next = || receiver.recv_timeout(PATIENCE).unwrap();
        let mut all: Vec<u64> = (0..THREADS * EACH).map(|_| next()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..THREADS * EACH).collect::<Vec<_>>());
    }

    #[test]
    fn a_token_keeps_all_its_bits() {
        let poller = Arc::new(Poller::new().unwrap());
        let tokens = tokens(&poller);
        for token in [0, u64::MAX, 1 << 63, 0x1234_5678_9abc_def0] {
            poller.post(token).unwrap();
            assert_eq!(tokens.recv_timeout(PATIENCE).unwrap(), token);
        }
    }
}
