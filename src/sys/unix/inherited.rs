//! Listening sockets that systemd passed to us (sd_listen_fds(3)).

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Mutex;

use super::socket::ListenSocket;

/// The first descriptor that a service manager passes.
const FIRST: i32 = 3;

/// Each passed socket with its name from `LISTEN_FDNAMES`. The second call gives none.
pub fn listeners() -> Vec<(String, io::Result<ListenSocket>)> {
    static TAKEN: Mutex<bool> = Mutex::new(false);
    let variable = |name| std::env::var(name).ok();
    let number = |name| variable(name).and_then(|value| value.parse::<u32>().ok());
    let mut taken = TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if *taken || number("LISTEN_PID") != Some(std::process::id()) {
        return Vec::new();
    }
    *taken = true;
    let count = i32::try_from(number("LISTEN_FDS").unwrap_or(0)).unwrap_or(0);
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    (FIRST..FIRST.saturating_add(count))
        .map(|fd| {
            // SAFETY: by the protocol, which LISTEN_PID confirms, these descriptors are for us and
            // nobody else in this process owns them; `taken` makes sure that it happens once.
            let fd = unsafe { OwnedFd::from_raw_fd(fd) };
            let name = names.next().unwrap_or_default().to_owned();
            (
                name,
                rustix::io::fcntl_getfd(&fd)
                    .map_err(io::Error::from)
                    .and_then(|_| ListenSocket::inherited(fd)),
            )
        })
        .collect()
}
