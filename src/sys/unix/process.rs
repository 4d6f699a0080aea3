//! A started program: its end, its tree, how it is stopped.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::poll::Poller;
use crate::sys::ExitStatus;

/// A running program and its process group. Not stopped on drop.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Child {
    pub(super) fn new(pid: Pid, pidfd: OwnedFd) -> Self {
        Self { pid, pidfd }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Asks for one event when the program has ended; at once if it has already.
    pub fn watch(&self, poller: &Poller, token: u64) -> io::Result<()> {
        poller.add_armed(&self.pidfd, token)
    }

    /// Kills what the program left in its process group. Call it after the program's end and
    /// before [`Child::reap`]: until then its process id cannot belong to anybody else.
    pub fn kill_tree(&self) {
        self.signal(Signal::KILL);
    }

    /// Takes the status of a program that has ended and frees its process id.
    /// `None` if it still runs.
    pub fn reap(&self) -> Option<ExitStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = loop {
            match rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
                Err(Errno::INTR) => {}
                Ok(status) => break status?,
                Err(_) => return Some(ExitStatus::Unknown),
            }
        };
        Some(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => ExitStatus::Code(code.unsigned_abs()),
            (None, Some(signal)) => ExitStatus::Signal(signal),
            (None, None) => ExitStatus::Unknown,
        })
    }

    /// Whether nothing of the process group is left. For use after [`Child::reap`], until it is
    /// true for the first time.
    pub fn tree_is_gone(&self) -> bool {
        if self.group_is_empty() {
            return true;
        }
        // What was left behind has become ours (see `Orphans`), and lives on as a zombie until we
        // take its status.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        while let Ok(Some(_)) = rustix::process::waitid(WaitId::Pgid(Some(self.pid)), options) {}
        self.group_is_empty()
    }

    fn group_is_empty(&self) -> bool {
        rustix::process::test_kill_process_group(self.pid) == Err(Errno::SRCH)
    }

    /// Asks the program to stop: SIGTERM to its process group.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
        // A stopped process would never see it.
        self.signal(Signal::CONT);
    }

    /// Ends the program and its tree: SIGKILL to the process group.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // The only possible error for our own children is that nobody is left.
        rustix::process::kill_process_group(self.pid, signal).ok();
    }
}

/// Orphans: processes that a program left behind and that the kernel gave to us, because we are
/// their subreaper (prctl(2)) or process 1 of a container.
#[derive(Debug, Default)]
pub struct Orphans {
    /// Children that were nobody's at the last visit. A process is touched at the second visit
    /// only, so that one that is just being started is never taken for an orphan.
    unknown: Vec<u32>,
}

impl Orphans {
    /// Visits our children that `is_session` does not know: reaps those that have ended, and
    /// kills those that were started in a session for which `should_die` says so (it gets the
    /// session's number and its service's name). Gives how many are left.
    pub fn sweep(
        &mut self,
        is_session: impl Fn(u32) -> bool,
        should_die: impl Fn(u64, &str) -> bool,
    ) -> usize {
        let mut unknown = Vec::new();
        for pid in children() {
            if is_session(pid) {
                continue;
            }
            if self.unknown.contains(&pid) && !visit(pid, &should_die) {
                continue;
            }
            unknown.push(pid);
        }
        self.unknown = unknown;
        self.unknown.len()
    }
}

/// Process ids of all our children. The kernel lists them by the thread that they belong to.
fn children() -> Vec<u32> {
    let mut all = Vec::new();
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return all };
    for task in tasks.flatten() {
        if let Ok(list) = std::fs::read_to_string(task.path().join("children")) {
            all.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    all
}

/// Reaps or kills one orphan; false if it is gone.
fn visit(pid: u32, should_die: impl Fn(u64, &str) -> bool) -> bool {
    let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    match rustix::process::waitid(WaitId::Pid(process), options) {
        Ok(None) => {
            if session_of(pid).is_some_and(|(session, service)| should_die(session, &service)) {
                // It is our child and not reaped, so the id is still its own.
                rustix::process::kill_process(process, Signal::KILL).ok();
            }
            true
        }
        Ok(Some(_)) | Err(_) => false,
    }
}

/// The session and the service in the environment with which a process was started.
fn session_of(pid: u32) -> Option<(u64, String)> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = |name: &[u8]| {
        let value = environment.split(|b| *b == 0).find_map(|v| v.strip_prefix(name))?;
        String::from_utf8(value.to_vec()).ok()
    };
    Some((value(b"INETD_SESSION=")?.parse().ok()?, value(b"INETD_SERVICE=")?))
}

/// Sends CTRL_BREAK to a process group; a thing of Windows.
pub fn ctrl_break(_pid: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
