//! A connection that the relay reads and writes.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::Socket;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection that tokio watches. Its end is told by `shutdown`.
///
/// That the socket has not got the overlapped attribute does no harm: tokio only asks whether it
/// is ready, and its own calls do not wait.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
}

impl Stream {
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::Tcp(TcpStream::from_std(socket.into())?))
    }

    /// Connects to a Unix socket, which tokio cannot do here.
    pub async fn connect_unix(_path: &Path) -> io::Result<Self> {
        std::future::ready(Err(io::ErrorKind::Unsupported.into())).await
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self::Tcp(stream) = self.get_mut();
        Pin::new(stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self::Tcp(stream) = self.get_mut();
        Pin::new(stream).poll_write(context, data)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Tcp(stream) = self.get_mut();
        Pin::new(stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Tcp(stream) = self.get_mut();
        Pin::new(stream).poll_shutdown(context)
    }
}
