//! Which program has ended: one thread asks the kernel for a child that has, and waits. As long as
//! there is no child at all it waits for SIGCHLD, which is blocked, instead. So a program costs no
//! descriptor, unless it is one of a [crowd](super::crowd).

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::process::{Pid, WaitId, WaitIdOptions};

use super::crowd::{Crowd, FEW, MANY, Turn};
use super::signals;
use crate::sys::ROOM;

/// The programs whose end somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Children {
    watched: Mutex<Watched>,
}

#[derive(Debug)]
struct Watched {
    programs: HashMap<i32, Program>,
    /// As long as there are very many.
    crowd: Option<Arc<Crowd>>,
    /// How many programs have a descriptor.
    descriptors: usize,
    /// Those from before the crowd have got theirs.
    gathered: bool,
}

#[derive(Debug)]
struct Program {
    pidfd: Option<OwnedFd>,
    /// As bytes, so that nothing has to be left free before it.
    token: [u8; 8],
}

/// Where the kernel writes the number of a child before the child runs. Until it is cleared, the
/// child is being started, and it is too early to call it nobody's. One for each thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Starting(&'static AtomicI32);

static STARTING: Mutex<Vec<Starting>> = Mutex::new(Vec::new());

/// Somebody waits until a child is not being started any more.
static AWAITED: AtomicBool = AtomicBool::new(false);
static GATE: Mutex<()> = Mutex::new(());
static STARTED: Condvar = Condvar::new();

thread_local! {
    static OWN: Cell<Option<Starting>> = const { Cell::new(None) };
}

/// This thread's.
pub(super) fn starting() -> Starting {
    OWN.get().unwrap_or_else(|| {
        // Never freed: threads that start programs live as long as the daemon.
        let own = Starting(Box::leak(Box::default()));
        lock(&STARTING).push(own);
        OWN.set(Some(own));
        own
    })
}

impl Starting {
    /// For clone(2).
    pub(super) fn as_ptr(self) -> *mut i32 {
        self.0.as_ptr()
    }

    #[cfg(test)]
    pub(super) fn begins(self, pid: i32) {
        self.0.store(pid, Ordering::SeqCst);
    }

    /// The child is watched, or was reaped.
    pub(super) fn is_over(self) {
        self.0.store(0, Ordering::SeqCst);
        // Either whoever waits sees the zero, or we see that he waits.
        if AWAITED.load(Ordering::SeqCst) {
            let _gate = lock(&GATE);
            STARTED.notify_one();
        }
    }

    /// Whether this child is being started.
    pub(super) fn any_is(pid: i32) -> bool {
        lock(&STARTING).iter().any(|starting| starting.0.load(Ordering::SeqCst) == pid)
    }

    /// Waits until a child that has ended is not being started any more: it was faster than the
    /// thread that has started it, and that thread is about to tell us.
    fn wait_for(pid: i32) {
        AWAITED.store(true, Ordering::SeqCst);
        let mut gate = lock(&GATE);
        while Self::any_is(pid) {
            gate = STARTED.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
        drop(gate);
        AWAITED.store(false, Ordering::SeqCst);
    }
}

impl Children {
    /// From now on the end of this child is told by its token.
    pub(super) fn watch(&self, pid: Pid, token: u64) {
        lock(&self.watched).add(pid, token);
    }

    /// Waits until a program has ended that is watched, and gives its token. The program is not
    /// reaped. What else has ended, an orphan that the kernel gave to us, is reaped here.
    pub(super) fn wait_for_end(&self) -> io::Result<u64> {
        loop {
            if let Some(token) = self.end(true)? {
                return Ok(token);
            }
        }
    }

    /// The token of a program that has ended by now, as [`Children::wait_for_end`] gives it.
    pub(super) fn look_for_end(&self) -> io::Result<Option<u64>> {
        self.end(false)
    }

    fn end(&self, waits: bool) -> io::Result<Option<u64>> {
        if waits {
            self.gather();
        }
        let Some((crowd, all)) = lock(&self.watched).crowd() else { return self.visit(waits) };
        match crowd.turn(waits, all)? {
            // One whose end a visit has found before is not watched any more.
            Turn::Ended(pid) => Ok(lock(&self.watched).remove(pid)),
            Turn::Visit => {
                let start = Instant::now();
                let token = self.visit(false)?;
                if token.is_none() {
                    crowd.visited(start.elapsed());
                }
                Ok(token)
            }
            Turn::Nothing => Ok(None),
        }
    }

