//! Low places for the descriptors that a program gets. A child has a copy of our table of
//! descriptors, and copying it, and closing it again, takes time for each that is open: listeners,
//! connections that are relayed. So where there are many, a child shares the table instead, and
//! asks for a copy of no more than the lowest part (close_range(2), `CLOSE_RANGE_UNSHARE`), where
//! its own descriptors have been put.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{DupFlags, dup3, fcntl_dupfd_cloexec};

/// The kernel keeps the table in parts of this size; below it there is nothing to gain.
const PART: RawFd = 64;
/// Starts at a time that can have places, at the most. The others have a copy of everything.
const MOST: usize = 16;

/// What is in a place that nobody uses.
static NOTHING: OnceLock<OwnedFd> = OnceLock::new();
static FREE: Mutex<Vec<Pair>> = Mutex::new(Vec::new());

/// Places for standard input and output, and for standard error.
type Pair = [OwnedFd; 2];

/// Two places, in use. They are free again when this is dropped.
#[derive(Debug)]
pub(super) struct Places {
    /// Always there.
    pair: Option<Pair>,
}

/// Reserves places for `starts` programs that are started at a time. Call it early: they have to be
/// low.
pub(super) fn reserve(starts: usize) -> io::Result<()> {
    // Before Linux 5.9, or with a filter that does not know the call, there are none.
    // SAFETY: there is never a descriptor of this number.
    if unsafe { libc::syscall(libc::SYS_close_range, u32::MAX, u32::MAX, 0) } != 0 {
        return Ok(());
    }
    let nothing = match NOTHING.get() {
        Some(nothing) => nothing,
        None => {
            let new = eventfd(0, EventfdFlags::CLOEXEC)?;
            NOTHING.get_or_init(|| new)
        }
    };
    let place = || fcntl_dupfd_cloexec(nothing, 3);
    for _ in 0..starts.min(MOST) {
        free().push([place()?, place()?]);
    }
    Ok(())
}

impl Places {
    /// Puts both into low places, if that is worth it.
    pub(super) fn take(stdin: BorrowedFd<'_>, stderr: Option<BorrowedFd<'_>>) -> Option<Self> {
        if stdin.as_raw_fd() < PART {
            return None;
        }
        // From here on the places are emptied whatever happens.
        let mut places = Self { pair: Some(free().pop()?) };
        let [first, second] = places.pair.as_mut()?;
        dup3(stdin, first, DupFlags::CLOEXEC).ok()?;
        if let Some(stderr) = stderr {
            dup3(stderr, second, DupFlags::CLOEXEC).ok()?;
        }
        Some(places)
    }

    /// Where standard input and standard error are.
    pub(super) fn numbers(&self) -> Option<[RawFd; 2]> {
        self.pair.as_ref().map(|pair| pair.each_ref().map(AsRawFd::as_raw_fd))
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        let Some(mut pair) = self.pair.take() else { return };
        // Otherwise the peer would not see the end of its connection. One that cannot be emptied,
        // which the kernel has no reason for, is closed.
        let empty = |place| dup3(NOTHING.get()?, place, DupFlags::CLOEXEC).ok();
        if pair.iter_mut().all(|place| empty(place).is_some()) {
            free().push(pair);
        }
    }
}

fn free() -> MutexGuard<'static, Vec<Pair>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}
