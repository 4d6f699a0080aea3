//! Relays: between a peer and a program that has not got the connection itself (`io = "pipe"`,
//! `io = "pty"`), every byte goes through the daemon. There is one relay for everything that is
//! not the plain socket; it is written for any two streams.
//!
//! Relays run on a runtime of their own, so that they use all processors and never hold up the
//! front or the supervisor. It is started for the first relayed session: a daemon that has none
//! does not pay for it.

mod alarm;
pub mod datagrams;
mod duplex;
mod far;
mod pump;
mod splice;

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Handle, Runtime};

use self::datagrams::Flow;
use self::duplex::{Duplex, End, Times};
pub use self::far::Far;
pub(crate) use self::far::builtin;
use self::far::builtin::{Chargen, Echo, Silence, Speaker, Text};
use self::far::{ident, server, tcpmux};
use self::pump::{Direction, Pump, with_buffer};
use self::splice::Splicer;
use crate::config::{Builtin, Ident, Target};
use crate::front::{Front, Next, Notice, Transfer};
use crate::launch::OurEnd;
use crate::listener::endpoint::Address;
use crate::reap;
use crate::service::Setup;
use crate::session::SessionId;
use crate::sys::clock;
use crate::sys::socket::{Connection, Stream};
use crate::sys::splice::Tube;
use crate::sys::terminal::Terminal;

/// The most columns and rows of a terminal.
const LARGEST: u16 = 1000;
/// Time for the threads to end.
const LAST_MOMENT: Duration = Duration::from_secs(1);
/// Stack of a thread that relays.
const STACK: usize = 256 * 1024;

/// Where relays run.
#[derive(Debug, Default)]
pub struct Relays {
    runtime: Mutex<Option<Runtime>>,
}

impl Relays {
    /// The runtime, which the first call starts.
    ///
    /// # Errors
    /// There is no memory, thread or descriptor for it.
    pub fn runtime(&self) -> io::Result<Handle> {
        let mut runtime = lock(&self.runtime);
        if let Some(runtime) = &*runtime {
            return Ok(runtime.handle().clone());
        }
        let new = Builder::new_multi_thread()
            .worker_threads(std::thread::available_parallelism().map_or(1, usize::from))
            .thread_name("relay")
            .thread_stack_size(STACK)
            .enable_all()
            .build()?;
        Ok(runtime.insert(new).handle().clone())
    }

    /// Ends the runtime, with all relays that there still are: a process should not end while its
    /// threads are in the middle of something.
    pub async fn end(&self) {
        let runtime = lock(&self.runtime).take();
        if let Some(runtime) = runtime {
            let end = move || runtime.shutdown_timeout(LAST_MOMENT);
            // An error would be a panic in it, and changes nothing.
            tokio::task::spawn_blocking(end).await.ok();
        }
    }
}

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
        let runtime = match front.relays.runtime() {
            Ok(runtime) => runtime,
            Err(error) => return session.cannot_relay(&error),
        };
        runtime.spawn(async move {
            match session.run(near, far).await {
                Ok(None) => {}
                Ok(Some(transfer)) => {
                    let front = Arc::clone(&session.front);
                    // Its slot is free before another one is asked for.
                    drop(session);
                    front.again(Next::Transfer(Box::new(transfer)));
                }
                Err(error) => session.cannot_relay(&error),
            }
        });
    }
}

/// Relays for one session, and tells that the relay is over when it is dropped.
struct Carrier {
    front: Arc<Front>,
    session: SessionId,
    setup: Arc<Setup>,
    relay: Relay,
}

impl Carrier {
    /// Relays. Gives a connection back that is to go on elsewhere.
    async fn run(&self, near: Near, far: Far) -> io::Result<Option<Transfer>> {
        match (near, far) {
            (Near::Connection(connection), Far::Builtin(Builtin::Tcpmux)) => {
                self.multiplex(connection).await
            }
            (Near::Connection(connection), Far::Builtin(Builtin::Ident(ident))) => {
                self.identify(connection, &ident).await.map(|()| None)
            }
            (Near::Connection(connection), far) => {
                self.converse(connection, far).await.map(|()| None)
            }
            (Near::Datagrams(flow), far) => self.exchange(flow, far).await.map(|()| None),
        }
    }

    /// Hears which service a peer wants, and gives its connection back if there is such a one.
    async fn multiplex(&self, connection: Connection) -> io::Result<Option<Transfer>> {
        let peer = self.peer();
        let (local, is_file) = (connection.local()?, connection.is_file());
        let mut stream = connection.into_async()?;
        let heard = tokio::select! {
            heard = tcpmux::read_name(&mut stream, tcpmux::PATIENCE) => heard,
            () = self.relay.shared.given_up() => return Ok(None),
        };
        let text = match heard {
            Ok(name) if name.eq_ignore_ascii_case("help") => self.front.offers.help(),
            Ok(name) => match (self.front.offers.find(&name), peer) {
                (Some(offer), Some(peer)) => {
                    let connection = stream.into_connection(is_file)?;
                    return Ok(Some(Transfer { offer, connection, peer, local }));
                }
                _ => tcpmux::UNKNOWN.to_owned(),
            },
            Err(text) => text.to_owned(),
        };
        self.carry(stream, Speaker::new(Text::new(text))).await;
        Ok(None)
    }

    /// Tells whose a connection is.
    async fn identify(&self, connection: Connection, ident: &Ident) -> io::Result<()> {
        let ends = connection.local().ok();
        let ends = ends.and_then(|local| ident::ends(&local, self.peer().as_ref()));
        let mut stream = connection.into_async()?;
        let text = tokio::select! {
            text = ident::answer(&mut stream, ident, ends) => text,
            () = self.relay.shared.given_up() => return Ok(()),
        };
        self.carry(stream, Speaker::new(Text::new(text))).await;
        Ok(())
    }

