//! A started program: its end, its tree, how it is stopped.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus};

use super::children::{self, Starting};
use super::poll::Poller;
use crate::sys::ExitStatus;

/// A running program and its process group. Not stopped on drop.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    /// It controls a terminal.
    terminal: bool,
}

impl Child {
    pub(super) fn new(pid: Pid, terminal: bool) -> Self {
        Self { pid, terminal }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Asks for one event when the program has ended; at once if it has already. Once, and on the
    /// thread that has started it. It cannot fail here.
    pub fn watch(&self, poller: &Poller, token: u64) -> io::Result<()> {
        poller.watch_child(self.pid, token);
        children::starting().is_over();
        Ok(())
    }

    /// Kills what the program left in its process group. Call it after the program's end and
    /// before [`Child::reap`]: until then its process id cannot belong to anybody else.
    pub fn kill_tree(&self) {
        // An error means that nobody is left.
        rustix::process::kill_process_group(self.pid, Signal::KILL).ok();
    }

    /// Takes the status of a program that has ended and frees its process id.
    /// `None` if it still runs.
    pub fn reap(&self) -> Option<ExitStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = loop {
            match rustix::process::waitid(WaitId::Pid(self.pid), options) {
                Err(Errno::INTR) => {}
                Ok(status) => break status?,
                Err(_) => return Some(ExitStatus::Unknown),
            }
        };
        Some(status_of(&status))
    }

    /// Takes the status of a child that could not become the program. On the thread that has started it.
    pub(super) fn reap_failed(&self) {
        self.wait();
        children::starting().is_over();
    }

    /// Whether nothing of the process group is left. For use after [`Child::reap`], until it is
    /// true for the first time. What was left behind has become ours (see [`Orphans`]) and counts
    /// until the thread that [waits for ends](Poller::wait_for_end) has taken its status.
    pub fn tree_is_gone(&self) -> bool {
        rustix::process::test_kill_process_group(self.pid) == Err(Errno::SRCH)
    }

    /// What it takes to ask the program to stop, for use also after it was reaped.
    /// Call it before [`Child::reap`].
    pub fn stopper(&self) -> io::Result<Stopper> {
        let pidfd = rustix::process::pidfd_open(self.pid, PidfdFlags::empty())?;
        Ok(Stopper { pidfd, pid: self.pid, terminal: self.terminal })
    }

    /// Ends the program and its tree. Call it before [`Child::reap`].
    pub fn kill(&self) {
        self.kill_tree();
        // It may have gone to another group of our session.
        rustix::process::kill_process(self.pid, Signal::KILL).ok();
    }

    /// Waits for the end of the program, which must be near.
    pub fn wait(&self) -> ExitStatus {
        loop {
            match rustix::process::waitid(WaitId::Pid(self.pid), WaitIdOptions::EXITED) {
                Err(Errno::INTR) => {}
                Ok(Some(status)) => return status_of(&status),
                Ok(None) | Err(_) => return ExitStatus::Unknown,
            }
        }
    }
}

fn status_of(status: &WaitIdStatus) -> ExitStatus {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ExitStatus::Code(code.unsigned_abs()),
        (None, Some(signal)) => ExitStatus::Signal(signal),
        (None, None) => ExitStatus::Unknown,
    }
}

/// A program that can be asked to stop.
#[derive(Debug)]
pub struct Stopper {
    pidfd: OwnedFd,
    pid: Pid,
    terminal: bool,
}

impl Stopper {
    /// Asks the program to stop: SIGTERM to its process group.
    pub fn terminate(&self) {
        if self.has_ended() {
            return; // It may be reaped, and its number somebody else's.
        }
        rustix::process::kill_process_group(self.pid, Signal::TERM).ok();
        if self.terminal {
            // A shell that somebody sits at ignores the other signal, but not a hang-up.
            rustix::process::kill_process_group(self.pid, Signal::HUP).ok();
        }
        // A stopped process would never see it.
        rustix::process::kill_process_group(self.pid, Signal::CONT).ok();
    }

    fn has_ended(&self) -> bool {
        let mut event = [PollFd::new(&self.pidfd, PollFlags::IN)];
        loop {
            match rustix::event::poll(&mut event, Some(&Timespec::default())) {
                Err(Errno::INTR) => {}
                other => return other == Ok(1),
            }
        }
    }
}

/// How long a child has to be nobody's before it is taken for an orphan: a program that is just
/// being started is nobody's, too, for some microseconds.
const PATIENCE: Duration = Duration::from_millis(900);

