//! Sockets as listeners.
//!
//! An accepted socket has the overlapped attribute if the listener has it; so listeners are made
//! without (`WSASocketW`), and every accepted socket is checked.
//!
//! A network filter of the old kind (a layered service provider) may have replaced the system's
//! sockets by its own, which are no files at all. Then nothing is checked, and connections have to
//! be relayed.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::windows::io::{
    AsHandle, AsRawHandle, AsRawSocket, AsSocket, BorrowedSocket, FromRawSocket, OwnedHandle,
    OwnedSocket,
};
use std::ptr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use socket2::Socket;
use windows_sys::Wdk::Storage::FileSystem::{
    FILE_SYNCHRONOUS_IO_NONALERT, FileModeInformation, NtQueryInformationFile,
};
use windows_sys::Win32::Foundation::RtlNtStatusToDosError;
use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, AF_UNIX, FD_ACCEPT, FD_READ, INVALID_SOCKET, IPPROTO_TCP, IPPROTO_UDP,
    POLLRDNORM, SIO_UDP_CONNRESET, SO_EXCLUSIVEADDRUSE, SOCK_DGRAM, SOCK_STREAM, SOCKET,
    SOL_SOCKET, WSA_FLAG_NO_HANDLE_INHERIT, WSAECONNRESET, WSAEMSGSIZE, WSAEventSelect, WSAIoctl,
    WSAPOLLFD, WSAPoll, WSASocketW, setsockopt,
};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;
use windows_sys::Win32::System::Threading::CreateEventW;

use super::file::SocketFile;
use super::tuning::Tuning;
use super::{Connection, Peer, unsupported};
use crate::config::SocketOptions;
use crate::listener::endpoint::{Address, Endpoint};
use crate::sys::platform::handle::own;
use crate::sys::platform::poll::Poller;
use crate::sys::platform::wait::Wait;

/// Up to this many, listen() takes the length of its queue as it is.
const PLAIN_BACKLOG: u32 = 200;
/// The longest queue that SOMAXCONN_HINT can ask for.
const MAX_BACKLOG: u32 = 65_535;

/// A bound, listening, non-blocking socket.
#[derive(Debug)]
pub(super) struct SocketListener {
    /// Before the event that it waits for.
    wait: OnceLock<Wait>,
    /// Set by the system when a connection is waiting; resets itself. Before the socket.
    event: OwnedHandle,
    socket: Socket,
    /// That of a Unix socket. Behind the socket: it goes when nobody can connect any more.
    file: Option<Box<SocketFile>>,
    local: Endpoint,
    /// The length of the queue, which this system never changes.
    backlog: u32,
    /// Whether its connections are files.
    files: bool,
    /// Held while a datagram is sent.
    sending: Mutex<()>,
    tuning: Mutex<Tuning>,
}

impl SocketListener {
    pub(super) fn bind(endpoint: &Endpoint, options: &SocketOptions) -> io::Result<Self> {
        let (socket, file, tuning) = bind(endpoint, options)?;
        if !endpoint.is_datagram() {
            socket.listen(backlog(options.backlog))?;
        }
        let local = local(&socket, endpoint)?;
        let files = provider::gives_files(&socket);
        Ok(Self {
            wait: OnceLock::new(),
            event: create_event()?,
            socket,
            file: file.map(Box::new),
            local,
            backlog: options.backlog,
            files,
            sending: Mutex::default(),
            tuning: Mutex::new(tuning),
        })
    }

    /// Applies what can change without binding again to the next connections: buffers, `nodelay`,
    /// `keepalive`, who may connect to a Unix socket. While the socket is lent, what concerns it
    /// is put off until it is back.
    ///
    /// # Errors
    /// Those of `setsockopt` and [`SocketFile::allow`]; `Unsupported` for another backlog, after all else was applied.
    pub(super) fn retune(&self, options: &SocketOptions) -> io::Result<()> {
        let mut tuning = self.tuning();
        tuning.take(options);
        tuning.apply(&self.socket)?;
        if let Some(file) = &self.file {
            file.allow(options)?;
        }
        if options.backlog != self.backlog && !self.local.is_datagram() {
            // A second listen() succeeds and changes nothing (listen, "Remarks").
            let text = "Windows cannot change the backlog of a listening socket: restart inetd";
            return Err(unsupported(text));
        }
        Ok(())
    }

