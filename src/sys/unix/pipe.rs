//! `io = "pipe"`: standard input and output of a program are one end of a pair of connected
//! sockets, and ours is the other.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{AddressFamily, RecvFlags, Shutdown, SocketFlags, SocketType, recv, socketpair};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The program's end.
#[derive(Debug)]
pub struct ProgramEnd {
    fd: OwnedFd,
}

/// Our end.
#[derive(Debug)]
pub struct OurEnd {
    socket: UnixStream,
}

/// Makes both.
pub fn pair() -> io::Result<(ProgramEnd, OurEnd)> {
    let (theirs, ours) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((ProgramEnd { fd: theirs.into() }, OurEnd { socket: ours }))
}

/// Makes both, for datagrams: each read gives one, and each write is one.
pub fn messages() -> io::Result<(ProgramEnd, OurEnd)> {
    // Not SOCK_DGRAM, which has no end (unix(7)).
    let (theirs, ours) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let ours = UnixStream::from(ours);
    ours.set_nonblocking(true)?;
    Ok((ProgramEnd { fd: theirs }, OurEnd { socket: ours }))
}

impl AsFd for ProgramEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl OurEnd {
    /// For use inside a tokio runtime.
    pub fn into_async(self) -> io::Result<Stream> {
        Ok(Stream { socket: tokio::net::UnixStream::from_std(self.socket)? })
    }
}

/// Our end: what is written is the program's input, whose end is told by `shutdown`; what is read
/// is its output.
#[derive(Debug)]
pub struct Stream {
    socket: tokio::net::UnixStream,
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A program that ends with unread input resets the connection. The error comes once: of a
        // pair of streams behind the last byte, but before datagrams that wait (recvmsg looks for
        // errors first). Then come these, and the end of the file, which is what is meant.
        if ready!(Pin::new(&mut self.socket).poll_read(context, buffer)).is_err() {
            ready!(Pin::new(&mut self.socket).poll_read(context, buffer)).ok();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The program shall find the end of its input, and an error only if it writes. A socket
        // that is closed with unread data would make an error of both.
        if rustix::net::shutdown(&self.socket, Shutdown::Both).is_ok() {
            let mut unread = [0; 4096];
            while matches!(recv(&self.socket, &mut unread[..], RecvFlags::DONTWAIT), Ok((1.., _))) {
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn what_a_program_said_is_there_although_it_has_not_read_its_input() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for made in [pair(), messages()] {
            let (theirs, ours) = made.unwrap();
            let mut program = UnixStream::from(theirs.fd);
            let mut text = String::new();
            runtime.block_on(async {
                let mut ours = ours.into_async().unwrap();
                ours.write_all(b"nobody reads this").await.unwrap();
                program.write_all(b"output").unwrap();
                drop(program);
                ours.read_to_string(&mut text).await.unwrap();
            });
            assert_eq!(text, "output");
        }
    }

    #[test]
    fn a_stream_that_is_dropped_is_the_end_of_input_and_no_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (theirs, ours) = pair().unwrap();
        let mut program = UnixStream::from(theirs.fd);
        program.write_all(b"nobody reads this").unwrap();
        runtime.block_on(async { drop(ours.into_async().unwrap()) });
        assert_eq!(program.read(&mut [0]).unwrap(), 0);
        let error = program.write_all(b"nor this").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
