//! Listeners: bound sockets that belong to a service.

pub mod endpoint;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use self::endpoint::{Address, Endpoint};
use crate::config::SocketOptions;
use crate::front::Token;
use crate::service::Service;
use crate::sys::poll::Poller;
use crate::sys::socket::{Connection, ListenSocket};

/// The number of a listener, never used twice in the life of a daemon.
pub type ListenerId = u64;

/// A bound socket. A reload may give it to another service, but never closes it while somebody
/// wants its endpoint.
#[derive(Debug)]
pub struct Listener {
    /// Its number.
    pub id: ListenerId,
    /// The endpoint as it was asked for: with port 0, for instance.
    pub asked: Endpoint,
    /// The options that it was bound with.
    pub options: SocketOptions,
    socket: ListenSocket,
    service: RwLock<Arc<Service>>,
    closed: AtomicBool,
}

impl Listener {
    /// Puts a bound socket under the eyes of the front threads, quiet until [`Listener::arm`].
    pub fn new(
        id: ListenerId,
        asked: Endpoint,
        options: SocketOptions,
        socket: ListenSocket,
        service: Arc<Service>,
        poller: &Poller,
    ) -> io::Result<Self> {
        socket.watch(poller, Token::Listener(id).into())?;
        let closed = AtomicBool::new(false);
        Ok(Self { id, asked, options, socket, service: RwLock::new(service), closed })
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
        if self.is_closed() {
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