    /// The address that it is bound to, with the port that the system chose for port 0.
    pub(super) fn local(&self) -> &Endpoint {
        &self.local
    }

    /// Whether a program can have its connections as standard input and output.
    pub(super) fn gives_files(&self) -> bool {
        self.files
    }

    /// Asks for one event when a connection is waiting. The first time nobody else may do so.
    pub(super) fn arm(&self, poller: &Poller, token: u64) -> io::Result<()> {
        let wait = match self.wait.get() {
            Some(wait) => wait,
            None => {
                let wait = Wait::gated(self.event.as_handle(), poller.port())?;
                self.wait.get_or_init(|| wait)
            }
        };
        wait.arm(token);
        // Sets the event at once if a connection is waiting already ("when the WSAEventSelect
        // function is called, if there is currently a connection request available to accept").
        select_events(&self.socket, Some(&self.event))
    }

    /// Takes one datagram; what does not fit is cut off.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        // SAFETY: the call only writes to it what it has received, so it never holds anything that
        // is not initialised.
        let memory = unsafe { &mut *(ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
        let (length, sender) = match self.socket.recv_from(memory) {
            // Windows calls it an error if a datagram was cut off, and does not say of whom it was.
            Err(error) if error.raw_os_error() == Some(WSAEMSGSIZE) => {
                return Err(io::Error::from_raw_os_error(WSAECONNRESET));
            }
            other => other?,
        };
        Ok((length, sender.as_socket().ok_or_else(no_address)?))
    }

    /// Who has sent the next datagram, which stays where it is.
    pub(super) fn next_sender(&self) -> io::Result<SocketAddr> {
        self.socket.peek_sender()?.as_socket().ok_or_else(no_address)
    }

    /// Sends one datagram, or drops it if there is no room for it now.
    pub(super) fn send_to(&self, datagram: &[u8], to: SocketAddr) {
        // On a synchronous socket one call waits for the other, and Wine does not wait.
        let _turn = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.socket.send_to(datagram, &to.into()));
    }

    /// Accepts one connection. See [`accept_failure`] for its errors.
    pub(super) fn accept(&self) -> io::Result<(Connection, Address)> {
        // socket2 makes the new socket one that programs do not inherit.
        let (socket, address) = self.socket.accept()?;
        let peer = match address.as_socket() {
            Some(address) => address.into(),
            // Clients of a Unix socket have no address of their own.
            None if self.file.is_some() => Address::Unix(None),
            None => return Err(no_address()),
        };
        // It has the listener's properties: the events, and by that it does not block. Both have
        // to be undone, in this order (WSAEventSelect, "Remarks").
        select_events(&socket, None)?;
        socket.set_nonblocking(false)?;
        if self.files {
            check_synchronous(&socket)?;
        }
        if self.file.is_none() {
            self.tuning().apply_to_connection(&socket);
        }
        Ok((Connection { peer: Peer::Socket(socket.into()), file: self.files }, peer))
    }

    /// Whether a connection is waiting now. Not while it is lent.
    pub(super) fn is_ready(&self) -> bool {
        let mut poll = WSAPOLLFD { fd: raw(&self.socket), events: POLLRDNORM, revents: 0 };
        // SAFETY: the pointer is to one structure, and the socket in it is open.
        unsafe { WSAPoll(&raw mut poll, 1, 0) == 1 }
    }

    /// Prepares the socket for a `wait` server, which expects a blocking one. Nothing may be done
    /// with it until it is back: calls on a synchronous socket wait for each other.
    pub(super) fn lend(&self) -> io::Result<()> {
        let mut tuning = self.tuning();
        select_events(&self.socket, None)?;
        self.socket.set_nonblocking(false)?;
        (tuning.lent, tuning.was_lent) = (true, true);
        Ok(())
    }

