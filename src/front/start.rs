//! From an admitted connection to a session.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use super::{Front, Notice, Token};
use crate::admission::Permit;
use crate::admission::names::HostNames;
use crate::admission::tables::Extras;
use crate::admission::users::User;
use crate::config::Work;
use crate::launch::environment::{Ends, Facts};
use crate::launch::{Launched, On, Request, launch};
use crate::listener::Listener;
use crate::listener::endpoint::Address;
use crate::reap::{self, Ended};
use crate::record::Subject;
use crate::relay::{Far, Near, Relay, Task};
use crate::service::{Service, Setup, Startable};
use crate::session::stderr::StderrPipe;
use crate::session::{Session, SessionId, StageCell};
use crate::sys::{SpawnError, SpawnStage};

/// How often a start is tried again that failed for want of descriptors, memory or processes.
const TRIES: u8 = 50;

/// An admitted connection.
#[derive(Debug)]
pub struct Arrival {
    /// The number of the session that it will be.
    pub id: SessionId,
    /// The service.
    pub service: Arc<Service>,
    /// Its settings.
    pub setup: Arc<Setup>,
    /// The slot.
    pub permit: Permit,
    /// The connection, or the datagrams of the peer.
    pub near: Near,
    /// The peer's address.
    pub peer: Address,
    /// Our address.
    pub local: Address,
    /// The names of both, if they were asked for.
    pub names: Option<HostNames>,
    /// The user of the peer, if it was asked for.
    pub user: Option<User>,
    /// What the rule that lets it in adds.
    pub extras: Extras,
    /// How often it was tried.
    pub tries: u8,
    /// How it has come here.
    pub via: Via,
}

/// How a connection has come to its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A listener of the service.
    Listener,
    /// The multiplexer, whose peer waits for the reply of RFC 1078.
    Tcpmux {
        /// The positive one comes from us, and not from the program.
        replies: bool,
    },
}

/// What a session consists of besides its program.
struct Parts {
    id: SessionId,
    service: Arc<Service>,
    setup: Arc<Setup>,
    permit: Permit,
    peer: Option<Address>,
    user: Option<Arc<str>>,
    /// What is relayed if the program has not got it itself.
    near: Option<Near>,
    borrowed: Option<Arc<Listener>>,
}

impl Front {
    /// Does with a connection what its service is for.
    pub(super) fn start_session(self: &Arc<Self>, arrival: Arrival) {
        if arrival.setup.program.is_none() {
            return self.relay_only(arrival);
        }
        let source = |arrival: &Arrival| {
            let prefix = arrival.setup.config.gate.source_prefix;
            arrival.peer.ip().map(|address| prefix.source(address))
        };
        if let Some(arrival) = self.starts.begin(arrival.service.id, source, arrival) {
            self.start_program(arrival);
        }
    }

    /// Starts the program of a connection, whose turn it is.
    pub(super) fn start_program(self: &Arc<Self>, mut arrival: Arrival) {
        let id = arrival.id;
        let setup = Arc::clone(&arrival.setup);
        let Some(program) = &setup.program else { return };
        self.may_leave_orphans();
        // Names may have been asked for the sake of a rule alone.
        let names = arrival.names.as_ref().filter(|_| setup.config.gate.resolve);
        let launched = launch(Request {
            program,
            on: match &arrival.near {
                Near::Connection(connection) => On::Connection(connection),
                Near::Datagrams(_) => On::Datagrams,
            },
            facts: Facts {
                service: &arrival.service.name,
                session: id,
                ends: Ends::Connection {
                    local: &arrival.local,
                    remote: &arrival.peer,
                    names: names.unwrap_or(&HostNames::UNKNOWN),
                    user: arrival.user.as_ref().and_then(User::told),
                    variables: &arrival.extras.variables,
                },
                is_datagram: matches!(arrival.near, Near::Datagrams(_)),
            },
        });
        match launched {
            Ok(launched) => {
                let Arrival { service, setup, permit, near, peer, user, .. } = arrival;
                let (peer, user, near) = (Some(peer), user.and_then(User::into_told), Some(near));
                let parts = Parts { id, service, setup, permit, peer, user, near, borrowed: None };
                self.begin(parts, launched);
            }
            Err(error) if error.is_temporary() && arrival.tries < TRIES => {
                arrival.tries += 1;
                self.notify(Notice::Postponed(Box::new(arrival)));
            }
            Err(error) => {
                let user = arrival.user.as_ref().and_then(User::told);
                let subject = Subject {
                    session: Some(id),
                    peer: Some(&arrival.peer),
                    user,
                    ..Subject::of(&arrival.service.name)
                };
                self.failed(&arrival.service, program, subject, &error);
            }
        }
    }