    /// In a crowd those get descriptors that were there before.
    fn gather(&self) {
        let mut watched = lock(&self.watched);
        if watched.crowd.is_none() || watched.gathered {
            return;
        }
        watched.gathered = true;
        let pids: Vec<i32> = watched.programs.keys().copied().collect();
        drop(watched);
        for some in pids.chunks(FEW) {
            // Starts may come in between.
            let mut watched = lock(&self.watched);
            some.iter().for_each(|pid| watched.describe(*pid));
        }
    }

    /// Goes through all our children.
    fn visit(&self, waits: bool) -> io::Result<Option<u64>> {
        loop {
            match self.classify(ended(if waits { 0 } else { libc::WNOHANG })?) {
                Ended::Watched(token) => return Ok(Some(token)),
                Ended::Orphan => {}
                Ended::Starting(pid) if waits => Starting::wait_for(pid),
                Ended::Nobody if waits => signals::wait_for_child()?,
                // One that is being started will be seen the next time.
                Ended::Starting(_) | Ended::Nobody => return Ok(None),
            }
        }
    }

    fn classify(&self, ended: Option<i32>) -> Ended {
        let Some(pid) = ended else { return Ended::Nobody };
        let is_starting = Starting::any_is(pid);
        // In this order: it is watched before it is not being started any more.
        if let Some(token) = lock(&self.watched).remove(pid) {
            return Ended::Watched(token);
        }
        if is_starting {
            return Ended::Starting(pid);
        }
        if let Some(pid) = Pid::from_raw(pid) {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            // An error means that somebody else has reaped it.
            rustix::process::waitid(WaitId::Pid(pid), options).ok();
        }
        Ended::Orphan
    }
}

impl Default for Watched {
    fn default() -> Self {
        let programs = HashMap::with_capacity(ROOM);
        Self { programs, crowd: None, descriptors: 0, gathered: false }
    }
}

impl Watched {
    fn add(&mut self, pid: Pid, token: u64) {
        if self.crowd.is_none() && self.programs.len() >= MANY {
            // If there is none, they are as before.
            self.crowd = Crowd::new().ok().map(Arc::new);
            self.gathered = false;
        }
        let program = Program { pidfd: None, token: token.to_ne_bytes() };
        self.programs.insert(pid.as_raw_pid(), program);
        self.describe(pid.as_raw_pid());
    }

    /// In a crowd a program gets a descriptor.
    fn describe(&mut self, pid: i32) {
        if let Some(crowd) = &self.crowd
            && let Some(program) = self.programs.get_mut(&pid)
            && program.pidfd.is_none()
        {
            program.pidfd = Pid::from_raw(pid).and_then(|pid| crowd.add(pid));
            self.descriptors += usize::from(program.pidfd.is_some());
        }
    }

    fn remove(&mut self, pid: i32) -> Option<u64> {
        let program = self.programs.remove(&pid)?;
        self.descriptors -= usize::from(program.pidfd.is_some());
        if self.programs.len() < FEW && self.crowd.take().is_some() {
            self.programs.values_mut().for_each(|program| program.pidfd = None);
            self.descriptors = 0;
        }
        Some(u64::from_ne_bytes(program.token))
    }

    /// The crowd, if they are one, and whether all of them have descriptors.
    fn crowd(&self) -> Option<(Arc<Crowd>, bool)> {
        let all = self.descriptors == self.programs.len();
        self.crowd.as_ref().map(|crowd| (Arc::clone(crowd), all))
    }
}

/// What a child is that has ended.
enum Ended {
    /// A program whose end somebody waits for, with its token.
    Watched(u64),
    /// One that is still being started.
    Starting(i32),
    /// Nobody's. It is reaped.
    Orphan,
    /// There is none.
    Nobody,
}

/// A child that has ended and was not reaped; it stays as it is. Waits for one unless `options` say
/// WNOHANG. `None` if there is none, or no child at all.
fn ended(options: libc::c_int) -> io::Result<Option<i32>> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = options | libc::WEXITED | libc::WNOWAIT;
    // SAFETY: the pointer is valid for the call.
    while unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), options) } < 0 {
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ECHILD) => return Ok(None),
            Some(libc::EINTR) => {}
            _ => return Err(error),
        }
    }
    // SAFETY: all zero is a valid siginfo_t, and the kernel has written nothing else than one.
    let info = unsafe { info.assume_init() };
    // SAFETY: waitid(2) fills this field; with WNOHANG and no child that has ended it stays zero.
    let pid = unsafe { info.si_pid() };
    Ok((pid != 0).then_some(pid))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
