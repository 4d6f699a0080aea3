//! The other end of a connection. Each of its steps has a deadline.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{PATIENCE, PAUSE};
use crate::sys::socket::Stream;

/// A client.
pub(super) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE);
        Self::new(stream.with_context(|| format!("cannot connect to {address}"))?)
    }

    fn new(stream: TcpStream) -> Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Our own address, which is the peer of the program.
    pub(super) fn local(&self) -> Result<SocketAddr> {
        Ok(self.stream.get_ref().local_addr()?)
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(bytes).context("cannot send")
    }

    /// Another handle of the same socket, to send while this one reads.
    pub(super) fn sender(&self) -> Result<TcpStream> {
        Ok(self.stream.get_ref().try_clone()?)
    }

    pub(super) fn reader(&mut self) -> &mut impl Read {
        &mut self.stream
    }

    /// Says that nothing more comes from us.
    pub(super) fn half_close(&self) -> Result<()> {
        Ok(self.stream.get_ref().shutdown(Shutdown::Write)?)
    }

    /// One line, without its end; an empty one at the end of the data.
    pub(super) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).context("the program has not answered")?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Reads a line, which has to be this one.
    pub(super) fn expect(&mut self, expected: &str) -> Result<()> {
        let line = self.line()?;
        ensure!(line == expected, "the program said {line:?} and not {expected:?}");
        Ok(())
    }

    /// Reads until `text` comes, whatever else comes before. At a terminal there may be much.
    pub(super) fn until(&mut self, text: &str) -> Result<()> {
        let mut seen = Vec::new();
        while !seen.ends_with(text.as_bytes()) {
            let mut byte = [0];
            let read = self.stream.read(&mut byte);
            let what =
                || format!("{text:?} has not come, but {:?}", String::from_utf8_lossy(&seen));
            ensure!(read.with_context(what)? > 0, what());
            seen.push(byte[0]);
        }
        Ok(())
    }

    /// Breaks the connection off: the other end sees a reset.
    pub(super) fn reset(self) -> Result<()> {
        Ok(SockRef::from(self.stream.get_ref()).set_linger(Some(Duration::ZERO))?)
    }

    /// Everything until the other end closes.
    pub(super) fn rest(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).context("the connection does not end")?;
        Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
    }

    /// Waits until the other end has closed, or has broken off, and gives which of them; nothing
    /// may come before.
    pub(super) fn closed(&mut self) -> Result<&'static str> {
        match self.stream.read(&mut [0]) {
            Ok(0) => Ok("closed"),
            Ok(_) => bail!("there was data instead of the end"),
            Err(error) if is_reset(&error) => Ok("reset"),
            Err(error) => Err(error).context("the connection does not end"),
        }
    }

    /// Whether anything comes, or the end, within this time.
    pub(super) fn comes_within(&self, time: Duration) -> Result<bool> {
        let stream = self.stream.get_ref();
        stream.set_read_timeout(Some(time))?;
        let came = stream.peek(&mut [0]).is_ok();
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(came)
    }

    /// Whether the other end has neither sent anything nor closed until now.
    pub(super) fn is_quiet(&self) -> Result<bool> {
        let stream = self.stream.get_ref();
        stream.set_nonblocking(true)?;
        let quiet = stream.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        stream.set_nonblocking(false)?;
        Ok(quiet)
    }
}

/// Sends all of `question` to a Unix socket, closes the sending side, and gives the whole answer.
pub(super) fn ask_at(path: &Path, mut question: impl Read) -> Result<String> {
    let what = || format!("at {}", path.display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut all = Vec::new();
    question.read_to_end(&mut all)?;
    let talk = async {
        let mut stream = Stream::connect_unix(path).await.context("cannot connect")?;
        stream.write_all(&all).await.context("cannot send")?;
        stream.shutdown().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.context("the connection does not end")?;
        Ok(answer.replace("\r\n", "\n"))
    };
    let in_time = runtime.block_on(async { tokio::time::timeout(PATIENCE, talk).await });
    in_time.context("there is no answer").and_then(|result: Result<_>| result).with_context(what)
}

/// Somebody who sends datagrams to a service.
pub(super) struct Peer {
    socket: UdpSocket,
}

impl Peer {
    pub(super) fn new(address: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect(address)?;
        Ok(Self { socket })
    }

    /// Sends a datagram, whose answer has to be this one.
    pub(super) fn expect(&self, question: &str, expected: &str) -> Result<()> {
        self.socket.send(question.as_bytes()).context("cannot send")?;
        let mut answer = vec![0; 1 << 16];
        let length = self.socket.recv(&mut answer).context("there is no answer")?;
        let answer = String::from_utf8_lossy(&answer[..length]);
        ensure!(answer == expected, "the answer to {question:?} was {answer:?}, not {expected:?}");
        Ok(())
    }
}

fn is_reset(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
}

/// A port that processes left behind connect to: the connection ends when they do.
pub(super) struct Lifeline {
    listener: TcpListener,
}

impl Lifeline {
    pub(super) fn new() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener })
    }

    /// Its number, as an argument of a program.
    pub(super) fn port(&self) -> Result<String> {
        Ok(self.listener.local_addr()?.port().to_string())
    }

    /// The connection of the next process.
    pub(super) fn accept(&self) -> Result<Client> {
        let begin = Instant::now();
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    return Client::new(stream);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            ensure!(begin.elapsed() < PATIENCE, "no process has connected");
            thread::park_timeout(PAUSE);
        }
    }
}