    /// Starts the server of a `wait` service on the listening socket.
    pub(super) fn start_wait_server(
        self: &Arc<Self>,
        listener: &Arc<Listener>,
        service: Arc<Service>,
        setup: Arc<Setup>,
        permit: Permit,
    ) {
        // A configuration without a program has no `wait`.
        let Some(program) = &setup.program else { return };
        let id = self.next_session();
        let ends = Ends::Listener { local: listener.local() };
        let is_datagram = listener.local().is_datagram();
        let facts = Facts { service: &service.name, session: id, ends, is_datagram };
        let request = Request { program, on: On::Listener(listener.socket()), facts };
        let lent = match listener.lend() {
            // Since the permit was given: the next look turns them away who wait.
            Ok(false) => return self.arm(listener),
            Ok(true) => Ok(()),
            Err(error) => Err(SpawnError { stage: SpawnStage::Stdio, error }),
        };
        self.may_leave_orphans();
        match lent.and_then(|()| launch(request)) {
            Ok(launched) => {
                let (borrowed, near) = (Some(Arc::clone(listener)), None);
                let (peer, user) = (None, None);
                let parts = Parts { id, service, setup, permit, peer, user, near, borrowed };
                self.begin(parts, launched);
            }
            Err(error) => {
                let subject = Subject { session: Some(id), ..Subject::of(&service.name) };
                self.failed(&service, program, subject, &error);
                self.take_back(listener);
                self.arm(listener);
            }
        }
    }

    /// A program runs: from here on it is a session.
    fn begin(self: &Arc<Self>, parts: Parts, launched: Launched) {
        let Parts { id, service, setup, permit, peer, user, near, borrowed } = parts;
        let Launched { child, stderr, relayed } = launched;
        let (started, began) = (Instant::now(), SystemTime::now());
        service.launched();
        if borrowed.is_none() {
            service.recovered();
        }
        if let Some(reader) = stderr {
            let service = Arc::clone(&service.name);
            let pipe = StderrPipe { service, session: id, pid: child.id(), reader };
            self.notify(Notice::Stderr(pipe));
        }
        let session_timeout = setup.config.timeouts.session;
        let stop_timeout = setup.config.timeouts.stop;
        // Without a relay the program has the connection now, and the peer must see the end when
        // the program ends.
        let task = relayed.zip(near).map(|(program, near)| {
            let (setup, relay) = (Arc::clone(&setup), Relay::new(program.terminal()));
            Task { session: id, setup, relay, near, far: Far::Program(program) }
        });
        let relay = task.as_ref().map(|task| task.relay.clone());
        let stage = StageCell::default();
        let session = Session {
            id,
            service,
            setup,
            peer,
            user,
            child: Some(child),
            started,
            began,
            stage,
            relay,
            borrowed,
            permit,
        };
        self.recorder.start(session.subject());
        // Only now, so that whoever hears of the end finds the session.
        let watched = self.sessions.insert(session, |session| {
            let child = session.child.as_ref()?;
            child.watch(&self.poller, Token::Session(id).into()).err()
        });
        if let Some(task) = task {
            task.start(self);
        }
        self.may_leave_orphans();
        if let Some(error) = watched {
            reap::cannot_watch(self, id, &error);
        }
        self.plan_end(id, started, session_timeout, stop_timeout);
    }

    /// Relays a connection to something that is no program: from here on it is a session.
    fn relay_only(self: &Arc<Self>, arrival: Arrival) {
        let Arrival { id, service, setup, permit, near, peer, user, .. } = arrival;
        let far = match &setup.config.work {
            // What starts a program is in its settings, and nobody comes into a sensor.
            Work::Program(_) | Work::Sensor => return,
            Work::Forward(target) => Far::Server(target.clone()),
            Work::Builtin(builtin) => Far::Builtin(builtin.clone()),
        };
        let started = Instant::now();
        service.launched();
        let session_timeout = setup.config.timeouts.session;
        let stop_timeout = setup.config.timeouts.stop;
        let relay = Relay::new(None);
        let task = Task { session: id, setup: Arc::clone(&setup), relay: relay.clone(), near, far };
        let (peer, user, relay) = (Some(peer), user.and_then(User::into_told), Some(relay));
        let (child, borrowed) = (None, None);
        let (began, stage) = (SystemTime::now(), StageCell::default());
        let session = Session {
            id,
            service,
            setup,
            peer,
            user,
            child,
            started,
            began,
            stage,
            relay,
            borrowed,
            permit,
        };
        self.recorder.start(session.subject());
        // Never given back: the relay is not over before it has begun.
        drop(self.sessions.keep(Ended::without_program(session)));
        task.start(self);
        self.plan_end(id, started, session_timeout, stop_timeout);
    }

    fn plan_end(
        &self,
        id: SessionId,
        started: Instant,
        session_timeout: Option<Duration>,
        stop_timeout: Duration,
    ) {
        if let Some(timeout) = session_timeout {
            self.notify(Notice::Deadline(id, started + timeout));
        }
        // After the insert: whoever stops the daemon sets the flag before it looks at the table.
        if self.is_stopping() {
            self.notify(Notice::Deadline(id, started + stop_timeout));
        }
    }

    fn failed(
        &self,
        service: &Service,
        program: &Startable,
        subject: Subject<'_>,
        error: &SpawnError,
    ) {
        service.failed(Instant::now());
        self.recorder.fail(subject, error, program.prepared.path());
    }

    pub(super) fn next_session(&self) -> SessionId {
        self.last_session.fetch_add(1, Ordering::Relaxed) + 1
    }
}
