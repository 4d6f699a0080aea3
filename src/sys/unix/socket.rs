//! Listening sockets and connections.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recvfrom};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

pub(super) use self::file::{SocketFile, remove_dead};
pub use self::stream::Stream;
use super::poll::Poller;
use crate::config::SocketOptions;
use crate::listener::endpoint::{Address, Endpoint};
use crate::sys::{AcceptFailure, BindFailure};

mod backlog;
mod file;
mod stream;

/// A bound, listening, non-blocking socket.
#[derive(Debug)]
pub struct ListenSocket {
    socket: Socket,
    local: Endpoint,
    /// See [`ListenSocket::can_refuse`].
    can_refuse: bool,
    /// The poller knows it.
    known: AtomicBool,
    /// The file of a Unix socket that we made, with its identity: removed with the listener,
    /// but only if it is still ours.
    file: Option<Box<SocketFile>>,
}

impl ListenSocket {
    /// Creates, binds and listens.
    ///
    /// A Unix socket file that nobody serves any more is replaced; one that somebody serves is
    /// left alone and the address is in use.
    ///
    /// # Errors
    /// Those of socket(7), bind(2), listen(2); see [`bind_failure`].
    pub fn bind(endpoint: &Endpoint, options: &SocketOptions) -> io::Result<Self> {
        let (socket, file) = bind(endpoint, options)?;
        let can_refuse = matches!(endpoint, Endpoint::Tcp { .. }) && !endpoint.is_port_zero();
        let file = file.map(Box::new);
        let known = AtomicBool::new(false);
        let mut listener = Self { socket, local: endpoint.clone(), can_refuse, known, file };
        listener.listen(options)?;
        listener.local = listener.read_local(endpoint)?;
        Ok(listener)
    }

    /// Takes a listening socket that a service manager bound for us.
    pub(super) fn inherited(fd: OwnedFd) -> io::Result<Self> {
        let socket = Socket::from(fd);
        let kind = socket.r#type()?;
        let is_datagram = kind == Type::DGRAM;
        if !is_datagram && (kind != Type::STREAM || !socket.is_listener()?) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "neither a listening stream socket nor a datagram socket",
            ));
        }
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let local = if let Some(address) = address.as_socket().filter(|_| is_datagram) {
            Endpoint::Udp { address, only_v6: address.is_ipv6() && socket.only_v6()? }
        } else if let Some(address) = address.as_socket() {
            Endpoint::Tcp { address, only_v6: address.is_ipv6() && socket.only_v6()? }
        } else if is_datagram {
            let text = "datagrams of a Unix socket are not available";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        } else if let Some(path) = address.as_pathname() {
            Endpoint::Unix(path.to_owned())
        } else if let Some(name) = address.as_abstract_namespace() {
            Endpoint::Abstract(String::from_utf8_lossy(name).into_owned())
        } else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "unknown kind of address"));
        };
        // Our manager watches it too, and takes a refusal for a fault.
        Ok(Self { socket, local, can_refuse: false, known: AtomicBool::new(false), file: None })
    }

    /// Applies options that need no new socket: queue length, buffers, what connections inherit,
    /// owner and mode of the file.
    pub fn retune(&self, options: &SocketOptions) -> io::Result<()> {
        tune(&self.socket, &self.local, options, Tuned::Before)?;
        if let Some(file) = &self.file {
            file.set_owner_and_mode(options)?;
        }
        self.listen(options)
    }

    /// Whether a buffer whose size was set once never has a size of the system's choice again.
    pub fn keeps_buffers(&self) -> bool {
        true
    }

    /// The address that it is bound to, with the port that the system chose for port 0.
    pub fn local(&self) -> &Endpoint {
        &self.local
    }

    /// Whether a program can have its connections as standard input and output.
    pub fn gives_files(&self) -> bool {
        true
    }

    /// Asks for one event when a connection is waiting. The first time nobody else may do so.
    pub fn arm(&self, poller: &Poller, token: u64) -> io::Result<()> {
        let new = !self.known.load(Ordering::Relaxed);
        poller.arm(&self.socket, token, new)?;
        if new {
            self.known.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Accepts one connection. See [`accept_failure`] for its errors.
    pub fn accept(&self) -> io::Result<(Connection, Address)> {
        // socket2 calls accept4(2) with SOCK_CLOEXEC; the new socket is blocking.
        let (socket, address) = self.socket.accept()?;
        let peer = match address.as_socket() {
            Some(address) => address.into(),
            None => Address::Unix(address.as_pathname().map(Path::to_owned)),
        };
        Ok((Connection { socket: socket.into() }, peer))
    }

    /// Takes one datagram; what does not fit is cut off. See [`accept_failure`] for its errors.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (length, address) = receive(&self.socket, buffer, RecvFlags::empty())?;
        Ok((length, address))
    }

    /// Who has sent the next datagram, which stays where it is.
    pub fn next_sender(&self) -> io::Result<SocketAddr> {
        receive(&self.socket, &mut [0], RecvFlags::PEEK).map(|(_, address)| address)
    }

    /// Sends one datagram, or drops it if there is no room for it now.
    pub fn send_to(&self, datagram: &[u8], to: SocketAddr) {
        self.socket.send_to(datagram, &to.into()).ok();
    }

    /// Whether a connection or a datagram is waiting now.
    pub fn is_ready(&self) -> bool {
        let mut poll = [rustix::event::PollFd::new(&self.socket, rustix::event::PollFlags::IN)];
        let now = rustix::event::Timespec::default();
        matches!(rustix::event::poll(&mut poll, Some(&now)), Ok(1))
    }

    /// How many connections wait, if the system tells.
    pub fn waiting(&self) -> Option<usize> {
        backlog::waiting(self.socket.as_fd())
    }

    /// Prepares the socket for a `wait` server, which expects a blocking one.
    pub fn lend(&self) -> io::Result<()> {
        self.socket.set_nonblocking(false)
    }

    /// Takes it back after the server's end.
    pub fn take_back(&self) -> io::Result<()> {
        self.socket.set_nonblocking(true)
    }

    /// Whether the system can refuse connections while the address stays ours. Of TCP it can,
    /// unless it chose the port: such a port is given back when nobody listens. A Unix socket
    /// that has refused once can never listen again.
    pub fn can_refuse(&self) -> bool {
        self.can_refuse
    }

    /// Makes the system refuse connections, those that wait too.
    pub fn refuse(&self) -> io::Result<()> {
        // With it, another program could listen on our address, since we do not.
        self.socket.set_reuse_address(false)?;
        // Linux takes this for the end of listening (haproxy pauses its listeners in this way).
        self.socket.shutdown(Shutdown::Read)
    }

    /// Undoes [`ListenSocket::refuse`].
    pub fn listen_again(&self, options: &SocketOptions) -> io::Result<()> {
        self.socket.set_reuse_address(true)?;
        self.retune(options)
    }

    fn listen(&self, options: &SocketOptions) -> io::Result<()> {
        if self.local.is_datagram() {
            return Ok(());
        }
        self.socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))
    }

    fn read_local(&self, endpoint: &Endpoint) -> io::Result<Endpoint> {
        if !endpoint.is_port_zero() {
            return Ok(endpoint.clone());
        }
        Ok(match (endpoint, self.socket.local_addr()?.as_socket()) {
            (Endpoint::Tcp { only_v6, .. }, Some(address)) => {
                Endpoint::Tcp { address, only_v6: *only_v6 }
            }
            (Endpoint::Udp { only_v6, .. }, Some(address)) => {
                Endpoint::Udp { address, only_v6: *only_v6 }
            }
            _ => endpoint.clone(),
        })
    }
}

