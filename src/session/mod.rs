//! Sessions: one program run for one connection or for a listening socket (`wait`), or one
//! connection that is relayed without a program.

pub mod stderr;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::admission::Permit;
use crate::listener::Listener;
use crate::listener::endpoint::Address;
use crate::reap::Ended;
use crate::record::Subject;
use crate::relay::Relay;
use crate::service::{Service, Setup};
use crate::sys::ROOM;
use crate::sys::process::Child;

/// The number of a session, never used twice in the life of a daemon.
pub type SessionId = u64;

/// A connection, or a listening socket, and what is done with it.
#[derive(Debug)]
pub struct Session {
    /// Its number.
    pub id: SessionId,
    /// The service that it belongs to.
    pub service: Arc<Service>,
    /// The settings that it was started with.
    pub setup: Arc<Setup>,
    /// The other end; none for a `wait` server.
    pub peer: Option<Address>,
    /// The user there, if its machine has told one.
    pub user: Option<Arc<str>>,
    /// The program, if there is one.
    pub child: Option<Child>,
    /// When it was started.
    pub started: Instant,
    /// The same for people, who may set the clock meanwhile.
    pub began: SystemTime,
    /// How far it is on its way to the end.
    pub stage: StageCell,
    /// What moves its bytes, if the program has not got the connection itself.
    pub relay: Option<Relay>,
    /// The listener that a `wait` server has borrowed.
    pub borrowed: Option<Arc<Listener>>,
    /// Its slot.
    pub permit: Permit,
}

impl Session {
    /// What records of this session say.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            service: &self.service.name,
            session: Some(self.id),
            peer: self.peer.as_ref(),
            user: self.user.as_deref(),
            pid: self.child.as_ref().map(Child::id),
        }
    }

    /// Whether somebody may wait for its end: for its slot, its listener, or what its relay still holds.
    /// It is the same from its first moment to its last.
    fn is_awaited(&self) -> bool {
        self.relay.is_some() || self.borrowed.is_some() || self.permit.is_scarce()
    }

    /// Ends its program and the tree of it.
    pub fn kill(&self) {
        if let Some(child) = &self.child {
            child.kill();
        }
    }

    /// Ends its relay, whatever is under way.
    pub fn give_up(&self) {
        if let Some(relay) = &self.relay {
            relay.give_up();
        }
    }
}

/// How far a session is on its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Nobody wants it to end.
    Running,
    /// Its program was asked to stop.
    Stopping,
    /// Its program was killed or has ended; what is left of its tree is on its way out.
    Ending,
}

/// A stage that only advances.
#[derive(Debug, Default)]
pub struct StageCell(AtomicU8);

impl StageCell {
    /// The stage now.
    pub fn stage(&self) -> Stage {
        match self.0.load(Ordering::Relaxed) {
            0 => Stage::Running,
            1 => Stage::Stopping,
            _ => Stage::Ending,
        }
    }

    /// Goes on to `stage`, never back.
    pub fn advance(&self, stage: Stage) {
        self.0.fetch_max(stage as u8, Ordering::Relaxed);
    }
}

/// The sessions. The program of [`SessionTable::with`] and [`SessionTable::for_each`] runs, and has
/// not been reaped, so its process id is its own: signals are sent under the table's lock only.
#[derive(Debug, Default)]
pub struct SessionTable {
    sessions: Mutex<Sessions>,
    /// A session was added that is [awaited](Session::is_awaited).
    awaited: Condvar,
}

/// A hash table is up to half empty, so what it holds is small.
#[derive(Debug)]
struct Sessions {
    running: HashMap<SessionId, Box<Session>>,
    /// How many of them are [awaited](Session::is_awaited).
    awaited: usize,
    /// Only their relays are left: their programs have ended, or they never had one.
    relaying: HashMap<SessionId, Box<Ended>>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { running: HashMap::with_capacity(ROOM), awaited: 0, relaying: HashMap::new() }
    }
}

impl SessionTable {
    /// Adds a session, and does something with it before anybody else can.
    pub fn insert<T>(&self, session: Session, then: impl FnOnce(&Session) -> T) -> T {
        let session = Box::new(session);
        let mut sessions = self.lock();
        if session.is_awaited() {
            sessions.awaited += 1;
            self.awaited.notify_one();
        }
        let place = sessions.running.entry(session.id);
        then(place.insert_entry(session).get())
    }

    /// Takes a session out.
    pub fn remove(&self, id: SessionId) -> Option<Session> {
        let mut sessions = self.lock();
        let session = sessions.running.remove(&id)?;
        sessions.awaited -= usize::from(session.is_awaited());
        Some(*session)
    }

    /// Looks at a session.
    pub fn with<T>(&self, id: SessionId, look: impl FnOnce(&Session) -> T) -> Option<T> {
        self.lock().running.get(&id).map(|session| look(session))
    }

    /// Looks at a session, whether its program runs or only its relay is left.
    pub fn with_any<T>(&self, id: SessionId, look: impl FnOnce(&Session) -> T) -> Option<T> {
        let sessions = self.lock();
        let kept = || sessions.relaying.get(&id).map(|ended| ended.session());
        sessions.running.get(&id).map(Box::as_ref).or_else(kept).map(look)
    }

    /// Looks at every session.
    pub fn for_each(&self, look: impl FnMut(&Session)) {
        self.lock().running.values().map(Box::as_ref).for_each(look);
    }

    /// Keeps what has ended until its relay is over; gives it back if that is so already.
    pub fn keep(&self, ended: Ended) -> Option<Ended> {
        let mut sessions = self.lock();
        let session = ended.session();
        if session.relay.as_ref().is_none_or(Relay::is_over) {
            return Some(ended);
        }
        sessions.relaying.insert(session.id, Box::new(ended));
        None
    }

    /// Takes out what [`SessionTable::keep`] has kept.
    pub fn take_kept(&self, id: SessionId) -> Option<Ended> {
        self.lock().relaying.remove(&id).map(|ended| *ended)
    }

    /// Looks at a session that is kept.
    pub fn with_kept<T>(&self, id: SessionId, look: impl FnOnce(&Session) -> T) -> Option<T> {
        self.lock().relaying.get(&id).map(|ended| look(ended.session()))
    }

    /// Looks at every session that is kept.
    pub fn for_each_kept(&self, look: impl FnMut(&Session)) {
        self.lock().relaying.values().map(|ended| ended.session()).for_each(look);
    }

    /// Waits until somebody may wait for the end of one that runs, for `time` at the most. One thread may
    /// wait.
    pub fn wait_for_awaited(&self, time: Duration) {
        let nobody = |sessions: &mut Sessions| sessions.awaited == 0;
        drop(self.awaited.wait_timeout_while(self.lock(), time, nobody));
    }

    /// Whether a session is in the table.
    pub fn contains(&self, id: SessionId) -> bool {
        let sessions = self.lock();
        sessions.running.contains_key(&id) || sessions.relaying.contains_key(&id)
    }

    /// How many programs run.
    pub fn len(&self) -> usize {
        self.lock().running.len()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.lock().running.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
