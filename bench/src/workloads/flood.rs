//! W8: far more connections at once than a backlog holds.

use std::io;
use std::time::{Duration, Instant};

use super::{Bench, Instance, MANY_DESCRIPTORS, failed, probe, sample};
use crate::client::{Errors, Load};
use crate::machine::NormalPriority;
use crate::peers::Peer;
use crate::table::{Table, percentile};

/// Connections under way at a time: nearly all descriptors that a process may have here.
const AT_ONCE: usize = 19_500;

/// How long a connection may take. One that the kernel has dropped without telling never ends.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn run(bench: &mut Bench<'_>) -> io::Result<()> {
    // With real-time priority the client, which never waits while it connects, keeps a superserver off
    // its processor for a time slice of 100 ms each time, and that alone fills a backlog.
    let _normal = NormalPriority::begin()?;
    let (count, title) = if bench.options.quick {
        (8000, "W8 flood of 8,000 connections")
    } else {
        (20_000, "W8 flood of 20,000 connections")
    };
    let columns =
        &["connections/s", "answered", "slowest ms", "p50 ms", "at full speed again after ms"];
    let mut table = Table::new(title, columns, Some("tcpserver"));
    for round in 0..bench.options.rounds.min(3) {
        for place in bench.shuffled(Peer::runs_programs) {
            if bench.is_late() {
                break;
            }
            let hello = bench.hello.clone();
            let service = bench.service(&hello);
            let peer = &bench.peers[place];
            let instance = match Instance::start(peer, vec![service], MANY_DESCRIPTORS) {
                Ok(instance) => instance,
                Err(error) => {
                    table.samples.push(failed(&peer.name, round, &error));
                    continue;
                }
            };
            let mut errors = Errors::default();
            let mut usual = f64::MAX;
            for _ in 0..5 {
                usual = probe(instance.address(0), &mut errors)?.map_or(usual, |t| usual.min(t));
            }
            let load = Load {
                address: instance.address(0),
                clients: AT_ONCE,
                count,
                time: Duration::from_secs(120),
                expected: b"hello\n",
                patience: PATIENCE,
            };
            let begin = Instant::now();
            let outcome = load.run()?;
            let answered = outcome.latencies.len() as f64;
            let rate = answered / begin.elapsed().as_secs_f64();
            errors.merge(outcome.errors);
            let recovery = recovery(&instance, usual, &mut errors)?;
            let [p50, slowest] =
                [0.5, 1.0].map(|part| percentile(outcome.latencies.clone(), part) / 1e3);
            let values = vec![rate, answered, slowest, p50, recovery];
            table.samples.push(sample(&peer.name, round, values, &errors));
        }
    }
    bench.finish([table])
}

/// Milliseconds until three connections in a row take no longer than three times the usual time.
fn recovery(instance: &Instance, usual: f64, errors: &mut Errors) -> io::Result<f64> {
    let begin = Instant::now();
    let (mut in_a_row, mut since) = (0, 0.0);
    while in_a_row < 3 && begin.elapsed() < PATIENCE {
        let time = probe(instance.address(0), errors)?;
        if time.is_some_and(|time| time <= 3.0 * usual) {
            in_a_row += 1;
        } else {
            in_a_row = 0;
            since = begin.elapsed().as_secs_f64() * 1e3;
        }
    }
    Ok(since)
}
