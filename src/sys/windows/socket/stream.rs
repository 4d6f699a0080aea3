//! A connection that the relay reads and writes.

use std::io;
use std::os::windows::io::{IntoRawHandle, OwnedHandle};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::Socket;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::windows::named_pipe::NamedPipeServer;

use super::file::{Begun, begin_to_connect};
use super::{Connection, Peer};
use crate::sys::platform::pipe::LONGEST_WRITE;

/// A connection that tokio watches. Its end is told by `shutdown`.
///
/// That the socket has not got the overlapped attribute does no harm: tokio only asks whether it
/// is ready, and its own calls do not wait.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP, or over a Unix socket: to tokio, which looks at no address, they are the same.
    Tcp(TcpStream),
    /// Over a pipe, until it is shut down. A pipe has no half-close: whoever has said all closes it,
    /// and the client still reads what is in it, and what is still being written to it.
    Pipe(Option<NamedPipeServer>),
}

impl Stream {
    pub(super) fn of_socket(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::Tcp(TcpStream::from_std(socket.into())?))
    }

    /// `pipe` is connected, and open for overlapped calls.
    pub(super) fn of_pipe(pipe: OwnedHandle) -> io::Result<Self> {
        // SAFETY: the server end of a named pipe, open for overlapped calls, and nobody else's.
        let pipe = unsafe { NamedPipeServer::from_raw_handle(pipe.into_raw_handle()) }?;
        Ok(Self::Pipe(Some(pipe)))
    }

    /// Connects to a Unix socket.
    pub async fn connect_unix(path: &Path) -> io::Result<Self> {
        let stream = match begin_to_connect(path)? {
            (socket, Begun::Connected) => return Self::of_socket(socket),
            (socket, Begun::Waiting) => TcpStream::from_std(socket.into())?,
        };
        stream.writable().await?;
        match stream.take_error()? {
            None => Ok(Self::Tcp(stream)),
            Some(error) => Err(error),
        }
    }

    /// As a connection that is not watched any more. `is_file` is what it said of itself before.
    ///
    /// # Errors
    /// A pipe that was read in this way cannot be handed on.
    pub fn into_connection(self, is_file: bool) -> io::Result<Connection> {
        let Self::Tcp(stream) = self else { return Err(io::ErrorKind::Unsupported.into()) };
        let socket = Socket::from(stream.into_std()?);
        socket.set_nonblocking(false)?;
        Ok(Connection { peer: Peer::Socket(socket.into()), file: is_file })
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Pipe(Some(pipe)) => {
                let before = buffer.filled().len();
                ready!(Pin::new(pipe).poll_read(context, buffer))?;
                if buffer.filled().len() == before && buffer.remaining() > 0 {
                    // To mio the end of a pipe is the end of a file. But the client has closed it:
                    // nobody is left who could hear an answer.
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                Poll::Ready(Ok(()))
            }
            Self::Pipe(None) => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, data),
            Self::Pipe(Some(pipe)) => {
                Pin::new(pipe).poll_write(context, &data[..data.len().min(LONGEST_WRITE)])
            }
            Self::Pipe(None) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Pipe(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Pipe(pipe) => {
                *pipe = None;
                Poll::Ready(Ok(()))
            }
        }
    }
}
