//! A superserver that runs for a measurement.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::machine::{Group, is_listening};
use crate::peers::{Peer, Service};

/// How long a superserver may take until it listens, or until it ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// One that runs. It is stopped when this is dropped.
#[derive(Debug)]
pub struct Running {
    pub group: Group,
    services: Vec<Service>,
    child: Child,
    folder: PathBuf,
    /// From the moment it was started until its last port was open.
    pub startup: Duration,
}

impl Running {
    /// Starts `peer` with these services, and waits until all of them listen.
    pub fn start(peer: &Peer, services: Vec<Service>, descriptors: u32) -> io::Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{}.{}", peer.name, COUNT.fetch_add(1, Ordering::Relaxed));
        let folder =
            std::env::temp_dir().join(format!("inetd-bench.{}.{name}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let group = Group::new(&name)?;
        let command = (peer.command)(&folder, &services)?;
        // The shell prepares everything and waits, so that the clock starts with the server itself.
        let script = "echo 0 >\"$1\" && ulimit -Sn \"$2\" && shift 2 && read -r _ && \
                      exec \"$@\" </dev/null";
        let child = Command::new("/bin/sh")
            .args(["-c", script, "sh"])
            .arg(group.procs_file())
            .arg(descriptors.to_string())
            .args(&command)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(peer.environment.iter().cloned())
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut running = Self { group, services, child, folder, startup: Duration::ZERO };
        while running.group.processes().is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let begin = Instant::now();
        if let Some(mut gate) = running.child.stdin.take() {
            gate.write_all(b"\n")?;
        }
        running.wait_until_it_listens(begin)?;
        Ok(running)
    }

    /// The last port is tried until it is open; where that is not the last to be opened, the table
    /// of sockets says when all are.
    fn wait_until_it_listens(&mut self, begin: Instant) -> io::Result<()> {
        let ports: Vec<u16> = self.services.iter().map(|service| service.port).collect();
        let last = ports.last().copied().unwrap_or_default();
        loop {
            let open = TcpStream::connect((Ipv4Addr::LOCALHOST, last)).is_ok();
            self.startup = begin.elapsed();
            if open && is_listening(&ports) {
                return Ok(());
            }
            // One that goes on in the background ends well here.
            let failed = self.child.try_wait()?.filter(|status| !status.success());
            if let Some(status) = failed {
                return Err(io::Error::other(status.to_string()));
            }
            if begin.elapsed() > PATIENCE {
                return Err(io::Error::other("does not listen"));
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Where the service with that number listens.
    pub fn address(&self, service: usize) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.services[service].port))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let begin = Instant::now();
        let mut signal = Signal::TERM;
        loop {
            self.child.try_wait().ok();
            let processes = self.group.processes();
            if processes.is_empty() || begin.elapsed() > PATIENCE {
                break;
            }
            if begin.elapsed() > Duration::from_millis(500) {
                signal = Signal::KILL;
            }
            for pid in processes.into_iter().filter_map(Pid::from_raw) {
                kill_process(pid, signal).ok();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}
