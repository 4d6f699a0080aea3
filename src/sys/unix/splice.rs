//! Moving bytes between two sockets without reading them: through a pipe, by splice(2).

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, pipe_with, splice};

use super::socket::Stream;

/// Bytes that a pipe takes as a rule (pipe(7)). Those of a user who has too many are smaller, and
/// then copying is better.
const ROOM: usize = 64 * 1024;

thread_local! {
    /// An empty one that is not used: between two moves nobody needs one.
    static SPARE: RefCell<Option<Tube>> = const { RefCell::new(None) };
}

/// A pipe with the bytes that were taken from one socket and not given to the other yet. The kernel
/// has them; nobody here ever does.
#[derive(Debug)]
pub struct Tube {
    read: OwnedFd,
    write: OwnedFd,
    held: usize,
}

impl Tube {
    /// An empty one; `None` if there is none, because descriptors or pipes are used up.
    pub fn take() -> Option<Self> {
        SPARE.take().or_else(|| Self::new().ok())
    }

    fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        if fcntl_getpipe_size(&write)? < ROOM {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        Ok(Self { read, write, held: 0 })
    }

    /// Keeps an empty one for the next who takes one.
    pub fn give_back(self) {
        if self.is_empty() {
            SPARE.set(Some(self));
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes what a socket has; 0 is its end. It must be empty: a full pipe looks like a socket that
    /// has nothing.
    ///
    /// # Errors
    /// Those of splice(2). `InvalidInput`: this socket cannot be spliced.
    pub fn poll_fill(
        &mut self,
        context: &mut Context<'_>,
        from: &Stream,
    ) -> Poll<io::Result<usize>> {
        let write = &self.write;
        let count = ready!(from.poll_reading(context, |socket| {
            Ok(splice(socket, None, write, None, ROOM, FLAGS)?)
        }))?;
        self.held += count;
        Poll::Ready(Ok(count))
    }

    /// Gives what is in it to a socket.
    ///
    /// # Errors
    /// Those of splice(2).
    pub fn poll_drain(
        &mut self,
        context: &mut Context<'_>,
        to: &Stream,
    ) -> Poll<io::Result<usize>> {
        let (read, held) = (&self.read, self.held);
        let count = ready!(to.poll_writing(context, |socket| {
            Ok(splice(read, None, socket, None, held, FLAGS)?)
        }))?;
        self.held -= count;
        Poll::Ready(Ok(count))
    }
}

const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);
