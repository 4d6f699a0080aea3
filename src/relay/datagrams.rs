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
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::alarm::Alarm;
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

impl Flow {
    /// Passes its datagrams on to the other side, and the answers back, until [`exchange`] ends.
    pub(super) async fn exchange(mut self, far: impl Datagrams, shared: &Shared, times: Times) {
        let (socket, peer) = (self.listener.socket(), self.peer);
        let answer = |datagram: &[u8]| socket.send_to(datagram, peer);
        exchange(&mut self.incoming, answer, far, shared, times).await;
    }
}

/// The times of an exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// It ends when no datagram has passed for that long.
    pub(super) idle: Duration,
    /// The same when nothing is left of the program.
    pub(super) linger: Duration,
}

/// Something that takes and gives datagrams one by one.
pub(super) trait Datagrams {
    /// Takes one, or lets it be lost and gives `false`.
    fn poll_send(&mut self, context: &mut Context<'_>, datagram: &[u8]) -> Poll<io::Result<bool>>;

    /// Gives one, or `false` if there will be no more.
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>>;
}

/// A program reads and writes one with each call.
impl Datagrams for pipe::Stream {
    fn poll_send(&mut self, context: &mut Context<'_>, datagram: &[u8]) -> Poll<io::Result<bool>> {
        if datagram.is_empty() {
            // To a program that would be the end.
            return Poll::Ready(Ok(false));
        }
        // A program that takes nothing any more may have said something before; when it is over,
        // its output ends.
        Pin::new(self).poll_write(context, datagram).map(|sent| Ok(sent.is_ok()))
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
    fn poll_send(&mut self, context: &mut Context<'_>, datagram: &[u8]) -> Poll<io::Result<bool>> {
        Self::poll_send(self, context, datagram).map_ok(|_| true)
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
/// the idle time.
async fn exchange(
    incoming: &mut mpsc::Receiver<Box<[u8]>>,
    answer: impl Fn(&[u8]),
    mut far: impl Datagrams,
    shared: &Shared,
    times: Times,
) {
    // Taken, and not passed on yet.
    let mut held = None;
    let mut state = Program::Runs;
    let mut moved_at = Instant::now();
    let mut alarm = Alarm::default();
    poll_fn(|context| {
        let Some(program) = shared.look(context) else { return Poll::Ready(()) };
        let mut moved = program != state;
        state = program;
        let mut again = true;
        for _ in 0..TURN {
            let next = held.take().map_or_else(|| incoming.poll_recv(context), Poll::Ready);
            let Poll::Ready(Some(datagram)) = next else {
                again = false;
                break;
            };
            match far.poll_send(context, &datagram) {
                Poll::Ready(Ok(taken)) => moved |= taken,
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
                        answer(buffer.filled());
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
        if again || more {
            context.waker().wake_by_ref();
        }
        if moved {
            moved_at = Instant::now();
        }
        // The end of its output comes behind the last thing that a program has said, and may come
        // later than the news of its end. Something that escaped it may hold the output open.
        let patience = if state == Program::Gone { times.linger } else { times.idle };
        if alarm.is_time(context, moved_at + patience) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests;
