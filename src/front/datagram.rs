//! Datagrams are waiting: who may send them, and who gets them. Those of a service that has no room
//! for them are read and dropped: they would keep the socket ready, and those behind them waiting.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::candidate::Candidate;
use super::start::Via;
use super::{Front, Notice};
use crate::admission::tables::Extras;
use crate::admission::{Entry, Permit, Refusal, Verdict, Visitor, World};
use crate::config::{Builtin, Work};
use crate::listener::Listener;
use crate::listener::endpoint::{Address, Endpoint};
use crate::record::event;
use crate::relay::{Near, builtin};
use crate::service::{Service, Setup};
use crate::sys::AcceptFailure;
use crate::sys::clock;
use crate::sys::socket::accept_failure;

/// Datagrams that are taken before other listeners have their turn.
const TURN: usize = 64;
/// The largest datagram.
const LARGEST: usize = 64 * 1024;
/// The longest answer to a datagram that is shorter: a line of chargen. A quote is no longer either.
const LONGEST_ANSWER: usize = 74;
/// Ports below this are those of the system's services. One of them that is told something may
/// answer it, for ever.
const FIRST_FREE_PORT: u16 = 1024;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; LARGEST].into_boxed_slice());
}

impl Front {
    /// A socket may have datagrams. It is not armed, so no other thread is here with it.
    pub(super) fn visit_datagrams(
        self: &Arc<Self>,
        listener: &Arc<Listener>,
        service: &Arc<Service>,
        setup: &Arc<Setup>,
    ) {
        for _ in 0..TURN {
            let went_on = if setup.config.wait {
                self.lend_to_server(listener, service, setup)
            } else {
                self.take_datagram(listener, service, setup)
            };
            match went_on {
                Ok(Next::Look) => {}
                Ok(Next::Leave) => return,
                Err(error) => match accept_failure(&error) {
                    // What the system has heard of an answer to somebody who is gone.
                    AcceptFailure::PeerGone => {}
                    AcceptFailure::Empty => return self.arm(listener),
                    AcceptFailure::Resources => {
                        self.accept_error(event::CANNOT_ACCEPT_NOW, listener, &error);
                        return self.resume_later(listener);
                    }
                    AcceptFailure::Broken => {
                        self.accept_error(event::CANNOT_ACCEPT, listener, &error);
                        let until = service.back_off(Instant::now());
                        return self.notify(Notice::ResumeAt(Arc::clone(listener), until));
                    }
                },
            }
        }
        self.arm(listener);
    }

    /// Starts the server of a `wait` service if the next datagram is of somebody who may send it.
    fn lend_to_server(
        self: &Arc<Self>,
        listener: &Arc<Listener>,
        service: &Arc<Service>,
        setup: &Arc<Setup>,
    ) -> std::io::Result<Next> {
        let sender = listener.socket().next_sender()?;
        let now = Instant::now();
        let gate = &setup.config.gate;
        let slot = match self.admission.enter(service.id, listener.id, gate, now) {
            Entry::Sleep => return Ok(Next::Leave),
            Entry::Pause { until, begins } => {
                if begins {
                    self.too_fast(service, gate, until - now);
                }
                self.notify(Notice::ResumeAt(Arc::clone(listener), until));
                return Ok(Next::Leave);
            }
            Entry::Admitted(permit) => Ok(permit),
            Entry::Full(refusal) => Err(refusal),
            Entry::Draining => Err(Refusal::Draining),
        };
        let peer = Address::from(sender);
        // Names are not asked for here: the configuration refuses that.
        let world = World::at(now);
        let visitor = Visitor { peer: &peer, local: None, names: None, user: None };
        match self.admission.let_in(gate, slot, Some(visitor), &world) {
            Verdict::In(permit, _) => {
                let (service, setup) = (Arc::clone(service), Arc::clone(setup));
                self.start_wait_server(listener, service, setup, permit);
                Ok(Next::Leave)
            }
            verdict => {
                listener.socket().receive(&mut [0])?;
                // The configuration refuses what would have to be asked; if not, nobody comes in
                // by it.
                let refusal = match verdict {
                    Verdict::Out(refusal, _) => refusal,
                    Verdict::In(..) | Verdict::Ask(..) => Refusal::Address,
                };
                self.refused(service, &peer, None, refusal);
                Ok(Next::Look)
            }
        }
    }

