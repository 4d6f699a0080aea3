//! Listening sockets and connections.
//!
//! A connection becomes the standard input and output of a program that calls `ReadFile` and
//! `WriteFile` without an OVERLAPPED, which only works on a file without the overlapped attribute.
//! So sockets and instances of pipes are made without it.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::windows::io::{AsSocket, BorrowedHandle, BorrowedSocket, OwnedSocket};
use std::sync::OnceLock;

use socket2::{Domain, SockRef, Socket, Type};
use windows_sys::Win32::Foundation::{
    ERROR_COMMITMENT_LIMIT, ERROR_NO_DATA, ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_ENOUGH_MEMORY,
    ERROR_NOT_ENOUGH_QUOTA, ERROR_PIPE_LISTENING,
};
use windows_sys::Win32::Networking::WinSock::{
    WSAEACCES, WSAEADDRINUSE, WSAEADDRNOTAVAIL, WSAECONNABORTED, WSAECONNRESET, WSAEHOSTUNREACH,
    WSAEINTR, WSAEMFILE, WSAENETDOWN, WSAENETRESET, WSAENETUNREACH, WSAENOBUFS, WSAETIMEDOUT,
    WSAEWOULDBLOCK,
};

use self::listener::SocketListener;
use self::pipe::{Instance, PipeListener};
pub use self::stream::Stream;
use super::poll::Poller;
use crate::config::SocketOptions;
use crate::listener::endpoint::{Address, Endpoint};
use crate::sys::{AcceptFailure, BindFailure};

mod file;
mod listener;
mod pipe;
mod stream;
mod tuning;

/// Something that is bound and gives connections, without ever waiting for one.
#[derive(Debug)]
pub struct ListenSocket {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Socket(SocketListener),
    Pipe(PipeListener),
}

impl ListenSocket {
    /// Creates, binds and listens.
    ///
    /// # Errors
    /// Those of `bind`, `listen` and `CreateNamedPipe`; see [`bind_failure`]. `Unsupported` for
    /// abstract Unix sockets and for options that this system has not.
    pub fn bind(endpoint: &Endpoint, options: &SocketOptions) -> io::Result<Self> {
        let kind = match endpoint {
            Endpoint::Pipe(name) => Kind::Pipe(PipeListener::bind(name, options)?),
            _ => Kind::Socket(SocketListener::bind(endpoint, options)?),
        };
        Ok(Self { kind })
    }

    /// Applies what can change without binding again to the next connections: buffers, `nodelay`,
    /// `keepalive`, who may connect to a pipe or a Unix socket. While a socket is lent, this is put off until it is
    /// back.
    ///
    /// # Errors
    /// Those of `setsockopt` and `SetKernelObjectSecurity`; `Unsupported` for another backlog of a
    /// socket, after all else was applied.
    pub fn retune(&self, options: &SocketOptions) -> io::Result<()> {
        match &self.kind {
            Kind::Socket(listener) => listener.retune(options),
            Kind::Pipe(listener) => listener.retune(options),
        }
    }

    /// The address that it is bound to, with the port that the system chose for port 0.
    pub fn local(&self) -> &Endpoint {
        match &self.kind {
            Kind::Socket(listener) => listener.local(),
            Kind::Pipe(listener) => listener.local(),
        }
    }

    /// Whether a program can have its connections as standard input and output.
    pub fn gives_files(&self) -> bool {
        match &self.kind {
            Kind::Socket(listener) => listener.gives_files(),
            Kind::Pipe(_) => true,
        }
    }

    /// Asks for one event when a connection is waiting. The first time nobody else may do so.
    pub fn arm(&self, poller: &Poller, token: u64) -> io::Result<()> {
        match &self.kind {
            Kind::Socket(listener) => listener.arm(poller, token),
            Kind::Pipe(listener) => listener.arm(poller, token),
        }
    }

    /// Accepts one connection. See [`accept_failure`] for its errors.
    pub fn accept(&self) -> io::Result<(Connection, Address)> {
        match &self.kind {
            Kind::Socket(listener) => listener.accept(),
            Kind::Pipe(listener) => listener.accept(),
        }
    }

