//! `--windows`: the Windows daemon under Wine, against a floor that accepts and calls CreateProcess.
//! Wine is not Windows, but both are measured under the same one.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::arguments::Options;
use crate::client::{Errors, Load};
use crate::held::{alive, hold};
use crate::table::{Table, median, percentile};
use crate::workloads::sample;

/// How long something may take to listen; the first start of Wine takes long.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the sessions of the last part may take to be there.
const SESSIONS_PATIENCE: Duration = Duration::from_secs(180);
/// Memory is looked at when it has been given back.
const SETTLE: Duration = Duration::from_secs(1);

/// Programs for each connection: what they are called here, and their file. Whether one has a
/// console decides how dear its process is: Wine starts another process for each console.
const PROGRAMS: [(&str, &str); 2] = [
    ("program without a console", "hello-windows.exe"),
    ("program with a console", "hello-console.exe"),
];

/// What is measured.
#[derive(Clone)]
struct Server {
    name: String,
    /// The executable, and whether it is inetd.
    executable: PathBuf,
    ours: bool,
}

/// One that runs under Wine. It is killed when this is dropped, and its programs with it or at
/// the end of their connections.
struct Running {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

struct Bench<'a> {
    options: &'a Options,
    runner: PathBuf,
    port: u16,
    raw: fs::File,
}

/// Measures everything, prints a table for each part and ends every program in the prefix.
pub fn run(options: &Options) -> io::Result<()> {
    let results = options.built.join("windows.tsv");
    let raw = fs::File::create(&results)?;
    let runner = options.windows_runner.clone();
    let mut bench = Bench { options, runner, port: 21_000, raw };
    let result = bench.all();
    let stopped = Command::new(&bench.runner).arg("--stop").status();
    result?;
    stopped?;
    println!("\nEvery sample is in {}.", results.display());
    Ok(())
}

