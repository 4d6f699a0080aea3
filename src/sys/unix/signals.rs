//! Signals as a queue: they are blocked everywhere and read from a signalfd(2), so no handler
//! ever runs, in the daemon or in a child that still shares its memory. SIGCHLD is blocked as well,
//! and the thread that wants to know of the ends of programs takes it with sigtimedwait(2).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use tokio::io::unix::AsyncFd;

use crate::sys::Request;

const SIGNALS: [libc::c_int; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP];

/// The signals that ask something of the daemon.
#[derive(Debug)]
pub struct Signals {
    fd: AsyncFd<OwnedFd>,
}

/// Blocks the signals in this thread and in all that it will start.
pub(super) fn block() -> io::Result<()> {
    let [request, child] = [SIGNALS.as_slice(), &[libc::SIGCHLD]].map(set);
    block_set(&request)?;
    block_set(&child)
}

fn block_set(set: &libc::sigset_t) -> io::Result<()> {
    // SAFETY: the set is initialised; the old mask is not asked for.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set, ptr::null_mut()) };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// Waits until a child has ended since the last call, or is about to be seen as ended.
pub(super) fn wait_for_child() -> io::Result<()> {
    let child = set(&[libc::SIGCHLD]);
    loop {
        // SAFETY: the set is initialised; what is known of the signal is not asked for.
        if unsafe { libc::sigwaitinfo(&raw const child, ptr::null_mut()) } >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

impl Signals {
    /// For use inside the tokio runtime, after [`super::startup::prepare`].
    pub fn new() -> io::Result<Self> {
        let set = set(&SIGNALS);
        // SAFETY: the set is initialised; -1 asks for a new descriptor.
        let fd =
            unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor that nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: the AsyncFd owns the descriptor, so it stays open and the same while registered.
        let fd = unsafe { AsyncFd::register(fd) }?;
        Ok(Self { fd })
    }

    /// The next request. Cancel safe.
    pub async fn next(&mut self) -> io::Result<Request> {
        loop {
            let mut ready = self.fd.readable().await?;
            let mut info = [0u8; size_of::<libc::signalfd_siginfo>()];
            let read = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut info)?));
            let Ok(read) = read else { continue };
            read?;
            let number = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
            let hangup = u32::try_from(libc::SIGHUP).is_ok_and(|hangup| hangup == number);
            return Ok(if hangup { Request::Reload } else { Request::Stop });
        }
    }
}

fn set(signals: &[libc::c_int]) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set and cannot fail for a valid pointer.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: initialised by the line above.
    let mut set = unsafe { set.assume_init() };
    for &signal in signals {
        // SAFETY: the set is initialised and the signal numbers are valid.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    set
}
