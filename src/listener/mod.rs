//! Listeners: bound sockets that belong to a service.

pub mod endpoint;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use self::endpoint::{Address, Endpoint};
use crate::config::SocketOptions;
use crate::front::Token;
use crate::service::Service;
use crate::sys::poll::Poller;
use crate::sys::socket::{Connection, ListenSocket};

/// The number of a listener, never used twice in the life of a daemon.
pub type ListenerId = u64;

/// Each time that many connections were accepted it is worth to ask how many more there are.
const LOOK_EACH: u32 = 16;

/// A bound socket. A reload may give it to another service, but never closes it while somebody
/// wants its endpoint.
#[derive(Debug)]
pub struct Listener {
    /// Its number.
    pub id: ListenerId,
    /// The endpoint as it was asked for: with port 0, for instance.
    pub asked: Endpoint,
    socket: ListenSocket,
    state: Mutex<Use>,
    service: RwLock<Arc<Service>>,
    closed: AtomicBool,
    /// The system refuses connections, see [`Listener::set_draining`].
    refusing: AtomicBool,
    /// See [`Listener::may_be_flooded`].
    visits: AtomicU32,
}

/// How the socket is used now.
#[derive(Debug)]
struct Use {
    /// The options that it has, or shall have when it comes back.
    options: Arc<SocketOptions>,
    /// A `wait` server has it. Nothing may be done with it meanwhile.
    lent: bool,
    /// Its service drains: the system shall refuse connections, if it can.
    draining: bool,
    /// `options` changed while they could not be set.
    stale: bool,
}

impl Listener {
    /// A listener with a bound socket, quiet until [`Listener::arm`].
    pub fn new(
        id: ListenerId,
        asked: Endpoint,
        options: Arc<SocketOptions>,
        socket: ListenSocket,
        service: Arc<Service>,
    ) -> Self {
        let [closed, refusing] = [false, false].map(AtomicBool::new);
        let state = Mutex::new(Use { options, lent: false, draining: false, stale: false });
        let (service, visits) = (RwLock::new(service), AtomicU32::new(0));
        Self { id, asked, socket, state, service, closed, refusing, visits }
    }

    /// Whether it is time to ask how many connections wait: not each time, because that takes time.
    pub fn may_be_flooded(&self) -> bool {
        self.visits.fetch_add(1, Ordering::Relaxed) % LOOK_EACH == LOOK_EACH - 1
    }

    /// Whether it can serve as a listener with these options without being bound again.
    pub fn suits(&self, options: &SocketOptions) -> bool {
        let has = &self.lock_use().options;
        has.interface == options.interface && has.freebind == options.freebind
    }

    /// Changes its options, now or when it listens again.
    pub fn retune(&self, options: &Arc<SocketOptions>) -> io::Result<()> {
        let mut state = self.lock_use();
        if state.options == *options {
            return Ok(());
        }
        let before = std::mem::replace(&mut state.options, Arc::clone(options));
        state.stale = state.lent || self.is_refusing();
        if !state.stale {
            self.socket.retune(options)?;
        }
        let is_gone = |before: Option<u32>, now: Option<u32>| before.is_some() && now.is_none();
        let without_size = is_gone(before.send_buffer, options.send_buffer)
            || is_gone(before.receive_buffer, options.receive_buffer);
        if without_size && self.socket.keeps_buffers() {
            return Err(io::Error::other(
                "a buffer keeps the size that was set; restart inetd to let the system choose again",
            ));
        }
        Ok(())
    }

    /// Whether its service drains. Then the system refuses connections as if nobody listened,
    /// while the address stays ours. Where the system cannot do that, and while a `wait` server
    /// has the socket, connections still come, and admission turns them away. True if it listens
    /// again and has to be armed.
    pub fn set_draining(&self, draining: bool) -> io::Result<bool> {
        let mut state = self.lock_use();
        state.draining = draining;
        if draining || !self.is_refusing() {
            return self.refuse(&state).map(|()| false);
        }
        self.socket.listen_again(&state.options)?;
        self.refusing.store(false, Ordering::Release);
        state.stale = false;
        Ok(true)
    }

    /// Makes the system refuse connections if it shall and can.
    fn refuse(&self, state: &Use) -> io::Result<()> {
        if !state.draining || state.lent || self.is_refusing() || !self.socket.can_refuse() {
            return Ok(());
        }
        // Before it does: an accept that fails because of it is no error.
        self.refusing.store(true, Ordering::Release);
        self.socket.refuse().inspect_err(|_| self.refusing.store(false, Ordering::Release))
    }

    /// Whether the system refuses connections for it.
    pub fn is_refusing(&self) -> bool {
        self.refusing.load(Ordering::Acquire)
    }

    /// Prepares it for a `wait` server. False if its service drains: it is not to be lent.
    pub fn lend(&self) -> io::Result<bool> {
        let mut state = self.lock_use();
        if state.draining {
            return Ok(false);
        }
        state.lent = true;
        self.socket.lend().map(|()| true)
    }

    /// Takes it back after the server's end.
    pub fn take_back(&self) -> io::Result<()> {
        let mut state = self.lock_use();
        state.lent = false;
        self.socket.take_back()?;
        if std::mem::take(&mut state.stale) {
            self.socket.retune(&state.options)?;
        }
        self.refuse(&state)
    }

    fn lock_use(&self) -> MutexGuard<'_, Use> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address that it is bound to.
    pub fn local(&self) -> &Endpoint {
        self.socket.local()
    }

    /// The service that its connections go to now.
    pub fn service(&self) -> Arc<Service> {
        Arc::clone(&self.service.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives it to a service.
    pub fn set_service(&self, service: Arc<Service>) {
        *self.service.write().unwrap_or_else(PoisonError::into_inner) = service;
    }

    /// Asks for one event when a connection is waiting.
    pub fn arm(&self, poller: &Poller) -> io::Result<()> {
        if self.is_closed() || self.is_refusing() {
            return Ok(());
        }
        self.socket.arm(poller, Token::Listener(self.id).into())
    }

    /// Accepts one connection.
    pub fn accept(&self) -> io::Result<(Connection, Address)> {
        self.socket.accept()
    }

    /// The socket itself, for a `wait` server.
    pub fn socket(&self) -> &ListenSocket {
        &self.socket
    }

    /// Nothing is accepted any more. The socket is closed when the last user of it is done.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether [`Listener::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}
