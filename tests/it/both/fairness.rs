//! A flood on one service, or from one source, delays nobody else.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Client, Daemon, probe, service, wait_until};

/// Connects again and again from `source`, which is refused, until `done`, as fast as it goes.
fn flood(daemon: &Daemon, name: &str, source: &str, done: &AtomicBool, count: &AtomicU32) {
    let address = daemon.address(name);
    while !done.load(Ordering::Relaxed) {
        Client::connect_from(source, address).closed();
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// How long each of some connections takes while `flood` goes on; the median.
fn median(mut connect: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..31)
        .map(|_| {
            let start = Instant::now();
            connect();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn a_flood_that_is_refused_starves_neither_another_service_nor_another_source() {
    let config = service("flooded", &probe(&["say", "lines"]), "deny = ['127.0.0.2']")
        + &service("other", &probe(&["say", "lines"]), "");
    let daemon = Daemon::run(&config);
    let visit =
        |name: &str| assert!(Client::connect_from("127.0.0.1", daemon.address(name)).answers());
    let idle = median(|| visit("other"));
    let (done, count) = (AtomicBool::new(false), AtomicU32::new(0));
    let (other, same) = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| flood(&daemon, "flooded", "127.0.0.2", &done, &count));
        }
        wait_until("the flood", || count.load(Ordering::Relaxed) > 100);
        // Whatever fails in here must end the flood.
        let times = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (median(|| visit("other")), median(|| visit("flooded")))
        }));
        done.store(true, Ordering::Relaxed);
        times.unwrap_or_else(|fault| std::panic::resume_unwind(fault))
    });
    // Both share the processors with four clients that never rest. What must not happen is that
    // they wait for hundreds of others; one round of a few is not that.
    let bound = idle * 20 + Duration::from_millis(100);
    assert!(other < bound, "another service: {other:?}, idle {idle:?}");
    assert!(same < bound, "another source: {same:?}, idle {idle:?}");
    let refused = count.load(Ordering::Relaxed);
    assert!(refused > 150, "{refused}");
    // And it could not fill the log: a line for each would be as many.
    let lines = daemon.log().all().iter().filter(|line| line.contains("REFUSE")).count();
    assert!(u32::try_from(lines).unwrap() <= refused.min(100 + 20 * 120), "{lines} of {refused}");
}
