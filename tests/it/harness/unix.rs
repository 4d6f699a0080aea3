//! What only Linux lets a test see and do.

use std::collections::HashMap;

use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::Daemon;

impl Daemon {
    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(pid(self.id()), signal).unwrap();
    }

    /// Its open descriptors.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    /// Limits how many descriptors it may open, as prlimit(1) does. Gives the limit before.
    pub fn limit_descriptors(&self, limit: Rlimit) -> Rlimit {
        rustix::process::prlimit(Some(pid(self.id())), Resource::Nofile, limit).unwrap()
    }

    /// Its children, dead ones that nobody has waited for included.
    pub fn children(&self) -> Vec<u32> {
        let parent = self.id();
        processes().into_iter().filter(|(_, p)| *p == parent).map(|(child, _)| child).collect()
    }
}

/// Whether we may become somebody else; if not, the test is left out.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        super::left_out("only root can do that");
    }
    root
}

/// Whether there is such a process; one that is dead and only waits for its parent is none.
pub fn is_alive(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}

/// All processes that `ancestor` has started, and those that they have.
pub(super) fn descendants(ancestor: u32) -> Vec<u32> {
    let parents: HashMap<_, _> = processes().into_iter().collect();
    let descends = |id: &u32| {
        let chain = std::iter::successors(parents.get(id), |parent| parents.get(*parent));
        chain.take(1000).any(|parent| *parent == ancestor)
    };
    parents.keys().copied().filter(descends).collect()
}

/// Kills processes; some may be gone already.
pub(super) fn kill(ids: &[u32]) {
    for id in ids {
        let _ = rustix::process::kill_process(pid(*id), Signal::KILL);
    }
}

/// Each process with its parent (proc(5): the fourth field of `stat`).
fn processes() -> Vec<(u32, u32)> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let parent = stat.rsplit(')').next()?.split_whitespace().nth(1)?;
        Some((id, parent.parse().ok()?))
    })
    .collect()
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}
