//! One direction of a relay between two connections. Where the system can move bytes from one to the
//! other by itself they never come here; where it cannot, or has no room for it, they are copied as
//! a [`Pump`] does.
//!
//! A direction has a [`Tube`] only while bytes are in it, and gives it back when the sink has taken
//! them. So idle connections have none, and there are at most two for each session.

use std::io;
use std::task::{Context, Poll, ready};

use super::pump::{Carry, Direction, Event, Pump, TURN, tell_end};
use crate::sys::socket::Stream;
use crate::sys::splice::Tube;

/// Moves bytes from a connection to another, and the end after them.
#[derive(Debug)]
pub(super) struct Splicer {
    state: State,
    /// Where an empty tube comes from.
    take: fn() -> Option<Tube>,
}

#[derive(Debug)]
enum State {
    /// Bytes may come.
    Flowing,
    /// What is in it is to be written first.
    Holding(Tube),
    /// The source has ended, and the sink is to be told.
    Ending,
    /// The sink knows.
    Ended,
    /// The bytes are copied, or dropped.
    Copying(Pump),
}

impl Splicer {
    pub(super) fn new(take: fn() -> Option<Tube>) -> Self {
        Self { state: State::Flowing, take }
    }

    /// Takes what there is. `None`: it has to be copied.
    fn fill(
        &mut self,
        context: &mut Context<'_>,
        from: &Stream,
        moved: &mut u64,
    ) -> Poll<Option<io::Result<()>>> {
        let Some(mut tube) = (self.take)() else { return Poll::Ready(None) };
        let filled = tube.poll_fill(context, from);
        if tube.is_empty() {
            tube.give_back();
        } else {
            self.state = State::Holding(tube);
        }
        Poll::Ready(match ready!(filled) {
            Ok(0) => {
                self.state = State::Ending;
                Some(Ok(()))
            }
            Ok(count) => {
                *moved += count as u64;
                Some(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => None,
            Err(error) => Some(Err(error)),
        })
    }
}

impl Direction for Splicer {
    fn has_ended(&self) -> bool {
        match &self.state {
            State::Ended => true,
            State::Copying(pump) => pump.has_ended(),
            State::Flowing | State::Holding(_) | State::Ending => false,
        }
    }

    fn is_dropping(&self) -> bool {
        matches!(&self.state, State::Copying(pump) if pump.is_dropping())
    }

    fn drop_all(&mut self) {
        if let State::Copying(pump) = &mut self.state {
            return pump.drop_all();
        }
        if !matches!(self.state, State::Ended) {
            let mut pump = Pump::new();
            pump.drop_all();
            self.state = State::Copying(pump);
        }
    }
}

impl Carry<Stream, Stream> for Splicer {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
        moved: &mut u64,
    ) -> Poll<Event> {
        let mut fills = 0;
        loop {
            match &mut self.state {
                State::Flowing if fills == TURN => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Flowing => {
                    fills += 1;
                    match ready!(self.fill(context, from, moved)) {
                        Some(Ok(())) => {}
                        Some(Err(_)) => return Poll::Ready(Event::SourceFailed),
                        None => self.state = State::Copying(Pump::new()),
                    }
                }
                State::Holding(tube) => {
                    match ready!(tube.poll_drain(context, to)) {
                        Ok(count) if count > 0 => *moved += count as u64,
                        Ok(_) | Err(_) => return Poll::Ready(Event::SinkFailed),
                    }
                    if tube.is_empty()
                        && let State::Holding(tube) =
                            std::mem::replace(&mut self.state, State::Flowing)
                    {
                        tube.give_back();
                    }
                }
                State::Ending => {
                    let event = ready!(tell_end(context, to));
                    if event == Event::Ended {
                        self.state = State::Ended;
                    }
                    return Poll::Ready(event);
                }
                State::Ended => return Poll::Pending,
                State::Copying(pump) => return pump.poll(context, from, to, moved),
            }
        }
    }
}

#[cfg(test)]
mod tests;
