//! What the control endpoint tells, in the form that clients see: the names of the fields are a
//! promise, and docs/control.md describes them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::admission::rules::Block;
use crate::front::Front;
use crate::record::format;
use crate::service::Service;
use crate::session::{Session, SessionId, Stage};
use crate::sys::process::Child;

/// The daemon.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Whether it runs or is stopping.
    pub state: Stage,
    /// When it began (RFC 3339).
    pub started: String,
    /// For how many seconds it has run.
    pub seconds: u64,
    /// Sessions of all services now.
    pub sessions: u32,
    /// Sessions of all services at a time at the most; none is no limit.
    pub max_sessions: Option<u32>,
    /// Who may not come in anywhere, because of a sensor.
    pub caught: Vec<CaughtStatus>,
    /// Its services, by name.
    pub services: Vec<ServiceStatus>,
}

/// A source that has touched a sensor.
#[derive(Debug, Serialize, Deserialize)]
pub struct CaughtStatus {
    /// An address, or the network around it.
    pub source: String,
    /// For how many more seconds it may not come in.
    pub seconds: u64,
}

/// A service.
#[derive(Debug, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Where it listens now.
    pub listen: Vec<String>,
    /// Addresses that it could not be bound to yet.
    pub pending: Vec<String>,
    /// Whether it lets nobody new in.
    pub draining: bool,
    /// Sessions now.
    pub sessions: u32,
    /// Sessions at a time at the most; none is no limit.
    pub max_sessions: Option<u32>,
    /// Programs started since the daemon began.
    pub started: u64,
    /// Connections refused.
    pub refused: u64,
    /// How many of them for which reason.
    pub refused_for: BTreeMap<String, u64>,
    /// Programs that could not be started.
    pub failed: u64,
    /// Programs that started and found no room on their desktop (Windows).
    pub desktop_heap: u64,
}

/// All sessions.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sessions {
    /// The sessions, oldest first.
    pub sessions: Vec<SessionStatus>,
}

/// A session.
#[derive(Debug, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Its number.
    pub id: SessionId,
    /// The name of its service.
    pub service: String,
    /// The other end; none for a `wait` server.
    pub peer: Option<String>,
    /// The process id of its program, if it has one.
    pub pid: Option<u32>,
    /// When it began (RFC 3339).
    pub started: String,
    /// For how many seconds it has run.
    pub seconds: u64,
    /// How its program meets the peer, as the key `io`; `forward` or `builtin` without a program.
    pub io: String,
    /// How far it is on its way to the end.
    pub state: Stage,
}

impl CaughtStatus {
    /// Whether it is about this address.
    pub fn is_about(&self, address: IpAddr) -> bool {
        let (first, bits) = self.source.split_once('/').unwrap_or((&self.source, "128"));
        let block = first.parse().ok().zip(bits.parse().ok());
        let block = block.and_then(|(first, bits): (IpAddr, u8)| {
            Block::around(first, bits.min(if first.is_ipv4() { 32 } else { 128 })).ok()
        });
        block.is_some_and(|block| block.contains(address))
    }
}

impl From<(Block, Duration)> for CaughtStatus {
    fn from((source, left): (Block, Duration)) -> Self {
        Self { source: source.to_string(), seconds: left.as_secs() }
    }
}

impl ServiceStatus {
    /// Describes a service with its addresses.
    pub fn new(
        front: &Front,
        service: &Service,
        listen: Vec<String>,
        mut pending: Vec<String>,
    ) -> Self {
        pending.sort_unstable();
        let refused_for = service.counters.refusals().filter(|(_, count)| *count > 0);
        Self {
            name: service.name.to_string(),
            listen,
            pending,
            draining: front.admission.is_draining(service.id),
            sessions: front.admission.in_use(service.id),
            max_sessions: service.setup().config.max_sessions,
            started: service.counters.started.load(Ordering::Relaxed),
            refused: service.counters.refusals().map(|(_, count)| count).sum(),
            refused_for: refused_for.map(|(refusal, count)| (refusal.to_string(), count)).collect(),
            failed: service.counters.failed.load(Ordering::Relaxed),
            desktop_heap: service.counters.desktop_heap.load(Ordering::Relaxed),
        }
    }
}

impl SessionStatus {
    /// Describes a session.
    pub fn of(session: &Session) -> Self {
        Self {
            id: session.id,
            service: session.service.name.to_string(),
            peer: session.peer.as_ref().map(ToString::to_string),
            pid: session.child.as_ref().map(Child::id),
            started: format::time(session.began).to_string(),
            seconds: session.started.elapsed().as_secs(),
            io: session.setup.config.way().into(),
            state: session.stage.stage(),
        }
    }
}