impl AsFd for ListenSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// An accepted, blocking stream socket.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
}

impl Connection {
    /// Whether a program can have it as standard input and output.
    pub fn is_file(&self) -> bool {
        true
    }

    /// Sends a short text to a peer that has just come, without waiting: a new connection has
    /// room for it. Whether it arrives is the peer's affair.
    pub fn offer(&self, text: &[u8]) {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        rustix::net::send(&self.socket, text, flags).ok();
    }

    /// Tells the peer that nothing more comes. Gives the connection back if it has to stay open for
    /// a while, because closing it now could lose what was sent.
    pub fn finish(self) -> Option<Self> {
        drop(SockRef::from(&self.socket).shutdown(Shutdown::Write));
        Some(self)
    }

    /// Our own address of this connection (getsockname(2)).
    pub fn local(&self) -> io::Result<Address> {
        let address = SockRef::from(&self.socket).local_addr()?;
        Ok(match address.as_socket() {
            Some(address) => address.into(),
            None => Address::Unix(address.as_pathname().map(Path::to_owned)),
        })
    }

    /// For use inside a tokio runtime.
    pub fn into_async(self) -> io::Result<Stream> {
        Stream::new(self.socket.into())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Tries whether an Internet address could be bound now; others are not tried.
///
/// # Errors
/// Those of [`ListenSocket::bind`].
pub fn try_bind(endpoint: &Endpoint, options: &SocketOptions) -> io::Result<()> {
    match endpoint {
        Endpoint::Tcp { .. } | Endpoint::Udp { .. } => bind(endpoint, options).map(drop),
        Endpoint::Unix(_) | Endpoint::Abstract(_) | Endpoint::Pipe(_) => Ok(()),
    }
}

/// Whether this system can do IPv6 at all.
pub fn has_ipv6() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| Socket::new(Domain::IPV6, Type::STREAM, None).is_ok())
}

/// Whether this system has Unix sockets.
pub fn has_unix_sockets() -> bool {
    true
}

