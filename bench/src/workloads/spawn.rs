//! W1: a program for each connection.

use std::io;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{Bench, Instance, MANY_DESCRIPTORS, USUAL_DESCRIPTORS, measured, sample};
use crate::client::Load;
use crate::machine::own_cpu;
use crate::table::{Table, percentile};

const BY_RATE: &[&str] = &["connections/s", "p50 us", "p99 us", "server CPU us", "client CPU us"];
const BY_LATENCY: &[&str] =
    &["p50 us", "p99 us", "connections/s", "server CPU us", "client CPU us"];

struct Cell {
    title: &'static str,
    clients: usize,
    program: Vec<String>,
    descriptors: u32,
    /// Everything on one processor: the length of the path, without the time that it takes to wake
    /// another one.
    one_processor: bool,
}

pub(super) fn run(bench: &mut Bench<'_>) -> io::Result<()> {
    let script = |name: &str| bench.options.scripts.join(name).to_string_lossy().into_owned();
    let sh = vec!["/bin/sh".to_owned(), script("hello.sh")];
    let python = vec!["/usr/bin/python3".to_owned(), script("hello.py")];
    let hello = bench.hello.clone();
    let cell = |title, clients, program: &Vec<String>| Cell {
        title,
        clients,
        program: program.clone(),
        descriptors: USUAL_DESCRIPTORS,
        one_processor: false,
    };
    let mut cells = vec![
        cell("W1 trivial program, 1 client", 1, &hello),
        Cell {
            one_processor: true,
            ..cell("W1 trivial program, 1 client, 1 processor", 1, &hello)
        },
        cell("W1 trivial program, 8 clients", 8, &hello),
        cell("W1 trivial program, 64 clients", 64, &hello),
        cell("W1 sh, 8 clients", 8, &sh),
        cell("W1 python, 8 clients", 8, &python),
    ];
    let title = "W1 trivial program, 8 clients, RLIMIT_NOFILE 20,000";
    cells.push(Cell { descriptors: MANY_DESCRIPTORS, ..cell(title, 8, &hello) });
    for cell in cells {
        if bench.wants_cell(cell.title) {
            let all = sched_getaffinity(None)?;
            if cell.one_processor {
                let mut one = CpuSet::new();
                one.set(0);
                sched_setaffinity(None, &one)?;
            }
            let measured = run_cell(bench, &cell);
            sched_setaffinity(None, &all)?;
            measured?;
        }
    }
    Ok(())
}

fn run_cell(bench: &mut Bench<'_>, cell: &Cell) -> io::Result<()> {
    let (columns, reference) =
        if cell.clients == 1 { (BY_LATENCY, "floor") } else { (BY_RATE, "floor-2thr") };
    let mut table = Table::new(cell.title, columns, Some(reference));
    let instances = bench.instances(&cell.program, cell.descriptors, &mut table);
    for round in 0..bench.options.rounds {
        for place in bench.shuffled(|_| true) {
            let Some(instance) = &instances[place] else { continue };
            if bench.is_late() {
                break;
            }
            let load = Load {
                address: instance.address(0),
                clients: cell.clients,
                count: u64::MAX,
                time: bench.options.slice,
                expected: b"hello\n",
                patience: Duration::from_secs(10),
            };
            // Caches and the scheduler get used to it.
            Load { time: Duration::from_millis(150), ..load }.run()?;
            table.samples.push(measured(|| one(&load, instance, cell.clients == 1, round))?);
        }
    }
    bench.finish([table])
}

fn one(
    load: &Load<'_>,
    instance: &Instance,
    by_latency: bool,
    round: usize,
) -> io::Result<crate::table::Sample> {
    let (server, client, begin) = (instance.cpu(), own_cpu(), std::time::Instant::now());
    let outcome = load.run()?;
    let time = begin.elapsed().as_secs_f64();
    let good = outcome.latencies.len() as f64;
    let cpu = [instance.cpu() - server, own_cpu() - client].map(|cpu| cpu * 1e6 / good.max(1.0));
    let rate = good / time;
    let [p50, p99] = [0.5, 0.99].map(|part| percentile(outcome.latencies.clone(), part));
    let first = if by_latency { [p50, p99, rate] } else { [rate, p50, p99] };
    Ok(sample(&instance.name, round, [&first[..], &cpu[..]].concat(), &outcome.errors))
}
