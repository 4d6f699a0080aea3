use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use crate::relay::Relay;

const TIMES: Times = Times { idle: Duration::from_secs(60), linger: Duration::from_secs(2) };

/// A program whose output is here after some looks at it.
struct Slow {
    looks: u32,
    output: VecDeque<&'static str>,
    ends: bool,
}

impl Datagrams for Slow {
    fn poll_send(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<bool>> {
        Poll::Ready(Ok(false))
    }

    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        if self.looks > 0 {
            self.looks -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.output.pop_front() {
            Some(text) => buffer.put_slice(text.as_bytes()),
            None if self.ends => return Poll::Ready(Ok(false)),
            None => return Poll::Pending,
        }
        Poll::Ready(Ok(true))
    }
}

/// What the peer hears of a program that has ended already.
async fn heard_of(far: impl Datagrams) -> Vec<String> {
    let (peer, mut incoming) = mpsc::channel::<Box<[u8]>>(WAITING);
    peer.try_send((*b"question").into()).unwrap();
    let heard = Mutex::new(Vec::new());
    let answer = |datagram: &[u8]| {
        heard.lock().unwrap().push(String::from_utf8_lossy(datagram).into_owned());
    };
    let relay = Relay::new(None);
    relay.program_is(Program::Gone);
    exchange(&mut incoming, answer, far, &relay.shared, TIMES).await;
    heard.into_inner().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_program_said_is_passed_on_although_the_news_of_its_end_came_first() {
    let begin = Instant::now();
    let far = Slow { looks: 1, output: ["one", "two"].into(), ends: true };
    assert_eq!(heard_of(far).await, ["one", "two"]);
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn output_that_something_else_holds_open_is_not_waited_for_long() {
    let begin = Instant::now();
    let far = Slow { looks: 0, output: ["one"].into(), ends: false };
    assert_eq!(heard_of(far).await, ["one"]);
    assert!(begin.elapsed() >= TIMES.linger && begin.elapsed() < TIMES.idle);
}
