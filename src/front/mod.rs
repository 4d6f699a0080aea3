//! The front: a few threads that all do the same. Each waits for one event and deals with it
//! to the end: a listener is ready, so it admits, accepts, arms the listener again and
//! launches; or a program has ended, so it reaps. While one thread waits for a program to be
//! loaded, the next event goes to another thread.
//!
//! Nothing here waits for a peer, for the log or for the [`crate::supervisor`].

mod accept;
mod candidate;
mod datagram;
mod describe;
mod multiplex;
mod refuse;
mod start;
mod starts;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;

use crate::admission::names::Names;
use crate::admission::users::Users;
use crate::admission::{Admission, Ask};
use crate::listener::endpoint::Endpoint;
use crate::listener::{Listener, ListenerId};
use crate::reap;
use crate::record::Recorder;
use crate::record::event;
use crate::record::log::Value;
use crate::relay::datagrams::Flows;
use crate::relay::{Carrier, Relays};
use crate::session::stderr::StderrPipe;
use crate::session::{SessionId, SessionTable};
use crate::sys::poll::Poller;
use crate::sys::{front_threads, startup};

pub use self::multiplex::{Offer, Offers, Transfer};
pub use self::refuse::{Farewell, Unknown};
pub use self::start::{Arrival, Via};
use self::starts::Starts;

/// Who an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// A listener is ready, or shall look whether it is.
    Listener(ListenerId),
    /// The program of a session has ended.
    Session(SessionId),
    /// There may be room for listeners that sleep in [`Admission`].
    Offer,
    /// There is a connection to go on with: see [`Next`].
    Again,
    /// Programs wait for somebody to start them.
    Start,
    /// The threads shall end.
    Quit,
}

/// Connections of refused peers that may stay open for a moment. More are closed at once.
const FAREWELLS: usize = 256;

/// Connections of refused peers that may stay open until their users are known. Of more the users are
/// not asked for.
const UNKNOWN: usize = 64;

/// How long ends of programs gather. A record of an end may be late by that much.
const GATHER: Duration = Duration::from_micros(500);

/// Tokens are numbers to the poller: two bits of kind, the rest is the id.
const KIND_SHIFT: u32 = 62;

impl From<Token> for u64 {
    fn from(token: Token) -> Self {
        match token {
            Token::Listener(id) => id,
            Token::Session(id) => (1 << KIND_SHIFT) | id,
            Token::Offer => 2 << KIND_SHIFT,
            Token::Again => (2 << KIND_SHIFT) | 1,
            Token::Start => (2 << KIND_SHIFT) | 2,
            Token::Quit => (2 << KIND_SHIFT) | 3,
        }
    }
}

impl From<u64> for Token {
    fn from(number: u64) -> Self {
        let id = number & ((1 << KIND_SHIFT) - 1);
        match (number >> KIND_SHIFT, id) {
            (0, id) => Self::Listener(id),
            (1, id) => Self::Session(id),
            (_, 0) => Self::Offer,
            (_, 1) => Self::Again,
            (_, 2) => Self::Start,
            _ => Self::Quit,
        }
    }
}

/// What the front tells the supervisor.
#[derive(Debug)]
pub enum Notice {
    /// A listener shall be armed again at that time.
    ResumeAt(Arc<Listener>, Instant),
    /// A session has a `session_timeout`.
    Deadline(SessionId, Instant),
    /// Somebody has to read the standard error of a program.
    Stderr(StderrPipe),
    /// A program has ended but left processes behind that are being killed.
    Lingering(Box<reap::Ended>),
    /// A connection waits for the resources to start its program.
    Postponed(Box<Arrival>),
    /// Something has to be found out about a connection.
    FindOut(Box<Arrival>, Ask),
    /// A connection is to be turned away when its user is known.
    Unknown(Box<Unknown>),
    /// A connection is to be closed a little later.
    Farewell(Farewell),
    /// Programs have been started or reaped since [`Front::sweeping`]; they may leave orphans.
    Orphans,
}

/// How it goes on with a connection that had to wait.
#[derive(Debug)]
pub enum Next {
    /// What was asked about it is known: may it come in?
    Decide(Box<Arrival>),
    /// Its program could not be started for want of resources: another try.
    Start(Box<Arrival>),
    /// It has said to the multiplexer, in this session, which service it wants.
    Transfer(Box<Transfer>, Carrier),
}

