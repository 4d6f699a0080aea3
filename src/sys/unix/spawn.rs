//! Starting a program, with clone(2) in its vfork form: the child runs in our memory, on a stack
//! of its own, while the calling thread waits, until it has called execve(2). So a start costs
//! the same whatever the size of the daemon, and an error of any step is simply written to
//! memory. Everything is prepared before; the child allocates nothing, locks nothing and calls
//! nothing but the kernel.

use std::cell::RefCell;
use std::ffi::{CString, OsStr, OsString, c_char, c_int, c_long, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::process::Pid;

use super::children;
use super::pipe;
use super::places::Places;
use super::process::Child;
use super::socket::{Connection, ListenSocket};
use super::startup;
use super::stdio::Output;
use super::terminal;
use crate::config::{Program, Resource};
use crate::launch::variables::Variables;
use crate::sys::{PrepareError, SpawnError, SpawnStage};

/// Bytes of stack for the child. It needs a few hundred.
const STACK: usize = 32 * 1024;

/// A program in the kernel's form: all that is the same for every start of a service.
#[derive(Debug)]
pub struct Prepared {
    path: CString,
    argv: Vec<CString>,
    environment: Arc<[CString]>,
    /// `None`: where the daemon is already.
    cwd: Option<CString>,
    umask: Option<u32>,
    nice: Option<c_int>,
    /// The resource as an argument of prlimit(2): its type differs between C libraries.
    limits: Box<[(c_long, libc::rlimit64)]>,
    identity: Option<Ids>,
}

#[derive(Debug)]
struct Ids {
    user: libc::uid_t,
    group: libc::gid_t,
    groups: Vec<libc::gid_t>,
}

impl Prepared {
    /// # Errors
    /// A NUL byte in a name, an argument or a variable.
    pub fn new(program: &Program) -> Result<Self, PrepareError> {
        let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
        let mut limits = Vec::new();
        if let Some(nofile) = startup::original_nofile() {
            limits.push((libc::RLIMIT_NOFILE.into(), nofile));
        }
        for limit in &program.limits {
            let Some(resource) = rlimit(limit.resource) else { continue };
            limits.retain(|(earlier, _)| *earlier != resource);
            let value = limit.value.unwrap_or(libc::RLIM64_INFINITY);
            limits.push((resource, libc::rlimit64 { rlim_cur: value, rlim_max: value }));
        }
        Ok(Self {
            path: text(program.path.as_os_str())?,
            argv: program.argv.iter().map(|a| text(a)).collect::<io::Result<_>>()?,
            environment: environment(&program.environment)?,
            cwd: if program.identity.is_none() && startup::folder() == Some(&program.cwd) {
                None
            } else {
                Some(text(program.cwd.as_os_str())?)
            },
            umask: (program.umask != startup::UMASK).then_some(program.umask),
            nice: program.nice,
            limits: limits.into(),
            identity: program.identity.as_ref().map(|identity| Ids {
                user: identity.user,
                group: identity.group,
                groups: identity.groups.clone(),
            }),
        })
    }

    /// The user that it runs as, if it is not our own.
    pub(super) fn user(&self) -> Option<u32> {
        self.identity.as_ref().map(|ids| ids.user)
    }

    /// The executable.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.path.as_bytes()))
    }
}

/// Services with one environment share one copy of it: with a thousand of them it counts.
fn environment(variables: &Arc<Vec<(OsString, OsString)>>) -> io::Result<Arc<[CString]>> {
    type Copy = (Weak<Vec<(OsString, OsString)>>, Weak<[CString]>);
    static COPIES: Mutex<Vec<Copy>> = Mutex::new(Vec::new());
    let mut copies = COPIES.lock().unwrap_or_else(PoisonError::into_inner);
    let same = |(of, _): &&Copy| ptr::eq(of.as_ptr(), Arc::as_ptr(variables));
    if let Some(copy) = copies.iter().find(same).and_then(|(_, copy)| copy.upgrade()) {
        return Ok(copy);
    }
    let copy: Arc<[CString]> = variables.iter().map(variable).collect::<io::Result<_>>()?;
    // A weak reference keeps the address from being used again, so equal means the same.
    copies.retain(|(_, copy)| copy.strong_count() > 0);
    copies.push((Arc::downgrade(variables), Arc::downgrade(&copy)));
    Ok(copy)
}

