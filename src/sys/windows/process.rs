//! A started program: its end, its tree, how it is stopped.

use std::collections::HashSet;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use windows_sys::Win32::Foundation::{STILL_ACTIVE, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::Console::{
    AttachConsole, CTRL_BREAK_EVENT, FreeConsole, GenerateConsoleCtrlEvent, SetConsoleCtrlHandler,
};
use windows_sys::Win32::System::Threading::{
    DETACHED_PROCESS, GetExitCodeProcess, INFINITE, WaitForSingleObject,
};

use super::create::{Order, Process, create};
use super::handle::{check, inheritable_copy, wide};
use super::job::Job;
use super::poll::Poller;
use super::quote;
use super::terminal::Terminal;
use super::token::Token;
use super::wait::Wait;
use crate::sys::ExitStatus;

/// The hidden command of our own executable that calls [`ctrl_break`]; `cli` knows it too.
const CTRL_BREAK_COMMAND: &str = "__ctrl-break";

/// A running program and its job. With `tree = "kill"` the job, and so the program, ends on drop.
#[derive(Debug)]
pub struct Child {
    id: u32,
    /// Before the process, because it has to end first.
    wait: OnceLock<Wait>,
    /// Keeps the process id our own.
    process: OwnedHandle,
    job: Job,
    /// It has been seen empty.
    empty: AtomicBool,
    token: Option<Arc<Token>>,
    /// The console that it sits at.
    terminal: Option<Terminal>,
}

impl Child {
    pub(super) fn new(
        Process { id, handle }: Process,
        job: Job,
        token: Option<Arc<Token>>,
        terminal: Option<Terminal>,
    ) -> Self {
        let empty = AtomicBool::new(false);
        Self { id, wait: OnceLock::new(), process: handle, job, empty, token, terminal }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Asks for one event when the program has ended; at once if it has already.
    pub fn watch(&self, poller: &Poller, token: u64) -> io::Result<()> {
        let wait = Wait::once(self.process.as_handle(), poller.port(), token)?;
        self.wait.set(wait).map_err(|_| io::ErrorKind::AlreadyExists.into())
    }

    /// Kills what the program left in its job. Call it after the program's end.
    pub fn kill_tree(&self) {
        // Mostly there is nothing.
        if !self.is_empty().unwrap_or(false) {
            self.job.terminate();
        }
    }

    /// The status of a program that has ended. `None` if it still runs.
    pub fn reap(&self) -> Option<ExitStatus> {
        let mut code = 0;
        // SAFETY: the handle is open and the pointer is valid for the call.
        let result = unsafe { GetExitCodeProcess(self.process.as_raw_handle(), &raw mut code) };
        let status = check(result).map_or(ExitStatus::Unknown, |()| ExitStatus::Code(code));
        if status == ExitStatus::Code(STILL_ACTIVE.cast_unsigned()) {
            // It runs, or it has ended with this very number (GetExitCodeProcess, "Remarks").
            // SAFETY: the handle is open; without a timeout this only looks.
            match unsafe { WaitForSingleObject(self.process.as_raw_handle(), 0) } {
                WAIT_OBJECT_0 => {}
                WAIT_TIMEOUT => return None,
                _ => return Some(ExitStatus::Unknown),
            }
        }
        Some(status)
    }

    /// Waits for the end of the program, which must be near.
    pub fn wait(&self) -> ExitStatus {
        // SAFETY: the handle is open.
        unsafe { WaitForSingleObject(self.process.as_raw_handle(), INFINITE) };
        self.reap().unwrap_or(ExitStatus::Unknown)
    }

    /// Whether nothing of the job is left. For use after [`Child::reap`].
    pub fn tree_is_gone(&self) -> bool {
        // A job that cannot be asked must not hold a slot for ever.
        self.is_empty().unwrap_or(true)
    }

    /// Whether the job is empty. Nobody else has it, so then it stays empty, and is not asked again.
    fn is_empty(&self) -> io::Result<bool> {
        if !self.empty.load(Ordering::Relaxed) {
            self.empty.store(self.job.active()? == 0, Ordering::Relaxed);
        }
        Ok(self.empty.load(Ordering::Relaxed))
    }

    /// What asks the program to stop, for use without this `Child`: it takes its time.
    pub fn stopper(&self) -> io::Result<Stopper> {
        let process = inheritable_copy(self.process.as_handle())?;
        let (token, terminal) = (self.token.clone(), self.terminal.clone());
        Ok(Stopper { id: self.id, process, token, terminal })
    }

    /// Ends the program and its tree.
    pub fn kill(&self) {
        self.job.terminate();
    }
}

/// Asks a program to stop. It stays valid, and harmless, after the program's end.
#[derive(Debug)]
pub struct Stopper {
    id: u32,
    /// Keeps the process id from being used again.
    process: OwnedHandle,
    token: Option<Arc<Token>>,
    terminal: Option<Terminal>,
}

impl Stopper {
    /// Asks the program to stop: CTRL_BREAK to its process group. One that sits at a terminal is
    /// told that the terminal closes (CTRL_CLOSE_EVENT): shells take no notice of the other.
    pub fn terminate(&self) {
        if let Some(terminal) = &self.terminal {
            return terminal.close();
        }
        // A process has one console, and only processes of the same console can send the event;
        // the daemon must not leave its own. So another process of our executable does it. What
        // goes wrong is met by the next step of the stop ladder.
        drop(send_ctrl_break(self.id, &self.process, self.token.as_deref()));
    }
}

fn send_ctrl_break(id: u32, process: &OwnedHandle, token: Option<&Token>) -> io::Result<()> {
    let executable = std::env::current_exe()?;
    let argv = [executable.clone().into(), CTRL_BREAK_COMMAND.into(), id.to_string().into()];
    create(Order {
        application: &wide(executable.as_os_str())?,
        command_line: quote::program(&argv)?,
        environment: None,
        directory: None,
        stdio: None,
        console: None,
        // We do not wait for it, so the process id has to be safe until it is done.
        held: Some(process.as_raw_handle()),
        // As the program's own user: nobody else may have the right to its console.
        token,
        job: None,
        flags: DETACHED_PROCESS,
    })
    .map(drop)
}

/// Sends CTRL_BREAK to the process group `id`, which has a console of its own. The calling process
/// leaves its own console for that; it should do nothing else.
pub fn ctrl_break(id: u32) -> io::Result<()> {
    // SAFETY: takes nothing; that there is no console to leave is fine.
    unsafe { FreeConsole() };
    // SAFETY: takes a process id; one that does not exist is an error.
    check(unsafe { AttachConsole(id) })?;
    // SAFETY: no handler function: this process ignores CTRL_C from here on.
    check(unsafe { SetConsoleCtrlHandler(None, 1) })?;
    // SAFETY: takes numbers only.
    check(unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, id) })
}

/// Orphans of programs. On Windows the job of a session holds them all, so there are none.
#[derive(Debug, Default)]
pub struct Orphans {}

impl Orphans {
    /// Gives how many are left: none.
    pub fn sweep(
        &mut self,
        _now: Instant,
        _sessions: impl FnOnce() -> HashSet<u32>,
        _should_die: impl Fn(u64, &str) -> bool,
    ) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::variables::Variables;
    use crate::sys::platform::spawn::{Prepared, Stdio, spawn};
    use crate::sys::platform::testing::{accepted, eventually, has_ended, listener, program};

    #[test]
    fn a_stopper_is_harmless_after_the_end_of_its_program() {
        let (listener, address) = listener();
        let (_client, connection) = accepted(&listener, address);
        let sleep = Prepared::new(&program("sleep", &[])).unwrap();
        let stdio = Stdio::Connection(&connection);
        let child = spawn(&sleep, stdio, None, &Variables::default()).unwrap();
        let stopper = child.stopper().unwrap();
        assert!(!has_ended(&stopper.process));
        drop(child);
        eventually("the program does not end", || has_ended(&stopper.process));
        // Here it starts the test executable, which finds no test of that name.
        send_ctrl_break(stopper.id, &stopper.process, None).unwrap();
    }
}
