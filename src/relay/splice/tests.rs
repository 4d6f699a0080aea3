use std::future::poll_fn;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Both ends of a connection.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, server) = tokio::join!(client, listener.accept());
    (client.unwrap(), server.unwrap().0)
}

/// Moves `size` bytes and the end from one connection to another. Gives what was counted.
async fn moved(take: fn() -> Option<Tube>, size: usize) -> u64 {
    let (mut source, from) = connection().await;
    let (to, mut sink) = connection().await;
    let data: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let sent = data.clone();
    let sender = tokio::spawn(async move {
        source.write_all(&sent).await.unwrap();
        source.shutdown().await.unwrap();
        source
    });
    let relay = tokio::spawn(async move {
        let (mut from, mut to) = (Stream::Tcp(from), Stream::Tcp(to));
        let (mut splicer, mut count) = (Splicer::new(take), 0);
        let event = poll_fn(|context| splicer.poll(context, &mut from, &mut to, &mut count)).await;
        assert!(matches!(event, Event::Ended), "{event:?}");
        assert!(splicer.has_ended() && !splicer.is_dropping());
        (count, from, to)
    });
    let mut received = Vec::new();
    sink.read_to_end(&mut received).await.unwrap();
    assert!(received == data);
    drop(sender.await.unwrap());
    relay.await.unwrap().0
}

#[tokio::test]
async fn all_bytes_arrive_and_are_counted_on_both_sides() {
    for size in [0, 1, 3_000_000] {
        assert_eq!(moved(Tube::take, size).await, 2 * size as u64);
    }
}

#[tokio::test]
async fn without_a_tube_they_are_copied() {
    assert_eq!(moved(|| None, 3_000_000).await, 6_000_000);
}

#[tokio::test]
async fn a_sink_that_is_gone_is_told_and_the_rest_is_dropped() {
    let (mut source, from) = connection().await;
    let (to, sink) = connection().await;
    drop(sink);
    let (mut from, mut to) = (Stream::Tcp(from), Stream::Tcp(to));
    let (mut splicer, mut count) = (Splicer::new(Tube::take), 0);
    let sender = tokio::spawn(async move {
        for _ in 0..100 {
            source.write_all(&[7; 10_000]).await.unwrap();
            // So that the answer of the closed socket is there before the last byte.
            tokio::task::yield_now().await;
        }
        source.write_all(&[7; 10_000]).await.unwrap();
    });
    let event = poll_fn(|context| splicer.poll(context, &mut from, &mut to, &mut count)).await;
    assert!(matches!(event, Event::SinkFailed), "{event:?}");
    splicer.drop_all();
    assert!(splicer.is_dropping());
    let event = poll_fn(|context| splicer.poll(context, &mut from, &mut to, &mut count)).await;
    assert!(matches!(event, Event::Ended), "{event:?}");
    sender.await.unwrap();
}