    fn peer(&self) -> Option<Address> {
        self.front.sessions.with_any(self.session, |session| session.peer.clone()).flatten()
    }

    async fn exchange(&self, flow: Flow, far: Far) -> io::Result<()> {
        let shared = &self.relay.shared;
        let config = &self.setup.config;
        let idle = config.idle_timeout.unwrap_or(datagrams::IDLE);
        let times = datagrams::Times { idle, linger: config.linger_timeout };
        match far {
            Far::Program(OurEnd::Pipe(program)) => {
                flow.exchange(program.into_async()?, shared, times).await;
                // Its input has ended by now.
                self.stop_after(config.stop_timeout);
            }
            Far::Server(target) => match server::connect_datagrams(&target).await {
                Ok(server) => flow.exchange(server, shared, times).await,
                Err(error) => self.cannot_forward(&target, &error),
            },
            // The front answers these itself, and a terminal has no datagrams.
            Far::Program(OurEnd::Terminal(_)) | Far::Builtin(_) => {}
        }
        Ok(())
    }

    async fn converse(&self, connection: Connection, far: Far) -> io::Result<()> {
        let peer = connection.into_async()?;
        match far {
            Far::Program(OurEnd::Pipe(program)) => self.carry(peer, program.into_async()?).await,
            Far::Program(OurEnd::Terminal(program)) => {
                let mut terminal = program.into_async()?;
                if self.relay(peer, &mut terminal).await == End::Over {
                    // To close a terminal is to hang up, and that could still kill a program that
                    // has closed it and is about to end.
                    self.relay.shared.program_has_ended().await;
                }
            }
            Far::Server(target) => self.forward(peer, &target).await,
            Far::Builtin(builtin) => self.answer(peer, &builtin).await,
        }
        Ok(())
    }

    async fn forward(&self, peer: Stream, target: &Target) {
        let nodelay = self.setup.config.socket.nodelay;
        let connected = tokio::select! {
            connected = server::connect(target, nodelay) => connected,
            () = self.relay.shared.given_up() => return,
        };
        match connected {
            Ok(server) => {
                let directions = [Splicer::new(Tube::take), Splicer::new(Tube::take)];
                self.relay_by(directions, peer, server).await;
            }
            Err(error) => self.cannot_forward(target, &error),
        }
    }

    fn cannot_forward(&self, target: &Target, error: &io::Error) {
        let recorder = &self.front.recorder;
        self.front.sessions.with_any(self.session, |session| {
            recorder.cannot_forward(session.subject(), target, error);
        });
    }

    async fn answer(&self, peer: Stream, builtin: &Builtin) {
        let text = match builtin {
            Builtin::Echo => return self.carry(peer, Echo::default()).await,
            Builtin::Discard => return self.carry(peer, Speaker::new(Silence)).await,
            Builtin::Chargen => {
                return self.carry(peer, Speaker::new(Chargen::default())).await;
            }
            Builtin::Daytime => format!("{}\r\n", clock::local_now()).into_bytes(),
            Builtin::Time => builtin::time(SystemTime::now()).to_vec(),
            Builtin::Qotd(quotes) => builtin::quote(quotes, self.session),
            Builtin::Services => self.front.describe_services().into_bytes(),
            Builtin::Status => self.front.describe_state().into_bytes(),
            // Their connections go another way.
            Builtin::Tcpmux | Builtin::Ident(_) => return,
        };
        self.carry(peer, Speaker::new(Text::new(text))).await;
    }

    async fn carry<P, Q>(&self, peer: P, far: Q)
    where
        P: AsyncRead + AsyncWrite + Unpin,
        Q: AsyncRead + AsyncWrite + Unpin,
    {
        // Both sides are closed, however it ended.
        self.relay(peer, far).await;
    }

    /// Copies until it is over, and closes what it was given.
    async fn relay<P, Q>(&self, peer: P, far: Q) -> End
    where
        P: AsyncRead + AsyncWrite + Unpin,
        Q: AsyncRead + AsyncWrite + Unpin,
    {
        self.relay_by([Pump::new(), Pump::new()], peer, far).await
    }

    /// Relays until it is over, and closes what it was given.
    async fn relay_by<P, Q, D>(&self, directions: [D; 2], peer: P, far: Q) -> End
    where
        P: AsyncRead + AsyncWrite + Unpin,
        Q: AsyncRead + AsyncWrite + Unpin,
        D: Direction<P, Q> + Direction<Q, P> + Unpin,
    {
        let config = &self.setup.config;
        let times = Times { idle: config.idle_timeout, linger: config.linger_timeout };
        let tell_idle = || {
            let recorder = &self.front.recorder;
            let sessions = &self.front.sessions;
            sessions.with_any(self.session, |session| recorder.idle(session.subject()));
            self.stop_after(Duration::ZERO);
        };
        let shared = &self.relay.shared;
        let duplex = Duplex::new(directions, (peer, far), shared, times, tell_idle);
        let end = duplex.run().await;
        if end == End::PeerGone {
            self.stop_after(config.stop_timeout);
        }
        end
    }

    fn cannot_relay(&self, error: &io::Error) {
        let recorder = &self.front.recorder;
        self.front
            .sessions
            .with_any(self.session, |session| recorder.cannot_relay(session.subject(), error));
        self.stop_after(self.setup.config.stop_timeout);
    }

    /// The stop ladder begins after that time, unless the session has ended by then.
    fn stop_after(&self, time: Duration) {
        self.front.notify(Notice::Deadline(self.session, Instant::now() + time));
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.relay.shared.lock().over = true;
        reap::relay_ended(&self.front, self.session);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
