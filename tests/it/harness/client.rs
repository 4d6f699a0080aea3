//! The other end of a connection.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};

use socket2::{Domain, Socket, Type};

use super::deadline;

/// A client. Each of its steps fails after the deadline.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, deadline());
        Self::over(stream.unwrap_or_else(|error| panic!("cannot connect to {address}: {error}")))
    }

    /// Connects from an address of this machine: `127.0.0.2`, for instance.
    #[track_caller]
    pub fn connect_from(source: &str, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        let source: IpAddr = source.parse().unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        let connected = socket.connect_timeout(&address.into(), deadline());
        connected.unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(deadline())).unwrap();
        stream.set_write_timeout(Some(deadline())).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Our own address, which is the daemon's `peer`.
    pub fn local(&self) -> SocketAddr {
        self.stream.get_ref().local_addr().unwrap()
    }

    /// A second handle of the same socket, to send while this one reads.
    pub fn sender(&self) -> TcpStream {
        self.stream.get_ref().try_clone().unwrap()
    }

    /// Sends all of `bytes`.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Says that nothing more comes from us.
    #[track_caller]
    pub fn half_close(&self) {
        self.stream.get_ref().shutdown(Shutdown::Write).unwrap();
    }

    /// One line without its end; an empty one at the end of the data.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// Everything until the other end closes, with line ends as on Unix.
    #[track_caller]
    pub fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
    }

    /// What comes, to read without interpretation.
    pub fn reader(&mut self) -> impl Read {
        &mut self.stream
    }

    /// Breaks off: the other end sees a reset.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(self.stream.get_ref());
        socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }

    /// Reads until `buffer` is full.
    #[track_caller]
    pub fn exactly(&mut self, buffer: &mut [u8]) {
        self.stream.read_exact(buffer).unwrap();
    }

    /// Waits until the other end has closed, or has broken off because it was killed, and nothing
    /// came before.
    #[track_caller]
    pub fn closed(&mut self) {
        let mut byte = [0];
        let read = loop {
            match self.stream.read(&mut byte) {
                // With a timeout the system does not go on by itself after a signal.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => {}
            Ok(_) => panic!("data instead of the end: {byte:?}"),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the connection does not end: {error}"),
        }
    }

    /// Whether there comes anything before the other end closes.
    pub fn answers(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(1..))
    }

    /// Whether the other end has neither sent anything nor closed until now.
    pub fn is_quiet(&self) -> bool {
        let stream = self.stream.get_ref();
        stream.set_nonblocking(true).unwrap();
        let quiet = stream.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        stream.set_nonblocking(false).unwrap();
        quiet
    }
}

/// A port that processes left behind connect to: the connection ends when they do.
pub struct Lifeline {
    listener: TcpListener,
}

impl Lifeline {
    /// A new port.
    pub fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    /// Its number, as an argument of the probe.
    pub fn port(&self) -> String {
        self.listener.local_addr().unwrap().port().to_string()
    }

    /// The connection of the next process.
    pub fn accept(&self) -> Client {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(deadline())).unwrap();
        Client { stream: BufReader::new(stream) }
    }
}

/// Bytes of every value in an order that only its seed tells, made while they are read.
pub struct Generated {
    state: u64,
    left: u64,
}

impl Generated {
    /// `size` bytes; different for each seed.
    pub fn new(seed: u64, size: u64) -> Self {
        Self { state: seed | 1, left: size }
    }
}

impl Read for Generated {
    /// xorshift64 (Marsaglia), eight bytes a step. Sizes must be multiples of eight.
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX)) & !7;
        for chunk in buffer[..size].chunks_exact_mut(8) {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            chunk.copy_from_slice(&self.state.to_le_bytes());
        }
        self.left -= u64::try_from(size).unwrap();
        Ok(size)
    }
}

/// How many bytes there are, and their FNV-1a, as the probe computes it.
pub fn checksum(mut source: impl Read) -> (u64, u64) {
    let (mut total, mut hash) = (0, 0xcbf2_9ce4_8422_2325_u64);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = match source.read(&mut buffer) {
            // With a timeout the system does not go on by itself after a signal.
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.unwrap(),
        };
        if count == 0 {
            return (total, hash);
        }
        total += u64::try_from(count).unwrap();
        for byte in &buffer[..count] {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}
