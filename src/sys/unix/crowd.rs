//! The ends of programs when very many run. waitid(2) goes through the list of all our children, so it
//! costs more with each of them, and every start has to wait for it: the list is locked. In a crowd each
//! program has a descriptor of its own (pidfd_open(2)), and epoll(7) tells which of them has ended.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};

use super::startup;

/// How many programs make a crowd. Those that have ended and were not reaped yet are among them.
pub(super) const MANY: usize = 512;

/// How few programs are no crowd any more.
pub(super) const FEW: usize = 64;

/// A visit of all children is followed by a pause of this many times its length,
const PAUSES: u32 = 200;

/// and at least this long;
const LEAST_PAUSE: Duration = Duration::from_millis(5);

/// if nobody is known to have ended, an orphan may have: this long.
const LONG_PAUSE: Duration = Duration::from_secs(1);

/// The programs that have a descriptor.
#[derive(Debug)]
pub(super) struct Crowd {
    epoll: OwnedFd,
    /// No descriptor from this one on: the others are for connections.
    limit: RawFd,
    visits: Mutex<Visits>,
}

/// When all children are visited: that finds orphans, and programs that have no descriptor.
#[derive(Debug)]
struct Visits {
    /// A program has ended since the last one.
    wanted: bool,
    /// When the last one was over.
    last: Instant,
    /// The least pause after it.
    pause: Duration,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Turn {
    /// This program has ended.
    Ended(i32),
    /// Visit all children, and [tell](Crowd::visited) when that is done.
    Visit,
    /// Nothing.
    Nothing,
}

impl Crowd {
    pub(super) fn new() -> io::Result<Self> {
        let most = startup::half_of_descriptors();
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            limit: RawFd::try_from(most).unwrap_or(RawFd::MAX),
            visits: Mutex::new(Visits { wanted: true, last: Instant::now(), pause: LEAST_PAUSE }),
        })
    }

    /// The end of a program shall be told, as long as its descriptor is kept. `None` if there is none to
    /// be had; then a visit has to find it.
    pub(super) fn add(&self, pid: Pid) -> Option<OwnedFd> {
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
        if pidfd.as_raw_fd() >= self.limit {
            return None;
        }
        // Once, because a child that is being started may hold a copy of the descriptor for a moment.
        let flags = EventFlags::IN | EventFlags::ONESHOT;
        let data = EventData::new_u64(pid.as_raw_nonzero().get().unsigned_abs().into());
        epoll::add(&self.epoll, &pidfd, data, flags).ok().map(|()| pidfd)
    }

    /// Whether a program has ended. Waits for that if it `may_wait`, until a visit is due. `all` says that
    /// all programs have descriptors.
    pub(super) fn turn(&self, may_wait: bool, all: bool) -> io::Result<Turn> {
        loop {
            let pause = self.pause(all);
            if pause.is_zero() {
                return Ok(Turn::Visit);
            }
            match self.next(if may_wait { pause } else { Duration::ZERO }) {
                Ok(Some(pid)) => {
                    self.lock().wanted = true;
                    return Ok(Turn::Ended(pid));
                }
                Ok(None) if may_wait => {}
                Ok(None) => return Ok(Turn::Nothing),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// All children were visited, which has taken `time`, and those who had ended are reaped.
    pub(super) fn visited(&self, time: Duration) {
        let pause = (time * PAUSES).max(LEAST_PAUSE);
        *self.lock() = Visits { wanted: false, last: Instant::now(), pause };
    }

    /// How long until the next visit.
    fn pause(&self, all: bool) -> Duration {
        let visits = self.lock();
        let is_wanted = visits.wanted || !all;
        let pause = if is_wanted { visits.pause } else { visits.pause.max(LONG_PAUSE) };
        pause.saturating_sub(visits.last.elapsed())
    }

    fn next(&self, pause: Duration) -> Result<Option<i32>, Errno> {
        // It fits: it is not centuries.
        let pause = Timespec::try_from(pause).ok();
        let mut event = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }];
        let ended = epoll::wait(&self.epoll, &mut event, pause.as_ref())? == 1;
        Ok(if ended { i32::try_from(event[0].data.u64()).ok() } else { None })
    }

    fn lock(&self) -> MutexGuard<'_, Visits> {
        self.visits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