    /// Takes one datagram; what does not fit is cut off. See [`accept_failure`] for its errors.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.kind {
            Kind::Socket(listener) => listener.receive(buffer),
            Kind::Pipe(_) => Err(no_datagrams()),
        }
    }

    /// Who has sent the next datagram, which stays where it is.
    pub fn next_sender(&self) -> io::Result<SocketAddr> {
        match &self.kind {
            Kind::Socket(listener) => listener.next_sender(),
            Kind::Pipe(_) => Err(no_datagrams()),
        }
    }

    /// Sends one datagram, or drops it if there is no room for it now.
    pub fn send_to(&self, datagram: &[u8], to: SocketAddr) {
        if let Kind::Socket(listener) = &self.kind {
            listener.send_to(datagram, to);
        }
    }

    /// Whether a connection is waiting now. Not while it is lent.
    pub fn is_ready(&self) -> bool {
        match &self.kind {
            Kind::Socket(listener) => listener.is_ready(),
            Kind::Pipe(listener) => listener.is_ready(),
        }
    }

    /// How many connections wait, if the system tells: Windows does not.
    pub fn waiting(&self) -> Option<usize> {
        None
    }

    /// Prepares a socket for a `wait` server, which expects a blocking one. Nothing may be done
    /// with it until it is back: calls on a synchronous socket wait for each other.
    ///
    /// # Errors
    /// A pipe has no listening end that a program could get.
    pub fn lend(&self) -> io::Result<()> {
        match &self.kind {
            Kind::Socket(listener) => listener.lend(),
            Kind::Pipe(_) => Err(pipe_cannot_be_lent()),
        }
    }

    /// Takes it back after the server's end.
    pub fn take_back(&self) -> io::Result<()> {
        match &self.kind {
            Kind::Socket(listener) => listener.take_back(),
            Kind::Pipe(_) => Ok(()),
        }
    }

    /// Whether a buffer whose size was set once never has a size of the system's choice again. The
    /// size that it had then is set.
    pub fn keeps_buffers(&self) -> bool {
        false
    }

    /// Whether the system can refuse connections while the address stays ours. It cannot: a socket
    /// listens until it is closed, and an address that was used exclusively cannot be bound again
    /// while a connection lives ("Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE").
    pub fn can_refuse(&self) -> bool {
        false
    }

    /// Makes the system refuse connections.
    pub fn refuse(&self) -> io::Result<()> {
        Err(unsupported("Windows cannot refuse connections to a listening socket"))
    }

    /// Undoes [`ListenSocket::refuse`].
    pub fn listen_again(&self, options: &SocketOptions) -> io::Result<()> {
        self.retune(options)
    }

    /// What a `wait` server gets.
    pub(super) fn end(&self) -> io::Result<End<'_>> {
        match &self.kind {
            Kind::Socket(listener) => Ok(End::Socket(listener.as_socket())),
            Kind::Pipe(_) => Err(pipe_cannot_be_lent()),
        }
    }
}

/// A connection that programs do not inherit. A socket is blocking and synchronous; what a pipe is,
/// the options of its listener say.
#[derive(Debug)]
pub struct Connection {
    peer: Peer,
    file: bool,
}

/// Our end of what a peer has at the other end.
#[derive(Debug)]
enum Peer {
    Socket(OwnedSocket),
    /// It has no half-close.
    Pipe(Instance),
}

