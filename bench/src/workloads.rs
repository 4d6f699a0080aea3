//! What is measured, in which order.

mod flood;
mod memory;
mod spawn;
mod streams;

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::arguments::Options;
use crate::client::{Errors, Load};
use crate::machine::stolen;
use crate::peers::{Peer, Service, Work};
use crate::running::Running;
use crate::table::{Sample, Table};

/// A measurement is repeated, twice at the most, while the hypervisor takes more than this part of
/// the machine's time away.
const DISTURBED: f64 = 0.06;

/// Descriptors of a process when many are needed.
const MANY_DESCRIPTORS: u32 = 20_000;
/// What systemd gives a service by default.
const USUAL_DESCRIPTORS: u32 = 1024;

/// Everything that a workload needs.
struct Bench<'a> {
    options: &'a Options,
    peers: Vec<Peer>,
    random: Random,
    port: u16,
    begin: Instant,
    /// When to stop, finished or not.
    limit: Duration,
    hello: Vec<String>,
    held: Vec<String>,
    /// Programs whose memory is not the superserver's.
    handlers: Vec<PathBuf>,
    raw: fs::File,
}

/// Measures everything that is wanted, and prints a table after each workload.
pub fn run(options: &Options) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?;
    if most.is_some_and(|most| most < MANY_DESCRIPTORS.into()) {
        let text = format!("{MANY_DESCRIPTORS} descriptors are needed: ulimit -Hn {most:?}");
        return Err(io::Error::other(text));
    }
    let program = |name: &str| vec![options.built.join(name).to_string_lossy().into_owned()];
    let (hello, held) = (program("hello"), program("held"));
    let others = ["/bin/cat", "/bin/sh", "/usr/bin/python3"].map(fs::canonicalize);
    let handlers = [&hello, &held].map(|program| PathBuf::from(&program[0])).into_iter();
    let results = options.built.join("results.tsv");
    let mut bench = Bench {
        options,
        peers: crate::peers::all(options),
        random: Random(0x9E37_79B9_7F4A_7C15 ^ u64::from(std::process::id())),
        port: 10_000,
        begin: Instant::now(),
        limit: Duration::from_secs(if options.quick { 270 } else { 6 * 3600 }),
        hello,
        held,
        handlers: handlers.chain(others.into_iter().flatten()).collect(),
        raw: fs::File::create(&results)?,
    };
    if options.quick {
        let slow = ["rlinetd", "openbsd-inetd", "inetutils-inetd"];
        let named = |peer: &Peer| options.peers.contains(&peer.name);
        let leave = |peer: &Peer| slow.contains(&&*peer.name) || peer.name.ends_with("-norecords");
        bench.peers.retain(|peer| named(peer) || !leave(peer));
    }
    type Workload<'a> = fn(&mut Bench<'a>) -> io::Result<()>;
    let workloads: [(&str, Workload<'_>); 7] = [
        ("W1", spawn::run),
        ("W2", memory::idle),
        ("W3", memory::live),
        ("W4", streams::builtin_echo),
        ("W5", streams::through_cat),
        ("W8", flood::run),
        ("MEM", memory::own),
    ];
    for (name, workload) in workloads {
        if options.wants(name) {
            workload(&mut bench)?;
        }
    }
    if bench.is_late() {
        println!("\nTime was over before everything was measured.");
    }
    println!("\nEvery sample is in {}.", results.display());
    Ok(())
}