    /// Takes it back after the server's end.
    pub(super) fn take_back(&self) -> io::Result<()> {
        // The server, or what it started, may have chosen events of its own.
        let mut tuning = self.tuning();
        tuning.lent = false;
        select_events(&self.socket, None)?;
        self.socket.set_nonblocking(true)?;
        tuning.apply(&self.socket)
    }

    fn tuning(&self) -> MutexGuard<'_, Tuning> {
        self.tuning.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsSocket for SocketListener {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.socket.as_socket()
    }
}

/// A bound, non-blocking socket that does not listen yet, and the file that it has, if any.
pub(super) fn bind(
    endpoint: &Endpoint,
    options: &SocketOptions,
) -> io::Result<(Socket, Option<SocketFile>, Tuning)> {
    if options.interface.is_some() || options.freebind {
        return Err(unsupported("interface and freebind are not available on Windows"));
    }
    match endpoint {
        Endpoint::Tcp { address, only_v6 } | Endpoint::Udp { address, only_v6 } => {
            let family = if address.is_ipv6() { AF_INET6 } else { AF_INET };
            let (socket, tuning) = unbound(family, endpoint.is_datagram(), options)?;
            // Without it another program could bind the same port and take our connections; and
            // SO_REUSEADDR, which must never be set here, would even ask for that.
            set_exclusive(&socket)?;
            if address.is_ipv6() {
                // The default is true here and false elsewhere.
                socket.set_only_v6(*only_v6)?;
            }
            socket.bind(&(*address).into())?;
            Ok((socket, None, tuning))
        }
        Endpoint::Unix(path) => {
            let (socket, tuning) = unbound(AF_UNIX, false, options)?;
            let file = SocketFile::bind(&socket, path, options)?;
            Ok((socket, Some(file), tuning))
        }
        Endpoint::Abstract(_) => Err(unsupported("there are no abstract Unix sockets on Windows")),
        Endpoint::Pipe(_) => Err(unsupported("a pipe is no socket")),
    }
}

fn unbound(
    family: u16,
    is_datagram: bool,
    options: &SocketOptions,
) -> io::Result<(Socket, Tuning)> {
    let socket = create(family, is_datagram)?;
    socket.set_nonblocking(true)?;
    let mut tuning = Tuning::new(options);
    tuning.apply(&socket)?;
    Ok((socket, tuning))
}

fn local(socket: &Socket, endpoint: &Endpoint) -> io::Result<Endpoint> {
    Ok(match (endpoint, socket.local_addr()?.as_socket()) {
        (Endpoint::Tcp { only_v6, .. }, Some(address)) => {
            Endpoint::Tcp { address, only_v6: *only_v6 }
        }
        (Endpoint::Udp { only_v6, .. }, Some(address)) => {
            Endpoint::Udp { address, only_v6: *only_v6 }
        }
        _ => endpoint.clone(),
    })
}

fn raw(socket: &Socket) -> SOCKET {
    // Never fails: a SOCKET is as wide as a pointer, and pointers have 64 bits here.
    SOCKET::try_from(socket.as_raw_socket()).unwrap_or(INVALID_SOCKET)
}

/// A socket without the overlapped attribute, which programs do not inherit.
pub(super) fn create(family: u16, is_datagram: bool) -> io::Result<Socket> {
    let (kind, protocol) = match family {
        AF_UNIX => (SOCK_STREAM, 0),
        _ if is_datagram => (SOCK_DGRAM, IPPROTO_UDP),
        _ => (SOCK_STREAM, IPPROTO_TCP),
    };
    // SAFETY: null asks for the system's own provider.
    let socket = unsafe {
        WSASocketW(family.into(), kind, protocol, ptr::null(), 0, WSA_FLAG_NO_HANDLE_INHERIT)
    };
    if socket == INVALID_SOCKET {
        return Err(io::Error::last_os_error());
    }
    let socket = u64::try_from(socket).map_err(io::Error::other)?;
    // SAFETY: a new socket that nobody else owns.
    let socket: Socket = unsafe { OwnedSocket::from_raw_socket(socket) }.into();
    if is_datagram {
        keep_receiving(&socket)?;
    }
    Ok(socket)
}

