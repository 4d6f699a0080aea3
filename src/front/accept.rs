//! A listener is ready: may a connection come in, and what is done with it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::candidate::Candidate;
use super::start::{Arrival, Via};
use super::{Front, Notice, Token};
use crate::admission::{Entry, Gate, Permit, Refusal, Verdict, Visitor, World};
use crate::listener::Listener;
use crate::listener::endpoint::{Address, Endpoint};
use crate::record::Subject;
use crate::record::event::{self, Event};
use crate::relay::Near;
use crate::service::{Service, Setup};
use crate::sys::socket::{Connection, accept_failure};
use crate::sys::{AcceptFailure, front_threads};

/// How long a listener rests when descriptors or memory are used up.
const RESOURCE_PAUSE: Duration = Duration::from_millis(200);

/// Connections that one thread takes from a listener in one go, at the most. Others want to be visited,
/// too.
const BATCH: usize = 256;

/// So many connections in the system's queue are a flood.
const FLOOD: usize = 128;

/// How a visit has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visit {
    /// The listener is armed again, or will be by somebody else.
    Over,
    /// A connection was taken; the listener is not armed, and there may be more.
    Next,
}

impl Front {
    /// A listener may have a connection. It is not armed, so no other thread is here with it.
    pub(super) fn visit(self: &Arc<Self>, listener: &Arc<Listener>) {
        let crowd = self.crowd(listener);
        let hold = (crowd > 1).then(|| self.starts.hold());
        for left in (1..=crowd).rev() {
            if self.visit_once(listener, left) == Visit::Over {
                break;
            }
        }
        if hold.is_some() {
            // This thread starts their programs now, and others that have nothing to do may help.
            drop(hold);
            for _ in 1..front_threads() {
                self.poller.post(Token::Start.into()).ok();
            }
        }
    }

    /// How many connections to take now. In a flood that is many: the system's queue is short, and
    /// whoever does not find room in it comes again after a second.
    fn crowd(&self, listener: &Listener) -> usize {
        if !listener.may_be_flooded() {
            return 1;
        }
        let is_flood = listener.socket().waiting().is_some_and(|waiting| waiting >= FLOOD);
        if is_flood { self.starts.room().clamp(1, BATCH) } else { 1 }
    }

    /// Looks at a listener that may have as many connections as are `left` to be taken now.
    fn visit_once(self: &Arc<Self>, listener: &Arc<Listener>, left: usize) -> Visit {
        if listener.is_closed() {
            return Visit::Over;
        }
        let service = listener.service();
        let setup = service.setup();
        let now = Instant::now();
        if let Some(until) = service.paused_until(now) {
            self.notify(Notice::ResumeAt(Arc::clone(listener), until));
            return Visit::Over;
        }
        if listener.local().is_datagram() {
            self.visit_datagrams(listener, &service, &setup);
            return Visit::Over;
        }
        let gate = &setup.config.gate;
        let mut slot = match self.admission.enter(service.id, listener.id, gate, now) {
            Entry::Sleep => return Visit::Over,
            Entry::Pause { until, begins } => {
                if begins {
                    self.too_fast(&service, gate, until - now);
                }
                self.notify(Notice::ResumeAt(Arc::clone(listener), until));
                return Visit::Over;
            }
            Entry::Admitted(permit) => Ok(permit),
            Entry::Full(refusal) => Err(refusal),
            Entry::Draining => Err(Refusal::Draining),
        };
        if setup.config.wait {
            if !listener.socket().is_ready() {
                // Whoever was waiting has gone.
                self.arm(listener);
                return Visit::Over;
            }
            match self.admission.let_in(gate, slot, None, &World::at(now)) {
                Verdict::In(permit, _) | Verdict::Ask(permit, _) => {
                    self.start_wait_server(listener, service, setup, permit);
                    return Visit::Over;
                }
                Verdict::Out(refusal, _) => slot = Err(refusal),
            }
        }
        let Some((connection, peer)) = self.accept(listener) else { return Visit::Over };
        let visit = if left > 1 {
            Visit::Next
        } else {
            // Before the launch, so that another thread can take the next connection.
            self.arm(listener);
            Visit::Over
        };
        self.receive(listener, (service, setup), slot, (connection, peer), now);
        visit
    }

    /// Decides about a connection that was accepted.
    fn receive(
        self: &Arc<Self>,
        listener: &Arc<Listener>,
        (service, setup): (Arc<Service>, Arc<Setup>),
        slot: Result<Permit, Refusal>,
        (connection, peer): (Connection, Address),
        now: Instant,
    ) {
        let gate = &setup.config.gate;
        let mut local = None;
        if gate.wants_local() {
            local = local_address(listener, &connection);
        }
        let names = if gate.resolve { local.as_ref() } else { None };
        let names = names.and_then(|local| self.names.known_both(&peer, local, now));
        let (local_end, names_of) = (local.as_ref(), names.as_ref());
        let visitor = Visitor { peer: &peer, local: local_end, names: names_of, user: None };
        let verdict = self.admission.let_in(gate, slot, Some(visitor), &World::at(now));
        if !matches!(verdict, Verdict::Out(..)) {
            local = local.or_else(|| local_address(listener, &connection));
        }
        let (id, user, tries) = (None, None, 0);
        let (near, via) = (Near::Connection(connection), Via::Listener);
        let candidate =
            Candidate { id, service, setup, near, peer, local, names, user, tries, via };
        self.settle(candidate, verdict);
    }