    /// Takes one datagram to where it belongs.
    fn take_datagram(
        self: &Arc<Self>,
        listener: &Arc<Listener>,
        service: &Arc<Service>,
        setup: &Arc<Setup>,
    ) -> std::io::Result<Next> {
        BUFFER.with_borrow_mut(|buffer| {
            let (length, sender) = listener.socket().receive(buffer)?;
            let datagram = &buffer[..length];
            if self.flows.pass(listener.id, sender, datagram) {
                return Ok(Next::Look);
            }
            let peer = Address::from(sender);
            let gate = &setup.config.gate;
            let visitor = Visitor { peer: &peer, local: None, names: None, user: None };
            match self.admit_at_once(service, gate, visitor, false) {
                Verdict::In(permit, extras) => {
                    let admitted = (permit, extras);
                    self.begin_flow(listener, service, setup, admitted, sender, datagram);
                }
                Verdict::Out(refusal, _) => self.refused(service, &peer, None, refusal),
                // The configuration refuses what would have to be asked; if not, nobody comes in
                // by it.
                Verdict::Ask(..) => self.refused(service, &peer, None, Refusal::Address),
            }
            Ok(Next::Look)
        })
    }

    fn begin_flow(
        self: &Arc<Self>,
        listener: &Arc<Listener>,
        service: &Arc<Service>,
        setup: &Arc<Setup>,
        (permit, extras): (Permit, Extras),
        sender: SocketAddr,
        datagram: &[u8],
    ) {
        if let Work::Builtin(builtin) = &setup.config.work {
            // Done with one answer: no session, and the slot is free again.
            if !self.is_service_port(sender.port()) {
                service.launched();
                self.answer(listener, builtin, sender, datagram);
            }
            return;
        }
        let local = match listener.local() {
            Endpoint::Udp { address, .. } => Address::from(*address),
            // No other endpoint gives datagrams.
            _ => return,
        };
        let near = Near::Datagrams(self.flows.open(listener, sender, datagram));
        let (service, setup, peer) = (Arc::clone(service), Arc::clone(setup), sender.into());
        let (id, local, names, user, tries) = (None, Some(local), None, None, 0);
        let via = Via::Listener;
        let candidate =
            Candidate { id, service, setup, near, peer, local, names, user, tries, via };
        self.settle(candidate, Verdict::In(permit, extras));
    }

    fn answer(&self, listener: &Listener, builtin: &Builtin, sender: SocketAddr, datagram: &[u8]) {
        let text = match builtin {
            Builtin::Echo => return listener.socket().send_to(datagram, sender),
            Builtin::Discard => return,
            Builtin::Chargen => builtin::chargen_datagram(self.next_session()),
            Builtin::Daytime => format!("{}\r\n", clock::local_now()).into_bytes(),
            Builtin::Time => builtin::time(SystemTime::now()).to_vec(),
            Builtin::Qotd(quotes) => {
                // Never much longer than what a forged sender has spent for it.
                let room = datagram.len().max(LONGEST_ANSWER);
                builtin::quote(quotes, self.next_session(), room)
            }
            // They have no datagrams: the configuration refuses them.
            Builtin::Services | Builtin::Status | Builtin::Tcpmux | Builtin::Ident(_) => return,
        };
        if !text.is_empty() {
            listener.socket().send_to(&text, sender);
        }
    }

    /// Whether a port belongs to a service of the system, or to one of ours that answers datagrams:
    /// two of these would talk to each other for ever (CVE-1999-0103).
    fn is_service_port(&self, port: u16) -> bool {
        port < FIRST_FREE_PORT || super::lock(&self.datagram_ports).contains_key(&port)
    }
}

/// What comes next.
enum Next {
    /// There may be another datagram.
    Look,
    /// The listener belongs to somebody else now.
    Leave,
}
