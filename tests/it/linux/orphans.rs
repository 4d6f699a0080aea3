//! The daemon looks for orphans once a second while programs end. It must find them, and nothing
//! else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Client, Daemon, probe, service};

#[test]
fn a_program_that_is_just_being_started_is_not_taken_for_an_orphan() {
    let daemon = Daemon::run(&service("say", &probe(&["say", "x"]), ""));
    let say = daemon.address("say");
    // Long enough for two visits.
    let end = Instant::now() + Duration::from_millis(2500);
    let count = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while Instant::now() < end {
                    assert_eq!(Client::connect(say).rest(), "x\n");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    for exit in daemon.records(count.into_inner(), "EXIT") {
        assert_eq!(&exit["status"], "0");
    }
}
