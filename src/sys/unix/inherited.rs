//! Listening sockets that systemd passed to us (sd_listen_fds(3)).

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use super::socket::ListenSocket;

/// The first descriptor that a service manager passes.
const FIRST: i32 = 3;

/// What was passed, each with its name from `LISTEN_FDNAMES`.
static PASSED: Mutex<Vec<(String, OwnedFd)>> = Mutex::new(Vec::new());

/// Takes what was passed. Call it once, before this process opens anything itself.
pub(super) fn take() {
    let variable = |name| std::env::var(name).ok();
    let number = |name| variable(name).and_then(|value| value.parse::<u32>().ok());
    if number("LISTEN_PID") != Some(std::process::id()) {
        return;
    }
    let count = i32::try_from(number("LISTEN_FDS").unwrap_or(0)).unwrap_or(0);
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    for fd in FIRST..FIRST.saturating_add(count) {
        let name = names.next().unwrap_or_default().to_owned();
        // SAFETY: used only to ask whether it is open.
        let open = rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(fd) }).is_ok();
        if !open {
            return; // They are passed without gaps; behind the last one there is nothing for us.
        }
        // SAFETY: it is open, and by the protocol it is for us. Nothing in this process has opened
        // a descriptor yet that it could be instead, and `take` runs once.
        passed.push((name, unsafe { OwnedFd::from_raw_fd(fd) }));
    }
}

/// The passed sockets. The second call gives none.
pub fn listeners() -> Vec<(String, io::Result<ListenSocket>)> {
    let passed = std::mem::take(&mut *PASSED.lock().unwrap_or_else(PoisonError::into_inner));
    passed.into_iter().map(|(name, fd)| (name, ListenSocket::inherited(fd))).collect()
}