/// An answer to somebody who is gone must not make the next receive fail (KB 263823,
/// SIO_UDP_CONNRESET).
fn keep_receiving(socket: &Socket) -> io::Result<()> {
    let off: u32 = 0;
    let mut returned = 0;
    // SAFETY: pointer and size are those of the BOOL that the call takes; it gives nothing.
    let result = unsafe {
        WSAIoctl(
            raw(socket),
            SIO_UDP_CONNRESET,
            (&raw const off).cast(),
            size_of_val(&off).try_into().unwrap_or(0),
            ptr::null_mut(),
            0,
            &raw mut returned,
            ptr::null_mut(),
            None,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn no_address() -> io::Error {
    io::Error::other("a peer without an Internet address")
}

fn set_exclusive(socket: &Socket) -> io::Result<()> {
    let on = 1i32;
    let size = i32::try_from(size_of_val(&on)).map_err(io::Error::other)?;
    // SAFETY: the option takes an int, and pointer and size are those of one.
    let result = unsafe {
        setsockopt(raw(socket), SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (&raw const on).cast(), size)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// More than 200 is silently cut to 200 unless it is written as SOMAXCONN_HINT, a negative number
/// (listen, "Remarks").
fn backlog(wanted: u32) -> i32 {
    let length = i32::try_from(wanted.min(MAX_BACKLOG)).unwrap_or(i32::MAX);
    if wanted > PLAIN_BACKLOG { -length } else { length }
}

/// An event that resets itself.
fn create_event() -> io::Result<OwnedHandle> {
    // SAFETY: null stands for default security (not inheritable) and for no name.
    let event = unsafe { CreateEventW(ptr::null(), 0, 0, ptr::null()) };
    // SAFETY: a new handle that nobody else owns.
    unsafe { own(event) }
}

/// Connects the socket with an event that tells of waiting connections, or with none.
fn select_events(socket: &Socket, event: Option<&OwnedHandle>) -> io::Result<()> {
    let (event, events) = match event {
        // Winsock writes handles of events as numbers.
        Some(event) => {
            let events = FD_ACCEPT | FD_READ;
            (event.as_raw_handle().expose_provenance().cast_signed(), events.cast_signed())
        }
        None => (0, 0),
    };
    // SAFETY: socket and event are open. The system keeps a reference of its own to the event.
    let result = unsafe { WSAEventSelect(raw(socket), event, events) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// # Errors
/// The socket has the overlapped attribute, so no program could read from it.
fn check_synchronous(socket: &impl AsRawSocket) -> io::Result<()> {
    let mut status = IO_STATUS_BLOCK::default();
    let mut mode = 0u32;
    let socket = usize::try_from(socket.as_raw_socket()).map_err(io::Error::other)?;
    // SAFETY: the handle is open, and pointer and size are those of the mode.
    let result = unsafe {
        NtQueryInformationFile(
            ptr::with_exposed_provenance_mut(socket),
            &raw mut status,
            (&raw mut mode).cast(),
            size_of_val(&mode).try_into().unwrap_or(0),
            FileModeInformation,
        )
    };
    if result < 0 {
        // SAFETY: translates a number.
        let code = unsafe { RtlNtStatusToDosError(result) };
        return Err(io::Error::from_raw_os_error(code.cast_signed()));
    }
    if mode & FILE_SYNCHRONOUS_IO_NONALERT == 0 {
        let text = "the accepted socket has the overlapped attribute, which no program can use as \
                    its standard input; a network filter of this machine may have replaced it";
        return Err(io::Error::other(text));
    }
    Ok(())
}

mod provider;

#[cfg(test)]
mod tests;
