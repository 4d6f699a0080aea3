//! Both directions of one relay, and the rules of its end.
//!
//! * The peer's end of data becomes the end of the program's input, and only that.
//! * The end of the program's output is passed on, behind the last byte. If the program takes
//!   nothing any more either, what the peer still sends is read and dropped until it closes, or
//!   for `linger`: a socket that is closed with unread data resets the connection, and that
//!   destroys what the peer has not read yet.
//! * A peer that is gone ends the relay.
//! * When nothing is left of the program, a peer that takes nothing for `linger` is given up.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::alarm::Alarm;
use super::pump::{Carry, Event};
use super::{Program, Shared};

/// The times of a relay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// No byte in either direction for that long is told.
    pub(super) idle: Option<Duration>,
    /// How long a peer may keep a relay whose program has ended.
    pub(super) linger: Duration,
}

/// How a relay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing more will come from either side, or it was given up.
    Over,
    /// The peer is gone.
    PeerGone,
}

/// What happens when the time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    TellIdle,
    GiveUp,
}

/// A relay between a peer and a program's standard input and output.
pub(super) struct Duplex<'a, P, Q, T, D> {
    peer: P,
    program: Q,
    /// From the peer to the program.
    up: D,
    /// From the program to the peer.
    down: D,
    shared: &'a Shared,
    times: Times,
    /// Called once, when no byte has moved for the idle time.
    tell_idle: Option<T>,
    alarm: Alarm,
    /// How the program was when it was looked at last.
    state: Program,
    /// When a byte moved last.
    moved: Instant,
    /// When a byte moved towards the peer last, or the program ended.
    moved_down: Instant,
    /// Since when there is nothing left to do but to wait for the peer to close.
    lingers: Option<Instant>,
    /// Which direction had the first turn.
    up_first: bool,
}

impl<'a, P, Q, T, D> Duplex<'a, P, Q, T, D>
where
    P: AsyncRead + AsyncWrite + Unpin,
    Q: AsyncRead + AsyncWrite + Unpin,
    T: FnOnce(),
    D: Carry<P, Q> + Carry<Q, P> + Unpin,
{
    pub(super) fn new(
        [up, down]: [D; 2],
        (peer, program): (P, Q),
        shared: &'a Shared,
        times: Times,
        tell_idle: T,
    ) -> Self {
        let now = Instant::now();
        Self {
            peer,
            program,
            up,
            down,
            shared,
            times,
            tell_idle: Some(tell_idle),
            alarm: Alarm::default(),
            state: Program::Runs,
            moved: now,
            moved_down: now,
            lingers: None,
            up_first: false,
        }
    }

    /// Relays until it is over, and closes both sides.
    pub(super) async fn run(mut self) -> End
    where
        T: Unpin,
    {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            let Some(state) = self.shared.look(context) else { return Poll::Ready(End::Over) };
            if self.state != state {
                self.state = state;
                self.moved_down = Instant::now();
            }
            if let ControlFlow::Break(end) = self.move_bytes(context) {
                return Poll::Ready(end);
            }
            match self.next_due() {
                Some((at, due)) if self.alarm.is_time(context, at) => match due {
                    Due::TellIdle => {
                        if let Some(tell_idle) = self.tell_idle.take() {
                            tell_idle();
                        }
                    }
                    Due::GiveUp => return Poll::Ready(End::Over),
                },
                _ => return Poll::Pending,
            }
        }
    }

    /// Moves what can be moved now.
    fn move_bytes(&mut self, context: &mut Context<'_>) -> ControlFlow<End> {
        // A task may do only so much at a time (the budget of tokio). They take turns, so that a
        // direction that has always something to move leaves some of it to the other.
        self.up_first = !self.up_first;
        if self.up_first {
            self.move_up(context)?;
        }
        self.move_down(context)?;
        if self.down.has_ended() && self.state != Program::Runs {
            // Nobody reads it.
            self.up.drop_all();
        }
        self.move_up(context)?;
        if self.down.has_ended() {
            if self.up.has_ended() {
                return ControlFlow::Break(End::Over);
            }
            if self.up.is_dropping() {
                self.lingers.get_or_insert_with(Instant::now);
            }
        }
        ControlFlow::Continue(())
    }

    fn move_up(&mut self, context: &mut Context<'_>) -> ControlFlow<End> {
        let mut bytes = 0;
        let flow = loop {
            match self.up.poll(context, &mut self.peer, &mut self.program, &mut bytes) {
                Poll::Ready(Event::SourceFailed) => break ControlFlow::Break(End::PeerGone),
                // The program has closed its input, and may still have something to say.
                Poll::Ready(Event::SinkFailed) => self.up.drop_all(),
                Poll::Ready(Event::Ended) | Poll::Pending => break ControlFlow::Continue(()),
            }
        };
        if bytes > 0 {
            self.moved = Instant::now();
        }
        flow
    }

    fn move_down(&mut self, context: &mut Context<'_>) -> ControlFlow<End> {
        let mut bytes = 0;
        let event = self.down.poll(context, &mut self.program, &mut self.peer, &mut bytes);
        if bytes > 0 {
            self.moved = Instant::now();
            self.moved_down = self.moved;
        }
        match event {
            Poll::Ready(Event::SinkFailed) => ControlFlow::Break(End::PeerGone),
            Poll::Ready(Event::SourceFailed) => ControlFlow::Break(End::Over),
            Poll::Ready(Event::Ended) | Poll::Pending => ControlFlow::Continue(()),
        }
    }

    /// What happens next if no byte moves.
    fn next_due(&self) -> Option<(Instant, Due)> {
        if let Some(since) = self.lingers {
            return Some((since + self.times.linger, Due::GiveUp));
        }
        if self.state == Program::Gone {
            return Some((self.moved_down + self.times.linger, Due::GiveUp));
        }
        let idle = self.times.idle.filter(|_| self.tell_idle.is_some())?;
        Some((self.moved + idle, Due::TellIdle))
    }
}

#[cfg(test)]
mod tests;