/// What becomes the standard input and output of a program.
#[derive(Clone, Copy, Debug)]
pub(super) enum End<'a> {
    Socket(BorrowedSocket<'a>),
    Pipe(BorrowedHandle<'a>),
}

impl Connection {
    /// Whether a program can have it as standard input and output.
    pub fn is_file(&self) -> bool {
        self.file
    }

    /// Sends a short text to a peer that has just come, without waiting: a new connection has
    /// room for it. Whether it arrives is the peer's affair.
    pub fn offer(&self, text: &[u8]) {
        match &self.peer {
            Peer::Socket(socket) => {
                let socket = SockRef::from(socket);
                // A peer that has gone already is found out by whoever reads.
                drop(socket.set_nonblocking(true));
                drop(socket.send(text));
                drop(socket.set_nonblocking(false));
            }
            Peer::Pipe(instance) => drop(instance.offer(text)),
        }
    }

    /// Tells the peer that nothing more comes. Gives the connection back if it has to stay open for
    /// a while, because closing it now could lose what was sent.
    pub fn finish(self) -> Option<Self> {
        match &self.peer {
            Peer::Socket(socket) => {
                drop(SockRef::from(socket).shutdown(Shutdown::Write));
                Some(self)
            }
            // The client reads what is in the pipe, whatever it has sent.
            Peer::Pipe(_) => None,
        }
    }

    /// Our own address of this connection.
    pub fn local(&self) -> io::Result<Address> {
        let address = match &self.peer {
            Peer::Socket(socket) => SockRef::from(socket).local_addr()?.as_socket(),
            Peer::Pipe(_) => None,
        };
        address.map(Address::from).ok_or_else(|| unsupported("not an Internet address"))
    }

    /// For use inside a tokio runtime.
    pub fn into_async(self) -> io::Result<Stream> {
        match self.peer {
            Peer::Socket(socket) => Stream::of_socket(socket.into()),
            Peer::Pipe(instance) => Stream::of_pipe(instance.into_relayed()?),
        }
    }

    /// What a program gets.
    pub(super) fn end(&self) -> io::Result<End<'_>> {
        match &self.peer {
            Peer::Socket(socket) => Ok(End::Socket(socket.as_socket())),
            Peer::Pipe(instance) => instance.for_a_program().map(End::Pipe),
        }
    }
}

/// Sorts the errors of [`ListenSocket::accept`].
pub fn accept_failure(error: &io::Error) -> AcceptFailure {
    let Some(code) = error.raw_os_error() else { return AcceptFailure::Broken };
    match code {
        WSAEWOULDBLOCK => AcceptFailure::Empty,
        // Things that a remote party can cause, so none of them may stop a listener.
        WSAECONNRESET | WSAECONNABORTED | WSAEINTR | WSAENETRESET | WSAETIMEDOUT
        | WSAEHOSTUNREACH | WSAENETUNREACH => AcceptFailure::PeerGone,
        // The network subsystem may come back too.
        WSAEMFILE | WSAENOBUFS | WSAENETDOWN => AcceptFailure::Resources,
        _ => match code.cast_unsigned() {
            ERROR_PIPE_LISTENING => AcceptFailure::Empty,
            ERROR_NO_DATA => AcceptFailure::PeerGone,
            ERROR_NOT_ENOUGH_MEMORY
            | ERROR_NO_SYSTEM_RESOURCES
            | ERROR_NOT_ENOUGH_QUOTA
            | ERROR_COMMITMENT_LIMIT => AcceptFailure::Resources,
            _ => AcceptFailure::Broken,
        },
    }
}

/// Sorts the errors of [`ListenSocket::bind`].
pub fn bind_failure(error: &io::Error) -> BindFailure {
    match error.raw_os_error() {
        // WSAEACCES does not mean what EACCES means elsewhere: another program has the port
        // exclusively, or one of our own earlier connections still holds it. Ports that the
        // system reserves (`netsh int ipv4 show excludedportrange tcp`) give it too.
        Some(WSAEADDRINUSE | WSAEADDRNOTAVAIL | WSAEACCES | WSAENETDOWN) => BindFailure::Later,
        // Our own words for a pipe that somebody serves.
        None if error.kind() == io::ErrorKind::AddrInUse => BindFailure::Later,
        _ => BindFailure::Final,
    }
}

/// Whether this system has IPv6 at all.
pub fn has_ipv6() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| Socket::new(Domain::IPV6, Type::STREAM, None).is_ok())
}

/// Whether this system has Unix sockets: from Windows 10 1803 and Windows Server 2019 on.
pub fn has_unix_sockets() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| Socket::new(Domain::UNIX, Type::STREAM, None).is_ok())
}

/// Tries whether an Internet address could be bound now; others are not tried.
///
/// # Errors
/// Those of [`ListenSocket::bind`].
pub fn try_bind(endpoint: &Endpoint, options: &SocketOptions) -> io::Result<()> {
    match endpoint {
        Endpoint::Tcp { .. } | Endpoint::Udp { .. } => listener::bind(endpoint, options).map(drop),
        Endpoint::Unix(_) | Endpoint::Abstract(_) | Endpoint::Pipe(_) => Ok(()),
    }
}

fn no_datagrams() -> io::Error {
    unsupported("a pipe has no datagrams")
}

fn unsupported(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, text)
}

fn pipe_cannot_be_lent() -> io::Error {
    unsupported("a named pipe cannot be given to a `wait` server")
}