/// Sorts the errors of [`ListenSocket::accept`] (accept(2), "Error handling").
pub fn accept_failure(error: &io::Error) -> AcceptFailure {
    let Some(error) = Errno::from_io_error(error) else { return AcceptFailure::Broken };
    match error {
        Errno::AGAIN => AcceptFailure::Empty,
        // Linux passes pending network errors of the new socket; a remote party can cause
        // each of these, so none of them may stop a listener.
        Errno::INTR
        | Errno::CONNABORTED
        | Errno::CONNRESET
        | Errno::NETDOWN
        | Errno::PROTO
        | Errno::NOPROTOOPT
        | Errno::HOSTDOWN
        | Errno::NONET
        | Errno::HOSTUNREACH
        | Errno::OPNOTSUPP
        | Errno::NETUNREACH
        | Errno::PERM
        | Errno::TIMEDOUT => AcceptFailure::PeerGone,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => AcceptFailure::Resources,
        _ => AcceptFailure::Broken,
    }
}

/// Sorts the errors of [`ListenSocket::bind`].
pub fn bind_failure(error: &io::Error) -> BindFailure {
    match error.kind() {
        io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable | io::ErrorKind::NetworkDown => {
            BindFailure::Later
        }
        // The `interface` is not there.
        _ if Errno::from_io_error(error) == Some(Errno::NODEV) => BindFailure::Later,
        _ => BindFailure::Final,
    }
}

fn domain(endpoint: &Endpoint) -> io::Result<Domain> {
    match endpoint {
        Endpoint::Tcp { address, .. } | Endpoint::Udp { address, .. } => {
            Ok(Domain::for_address(*address))
        }
        Endpoint::Unix(_) | Endpoint::Abstract(_) => Ok(Domain::UNIX),
        Endpoint::Pipe(_) => Err(no_pipes()),
    }
}

/// The configuration refuses it before.
fn no_pipes() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "there are no named pipes on this system")
}

/// A bound, non-blocking socket that does not listen yet, and the file that it has, if any.
fn bind(endpoint: &Endpoint, options: &SocketOptions) -> io::Result<(Socket, Option<SocketFile>)> {
    let kind = if endpoint.is_datagram() { Type::DGRAM } else { Type::STREAM };
    let socket = Socket::new_raw(domain(endpoint)?, kind.nonblocking().cloexec(), None)?;
    let mut file = None;
    match endpoint {
        Endpoint::Tcp { address, only_v6 } | Endpoint::Udp { address, only_v6 } => {
            if address.is_ipv6() {
                socket.set_only_v6(*only_v6)?;
            }
            if !endpoint.is_datagram() {
                // On Unix this means only: a connection in TIME_WAIT does not hold the port. With
                // datagrams it would let another socket take them.
                socket.set_reuse_address(true)?;
            }
            if options.freebind {
                // For IPv6 too (ip(7): IPPROTO_IP options apply to both).
                socket.set_freebind_v4(true)?;
            }
            if let Some(interface) = &options.interface {
                socket.bind_device(Some(interface.as_bytes()))?;
            }
            tune(&socket, endpoint, options, Tuned::Never)?;
            socket.bind(&(*address).into())?;
        }
        Endpoint::Unix(path) => {
            tune(&socket, endpoint, options, Tuned::Never)?;
            file = Some(SocketFile::bind(&socket, path, options)?);
        }
        Endpoint::Abstract(name) => {
            tune(&socket, endpoint, options, Tuned::Never)?;
            socket.bind(&abstract_address(name)?)?;
        }
        Endpoint::Pipe(_) => return Err(no_pipes()),
    }
    Ok((socket, file))
}

fn receive(
    socket: &Socket,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> io::Result<(usize, SocketAddr)> {
    let (_, length, address) = recvfrom(socket, buffer, flags)?;
    let address = address.and_then(|address| SocketAddr::try_from(address).ok());
    let none = || io::Error::other("a datagram without an Internet address");
    address.map(|address| (length, address)).ok_or_else(none)
}

/// Whether a socket may have other options than those of a new one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tuned {
    Never,
    Before,
}

/// Sets what accepted sockets inherit, which saves system calls for each connection.
fn tune(
    socket: &Socket,
    endpoint: &Endpoint,
    options: &SocketOptions,
    tuned: Tuned,
) -> io::Result<()> {
    if let Endpoint::Tcp { .. } = endpoint {
        // Both are off in a new socket.
        if options.nodelay || tuned == Tuned::Before {
            socket.set_tcp_nodelay(options.nodelay)?;
        }
        if options.keepalive || tuned == Tuned::Before {
            socket.set_keepalive(options.keepalive)?;
        }
    }
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes as usize)?;
    }
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes as usize)?;
    }
    Ok(())
}

/// `SockAddr::unix` takes a leading NUL for an abstract name.
fn abstract_address(name: &str) -> io::Result<SockAddr> {
    SockAddr::unix(format!("\0{name}"))
}
