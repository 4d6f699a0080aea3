//! W2: memory and start-up of a superserver that has nothing to do. W3: with many live sessions.
//! MEM: relayed sessions, and growth.

use std::io;
use std::time::{Duration, Instant};

use super::{Bench, Instance, MANY_DESCRIPTORS, USUAL_DESCRIPTORS, failed, probe, sample};
use crate::client::{Errors, Load};
use crate::held::{alive, hold};
use crate::peers::{Peer, Service, Work};
use crate::table::{Table, percentile};

/// Memory is looked at when it has been given back.
const SETTLE: Duration = Duration::from_millis(500);

/// What the daemon may have grown by after many connections: pages that it touches rarely.
const GROWTH: f64 = 256.0;

pub(super) fn idle(bench: &mut Bench<'_>) -> io::Result<()> {
    let columns: &[&str] = &["start-up ms", "PSS kB", "CPU ms"];
    let reference = Some("busybox-inetd");
    let mut tables = [
        Table::new("W2 idle, 1 service", columns, reference),
        Table::new("W2 idle, 1,000 services", columns, reference),
    ];
    for round in 0..bench.options.rounds.min(3) {
        for (table, count) in tables.iter_mut().zip([1u16, 1000]) {
            for place in bench.shuffled(|peer| !peer.floor && (peer.many || count == 1)) {
                if bench.is_late() {
                    break;
                }
                let base = 20_000 + 1000 * u16::try_from(round % 4).unwrap_or(0);
                let work = Work::Program(bench.hello.clone());
                let services =
                    (base..base + count).map(|port| Service { port, work: work.clone() });
                let peer = &bench.peers[place];
                table.samples.push(
                    match Instance::start(peer, services.collect(), MANY_DESCRIPTORS) {
                        Ok(instance) => {
                            let cpu = instance.cpu() * 1e3;
                            std::thread::sleep(SETTLE);
                            let startup = instance.running[0].startup.as_secs_f64() * 1e3;
                            let pss = instance.pss(&bench.handlers);
                            let mut errors = Errors::default();
                            for service in [0, count / 2, count - 1] {
                                probe(instance.address(service.into()), &mut errors)?;
                            }
                            sample(&peer.name, round, vec![startup, pss, cpu], &errors)
                        }
                        Err(error) => failed(&peer.name, round, &error),
                    },
                );
            }
        }
    }
    bench.finish(tables)
}

pub(super) fn live(bench: &mut Bench<'_>) -> io::Result<()> {
    let (count, title) = if bench.options.quick {
        (1000, "W3 1,000 live sessions, and a new connection to another service")
    } else {
        (5000, "W3 5,000 live sessions, and a new connection to another service")
    };
    let columns =
        &["new connection p99 us", "p50 us", "PSS kB/session", "PSS kB", "all made in s", "alive"];
    let mut table = Table::new(title, columns, Some("tcpserver"));
    for round in 0..bench.options.rounds.min(3) {
        for place in bench.shuffled(Peer::runs_programs) {
            if bench.is_late() {
                break;
            }
            let (held, hello) = (bench.held.clone(), bench.hello.clone());
            let services = vec![bench.service(&held), bench.service(&hello)];
            let peer = &bench.peers[place];
            let instance = match Instance::start(peer, services, MANY_DESCRIPTORS) {
                Ok(instance) => instance,
                Err(error) => {
                    table.samples.push(failed(&peer.name, round, &error));
                    continue;
                }
            };
            let mut errors = Errors::default();
            for _ in 0..20 {
                probe(instance.address(1), &mut errors)?;
            }
            let before = instance.pss(&bench.handlers);
            let begin = Instant::now();
            let patience = Duration::from_secs(60);
            let sockets = hold(instance.address(0), count, patience, &mut errors)?;
            let made = begin.elapsed().as_secs_f64();
            std::thread::sleep(SETTLE);
            let mut times = Vec::new();
            for _ in 0..300 {
                times.extend(probe(instance.address(1), &mut errors)?);
            }
            let pss = instance.pss(&bench.handlers);
            let each = (pss - before) / count as f64;
            let [p50, p99] = [0.5, 0.99].map(|part| percentile(times.clone(), part));
            let values = vec![p99, p50, each, pss, made, alive(&sockets) as f64];
            drop(sockets);
            until_quiet(&instance, peer.many);
            table.samples.push(sample(&peer.name, round, values, &errors));
        }
    }
    bench.finish([table])
}

/// Waits until the programs have ended; stopping thousands of them takes longer than their end.
fn until_quiet(instance: &Instance, many: bool) {
    let begin = Instant::now();
    while instance.processes() > if many { 1 } else { 2 } && begin.elapsed().as_secs() < 20 {
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn own(bench: &mut Bench<'_>) -> io::Result<()> {
    let columns = &["PSS kB/session", "PSS kB before", "PSS kB with them"];
    let count = if bench.options.quick { 200 } else { 1000 };
    let mut relayed = Table::new(format!("MEM {count} relayed sessions"), columns, None);
    let columns = &["PSS kB grown", "after a fifth", "after all"];
    let connections = if bench.options.quick { 30_000 } else { 1_000_000 };
    let title = format!("MEM growth over {connections} connections");
    let mut growth = Table::new(title, columns, None);
    for place in bench.shuffled(|peer| peer.ours) {
        let work = Work::Relayed(bench.held[0].clone());
        let services = vec![Service { port: bench.new_port(), work }];
        let peer = &bench.peers[place];
        let instance = Instance::start(peer, services, MANY_DESCRIPTORS)?;
        let mut errors = Errors::default();
        // The first relay starts the threads of all.
        drop(hold(instance.address(0), 1, Duration::from_secs(5), &mut errors)?);
        std::thread::sleep(SETTLE);
        let before = instance.pss(&bench.handlers);
        let sockets = hold(instance.address(0), count, Duration::from_secs(60), &mut errors)?;
        std::thread::sleep(SETTLE);
        let pss = instance.pss(&bench.handlers);
        let values = vec![(pss - before) / count as f64, before, pss];
        drop(sockets);
        until_quiet(&instance, true);
        relayed.samples.push(sample(&peer.name, 0, values, &errors));
        drop(instance);

        let hello = bench.hello.clone();
        let services = vec![bench.service(&hello)];
        let peer = &bench.peers[place];
        let instance = Instance::start(peer, services, USUAL_DESCRIPTORS)?;
        let load = |count| Load {
            address: instance.address(0),
            clients: 32,
            count,
            time: Duration::from_secs(3600),
            expected: b"hello\n",
            patience: Duration::from_secs(10),
        };
        // Until then the caches of the allocator, one for each thread, find their size.
        let mut errors = load(connections / 5).run()?.errors;
        std::thread::sleep(SETTLE);
        let first = instance.pss(&bench.handlers);
        errors.merge(load(connections - connections / 5).run()?.errors);
        std::thread::sleep(SETTLE);
        let last = instance.pss(&bench.handlers);
        if last - first > GROWTH {
            errors.add("it grows");
        }
        growth.samples.push(sample(&peer.name, 0, vec![last - first, first, last], &errors));
    }
    bench.finish([relayed, growth])
}
