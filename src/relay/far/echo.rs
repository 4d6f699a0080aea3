//! RFC 862: "simply sends back to the originating source any data it receives". The two sides of the
//! relay are the two halves of one connection, so that what one pump reads it writes back at once, and
//! the rules of all relays hold.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{
    AsyncRead, AsyncWrite, Join, ReadBuf, ReadHalf, Sink, WriteHalf, join, sink, split,
};

/// What the peer says, where nothing is written, and what it hears.
pub(in crate::relay) fn echo<P: AsyncRead + AsyncWrite>(
    peer: P,
) -> (Join<ReadHalf<P>, Sink>, Mouth<P>) {
    let (read, write) = split(peer);
    (join(read, sink()), Mouth { write, ended: false, failed: false, waker: None })
}

/// What the peer hears. Nothing is read here, but that the peer has ended.
#[derive(Debug)]
pub(in crate::relay) struct Mouth<P> {
    write: WriteHalf<P>,
    ended: bool,
    failed: bool,
    /// Waits for the end.
    waker: Option<Waker>,
}

impl<P> Mouth<P> {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl<P> AsyncRead for Mouth<P> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mouth = self.get_mut();
        if mouth.failed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if mouth.ended {
            return Poll::Ready(Ok(()));
        }
        mouth.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<P: AsyncWrite> AsyncWrite for Mouth<P> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mouth = self.get_mut();
        let written = Pin::new(&mut mouth.write).poll_write(context, data);
        if matches!(written, Poll::Ready(Err(_))) {
            mouth.failed = true;
            mouth.wake();
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().write).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mouth = self.get_mut();
        let told = Pin::new(&mut mouth.write).poll_shutdown(context);
        if told.is_ready() {
            mouth.ended = true;
            mouth.wake();
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Wake;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn run<T>(task: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(task)
    }

    #[test]
    fn what_is_said_is_heard_and_so_is_the_end() {
        run(async {
            let (mut client, peer) = duplex(64);
            let (mut ear, mut mouth) = echo(peer);
            client.write_all(b"hello").await.unwrap();
            client.shutdown().await.unwrap();
            let mut text = Vec::new();
            ear.read_to_end(&mut text).await.unwrap();
            mouth.write_all(&text).await.unwrap();
            let (mut byte, waits) = ([0], Arc::new(Woken::default()));
            let mut end = ReadBuf::new(&mut byte);
            let waker = Waker::from(Arc::clone(&waits));
            let read = Pin::new(&mut mouth).poll_read(&mut Context::from_waker(&waker), &mut end);
            assert!(read.is_pending() && !waits.0.load(Ordering::Relaxed));
            mouth.shutdown().await.unwrap();
            assert!(waits.0.load(Ordering::Relaxed));
            assert_eq!(mouth.read(&mut [0]).await.unwrap(), 0);
            drop((ear, mouth));
            let mut heard = String::new();
            client.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, "hello");
        });
    }

    #[test]
    fn a_peer_that_is_gone_ends_the_other_side_too() {
        run(async {
            let (client, peer) = duplex(64);
            let (_ear, mut mouth) = echo(peer);
            drop(client);
            mouth.write_all(b"x").await.unwrap_err();
            mouth.read(&mut [0]).await.unwrap_err();
        });
    }
}
