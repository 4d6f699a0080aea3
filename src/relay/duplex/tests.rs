use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;
use crate::relay::Relay;
use crate::relay::pump::Pump;

const LINGER: Duration = Duration::from_secs(2);
/// Bytes that fit into each stream.
const BUFFER: usize = 1000;

fn copying() -> [Pump; 2] {
    [Pump::new(), Pump::new()]
}

/// The far ends of a relay that runs.
struct Ends {
    peer: DuplexStream,
    program: DuplexStream,
    relay: Relay,
    task: JoinHandle<End>,
    idle: std::sync::Arc<AtomicU32>,
}

fn start(idle_timeout: Option<Duration>) -> Ends {
    let (peer, near_peer) = duplex(BUFFER);
    let (program, near_program) = duplex(BUFFER);
    let (relay, idle) = (Relay::new(None), std::sync::Arc::new(AtomicU32::new(0)));
    let (shared, told) = (relay.clone(), std::sync::Arc::clone(&idle));
    let task = tokio::spawn(async move {
        let times = Times { idle: idle_timeout, linger: LINGER };
        let tell_idle = || {
            told.fetch_add(1, Ordering::Relaxed);
        };
        Duplex::new(copying(), (near_peer, near_program), &shared.shared, times, tell_idle)
            .run()
            .await
    });
    Ends { peer, program, relay, task, idle }
}

async fn read_all(stream: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn both_ends_are_passed_on_behind_the_last_byte() {
    let mut ends = start(None);
    ends.peer.write_all(b"question").await.unwrap();
    ends.peer.shutdown().await.unwrap();
    assert_eq!(read_all(&mut ends.program).await, b"question");
    ends.program.write_all(b"answer").await.unwrap();
    drop(ends.program);
    assert_eq!(read_all(&mut ends.peer).await, b"answer");
    // The peer has said that nothing more comes, so there is nothing to wait for.
    assert_eq!(ends.task.await.unwrap(), End::Over);
}

#[tokio::test]
async fn nothing_is_read_while_something_is_unwritten() {
    let ends = start(None);
    let (_, mut sender) = tokio::io::split(ends.peer);
    let sent = std::sync::Arc::new(AtomicU32::new(0));
    let count = std::sync::Arc::clone(&sent);
    tokio::spawn(async move {
        while sender.write_all(&[7; 100]).await.is_ok() {
            count.fetch_add(100, Ordering::Relaxed);
        }
    });
    // What the program does not read fills both streams, and one read that waits in the relay.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(sent.load(Ordering::Relaxed) as usize <= 3 * BUFFER);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_close_is_waited_for_and_what_it_sends_is_dropped() {
    let mut ends = start(None);
    let before = Instant::now();
    ends.program.write_all(b"answer").await.unwrap();
    drop(ends.program);
    ends.relay.program_is(Program::Gone);
    assert_eq!(read_all(&mut ends.peer).await, b"answer");
    ends.peer.write_all(&[7; 10 * BUFFER]).await.unwrap();
    assert_eq!(ends.task.await.unwrap(), End::Over);
    assert!((LINGER..2 * LINGER).contains(&before.elapsed()), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_given_up_when_the_program_is_gone() {
    let mut ends = start(None);
    // More than fits on the way.
    let writer = tokio::spawn(async move { ends.program.write_all(&[7; 3 * BUFFER]).await });
    tokio::time::sleep(10 * LINGER).await;
    assert!(!ends.task.is_finished(), "while the program runs it is its own affair");
    let before = Instant::now();
    ends.relay.program_is(Program::Ended);
    tokio::time::sleep(10 * LINGER).await;
    assert!(!ends.task.is_finished(), "what it left behind still writes");
    ends.relay.program_is(Program::Gone);
    assert_eq!(ends.task.await.unwrap(), End::Over);
    assert!(before.elapsed() >= 11 * LINGER);
    drop(writer);
    drop(ends.peer);
}

#[tokio::test(start_paused = true)]
async fn a_slow_peer_gets_everything() {
    let mut ends = start(None);
    ends.program.write_all(&[7; BUFFER]).await.unwrap();
    let mut program = ends.program;
    tokio::spawn(async move { program.write_all(&[8; 2 * BUFFER]).await });
    ends.relay.program_is(Program::Gone);
    let mut all = Vec::new();
    while all.len() < 3 * BUFFER {
        tokio::time::sleep(LINGER / 2).await;
        let mut some = [0; BUFFER / 4];
        let count = ends.peer.read(&mut some).await.unwrap();
        all.extend_from_slice(&some[..count]);
        assert!(count > 0, "after {}", all.len());
    }
    ends.peer.shutdown().await.unwrap();
    assert_eq!(ends.task.await.unwrap(), End::Over);
}

#[tokio::test]
async fn a_peer_that_is_gone_ends_it_and_the_program_sees_its_end() {
    let mut ends = start(None);
    ends.program.write_all(b"x").await.unwrap();
    drop(ends.peer);
    // The next byte finds out.
    while ends.program.write_all(b"x").await.is_ok() {}
    assert_eq!(ends.task.await.unwrap(), End::PeerGone);
    assert_eq!(read_all(&mut ends.program).await, b"");
}

#[tokio::test]
async fn a_program_that_closes_its_input_does_not_hold_up_its_peer() {
    let (peer, near_peer) = duplex(BUFFER);
    // A program whose input is closed, and whose output is open.
    let (mut output, near_output) = duplex(BUFFER);
    let (closed, near_input) = duplex(BUFFER);
    drop(closed);
    let program = tokio::io::join(near_output, near_input);
    let relay = Relay::new(None);
    let shared = relay.clone();
    let task = tokio::spawn(async move {
        let times = Times { idle: None, linger: LINGER };
        Duplex::new(copying(), (near_peer, program), &shared.shared, times, || {}).run().await
    });
    let mut peer = peer;
    peer.write_all(&[7; 10 * BUFFER]).await.unwrap();
    output.write_all(b"enough").await.unwrap();
    drop(output);
    assert_eq!(read_all(&mut peer).await, b"enough");
    drop(peer);
    assert_eq!(task.await.unwrap(), End::Over);
}

#[tokio::test(start_paused = true)]
async fn silence_is_told_once_and_every_byte_breaks_it() {
    let minute = Duration::from_secs(60);
    let mut ends = start(Some(minute));
    for _ in 0..5 {
        tokio::time::sleep(minute * 9 / 10).await;
        ends.peer.write_all(b"x").await.unwrap();
        tokio::time::sleep(minute * 9 / 10).await;
        ends.program.write_all(b"x").await.unwrap();
    }
    tokio::time::sleep(minute * 9 / 10).await;
    assert_eq!(ends.idle.load(Ordering::Relaxed), 0);
    tokio::time::sleep(minute * 9 / 10).await;
    assert_eq!(ends.idle.load(Ordering::Relaxed), 1);
    tokio::time::sleep(minute * 10).await;
    assert_eq!(ends.idle.load(Ordering::Relaxed), 1);
    assert!(!ends.task.is_finished(), "the program may say farewell");
    ends.relay.give_up();
    assert_eq!(ends.task.await.unwrap(), End::Over);
}

#[tokio::test]
async fn an_idle_relay_is_small() {
    assert!(size_of::<Duplex<'_, DuplexStream, DuplexStream, fn(), Pump>>() < 512);
}