    /// Decides about a connection about which something had to be found out.
    pub(super) fn decide(self: &Arc<Self>, arrival: Arrival) {
        let (candidate, permit) = arrival.reconsider();
        let Candidate { setup, peer, local, names, user, .. } = &candidate;
        let (local, names, user) = (local.as_ref(), names.as_ref(), user.as_ref());
        let world = World { fresh: true, ..World::at(Instant::now()) };
        let visitor = Visitor { peer, local, names, user };
        let gate = &setup.config.gate;
        let verdict = self.admission.let_in(gate, Ok(permit), Some(visitor), &world);
        self.settle(candidate, verdict);
    }

    /// Decides about somebody who cannot wait for a slot, or `moves` here with one of the daemon's.
    pub(super) fn admit_at_once(
        &self,
        service: &Service,
        gate: &Gate,
        visitor: Visitor<'_>,
        moves: bool,
    ) -> Verdict {
        let slot = self.admission.enter_at_once(service.id, moves);
        self.admission.let_in(gate, slot, Some(visitor), &World::at(Instant::now()))
    }

    /// Accepts one connection. If there is none, or something is wrong, the listener is armed again, at
    /// once or later.
    fn accept(&self, listener: &Arc<Listener>) -> Option<(Connection, Address)> {
        let error = match listener.accept() {
            Ok(accepted) => return Some(accepted),
            Err(error) => error,
        };
        match accept_failure(&error) {
            AcceptFailure::Empty | AcceptFailure::PeerGone => self.arm(listener),
            AcceptFailure::Resources => {
                self.accept_error(event::CANNOT_ACCEPT_NOW, listener, &error);
                self.resume_later(listener);
            }
            // What the system says of a socket that refuses connections.
            AcceptFailure::Broken if listener.is_refusing() => {}
            AcceptFailure::Broken => {
                self.accept_error(event::CANNOT_ACCEPT, listener, &error);
                let until = listener.service().back_off(Instant::now());
                self.notify(Notice::ResumeAt(Arc::clone(listener), until));
            }
        }
        None
    }

    /// Lets a listener accept again.
    pub fn arm(&self, listener: &Arc<Listener>) {
        if let Err(error) = listener.arm(&self.poller) {
            // Only memory can be short here. Without another try the service would be deaf.
            self.accept_error(event::CANNOT_ACCEPT, listener, &error);
            self.resume_later(listener);
        }
    }

    /// Makes the system refuse a listener's connections, or take them again, if it can.
    ///
    /// # Errors
    /// It does not listen again; everything is as it was.
    pub fn set_draining(&self, listener: &Arc<Listener>, draining: bool) -> io::Result<()> {
        if listener.set_draining(draining)? {
            self.arm(listener);
        }
        Ok(())
    }

    /// A listener comes back from a `wait` server. It is not armed yet.
    pub fn take_back(&self, listener: &Listener) {
        if let Err(error) = listener.take_back() {
            self.accept_error(event::CANNOT_ACCEPT, listener, &error);
        }
    }

    pub(super) fn resume_later(&self, listener: &Arc<Listener>) {
        let at = Instant::now() + RESOURCE_PAUSE;
        self.notify(Notice::ResumeAt(Arc::clone(listener), at));
    }

    pub(super) fn too_fast(&self, service: &Service, gate: &Gate, pause: Duration) {
        if let Some(rate) = gate.rate {
            self.recorder.too_fast(Subject::of(&service.name), rate, pause);
        }
    }

    pub(super) fn accept_error(
        &self,
        event: &'static Event,
        listener: &Listener,
        error: &io::Error,
    ) {
        let service = listener.service();
        let subject = Subject::of(&service.name);
        self.recorder.accept_error(event, subject, error);
    }
}

/// Our end of a connection.
fn local_address(listener: &Listener, connection: &Connection) -> Option<Address> {
    match listener.local() {
        // A specific address is the connection's own; only for a wildcard the system is asked.
        Endpoint::Tcp { address, .. } if !address.ip().is_unspecified() => Some((*address).into()),
        Endpoint::Tcp { .. } | Endpoint::Udp { .. } => connection.local().ok(),
        Endpoint::Unix(path) => Some(Address::Unix(Some(path.clone()))),
        Endpoint::Abstract(name) => Some(Address::Unix(Some(format!("@{name}").into()))),
        Endpoint::Pipe(name) => Some(Address::Pipe(name.clone())),
    }
}
