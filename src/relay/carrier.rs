//! One session's relay from its beginning to its end: what the peer is relayed to, and what the front
//! is told.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::io::{AsyncRead, AsyncWrite};

use super::datagrams::{self, Flow};
use super::duplex::{Duplex, End, Times};
use super::far::builtin::{self, Chargen, Silence, Speaker, Text};
use super::far::{Far, echo, ident, server, tcpmux};
use super::pump::{Carry, Pump};
use super::splice::Splicer;
use super::{Near, Relay};
use crate::config::{Builtin, Ident, Target};
use crate::front::{Front, Notice, Transfer};
use crate::launch::OurEnd;
use crate::listener::endpoint::Address;
use crate::reap;
use crate::service::Setup;
use crate::session::SessionId;
use crate::sys::clock;
use crate::sys::socket::{Connection, Stream};
use crate::sys::splice::Tube;

/// Relays for one session, and tells that the relay is over when it is dropped.
#[derive(Debug)]
pub struct Carrier {
    pub(super) front: Arc<Front>,
    pub(super) session: SessionId,
    pub(super) setup: Arc<Setup>,
    pub(super) relay: Relay,
}

impl Carrier {
    /// Relays. Gives a connection back that is to go on elsewhere.
    pub(super) async fn run(&self, near: Near, far: Far) -> io::Result<Option<Transfer>> {
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
        let idle = config.timeouts.idle.unwrap_or(datagrams::IDLE);
        let times = datagrams::Times { idle, linger: config.timeouts.linger };
        match far {
            Far::Program(OurEnd::Pipe(program)) => {
                flow.exchange(program.into_async()?, shared, times).await;
                // Its input has ended by now.
                self.stop_after(config.timeouts.stop);
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
            Builtin::Echo => {
                let (ear, mouth) = echo(peer);
                return self.carry(ear, mouth).await;
            }
            Builtin::Discard => return self.carry(peer, Speaker::new(Silence)).await,
            Builtin::Chargen => {
                return self.carry(peer, Speaker::new(Chargen::default())).await;
            }
            Builtin::Daytime => format!("{}\r\n", clock::local_now()).into_bytes(),
            Builtin::Time => builtin::time(SystemTime::now()).to_vec(),
            Builtin::Qotd(quotes) => builtin::quote(quotes, self.session, usize::MAX),
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
        D: Carry<P, Q> + Carry<Q, P> + Unpin,
    {
        let config = &self.setup.config;
        let times = Times { idle: config.timeouts.idle, linger: config.timeouts.linger };
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
            self.stop_after(config.timeouts.stop);
        }
        end
    }

    pub(super) fn cannot_relay(&self, error: &io::Error) {
        let recorder = &self.front.recorder;
        self.front
            .sessions
            .with_any(self.session, |session| recorder.cannot_relay(session.subject(), error));
        self.stop_after(self.setup.config.timeouts.stop);
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
