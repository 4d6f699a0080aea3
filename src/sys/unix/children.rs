//! Which program has ended. SIGCHLD is blocked, so it waits for the one thread that asks, and that
//! thread asks the kernel which of our children it was. So a program costs no descriptor: each open
//! one is copied, and closed again, by every start.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, WaitId, WaitIdOptions};

use super::signals;

/// The programs whose end somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Children {
    tokens: Mutex<HashMap<i32, u64>>,
}

/// Where the kernel writes the number of a child before the child runs. Until it is cleared, the
/// child is being started, and it is too early to call it nobody's. One for each thread.
pub(super) type Starting = &'static AtomicI32;

static STARTING: Mutex<Vec<Starting>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: Cell<Option<Starting>> = const { Cell::new(None) };
}

/// This thread's.
pub(super) fn starting() -> Starting {
    OWN.get().unwrap_or_else(|| {
        // Never freed: threads that start programs live as long as the daemon.
        let own: Starting = Box::leak(Box::default());
        lock(&STARTING).push(own);
        OWN.set(Some(own));
        own
    })
}

impl Children {
    /// From now on the end of this child is told by its token.
    pub(super) fn watch(&self, pid: Pid, token: u64) {
        lock(&self.tokens).insert(pid.as_raw_pid(), token);
    }

    /// Waits until a program has ended that is watched, and gives its token. The program is not
    /// reaped. What else has ended, an orphan that the kernel gave to us, is reaped here.
    pub(super) fn wait_for_end(&self) -> io::Result<u64> {
        loop {
            let Some(pid) = ended()? else {
                signals::wait_for_child()?;
                continue;
            };
            let is_starting = lock(&STARTING).iter().any(|s| s.load(Ordering::SeqCst) == pid);
            // In this order: it is watched before it is not being started any more.
            if let Some(token) = lock(&self.tokens).remove(&pid) {
                return Ok(token);
            }
            if is_starting {
                // It was faster than the thread that has started it, which is about to tell us.
                rustix::thread::sched_yield();
            } else if let Some(pid) = Pid::from_raw(pid) {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
                // An error means that somebody else has reaped it.
                rustix::process::waitid(WaitId::Pid(pid), options).ok();
            }
        }
    }
}

/// A child that has ended and was not reaped, if there is one. It stays as it is.
fn ended() -> io::Result<Option<i32>> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: the pointer is valid for the call.
    if unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), options) } < 0 {
        let error = io::Error::last_os_error();
        // No child at all.
        return if error.raw_os_error() == Some(libc::ECHILD) { Ok(None) } else { Err(error) };
    }
    // SAFETY: all zero is a valid siginfo_t, and the kernel has written nothing else than one.
    let info = unsafe { info.assume_init() };
    // SAFETY: waitid(2) fills this field; it is zero if there is nobody.
    let pid = unsafe { info.si_pid() };
    Ok((pid != 0).then_some(pid))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
