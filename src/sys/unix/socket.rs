//! Listening sockets and connections.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::poll::Poller;
use crate::config::SocketOptions;
use crate::listener::endpoint::{Address, Endpoint};
use crate::sys::{AcceptFailure, BindFailure};

/// A bound, listening, non-blocking socket.
#[derive(Debug)]
pub struct ListenSocket {
    socket: Socket,
    local: Endpoint,
    /// The file of a Unix socket that we made, with its identity: removed with the listener,
    /// but only if it is still ours.
    _file: Option<SocketFile>,
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
        let socket = Socket::new(domain(endpoint), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        let mut file = None;
        match endpoint {
            Endpoint::Tcp { address, only_v6 } => {
                if address.is_ipv6() {
                    socket.set_only_v6(*only_v6)?;
                }
                // On Unix this means only: a connection in TIME_WAIT does not hold the port.
                socket.set_reuse_address(true)?;
                if options.freebind {
                    // For IPv6 too (ip(7): IPPROTO_IP options apply to both).
                    socket.set_freebind_v4(true)?;
                }
                if let Some(interface) = &options.interface {
                    socket.bind_device(Some(interface.as_bytes()))?;
                }
                // Accepted sockets inherit these, which saves system calls for each connection.
                socket.set_tcp_nodelay(options.nodelay)?;
                socket.set_keepalive(options.keepalive)?;
                buffers(&socket, options)?;
                socket.bind(&(*address).into())?;
            }
            Endpoint::Unix(path) => {
                buffers(&socket, options)?;
                file = Some(bind_file(&socket, path, options)?);
            }
            Endpoint::Abstract(name) => {
                buffers(&socket, options)?;
                socket.bind(&abstract_address(name)?)?;
            }
        }
        let mut listener = Self { socket, local: endpoint.clone(), _file: file };
        listener.listen(options)?;
        listener.local = listener.read_local(endpoint)?;
        Ok(listener)
    }

    /// Takes a listening socket that a service manager bound for us.
    pub(super) fn inherited(fd: OwnedFd) -> io::Result<Self> {
        let socket = Socket::from(fd);
        if !socket.is_listener()? || socket.r#type()? != Type::STREAM {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a listening stream socket",
            ));
        }
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let local = if let Some(address) = address.as_socket() {
            Endpoint::Tcp { address, only_v6: address.is_ipv6() && socket.only_v6()? }
        } else if let Some(path) = address.as_pathname() {
            Endpoint::Unix(path.to_owned())
        } else if let Some(name) = address.as_abstract_namespace() {
            Endpoint::Abstract(String::from_utf8_lossy(name).into_owned())
        } else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "unknown kind of address"));
        };
        Ok(Self { socket, local, _file: None })
    }

    /// The address that it is bound to, with the port that the system chose for port 0.
    pub fn local(&self) -> &Endpoint {
        &self.local
    }

    /// Registers the socket, quiet until it is armed.
    pub fn watch(&self, poller: &Poller, token: u64) -> io::Result<()> {
        poller.add(&self.socket, token)
    }

    /// Asks for one event when a connection is waiting.
    pub fn arm(&self, poller: &Poller, token: u64) -> io::Result<()> {
        poller.arm(&self.socket, token)
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

    /// Whether a connection is waiting now.
    pub fn is_ready(&self) -> bool {
        let mut poll = [rustix::event::PollFd::new(&self.socket, rustix::event::PollFlags::IN)];
        let now = rustix::event::Timespec::default();
        matches!(rustix::event::poll(&mut poll, Some(&now)), Ok(1))
    }

    /// Prepares the socket for a `wait` server, which expects a blocking one.
    pub fn lend(&self) -> io::Result<()> {
        self.socket.set_nonblocking(false)
    }

    /// Takes it back after the server's end.
    pub fn take_back(&self) -> io::Result<()> {
        self.socket.set_nonblocking(true)
    }

    fn listen(&self, options: &SocketOptions) -> io::Result<()> {
        self.socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))
    }

    fn read_local(&self, endpoint: &Endpoint) -> io::Result<Endpoint> {
        Ok(match (endpoint, self.socket.local_addr()?.as_socket()) {
            (Endpoint::Tcp { only_v6, .. }, Some(address)) => {
                Endpoint::Tcp { address, only_v6: *only_v6 }
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
    /// Our own address of this connection (getsockname(2)).
    pub fn local(&self) -> io::Result<Address> {
        let address = socket2::SockRef::from(&self.socket).local_addr()?;
        Ok(match address.as_socket() {
            Some(address) => address.into(),
            None => Address::Unix(address.as_pathname().map(Path::to_owned)),
        })
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
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
    match Errno::from_io_error(error) {
        Some(Errno::ADDRINUSE | Errno::ADDRNOTAVAIL | Errno::NODEV | Errno::NETDOWN) => {
            BindFailure::Later
        }
        _ => BindFailure::Final,
    }
}

fn domain(endpoint: &Endpoint) -> Domain {
    match endpoint {
        Endpoint::Tcp { address, .. } => Domain::for_address(*address),
        Endpoint::Unix(_) | Endpoint::Abstract(_) => Domain::UNIX,
    }
}

fn buffers(socket: &Socket, options: &SocketOptions) -> io::Result<()> {
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

/// The file of a Unix socket, removed on drop if nobody replaced it.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == (self.device, self.inode))
        {
            // Nothing can be done about a failure, and a stale file is replaced at the next bind.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

fn bind_file(socket: &Socket, path: &Path, options: &SocketOptions) -> io::Result<SocketFile> {
    let address = SockAddr::unix(path)?;
    if let Err(error) = socket.bind(&address) {
        if error.kind() != io::ErrorKind::AddrInUse {
            return Err(error);
        }
        remove_dead(path)?;
        socket.bind(&address)?;
    }
    let file = std::fs::symlink_metadata(path)?;
    let file = SocketFile { path: path.to_owned(), device: file.dev(), inode: file.ino() };
    // Before listen(2), so nobody can connect in between.
    if options.user.is_some() || options.group.is_some() {
        std::os::unix::fs::lchown(path, options.user, options.group)?;
    }
    if let Some(mode) = options.mode {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(file)
}

/// Removes the socket file of a dead server; anything else that is in the way stays.
pub(super) fn remove_dead(path: &Path) -> io::Result<()> {
    let in_the_way = |what| io::Error::new(io::ErrorKind::AddrInUse, what);
    if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(in_the_way("a file that is not a socket is in the way"));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Ok(_) => Err(in_the_way("another program serves this socket")),
        // For instance a full backlog or no permission: somebody may be there.
        Err(_) => Err(in_the_way("another program may serve this socket")),
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}