/// What the front threads and the supervisor share.
#[derive(Debug)]
pub struct Front {
    /// The queue of events.
    pub poller: Arc<Poller>,
    /// The slots.
    pub admission: Arc<Admission>,
    /// The running programs.
    pub sessions: SessionTable,
    /// Where sessions are recorded.
    pub recorder: Recorder,
    /// The names of peers.
    pub names: Arc<Names>,
    /// The users of peers.
    pub users: Users,
    /// Where bytes are moved for programs that have not got the connection itself.
    pub relays: Relays,
    /// The sessions of those who send datagrams.
    pub flows: Arc<Flows>,
    /// The services of the multiplexer.
    pub offers: Offers,
    listeners: Mutex<HashMap<ListenerId, Arc<Listener>>>,
    /// How many listeners take datagrams on a port.
    datagram_ports: Mutex<HashMap<u16, usize>>,
    notices: UnboundedSender<Notice>,
    last_session: AtomicU64,
    last_listener: AtomicU64,
    stopping: AtomicBool,
    orphans: AtomicBool,
    /// Places for connections that are closed a little later.
    farewells: Arc<Semaphore>,
    /// Places for connections that are turned away when their users are known.
    unknown: Arc<Semaphore>,
    /// Connections for [`Token::Again`].
    postponed: Mutex<VecDeque<Next>>,
    /// Those whose programs are to be started.
    starts: Starts<Arrival>,
}

impl Front {
    /// A front without listeners.
    pub fn new(
        recorder: Recorder,
        max_sessions: Option<u32>,
        notices: UnboundedSender<Notice>,
    ) -> io::Result<Arc<Self>> {
        let poller = Arc::new(Poller::new()?);
        Ok(Arc::new(Self {
            admission: Admission::new(Arc::clone(&poller), max_sessions),
            poller,
            sessions: SessionTable::default(),
            recorder,
            names: Arc::default(),
            users: Users::default(),
            relays: Relays::default(),
            flows: Arc::default(),
            offers: Offers::default(),
            listeners: Mutex::default(),
            datagram_ports: Mutex::default(),
            notices,
            last_session: AtomicU64::new(0),
            last_listener: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            orphans: AtomicBool::new(false),
            farewells: Arc::new(Semaphore::new(FAREWELLS)),
            unknown: Arc::new(Semaphore::new(UNKNOWN)),
            postponed: Mutex::default(),
            starts: Starts::new(startup::connections_in_hand()),
        }))
    }

    /// Starts the threads. Where the ends of programs are told apart, a further one reaps.
    pub fn start(self: &Arc<Self>) -> io::Result<()> {
        for _ in 0..front_threads() {
            self.start_thread("front", Self::serve)?;
        }
        if Poller::ENDS_APART {
            self.start_thread("reap", Self::reap)?;
        }
        Ok(())
    }

    fn start_thread(self: &Arc<Self>, name: &str, work: fn(&Arc<Self>)) -> io::Result<()> {
        let front = Arc::clone(self);
        let thread = std::thread::Builder::new().name(name.into()).stack_size(256 * 1024);
        thread.spawn(move || work(&front)).map(drop)
    }

    /// Adds a bound listener and lets it accept.
    pub fn add_listener(
        &self,
        make: impl FnOnce(ListenerId) -> Listener,
    ) -> io::Result<Arc<Listener>> {
        let id = self.last_listener.fetch_add(1, Ordering::Relaxed) + 1;
        let listener = Arc::new(make(id));
        if let Endpoint::Udp { address, .. } = listener.local() {
            *lock(&self.datagram_ports).entry(address.port()).or_default() += 1;
        }
        lock(&self.listeners).insert(id, Arc::clone(&listener));
        if let Err(error) = listener.arm(&self.poller) {
            self.remove_listener(&listener);
            return Err(error);
        }
        Ok(listener)
    }