impl Bench<'_> {
    fn is_late(&self) -> bool {
        self.begin.elapsed() > self.limit
    }

    fn wants_cell(&self, title: &str) -> bool {
        title.contains(&self.options.cells)
    }

    fn new_port(&mut self) -> u16 {
        self.port = if self.port >= 19_999 { 10_001 } else { self.port + 1 };
        self.port
    }

    fn service(&mut self, program: &[String]) -> Service {
        Service { port: self.new_port(), work: Work::Program(program.to_vec()) }
    }

    /// Each superserver that runs programs with a service for this one, at the place of its peer. All
    /// run side by side; one that has nothing to do costs nothing.
    fn instances(
        &mut self,
        program: &[String],
        descriptors: u32,
        table: &mut Table,
    ) -> Vec<Option<Instance>> {
        let mut instances = Vec::new();
        for place in 0..self.peers.len() {
            let service = self.service(program);
            let peer = &self.peers[place];
            instances.push(if peer.runs_programs() {
                let started = Instance::start(peer, vec![service], descriptors);
                started.map_err(|error| table.samples.push(failed(&peer.name, 0, &error))).ok()
            } else {
                None
            });
        }
        instances
    }

    /// The places of those peers for which `filter` is true, in an order of chance.
    fn shuffled(&mut self, filter: impl Fn(&Peer) -> bool) -> Vec<usize> {
        let mut places: Vec<usize> =
            (0..self.peers.len()).filter(|place| filter(&self.peers[*place])).collect();
        for last in (1..places.len()).rev() {
            places.swap(last, self.random.below(last + 1));
        }
        places
    }

    fn finish(&mut self, tables: impl IntoIterator<Item = Table>) -> io::Result<()> {
        for table in tables {
            if !table.samples.is_empty() {
                print!("{}", table.text());
                self.raw.write_all(table.raw().as_bytes())?;
            }
        }
        io::stdout().flush()
    }
}

/// A superserver with its services: one process, or one for each.
struct Instance {
    running: Vec<Running>,
    name: String,
}

impl Instance {
    fn start(peer: &Peer, services: Vec<Service>, descriptors: u32) -> io::Result<Self> {
        let groups: Vec<Vec<Service>> = if peer.many {
            vec![services]
        } else {
            services.into_iter().map(|service| vec![service]).collect()
        };
        let start = |services| Running::start(peer, services, descriptors);
        let running = groups.into_iter().map(start).collect::<io::Result<_>>()?;
        Ok(Self { running, name: peer.name.clone() })
    }

    fn address(&self, service: usize) -> SocketAddr {
        match &self.running[..] {
            [one] => one.address(service),
            all => all[service].address(0),
        }
    }

    fn cpu(&self) -> f64 {
        self.running.iter().map(|running| running.group.cpu()).sum()
    }

    fn pss(&self, handlers: &[PathBuf]) -> f64 {
        self.running.iter().map(|running| running.group.pss(handlers)).sum()
    }

    /// How many processes there are, programs included.
    fn processes(&self) -> usize {
        self.running.iter().map(|running| running.group.processes().len()).sum()
    }
}

/// Measures, again if the machine was disturbed.
fn measured<T>(mut measure: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut best: Option<(f64, T)> = None;
    for _ in 0..3 {
        let (begin, before) = (Instant::now(), stolen());
        let result = measure()?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let part = (stolen() - before) / begin.elapsed().as_secs_f64() / processors;
        if best.as_ref().is_none_or(|(least, _)| part < *least) {
            best = Some((part, result));
        }
        if part <= DISTURBED {
            break;
        }
    }
    best.map(|(_, result)| result).ok_or_else(|| io::Error::other("nothing was measured"))
}

/// A measurement, which is told on standard error at once.
pub fn sample(peer: &str, round: usize, values: Vec<f64>, errors: &Errors) -> Sample {
    let errors: Vec<String> =
        errors.0.iter().map(|(what, count)| format!("{count} x {what}")).collect();
    let errors = errors.join(", ");
    eprintln!("{peer} {round}: {values:.1?} {errors}");
    Sample { peer: peer.into(), round, values, errors }
}

/// For a superserver that cannot even be started.
fn failed(peer: &str, round: usize, error: &io::Error) -> Sample {
    eprintln!("{peer}: {error}");
    Sample { peer: peer.into(), round, values: Vec::new(), errors: error.to_string() }
}

/// One connection to a service that says hello: microseconds, if it went well.
fn probe(address: SocketAddr, errors: &mut Errors) -> io::Result<Option<f64>> {
    let load = Load {
        address,
        clients: 1,
        count: 1,
        time: Duration::from_secs(60),
        expected: b"hello\n",
        patience: Duration::from_secs(5),
    };
    let outcome = load.run()?;
    errors.merge(outcome.errors);
    Ok(outcome.latencies.first().copied())
}

/// Good enough for an order (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap_or_default()
    }
}
