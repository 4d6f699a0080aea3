//! Sessions: one program run for one connection, or for a listening socket (`wait`).

pub mod stderr;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::admission::Permit;
use crate::listener::Listener;
use crate::listener::endpoint::Address;
use crate::record::Subject;
use crate::service::{Service, Setup};
use crate::sys::process::Child;

/// The number of a session, never used twice in the life of a daemon.
pub type SessionId = u64;

/// A program that runs.
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
    /// The program.
    pub child: Child,
    /// When it was started.
    pub started: Instant,
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
            pid: Some(self.child.id()),
        }
    }
}

/// The sessions whose programs run. A program that is in the table has not been reaped, so its
/// process id is its own: signals are sent under the table's lock only.
#[derive(Debug, Default)]
pub struct SessionTable {
    sessions: Mutex<HashMap<SessionId, Session>>,
}

impl SessionTable {
    /// Adds a session.
    pub fn insert(&self, session: Session) {
        self.lock().insert(session.id, session);
    }

    /// Takes a session out.
    pub fn remove(&self, id: SessionId) -> Option<Session> {
        self.lock().remove(&id)
    }

    /// Looks at a session.
    pub fn with<T>(&self, id: SessionId, look: impl FnOnce(&Session) -> T) -> Option<T> {
        self.lock().get(&id).map(look)
    }

    /// Looks at every session.
    pub fn for_each(&self, look: impl FnMut(&Session)) {
        self.lock().values().for_each(look);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
