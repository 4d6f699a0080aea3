//! Relays: between a peer and a program that has not got the connection itself (`io = "pipe"`,
//! `io = "pty"`), every byte goes through the daemon. There is one relay for everything that is
//! not the plain socket; it is written for any two streams.
//!
//! Relays run on threads of their own, so that they use all processors and never hold up the
//! front or the supervisor. They are started when there is something to relay: a daemon that has nothing
//! does not pay for them.

mod alarm;
mod carrier;
pub mod datagrams;
mod duplex;
pub mod far;
mod pump;
mod splice;
mod threads;

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

pub use self::carrier::Carrier;
use self::datagrams::Flow;
pub use self::far::Far;
pub(crate) use self::far::builtin;
use self::pump::with_buffer;
pub use self::threads::Relays;
use crate::front::{Front, Next};
use crate::service::Setup;
use crate::session::SessionId;
use crate::sys::socket::Connection;
use crate::sys::terminal::Terminal;

/// The most columns and rows of a terminal.
const LARGEST: u16 = 1000;

/// What a session and its relay tell each other.
#[derive(Clone, Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    terminal: Option<Terminal>,
}

/// Why the terminal of a session has not got another size.
#[derive(Debug, thiserror::Error)]
pub enum ResizeError {
    /// There is none.
    #[error("the session has no terminal (its service does not have io = \"pty\")")]
    NoTerminal,
    /// Nobody has such a screen.
    #[error("a terminal has 1 to {LARGEST} columns and 1 to {LARGEST} rows")]
    Size,
    /// What the system said.
    #[error("cannot change the size of the terminal: {0}")]
    System(#[from] io::Error),
}

/// How the program of a relay is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Program {
    /// It runs.
    #[default]
    Runs,
    /// It has ended; what it left behind may still read and write.
    Ended,
    /// Nothing of it is left.
    Gone,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    program: Program,
    given_up: bool,
    over: bool,
    waker: Option<Waker>,
}

impl Relay {
    /// A relay that is to begin, and the terminal of its program.
    pub fn new(terminal: Option<Terminal>) -> Self {
        Self { shared: Arc::default(), terminal }
    }

    /// Changes the size of the program's terminal.
    ///
    /// # Errors
    /// There is no terminal, or no such size.
    pub fn resize(&self, columns: u32, rows: u32) -> Result<(), ResizeError> {
        let terminal = self.terminal.as_ref().ok_or(ResizeError::NoTerminal)?;
        let usable = |number: u32| {
            let number = u16::try_from(number).ok();
            number.filter(|number| (1..=LARGEST).contains(number)).ok_or(ResizeError::Size)
        };
        Ok(terminal.resize(usable(columns)?, usable(rows)?)?)
    }

    /// The program has ended. The relay still passes on what is under way.
    pub fn program_is(&self, program: Program) {
        if let Some(terminal) = &self.terminal {
            terminal.program_has_ended();
        }
        self.shared.change(|state| state.program = program);
    }

    /// Ends the relay, whatever is under way.
    pub fn give_up(&self) {
        self.shared.change(|state| state.given_up = true);
    }

    /// Whether it has ended, and both its sides are closed.
    pub fn is_over(&self) -> bool {
        self.shared.lock().over
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// How the program is; `None` if the relay is given up. The task is woken when that changes.
    fn look(&self, context: &Context<'_>) -> Option<Program> {
        let mut state = self.lock();
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            waker => *waker = Some(context.waker().clone()),
        }
        (!state.given_up).then_some(state.program)
    }

    /// Waits until the program has ended, or the relay is given up.
    async fn program_has_ended(&self) {
        poll_fn(|context| match self.look(context) {
            Some(Program::Runs) => Poll::Pending,
            Some(Program::Ended | Program::Gone) | None => Poll::Ready(()),
        })
        .await;
    }

    /// Waits until the relay is given up. Cancel safe.
    async fn given_up(&self) {
        poll_fn(|context| match self.look(context) {
            Some(_) => Poll::Pending,
            None => Poll::Ready(()),
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Who is relayed.
#[derive(Debug)]
pub enum Near {
    /// A peer on a connection.
    Connection(Connection),
    /// A peer that sends datagrams.
    Datagrams(Flow),
}

/// A relay that is to begin.
#[derive(Debug)]
pub struct Task {
    /// The session, which is in the table already.
    pub session: SessionId,
    /// Its settings.
    pub setup: Arc<Setup>,
    /// What the session has of it.
    pub relay: Relay,
    /// The peer.
    pub near: Near,
    /// The other side.
    pub far: Far,
}

impl Task {
    /// Begins to relay.
    pub fn start(self, front: &Arc<Front>) {
        let Self { session, setup, relay, near, far } = self;
        // From here on the end is announced, however it comes.
        let session = Carrier { front: Arc::clone(front), session, setup, relay };
        let place = match front.relays.place() {
            Ok(place) => place,
            Err(error) => return session.cannot_relay(&error),
        };
        place.spawn(async move {
            match session.run(near, far).await {
                Ok(None) => {}
                Ok(Some(transfer)) => {
                    let front = Arc::clone(&session.front);
                    front.again(Next::Transfer(Box::new(transfer), session));
                }
                Err(error) => session.cannot_relay(&error),
            }
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
