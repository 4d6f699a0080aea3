//! The command line.

use std::path::PathBuf;
use std::time::Duration;

pub const HELP: &str = "\
Measures superservers side by side and prints a table for each workload.

Usage: bench/run [OPTIONS]

      --quick              A look in five minutes: fewer rounds and programs, smaller numbers
      --only W1,W8         These workloads only: W1 W2 W3 W4 W5 W8 MEM
      --peers NAME,NAME    These programs only, besides the floors
      --cells TEXT         Only the parts of a workload whose name contains TEXT
      --rounds N           How often each is measured [5]
      --slice SECONDS      How long each measurement of W1, W4 and W5 takes [0.6; with --windows 3]
      --inetd PATH         The inetd to measure [target/release/inetd]
      --other NAME=PATH    One more inetd, to compare two builds; may be repeated
      --windows            The Windows build under Wine against a floor, and nothing else
      --normal-priority    Do not use real-time priority
  -h, --help               This text

W1 connections a second and latency; W2 idle memory and start-up; W3 many live sessions;
W4 built-in echo; W5 bytes through a program that has the socket; W8 a flood of connections;
MEM memory of relayed sessions, and growth over many connections (inetd only).
";

/// What to measure, and how.
#[derive(Debug)]
pub struct Options {
    pub quick: bool,
    pub windows: bool,
    pub only: Vec<String>,
    pub peers: Vec<String>,
    pub cells: String,
    pub rounds: usize,
    pub slice: Duration,
    /// Builds of inetd, by the names that the tables show.
    pub inetd: Vec<(String, PathBuf)>,
    /// Where the floors and handlers were built.
    pub built: PathBuf,
    /// What starts Windows programs.
    pub windows_runner: PathBuf,
    /// Where the other superservers are.
    pub unpacked: PathBuf,
    /// Where `hello.sh` and `hello.py` are.
    pub scripts: PathBuf,
}

impl Options {
    pub fn wants(&self, workload: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == workload)
    }
}

pub fn read() -> Result<Option<Options>, String> {
    let folder = |name: &str| {
        std::env::var_os(name).map(PathBuf::from).ok_or(format!("{name} is not set: use bench/run"))
    };
    let mut options = Options {
        quick: false,
        windows: false,
        only: Vec::new(),
        peers: Vec::new(),
        cells: String::new(),
        rounds: 0,
        slice: Duration::ZERO,
        inetd: Vec::new(),
        built: folder("BENCH_BUILT")?,
        windows_runner: folder("BENCH_WINE_RUN")?,
        unpacked: folder("BENCH_PEERS")?,
        scripts: folder("BENCH_SCRIPTS")?,
    };
    let mut inetd = folder("BENCH_INETD")?;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        let list = |text: String| text.split(',').map(str::to_owned).collect();
        let bad = |text: &str| format!("{argument}: {text:?} is not a positive number");
        match argument.as_str() {
            "--windows" => options.windows = true,
            "--quick" => options.quick = true,
            "--only" => options.only = list(value()?),
            "--peers" => options.peers = list(value()?),
            "--cells" => options.cells = value()?,
            "--inetd" => inetd = value()?.into(),
            "--rounds" => {
                let text = value()?;
                options.rounds = text.parse().ok().filter(|n| *n > 0).ok_or(bad(&text))?;
            }
            "--slice" => {
                let text = value()?;
                let seconds = text.parse().ok().filter(|s| (0.05..=60.0).contains(s));
                options.slice = Duration::from_secs_f64(seconds.ok_or(bad(&text))?);
            }
            "--other" => {
                let text = value()?;
                let (name, path) = text.split_once('=').ok_or("--other NAME=PATH")?;
                options.inetd.push((name.into(), path.into()));
            }
            "-h" | "--help" => return Ok(None),
            other => return Err(format!("unknown option {other}; see bench/run --help")),
        }
    }
    const WORKLOADS: [&str; 7] = ["W1", "W2", "W3", "W4", "W5", "W8", "MEM"];
    if let Some(unknown) = options.only.iter().find(|only| !WORKLOADS.contains(&only.as_str())) {
        return Err(format!("there is no workload {unknown}: {}", WORKLOADS.join(" ")));
    }
    let (rounds, slice) = match (options.quick, options.windows) {
        (true, false) => (2, 0.3),
        (false, false) => (5, 0.6),
        // A start takes so long under Wine that a slice has to be longer.
        (true, true) => (2, 1.0),
        (false, true) => (5, 3.0),
    };
    if options.rounds == 0 {
        options.rounds = rounds;
    }
    if options.slice.is_zero() {
        options.slice = Duration::from_secs_f64(slice);
    }
    options.inetd.insert(0, ("inetd".into(), inetd));
    Ok(Some(options))
}