    /// Takes a listener away; its socket is closed when nobody uses it any more.
    pub fn remove_listener(&self, listener: &Listener) {
        listener.close();
        let known = lock(&self.listeners).remove(&listener.id);
        if let (Some(_), Endpoint::Udp { address, .. }) = (known, listener.local()) {
            let mut ports = lock(&self.datagram_ports);
            if let Entry::Occupied(mut count) = ports.entry(address.port()) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }

    /// From now on a session that begins after all (its connection was accepted before) gets a
    /// deadline. Whoever waits for a program is turned away.
    pub fn stopping(self: &Arc<Self>) {
        self.stopping.store(true, Ordering::SeqCst);
        for arrival in self.starts.clear() {
            self.dismiss(arrival);
        }
    }

    /// Whether [`Front::stopping`] was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// A program is about to be started, or was started or reaped. The supervisor hears of the first one only.
    pub fn may_leave_orphans(&self) {
        if !self.orphans.load(Ordering::Relaxed) && !self.orphans.swap(true, Ordering::Relaxed) {
            self.notify(Notice::Orphans);
        }
    }

    /// The supervisor looks for orphans now and wants to hear of the next program.
    pub fn sweeping(&self) {
        self.orphans.store(false, Ordering::Relaxed);
    }

    /// Tells the supervisor. If it is gone, so is the daemon.
    pub fn notify(&self, notice: Notice) {
        self.notices.send(notice).ok();
    }

    /// Goes on with a connection.
    pub fn again(&self, next: Next) {
        lock(&self.postponed).push_back(next);
        if self.poller.post(Token::Again.into()).is_err() {
            // Only memory can be short. The peer sees its connection end, the slot is free.
            drop(lock(&self.postponed).pop_front());
        }
    }

    /// What a front thread does. While programs are to be started it does one thing of both in turn.
    fn serve(self: &Arc<Self>) {
        loop {
            let turn = self.starts.next();
            let event = match &turn {
                Some(_) => self.poller.look(),
                None => self.poller.wait().map(Some),
            };
            let goes_on = event.map_or_else(
                |error| self.cannot_wait(&error),
                |token| token.is_none_or(|token| self.take(token)),
            );
            if let Some(arrival) = turn {
                self.survives(|| self.start_program(arrival), "a start");
            }
            if !goes_on {
                return;
            }
        }
    }

    /// What the thread does that reaps. Ends gather for a moment unless somebody may wait for one: to
    /// be woken for each costs as much as to deal with it.
    fn reap(self: &Arc<Self>) {
        loop {
            let mut ended = self.poller.wait_for_end().map(Some);
            while let Ok(Some(token)) = ended {
                if !self.take(token) {
                    return;
                }
                ended = self.poller.look_for_end();
            }
            if let Err(error) = ended {
                self.cannot_wait(&error);
                return;
            }
            self.sessions.wait_for_awaited(GATHER);
        }
    }

    fn cannot_wait(&self, error: &io::Error) -> bool {
        self.recorder.log().event(event::CANNOT_WAIT, &[("error", Value::Text(error))]);
        false
    }

    /// Deals with an event. False if the thread shall end.
    fn take(self: &Arc<Self>, token: u64) -> bool {
        let token = Token::from(token);
        if token == Token::Quit {
            // Passed on to the next thread.
            self.poller.post(token.into()).ok();
            return false;
        }
        if !self.survives(|| self.deal_with(token), token) {
            self.after_fault(token);
        }
        true
    }

    /// Does it, and tells whether there was no fault: one in one session must not take the others with it.
    fn survives(&self, work: impl FnOnce(), what: impl std::fmt::Debug) -> bool {
        let done = catch_unwind(AssertUnwindSafe(work)).is_ok();
        if !done {
            let what = format!("{what:?}");
            let fields = [("while_dealing_with", Value::Text(&what))];
            self.recorder.log().event(event::INTERNAL_FAULT, &fields);
        }
        done
    }

    /// A listener may have been left unarmed, and would be deaf.
    fn after_fault(&self, token: Token) {
        if let Token::Listener(id) = token
            && let Some(listener) = self.listener(id)
            && !listener.service().setup().config.wait
        {
            self.arm(&listener);
        }
    }

    fn deal_with(self: &Arc<Self>, token: Token) {
        match token {
            Token::Listener(id) => {
                if let Some(listener) = self.listener(id) {
                    self.visit(&listener);
                }
            }
            Token::Session(id) => reap::program_ended(self, id),
            Token::Offer => {
                while let Some(id) = self.admission.next_offered() {
                    if let Some(listener) = self.listener(id) {
                        self.visit(&listener);
                    }
                }
            }
            Token::Again => {
                let next = lock(&self.postponed).pop_front();
                match next {
                    Some(Next::Decide(arrival)) => self.decide(*arrival),
                    Some(Next::Start(arrival)) => self.start_session(*arrival),
                    Some(Next::Transfer(transfer, from)) => self.transfer(*transfer, from),
                    None => {}
                }
            }
            // The thread looks for them after each event.
            Token::Start | Token::Quit => {}
        }
    }

    fn listener(&self, id: ListenerId) -> Option<Arc<Listener>> {
        lock(&self.listeners).get(&id).cloned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