fn variable((name, value): &(OsString, OsString)) -> io::Result<CString> {
    let mut text = name.clone();
    text.push("=");
    text.push(value);
    CString::new(text.into_vec()).map_err(io::Error::from)
}

fn rlimit(resource: Resource) -> Option<c_long> {
    Some(match resource {
        Resource::AddressSpace => libc::RLIMIT_AS.into(),
        Resource::Core => libc::RLIMIT_CORE.into(),
        Resource::Cpu => libc::RLIMIT_CPU.into(),
        Resource::Data => libc::RLIMIT_DATA.into(),
        Resource::FileSize => libc::RLIMIT_FSIZE.into(),
        Resource::Files => libc::RLIMIT_NOFILE.into(),
        Resource::Processes => libc::RLIMIT_NPROC.into(),
        Resource::Stack => libc::RLIMIT_STACK.into(),
        // Refused by the configuration on this system.
        Resource::JobMemory | Resource::JobProcesses | Resource::JobCpuPercent => return None,
    })
}

/// What a program gets as its standard input and output.
#[derive(Clone, Copy, Debug)]
pub enum Stdio<'a> {
    /// The connection (`Inetd_SOCK` is 0).
    Connection(&'a Connection),
    /// The listening socket, on descriptor 0 and, as sd_listen_fds(3) wants it, on 3.
    Listener(&'a ListenSocket),
    /// An end of a pipe, whose other end is relayed.
    Pipe(&'a pipe::ProgramEnd),
    /// A terminal, which it controls, and whose other end is relayed.
    Terminal(&'a terminal::ProgramEnd),
}

/// Starts a program. `stderr` is where its standard error goes; `None` is where standard output
/// goes.
///
/// # Errors
/// The step that failed, with the system's error. No process is left then.
pub fn spawn(
    program: &Prepared,
    stdio: Stdio<'_>,
    stderr: Option<&Output>,
    variables: &Variables,
) -> Result<Child, SpawnError> {
    let stdin = match stdio {
        Stdio::Connection(connection) => connection.as_fd(),
        Stdio::Listener(listener) => listener.as_fd(),
        Stdio::Pipe(end) => end.as_fd(),
        Stdio::Terminal(end) => end.as_fd(),
    };
    let listener = matches!(stdio, Stdio::Listener(_));
    let terminal = matches!(stdio, Stdio::Terminal(_));
    SCRATCH.with_borrow_mut(|scratch| {
        let mut listen_pid = *b"LISTEN_PID=\0\0\0\0\0\0\0\0\0\0\0";
        scratch.pointers.clear();
        scratch.pointers.extend(program.argv.iter().map(|text| text.as_ptr()));
        scratch.pointers.push(ptr::null());
        let environment_at = scratch.pointers.len();
        let own = program.environment.iter().filter(|text| !variables.replaces(text));
        scratch.pointers.extend(own.map(|text| text.as_ptr()));
        scratch.pointers.extend(variables.iter().map(std::ffi::CStr::as_ptr));
        if matches!(stdio, Stdio::Connection(_) | Stdio::Listener(_)) {
            scratch.pointers.push(c"Inetd_SOCK=0".as_ptr());
        }
        if listener {
            scratch.pointers.push(c"LISTEN_FDS=1".as_ptr());
            scratch.pointers.push(listen_pid.as_ptr().cast());
        }
        scratch.pointers.push(ptr::null());
        let (argv, environment) = scratch.pointers.split_at(environment_at);
        let places = Places::take(stdin, stderr.map(AsFd::as_fd));
        let low = places.as_ref().and_then(Places::numbers);
        let [stdin, low_stderr] = low.unwrap_or([stdin.as_raw_fd(); 2]);
        let stderr = match (low, stderr) {
            (_, None) => stdin,
            (Some(_), Some(_)) => low_stderr,
            (None, Some(output)) => output.as_fd().as_raw_fd(),
        };
        let mut order = Order {
            program,
            argv: argv.as_ptr(),
            environment: environment.as_ptr(),
            stdin,
            stderr,
            lowest_not_copied: low.map(|places| places.into_iter().fold(0, RawFd::max) + 1),
            terminal,
            session: terminal || startup::has_terminal(),
            listen_pid: if listener { listen_pid.as_mut_ptr() } else { ptr::null_mut() },
            failure: None,
        };
        let child = clone(&mut order, &mut scratch.stack)
            .map_err(|error| SpawnError { stage: SpawnStage::Process, error })?;
        match order.failure {
            None => Ok(child),
            Some((stage, errno)) => {
                child.reap_failed();
                Err(SpawnError { stage, error: io::Error::from_raw_os_error(errno) })
            }
        }
    })
}

/// Whether an error says that the system has too little of something now.
pub fn is_temporary(error: &io::Error) -> bool {
    let short = [libc::EAGAIN, libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|errno| short.contains(&errno))
}

thread_local! {
    /// Memory that every start on this thread uses again.
    static SCRATCH: RefCell<Scratch> =
        RefCell::new(Scratch { stack: Box::new_uninit_slice(STACK), pointers: Vec::new() });
}

struct Scratch {
    /// Never written by us, so that only what the child touches takes memory.
    stack: Box<[MaybeUninit<u8>]>,
    pointers: Vec<*const c_char>,
}

/// What the child does, and its answer. Shared memory between the two.
struct Order<'a> {
    program: &'a Prepared,
    argv: *const *const c_char,
    environment: *const *const c_char,
    /// For standard output, too.
    stdin: RawFd,
    stderr: RawFd,
    /// Share the daemon's descriptors, and have a copy of those below this one; otherwise of all.
    lowest_not_copied: Option<RawFd>,
    /// `stdin` is a terminal that the program shall control.
    terminal: bool,
    /// Make a session of its own, and not only a process group.
    session: bool,
    /// The text `LISTEN_PID=` with room for digits behind it; null without a listener.
    listen_pid: *mut u8,
    failure: Option<(SpawnStage, c_int)>,
}

fn clone(order: &mut Order<'_>, stack: &mut [MaybeUninit<u8>]) -> io::Result<Child> {
    let top = stack.as_mut_ptr_range().end;
    let top = top.wrapping_sub(top.addr() % 16);
    let starting = children::starting();
    let files = if order.lowest_not_copied.is_some() { libc::CLONE_FILES } else { 0 };
    let vfork = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let flags = vfork | libc::CLONE_PARENT_SETTID | files;
    // SAFETY: the stack is ours, aligned and large enough for `child`; `order` outlives the child's
    // use of it, because CLONE_VFORK keeps this thread waiting until execve or _exit; `child` does
    // nothing that is forbidden in a process that shares our memory (see there). The kernel
    // writes the number of the child to `starting`, which lives for ever, before the child runs
    // (CLONE_PARENT_SETTID, clone(2)).
    let pid = unsafe {
        libc::clone(child, top.cast(), flags, ptr::from_mut(order).cast(), starting.as_ptr())
    };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    // Never 0: that would be the child, which does not come here.
    let pid = Pid::from_raw(pid).unwrap_or(Pid::INIT);
    Ok(Child::new(pid, order.terminal))
}

/// The child's side. It shares memory with the daemon, whose other threads run on: it makes raw
/// system calls only (the wrappers of setuid(2) and its kin would try to stop "the other
/// threads"), and writes nothing but `order`. No signal handler of the daemon does harm in it: there
/// is an empty one for SIGPIPE, and the one of the standard library that reports a stack overflow;
/// what the daemon wants to know it reads from a signalfd.
extern "C" fn child(order: *mut c_void) -> c_int {
    // SAFETY: `clone` passed a pointer to an Order that lives until we exec or exit, and whose
    // owner is suspended meanwhile.
    let order = unsafe { &mut *order.cast::<Order<'_>>() };
    if let Err(failure) = become_program(order) {
        order.failure = Some(failure);
    }
    // SAFETY: ends this process without touching memory that it shares.
    unsafe { libc::syscall(libc::SYS_exit_group, 127) };
    0
}

type Failure = (SpawnStage, c_int);

/// One system call of the child.
macro_rules! call {
    ($stage:ident, $number:ident $(, $argument:expr)*) => {{
        // SAFETY: a plain system call; pointers in it are to data that `order` borrows.
        let result = unsafe { libc::syscall(libc::$number $(, c_long::from($argument))*) };
        if result < 0 {
            // SAFETY: errno of this thread; the parent's thread, which shares it, is suspended.
            let errno = unsafe { *libc::__errno_location() };
            return Err((SpawnStage::$stage, errno));
        }
        result
    }};
}

/// Returns only if a step failed.
fn become_program(order: &Order<'_>) -> Result<(), Failure> {
    let program = order.program;
    if let Some(first) = order.lowest_not_copied {
        // From here on nothing that happens to a descriptor is seen by the daemon.
        call!(Stdio, SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_UNSHARE);
    }
    // A session of its own keeps it from our terminal, and lets it have one. Where there is none, a
    // group, which can be stopped as one, does the same and saves the kernel a scheduling group
    // for each start (sched(7), "autogroup").
    if order.session {
        call!(Process, SYS_setsid);
    } else {
        call!(Process, SYS_setpgid, 0, 0);
    }
    if order.terminal {
        // A leader of a session without a terminal may take one that is nobody's.
        call!(Stdio, SYS_ioctl, order.stdin, libc::TIOCSCTTY.cast_signed(), 0);
    }
    call!(Stdio, SYS_dup3, order.stdin, 0, 0);
    call!(Stdio, SYS_dup3, order.stdin, 1, 0);
    call!(Stdio, SYS_dup3, order.stderr, 2, 0);
    if !order.listen_pid.is_null() {
        pass_listener(order)?;
    }
    for (resource, limit) in &program.limits {
        let limit: *const libc::rlimit64 = limit;
        call!(Limits, SYS_prlimit64, 0, *resource, address(limit), 0);
    }
    if let Some(nice) = program.nice {
        call!(Nice, SYS_setpriority, libc::PRIO_PROCESS, 0, nice);
    }
    if let Some(umask) = program.umask {
        call!(Process, SYS_umask, umask);
    }
    if let Some(ids) = &program.identity {
        let count = c_long::try_from(ids.groups.len()).unwrap_or(c_long::MAX);
        call!(Identity, SYS_setgroups, count, address(ids.groups.as_ptr()));
        call!(Identity, SYS_setresgid, ids.group, ids.group, ids.group);
        call!(Identity, SYS_setresuid, ids.user, ids.user, ids.user);
    }
    if let Some(cwd) = &program.cwd {
        // As the new user: where it may not go, it does not start.
        call!(Directory, SYS_chdir, address(cwd.as_ptr()));
    }
    let none = 0u64;
    let none: *const u64 = &raw const none;
    call!(Process, SYS_rt_sigprocmask, libc::SIG_SETMASK, address(none), 0, 8);
    call!(
        Exec,
        SYS_execve,
        address(program.path.as_ptr()),
        address(order.argv),
        address(order.environment)
    );
    Ok(())
}

/// Puts the listener on descriptor 3 and our process id into `LISTEN_PID` (sd_listen_fds(3)).
fn pass_listener(order: &Order<'_>) -> Result<(), Failure> {
    if order.stdin == 3 {
        call!(Stdio, SYS_fcntl, 3, libc::F_SETFD, 0);
    } else {
        call!(Stdio, SYS_dup3, order.stdin, 3, 0);
    }
    let mut pid = call!(Process, SYS_getpid);
    let mut digits = [0u8; 10];
    let mut count = 0;
    while pid > 0 && count < digits.len() {
        digits[count] = b'0' + u8::try_from(pid % 10).unwrap_or(0);
        pid /= 10;
        count += 1;
    }
    for (place, digit) in digits[..count].iter().rev().enumerate() {
        // SAFETY: `listen_pid` points to a 22 byte buffer: 11 of text, then 10 for digits and a NUL.
        let byte = unsafe { order.listen_pid.add("LISTEN_PID=".len() + place) };
        // SAFETY: inside that buffer, which only this process writes meanwhile.
        unsafe { byte.write(*digit) };
    }
    Ok(())
}

/// A pointer as an argument of a system call.
fn address<T>(pointer: *const T) -> c_long {
    pointer.addr().cast_signed() as c_long
}

#[cfg(test)]
mod tests;
