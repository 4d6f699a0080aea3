//! Datagrams. Those of one peer are one session, which ends when none has passed for a while: a
//! datagram socket says nothing of a peer's end. The listener's socket stays with the front, which
//! gives each datagram to the session of its sender; answers go out by that socket, too.
//!
//! A session holds some that it cannot pass on at once; more are dropped, as the network may drop
//! them.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Program, Shared, lock, with_buffer};
use crate::listener::{Listener, ListenerId};
use crate::sys::pipe;

/// Datagrams of a peer that wait for a busy session.
const WAITING: usize = 64;
/// After that time without a datagram a session ends, unless `idle_timeout` says otherwise.
pub(super) const IDLE: Duration = Duration::from_secs(60);
/// Datagrams in one direction before the other has its turn.
const TURN: usize = 64;

/// Which session a datagram belongs to.
#[derive(Debug, Default)]
pub struct Flows {
    open: Mutex<Open>,
}

/// Where datagrams come in, and who sends them.
type Key = (ListenerId, SocketAddr);
/// The number of a flow, and where its datagrams go.
type Entrance = (u64, mpsc::Sender<Box<[u8]>>);

#[derive(Debug, Default)]
struct Open {
    /// There are never more than sessions.
    flows: HashMap<Key, Entrance>,
    last: u64,
}

impl Flows {
    /// Gives a datagram to the session of its sender. False if there is none.
    pub fn pass(&self, listener: ListenerId, sender: SocketAddr, datagram: &[u8]) -> bool {
        match lock(&self.open).flows.get(&(listener, sender)) {
            // A session that is busy loses it.
            Some((_, flow)) => {
                flow.try_send(datagram.into()).ok();
                true
            }
            None => false,
        }
    }

    /// Begins to gather the datagrams of a sender, with this first one.
    pub fn open(
        self: &Arc<Self>,
        listener: &Arc<Listener>,
        sender: SocketAddr,
        first: &[u8],
    ) -> Flow {
        let (datagrams, incoming) = mpsc::channel(WAITING);
        datagrams.try_send(first.into()).ok();
        let mut open = lock(&self.open);
        open.last += 1;
        let number = open.last;
        open.flows.insert((listener.id, sender), (number, datagrams));
        drop(open);
        let (listener, flows) = (Arc::clone(listener), Arc::clone(self));
        Flow { number, listener, peer: sender, incoming, flows }
    }
}

/// The datagrams of one peer.
#[derive(Debug)]
pub struct Flow {
    number: u64,
    listener: Arc<Listener>,
    peer: SocketAddr,
    incoming: mpsc::Receiver<Box<[u8]>>,
    flows: Arc<Flows>,
}

impl Drop for Flow {
    fn drop(&mut self) {
        let mut open = lock(&self.flows.open);
        let key = (self.listener.id, self.peer);
        if open.flows.get(&key).is_some_and(|(number, _)| *number == self.number) {
            open.flows.remove(&key);
        }
    }
}

/// Something that takes and gives datagrams one by one.
pub(super) trait Datagrams {
    /// Takes one.
    fn poll_send(&mut self, context: &mut Context<'_>, datagram: &[u8]) -> Poll<io::Result<usize>>;

    /// Gives one, or `false` if there will be no more.
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>>;
}

/// A program reads and writes one with each call.
impl Datagrams for pipe::Stream {
    fn poll_send(&mut self, context: &mut Context<'_>, datagram: &[u8]) -> Poll<io::Result<usize>> {
        if datagram.is_empty() {
            // To a program that would be the end.
            return Poll::Ready(Ok(0));
        }
        Pin::new(self).poll_write(context, datagram)
    }

    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        Pin::new(self).poll_read(context, buffer).map_ok(|()| !buffer.filled().is_empty())
    }
}

impl Datagrams for UdpSocket {
    fn poll_send(&mut self, context: &mut Context<'_>, datagram: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_send(self, context, datagram)
    }

    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        self.poll_recv(context, buffer).map_ok(|()| true)
    }
}

/// Passes datagrams on in both directions until the other side ends, or nothing has passed for
/// `idle`.
pub(super) async fn exchange(
    mut flow: Flow,
    mut far: impl Datagrams,
    shared: &Shared,
    idle: Duration,
) {
    // Taken, and not passed on yet.
    let mut held = None;
    let mut end = Instant::now() + idle;
    let mut timer = pin!(sleep_until(end));
    poll_fn(|context| {
        // What a program said before its end is passed on.
        let program = shared.look(context);
        if program.is_none() {
            return Poll::Ready(());
        }
        let mut moved = false;
        let mut again = true;
        for _ in 0..TURN {
            let next = held.take().map_or_else(|| flow.incoming.poll_recv(context), Poll::Ready);
            let Poll::Ready(Some(datagram)) = next else {
                again = false;
                break;
            };
            match far.poll_send(context, &datagram) {
                Poll::Ready(Ok(_)) => moved = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {
                    held = Some(Some(datagram));
                    again = false;
                    break;
                }
            }
        }
        let mut more = true;
        for _ in 0..TURN {
            let received = with_buffer(|memory| {
                let mut buffer = ReadBuf::new(memory);
                far.poll_receive(context, &mut buffer).map_ok(|open| {
                    if open {
                        flow.listener.socket().send_to(buffer.filled(), flow.peer);
                    }
                    open
                })
            });
            match received {
                Poll::Ready(Ok(true)) => moved = true,
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    more = false;
                    break;
                }
            }
        }
        if program == Some(Program::Gone) && !more {
            return Poll::Ready(());
        }
        if again || more {
            context.waker().wake_by_ref();
        }
        if moved {
            end = Instant::now() + idle;
        }
        while timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= end {
                return Poll::Ready(());
            }
            timer.as_mut().reset(end);
        }
        Poll::Pending
    })
    .await;
}
