//! One direction of a relay.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are read at a time.
const SCRATCH: usize = 64 * 1024;
/// Reads without a pause. Then the other direction, and other relays, have their turn: a source that
/// always has more, and a sink that always takes it, would keep them waiting for ever.
pub(super) const TURN: u32 = 16;

thread_local! {
    /// Where every relay of this thread reads to. What can be written at once, and that is nearly
    /// all, needs no memory of its own.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// Lends the memory that every relay of this thread reads to.
pub(super) fn with_buffer<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| read(buffer))
}

/// Moves bytes from a source to a sink, and the end of the source after them. It never reads while
/// something is unwritten, so a slow sink slows the source; and it has no memory while it is idle.
#[derive(Debug)]
pub(super) struct Pump {
    state: State,
    /// What was read and could not be written yet.
    rest: Vec<u8>,
    /// How much of `rest` was written.
    written: usize,
    /// The sink may hold back what it took.
    unflushed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Bytes may come.
    Flowing,
    /// The source has ended; what is left is written, then the sink is told.
    Ending,
    /// The sink takes nothing any more: what comes is dropped, so that the source is not held up.
    Dropping,
    /// The source has ended, and the sink knows.
    Ended,
}

/// What a pump has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The source has ended, and the sink was told.
    Ended,
    /// The source failed.
    SourceFailed,
    /// The sink failed.
    SinkFailed,
}

/// One of the two directions of a relay.
pub(super) trait Direction {
    /// Whether the source has ended and the sink knows.
    fn has_ended(&self) -> bool;

    /// Whether what comes is dropped.
    fn is_dropping(&self) -> bool;

    /// From now on what comes is dropped.
    fn drop_all(&mut self);
}

/// What moves bytes from a source to a sink.
pub(super) trait Carry<R, W>: Direction {
    /// Moves as much as both ends let it. Adds the bytes that were read or written to `moved`.
    /// After [`Event::Ended`] it is pending for ever.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        moved: &mut u64,
    ) -> Poll<Event>;
}

impl Direction for Pump {
    fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    fn is_dropping(&self) -> bool {
        self.state == State::Dropping
    }

    fn drop_all(&mut self) {
        if self.state != State::Ended {
            *self = Self { state: State::Dropping, ..Self::new() };
        }
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Carry<R, W> for Pump {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        moved: &mut u64,
    ) -> Poll<Event> {
        let mut reads = 0;
        loop {
            if self.written < self.rest.len() {
                let rest = &self.rest[self.written..];
                match write(context, to, rest, moved) {
                    Poll::Ready(Ok(count)) => self.written += count,
                    Poll::Ready(Err(_)) => return Poll::Ready(Event::SinkFailed),
                    Poll::Pending => return Poll::Pending,
                }
                self.unflushed = true;
                if self.written == self.rest.len() {
                    // Not kept: an idle relay costs no memory.
                    self.rest = Vec::new();
                    self.written = 0;
                }
                continue;
            }
            match self.state {
                State::Flowing | State::Dropping if reads == TURN => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Flowing | State::Dropping => {
                    reads += 1;
                    match with_buffer(|buffer| self.read(context, from, to, buffer, moved)) {
                        Poll::Ready(Some(event)) => return Poll::Ready(event),
                        Poll::Ready(None) => {}
                        Poll::Pending => return self.flush(context, to),
                    }
                }
                State::Ending => {
                    // This flushes, too.
                    let event = ready!(tell_end(context, to));
                    if event == Event::Ended {
                        self.state = State::Ended;
                    }
                    return Poll::Ready(event);
                }
                State::Ended => return Poll::Pending,
            }
        }
    }
}

/// Tells the sink that the source has ended.
pub(super) fn tell_end<W: AsyncWrite + Unpin>(
    context: &mut Context<'_>,
    to: &mut W,
) -> Poll<Event> {
    Pin::new(to).poll_shutdown(context).map(|told| match told {
        Ok(()) => Event::Ended,
        Err(_) => Event::SinkFailed,
    })
}

impl Pump {
    pub(super) fn new() -> Self {
        Self { state: State::Flowing, rest: Vec::new(), written: 0, unflushed: false }
    }

    /// Reads once, and writes what can be written at once.
    fn read<R, W>(
        &mut self,
        context: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        buffer: &mut [u8],
        moved: &mut u64,
    ) -> Poll<Option<Event>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut buffer = ReadBuf::new(buffer);
        if ready!(Pin::new(from).poll_read(context, &mut buffer)).is_err() {
            return Poll::Ready(Some(Event::SourceFailed));
        }
        let mut data: &[u8] = buffer.filled();
        *moved += data.len() as u64;
        if data.is_empty() {
            if self.state == State::Dropping {
                // The sink has failed before, so it need not be told.
                self.state = State::Ended;
                return Poll::Ready(Some(Event::Ended));
            }
            self.state = State::Ending;
            return Poll::Ready(None);
        }
        if self.state == State::Dropping {
            return Poll::Ready(None);
        }
        while !data.is_empty() {
            match write(context, to, data, moved) {
                Poll::Ready(Ok(count)) => data = &data[count..],
                Poll::Ready(Err(_)) => return Poll::Ready(Some(Event::SinkFailed)),
                Poll::Pending => {
                    self.rest = data.to_vec();
                    break;
                }
            }
            self.unflushed = true;
        }
        Poll::Ready(None)
    }

    /// Nothing comes: what the sink holds back goes out.
    fn flush<W: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        to: &mut W,
    ) -> Poll<Event> {
        if self.unflushed {
            if ready!(Pin::new(to).poll_flush(context)).is_err() {
                return Poll::Ready(Event::SinkFailed);
            }
            self.unflushed = false;
        }
        Poll::Pending
    }
}

fn write<W: AsyncWrite + Unpin>(
    context: &mut Context<'_>,
    to: &mut W,
    data: &[u8],
    moved: &mut u64,
) -> Poll<io::Result<usize>> {
    let count = ready!(Pin::new(to).poll_write(context, data))?;
    if count == 0 {
        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
    }
    *moved += count as u64;
    Poll::Ready(Ok(count))
}