/// Orphans: processes that a program left behind and that the kernel gave to us, because we are
/// their subreaper (prctl(2)) or process 1 of a container.
#[derive(Debug, Default)]
pub struct Orphans {
    /// Children that were nobody's at the last visit, and when they were seen first. A process id
    /// and its start time are never used twice.
    unknown: HashMap<(u32, u64), Instant>,
}

impl Orphans {
    /// Visits our children that are not among `sessions`, the process ids of all sessions, which
    /// is asked after the children were listed: reaps those that have ended, and kills those
    /// that were started in a session for which `should_die` says so (it gets the session's number
    /// and its service's name). Gives how many are left.
    pub fn sweep(
        &mut self,
        now: Instant,
        sessions: impl FnOnce() -> HashSet<u32>,
        should_die: impl Fn(u64, &str) -> bool,
    ) -> usize {
        let children = children();
        let sessions = sessions();
        let mut unknown = HashMap::new();
        for pid in children {
            if sessions.contains(&pid) {
                continue;
            }
            let Some(Stat { state, start }) = stat(pid) else { continue };
            let first = self.unknown.get(&(pid, start)).copied().unwrap_or(now);
            let is_late = now.saturating_duration_since(first) >= PATIENCE;
            let stays = if Starting::any_is(pid.cast_signed()) {
                // One of our threads waits for it. Its user may have stopped it between setuid and
                // exec, to hold up that thread for ever.
                if is_late && state == 'T' {
                    kill_child(pid);
                }
                true
            } else {
                !is_late || visit(pid, &should_die)
            };
            if stays {
                unknown.insert((pid, start), first);
            }
        }
        self.unknown = unknown;
        self.unknown.len()
    }
}

/// What proc_pid_stat(5) tells of a process.
struct Stat {
    /// Field 3: `T` if it is stopped.
    state: char,
    /// Field 22: when it was started, in clock ticks since boot.
    start: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in field 2 may hold anything, but nothing behind it holds a parenthesis.
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some(Stat { state, start: fields.nth(18)?.parse().ok()? })
}

/// Kills a child that is not reaped, so that the id is its own.
fn kill_child(pid: u32) {
    if let Some(process) = Pid::from_raw(pid.cast_signed()) {
        rustix::process::kill_process(process, Signal::KILL).ok();
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
                kill_child(pid);
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

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;
    use crate::sys::platform::children;

    #[test]
    #[expect(clippy::disallowed_methods, clippy::zombie_processes, reason = "that is the point")]
    fn an_orphan_is_reaped_but_only_when_it_is_known_for_a_while() {
        let child = Command::new("/bin/true").spawn().unwrap();
        let pid = child.id();
        // Wait for its end without taking its status.
        let id = WaitId::Pid(Pid::from_child(&child));
        rustix::process::waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        let others = || children().into_iter().filter(|other| *other != pid).collect();
        let mut orphans = Orphans::default();
        let start = Instant::now();
        let nobody = |_: u64, _: &str| false;
        assert_eq!(orphans.sweep(start, others, nobody), 1);
        assert_eq!(orphans.sweep(start, others, nobody), 1, "twice at the same time is not enough");
        let mut sessions: HashSet<u32> = others();
        sessions.insert(pid);
        assert_eq!(orphans.sweep(start + PATIENCE, || sessions, nobody), 0, "somebody's now");
        assert_eq!(orphans.sweep(start + PATIENCE, others, nobody), 1, "seen anew");
        assert_eq!(orphans.sweep(start + 2 * PATIENCE, others, nobody), 0);
        assert!(stat(pid).is_none(), "reaped");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "not a program of a service")]
    fn a_child_that_was_stopped_while_it_is_started_does_not_hold_us_up() {
        let mut child = Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let (pid, id) = (child.id(), Pid::from_child(&child));
        let starting = children::starting();
        starting.begins(pid.cast_signed());
        let others = || children().into_iter().filter(|other| *other != pid).collect();
        let all_die = |_: u64, _: &str| true;
        let mut orphans = Orphans::default();
        let start = Instant::now();
        assert_eq!(orphans.sweep(start, others, all_die), 1);
        assert_eq!(orphans.sweep(start + PATIENCE, others, all_die), 1);
        assert!(child.try_wait().unwrap().is_none(), "it may be slow");
        rustix::process::kill_process(id, Signal::STOP).unwrap();
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
        rustix::process::waitid(WaitId::Pid(id), stopped).unwrap();
        assert_eq!(orphans.sweep(start + 2 * PATIENCE, others, all_die), 1);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        starting.is_over();
    }
}
