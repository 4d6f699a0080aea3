//! What the machine has done: processor time, memory of processes, time stolen by others.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::time::{ClockId, clock_gettime};

/// Seconds of processor time that this process has used.
pub fn own_cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Seconds that the hypervisor gave to somebody else, of all processors together (proc_stat(5)).
pub fn stolen() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let field = stat.lines().next().and_then(|line| line.split_ascii_whitespace().nth(8));
    field.and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0) / 100.0
}

/// As long as this is there, this process and what it starts have no real-time priority.
#[derive(Debug)]
pub struct NormalPriority {
    /// The policy and the priority before, as options of chrt(1).
    before: Option<[String; 2]>,
}

impl NormalPriority {
    pub fn begin() -> io::Result<Self> {
        // proc_pid_stat(5): fields 40 and 41; the name in the second one ends with the parenthesis.
        let stat = fs::read_to_string("/proc/self/stat")?;
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut fields = fields.split_ascii_whitespace().skip(37);
        let (priority, policy) = (fields.next().unwrap_or("0"), fields.next().unwrap_or("0"));
        let policy = match policy {
            "1" => "--fifo",
            "2" => "--rr",
            _ => return Ok(Self { before: None }),
        };
        chrt("--other", "0")?;
        Ok(Self { before: Some([policy, priority].map(str::to_owned)) })
    }
}

impl Drop for NormalPriority {
    fn drop(&mut self) {
        if let Some([policy, priority]) = &self.before
            && let Err(error) = chrt(policy, priority)
        {
            eprintln!("inetd-bench: the priority is not what it was: {error}");
        }
    }
}

fn chrt(policy: &str, priority: &str) -> io::Result<()> {
    let own = std::process::id().to_string();
    let done = Command::new("chrt").args([policy, "--pid", priority, &own]).status()?;
    if done.success() { Ok(()) } else { Err(io::Error::other("chrt has failed")) }
}

/// A control group, which counts the processor time of a superserver and all that it starts,
/// the dead included.
#[derive(Debug)]
pub struct Group {
    folder: PathBuf,
    usage: PathBuf,
}

impl Group {
    pub fn new(name: &str) -> io::Result<Self> {
        let first = Path::new("/sys/fs/cgroup/cpuacct");
        let (root, usage) = if first.is_dir() {
            (first, "cpuacct.usage")
        } else {
            (Path::new("/sys/fs/cgroup"), "cpu.stat")
        };
        let folder = root.join(format!("inetd-bench.{}.{name}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| {
            let text = format!("{}: {error} (bench/run needs root)", folder.display());
            io::Error::new(error.kind(), text)
        })?;
        Ok(Self { usage: folder.join(usage), folder })
    }

    pub fn procs_file(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    pub fn processes(&self) -> Vec<i32> {
        let list = fs::read_to_string(self.procs_file()).unwrap_or_default();
        list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Seconds of processor time.
    pub fn cpu(&self) -> f64 {
        let text = fs::read_to_string(&self.usage).unwrap_or_default();
        // Version 1 says nanoseconds; version 2 says `usage_usec 123` and more.
        match text.strip_prefix("usage_usec ") {
            Some(rest) => number(rest.lines().next()) * 1e-6,
            None => number(text.lines().next()) * 1e-9,
        }
    }

    /// Kibibytes of proportional set size of all processes but those that run one of `programs`.
    pub fn pss(&self, programs: &[PathBuf]) -> f64 {
        let is_server = |pid: &i32| {
            let exe = fs::read_link(format!("/proc/{pid}/exe"));
            exe.is_ok_and(|exe| !programs.contains(&exe))
        };
        self.processes().iter().filter(|pid| is_server(pid)).map(|pid| pss_of(*pid)).sum()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Empty by now. If the kernel is still busy with the last process, the empty folder stays
        // until the machine is restarted.
        for _ in 0..100 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

fn pss_of(pid: i32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    number(line.and_then(|line| line.split_ascii_whitespace().next()))
}

fn number(text: Option<&str>) -> f64 {
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0.0)
}

/// Whether all of these TCP ports have a listening socket.
pub fn is_listening(ports: &[u16]) -> bool {
    let mut found = std::collections::HashSet::new();
    for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(file).unwrap_or_default().lines().skip(1) {
            let mut fields = line.split_ascii_whitespace().skip(1);
            let (Some(local), Some(state)) = (fields.next(), fields.nth(1)) else { continue };
            if state == "0A"
                && let Some((_, port)) = local.rsplit_once(':')
            {
                found.extend(u16::from_str_radix(port, 16));
            }
        }
    }
    ports.iter().all(|port| found.contains(port))
}