impl Bench<'_> {
    fn all(&mut self) -> io::Result<()> {
        let floor = |name: &str| Server {
            name: name.into(),
            executable: self.options.built.join("floor.exe"),
            ours: false,
        };
        let mut servers = vec![floor("floor"), floor("floor-2thr")];
        for (name, path) in &self.options.inetd {
            servers.push(Server { name: name.clone(), executable: path.clone(), ours: true });
        }
        for (text, program) in PROGRAMS {
            for clients in [1, 8] {
                let title = format!("Windows, {text}, {clients} clients");
                if title.contains(&self.options.cells) {
                    self.starts(&title, &servers, program, clients)?;
                }
            }
        }
        let count = if self.options.quick { 200 } else { 1000 };
        let title = format!("Windows, {count} live sessions, and a new connection");
        if title.contains(&self.options.cells) {
            self.live(title, &servers, count)?;
        }
        Ok(())
    }

    /// Connections to a service whose program says hello. All servers run side by side.
    fn starts(
        &mut self,
        title: &str,
        servers: &[Server],
        program: &str,
        clients: usize,
    ) -> io::Result<()> {
        let columns =
            &["first byte p50 us", "p99 us", "end p50 us", "connections/s", "server CPU us"];
        let by_rate =
            &["connections/s", "first byte p50 us", "p99 us", "end p50 us", "server CPU us"];
        let (columns, reference) =
            if clients == 1 { (columns, "floor") } else { (by_rate, "floor-2thr") };
        let mut table = Table::new(title, columns, Some(reference));
        let mut running = Vec::new();
        for server in servers {
            running.push(self.start(server, &[program])?);
        }
        for round in 0..self.options.rounds {
            // Who comes first changes from round to round.
            for place in (0..servers.len()).map(|place| (place + round) % servers.len()) {
                let load = Load {
                    address: running[place].address,
                    clients,
                    count: u64::MAX,
                    time: self.options.slice,
                    expected: b"hello\n",
                    patience: Duration::from_secs(30),
                };
                Load { time: Duration::from_millis(200), ..load }.run()?;
                let (begin, cpu) = (Instant::now(), running[place].cpu());
                let outcome = load.run()?;
                let count = outcome.latencies.len() as f64;
                let rate = count / begin.elapsed().as_secs_f64();
                let cpu = (running[place].cpu() - cpu) / count.max(1.0);
                let [p50, p99] = [0.5, 0.99].map(|part| percentile(outcome.firsts.clone(), part));
                let end = median(outcome.latencies);
                let values = if clients == 1 {
                    vec![p50, p99, end, rate, cpu]
                } else {
                    vec![rate, p50, p99, end, cpu]
                };
                table.samples.push(sample(&servers[place].name, round, values, &outcome.errors));
            }
        }
        self.finish(&table)
    }

    /// Many sessions that stay, and connections to another service of the same server.
    fn live(&mut self, title: String, servers: &[Server], count: usize) -> io::Result<()> {
        let columns = &[
            "new connection p50 us",
            "p99 us",
            "before p50 us",
            "kB/session",
            "handles/session",
            "all made in s",
            "alive",
        ];
        let mut table = Table::new(title, columns, Some("floor"));
        for round in 0..self.options.rounds.min(3) {
            // One thread of the floor is as good as two where nothing is asked at the same time.
            for server in servers.iter().filter(|server| server.name != "floor-2thr") {
                let mut errors = Errors::default();
                // The floor has one service in a process.
                let mut running = Vec::new();
                let (held, hello) = if server.ours {
                    running.push(self.start(server, &["hello-windows.exe", "held-windows.exe"])?);
                    let mut held = running[0].address;
                    held.set_port(held.port() + 1);
                    (held, running[0].address)
                } else {
                    running.push(self.start(server, &["held-windows.exe"])?);
                    running.push(self.start(server, &["hello-windows.exe"])?);
                    (running[0].address, running[1].address)
                };
                probes(hello, 10, &mut errors)?;
                let before = probes(hello, 50, &mut errors)?;
                let memory = running[0].private();
                let handles = self.handles(server)?;
                let begin = Instant::now();
                let sockets = hold(held, count, SESSIONS_PATIENCE, &mut errors)?;
                let made = begin.elapsed().as_secs_f64();
                std::thread::sleep(SETTLE);
                let times = probes(hello, 100, &mut errors)?;
                std::thread::sleep(SETTLE);
                let sessions = alive(&sockets) as f64;
                let each = |before: f64, after: f64| (after - before) / sessions.max(1.0);
                let values = vec![
                    median(times.clone()),
                    percentile(times, 0.99),
                    median(before),
                    each(memory, running[0].private()),
                    each(handles, self.handles(server)?),
                    made,
                    sessions,
                ];
                table.samples.push(sample(&server.name, round, values, &errors));
                drop(sockets);
                drop(running);
                // Nothing of them is left for the next one.
                Command::new(&self.runner).arg("--stop").status()?;
            }
        }
        self.finish(&table)
    }

    /// Starts a server with a service for each program, on ports one after the other.
    fn start(&mut self, server: &Server, programs: &[&str]) -> io::Result<Running> {
        self.port += 10;
        let port = self.port;
        let program = |name: &str| format!("Z:{}", self.options.built.join(name).display());
        let folder =
            std::env::temp_dir().join(format!("inetd-bench.{}.{port}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut command = Command::new(&self.runner);
        command.arg(&server.executable);
        if server.ours {
            let mut text =
                "[daemon]\ncontrol = \"\"\nmax_sessions = 0\nlog = { target = \"stderr\" }\n\
                 [defaults]\nmax_sessions = 0\nrate = \"0\"\nrate_per_source = \"0\"\n"
                    .to_owned();
            for (number, name) in programs.iter().enumerate() {
                let (port, name) = (usize::from(port) + number, program(name));
                text.push_str(&format!(
                    "[service.s{number}]\nlisten = \"127.0.0.1:{port}\"\nrun = [{name:?}]\n"
                ));
            }
            let file = folder.join("inetd.toml");
            fs::write(&file, text)?;
            command.args(["run", "-c"]).arg(format!("Z:{}", file.display()));
        } else {
            let threads = if server.name == "floor" { "1" } else { "2" };
            let port = port.to_string();
            command.args(["-t", threads, "127.0.0.1", &port, &program(programs[0])]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log"))?)
            .spawn()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut running = Running { child, address, folder };
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = running.child.try_wait()? {
                let log = fs::read_to_string(running.folder.join("log")).unwrap_or_default();
                return Err(io::Error::other(format!("{}: {status}: {log}", server.name)));
            }
            if begin.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("{} does not listen", server.name)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(running)
    }

    /// Handles of all processes of a server.
    fn handles(&self, server: &Server) -> io::Result<f64> {
        let name = server.executable.file_name().unwrap_or_default();
        let tool = self.options.built.join("handles.exe");
        let out = Command::new(&self.runner).arg(tool).arg(name).stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&out.stdout);
        let count = text.trim().parse();
        count.map_err(|_| io::Error::other(format!("handles.exe: {text:?}, {}", out.status)))
    }

    fn finish(&mut self, table: &Table) -> io::Result<()> {
        print!("{}", table.text());
        self.raw.write_all(table.raw().as_bytes())?;
        io::stdout().flush()
    }
}

impl Running {
    /// Microseconds of processor time of this process alone: neither its programs nor Wine's server.
    fn cpu(&self) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let times = threads.into_iter().flatten().flatten().filter_map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split_ascii_whitespace().next()?.parse::<f64>().ok()
        });
        times.sum::<f64>() / 1e3
    }

    /// Kilobytes that are this process's alone.
    fn private(&self) -> f64 {
        let file = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines = text.lines().filter(|line| line.starts_with("Private_"));
        let sizes = lines.filter_map(|line| line.split_ascii_whitespace().nth(1));
        sizes.filter_map(|size| size.parse::<f64>().ok()).sum()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The runner has become Wine, and Wine the program.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::KILL).ok();
        }
        self.child.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Connections to a service that says hello, one after the other: microseconds until the first byte.
fn probes(address: SocketAddr, count: u64, errors: &mut Errors) -> io::Result<Vec<f64>> {
    let outcome = Load {
        address,
        clients: 1,
        count,
        time: Duration::from_secs(60),
        expected: b"hello\n",
        patience: Duration::from_secs(30),
    }
    .run()?;
    errors.merge(outcome.errors);
    Ok(outcome.firsts)
}
