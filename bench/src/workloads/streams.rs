//! W4: the echo that is built in. W5: bytes through a program that has the socket.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Bench, Instance, USUAL_DESCRIPTORS, failed, measured, sample};
use crate::client::Errors;
use crate::peers::{Service, Work};
use crate::stream::{bytes, datagrams, round_trips};
use crate::table::{Sample, Table, percentile};

/// The classic superservers know their own echo by its name only (RFC 862).
const ECHO: u16 = 7;

const RATE: &[&str] = &["MB/s", "server CPU s/GB"];

#[derive(Clone, Copy)]
enum Kind {
    Bytes { connections: usize },
    RoundTrips,
    Datagrams,
}

pub(super) fn builtin_echo(bench: &mut Bench<'_>) -> io::Result<()> {
    let reference = Some("floor-echo");
    let kinds = [
        (Kind::Bytes { connections: 1 }, "W4 built-in echo, 1 connection", RATE),
        (Kind::Bytes { connections: 64 }, "W4 built-in echo, 64 connections", RATE),
        (Kind::RoundTrips, "W4 built-in echo, round trips of 64 bytes", &["turns/s", "p50 us"][..]),
        (
            Kind::Datagrams,
            "W4 built-in echo, 32 datagrams under way",
            &["datagrams/s", "lost in 1,000", "server CPU us"],
        ),
    ];
    let mut tables: Vec<Table> =
        kinds.iter().map(|(_, title, columns)| Table::new(*title, columns, reference)).collect();
    for round in 0..bench.options.rounds {
        for place in bench.shuffled(|peer| peer.echoes) {
            if bench.is_late() {
                break;
            }
            let peer = &bench.peers[place];
            let services = vec![Service { port: ECHO, work: Work::Echo }];
            let instance = match Instance::start(peer, services, USUAL_DESCRIPTORS) {
                Ok(instance) => instance,
                Err(error) => {
                    tables[0].samples.push(failed(&peer.name, round, &error));
                    continue;
                }
            };
            for ((kind, title, _), table) in kinds.iter().zip(&mut tables) {
                if bench.wants_cell(title) {
                    let slice = bench.options.slice;
                    let one = || one(*kind, &instance, instance.address(0), slice, round);
                    table.samples.push(measured(one)?);
                }
            }
        }
    }
    bench.finish(tables)
}

pub(super) fn through_cat(bench: &mut Bench<'_>) -> io::Result<()> {
    for (connections, title) in [(1, "W5 cat, 1 connection"), (8, "W5 cat, 8 connections")] {
        if !bench.wants_cell(title) {
            continue;
        }
        let mut table = Table::new(title, RATE, Some("floor"));
        let cat = ["/bin/cat".to_owned()];
        let instances = bench.instances(&cat, USUAL_DESCRIPTORS, &mut table);
        for round in 0..bench.options.rounds {
            for place in bench.shuffled(|_| true) {
                let Some(instance) = &instances[place] else { continue };
                if bench.is_late() {
                    break;
                }
                let (kind, slice) = (Kind::Bytes { connections }, bench.options.slice);
                let one = || one(kind, instance, instance.address(0), slice, round);
                table.samples.push(measured(one)?);
            }
        }
        bench.finish([table])?;
    }
    Ok(())
}

fn one(
    kind: Kind,
    instance: &Instance,
    address: SocketAddr,
    time: Duration,
    round: usize,
) -> io::Result<Sample> {
    let mut errors = Errors::default();
    let (cpu, begin) = (instance.cpu(), Instant::now());
    let values = match kind {
        Kind::Bytes { connections } => {
            let moved = bytes(address, connections, time, &mut errors)? as f64;
            let elapsed = begin.elapsed().as_secs_f64();
            vec![moved / 1e6 / elapsed, (instance.cpu() - cpu) / (moved / 1e9)]
        }
        Kind::RoundTrips => {
            let turns = round_trips(address, time, &mut errors)?;
            let rate = turns.len() as f64 / begin.elapsed().as_secs_f64();
            vec![rate, percentile(turns, 0.5)]
        }
        Kind::Datagrams => {
            let (back, lost) = datagrams(address, time, &mut errors)?;
            let (back, lost) = (back as f64, lost as f64);
            let rate = back / begin.elapsed().as_secs_f64();
            vec![
                rate,
                lost * 1000.0 / (back + lost).max(1.0),
                (instance.cpu() - cpu) * 1e6 / back.max(1.0),
            ]
        }
    };
    Ok(sample(&instance.name, round, values, &errors))
}
