//! What is done once, before any thread runs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Resource, Rlimit, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::sys::{Detached, front_threads};

/// The daemon's own file mode creation mask; programs get it too unless they have their own.
pub const UMASK: u32 = 0o022;

/// The limit on descriptors with which we were started, if we changed it.
static NOFILE: OnceLock<libc::rlimit64> = OnceLock::new();

/// Whether SIGHUP was ignored when we were started.
static OUTLIVES_TERMINAL: AtomicBool = AtomicBool::new(false);

/// Whether whoever started us wants us to go on when the terminal is closed (nohup(1)).
pub fn outlives_terminal() -> bool {
    OUTLIVES_TERMINAL.load(Ordering::Relaxed)
}

/// Tells the process that has started us that we are ready, see [`detach`].
static STARTER: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// Goes into the background as daemon(3) does: a child of ours goes on, in a session of its own, with
/// the root directory as its current one, without standard input and output. The starter waits until
/// the child is [ready](super::notify::ready) or has ended, so that a start script hears of an error.
///
/// Call it from the only thread.
///
/// # Errors
/// There is no memory or process.
pub fn detach() -> io::Result<Detached> {
    let (hears, tells) = pipe_with(PipeFlags::CLOEXEC)?;
    // SAFETY: there is one thread, so no lock can be held for ever in the child.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(hears);
            setsid()?;
            rustix::process::chdir("/")?;
            let null = null()?;
            dup2_stdin(&null)?;
            dup2_stdout(&null)?;
            *STARTER.lock().unwrap_or_else(PoisonError::into_inner) = Some(tells);
            Ok(Detached::Background)
        }
        child => {
            drop(tells);
            let ready = File::from(hears).read(&mut [0])? == 1;
            Ok(Detached::Starter(if ready { 0 } else { code_of(child) }))
        }
    }
}

/// The exit code of a child that ends.
fn code_of(child: libc::pid_t) -> u8 {
    let ended = || {
        let child = rustix::process::Pid::from_raw(child)?;
        let options = rustix::process::WaitOptions::empty();
        let (_, status) = rustix::process::waitpid(Some(child), options).ok()??;
        u8::try_from(status.exit_status()?).ok()
    };
    ended().filter(|code| *code != 0).unwrap_or(1)
}

/// Lets the starter go. From then on nobody sees standard error.
pub(super) fn release_starter() {
    let starter = STARTER.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(starter) = starter {
        // Whether somebody waits makes no difference.
        drop(File::from(starter).write_all(b"1"));
        drop(null().and_then(|null| Ok(dup2_stderr(&null)?)));
    }
}

fn null() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/null")
}

/// Makes this process fit for a daemon: nothing inherited leaks into programs, signals are
/// queued, the limit on descriptors is as high as it may be.
///
/// Call it once, first thing, from the only thread.
pub fn prepare() -> io::Result<()> {
    close_on_exec()?;
    super::inherited::take();
    super::places::reserve(front_threads())?;
    drop_inheritable_capabilities()?;
    reset_signals();
    super::signals::block()?;
    raise_nofile();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(UMASK));
    // So that the orphans of programs come to us and `tree = "kill"` can find them. Failure only
    // means that they go to process 1.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).ok();
    Ok(())
}

/// Descriptors for connections and relays, besides those of listeners, that there is room for at once.
const ROOM: usize = 1024;

/// Makes room for that many listeners in the table of descriptors. The kernel makes it larger when it
/// is full, and if there are several threads that takes it some milliseconds each time: it waits until
/// nobody can be reading the old one any more (RCU).
///
/// Call it from the only thread. It cannot fail: at the worst the table grows later.
pub fn make_room(listeners: usize) {
    let limit = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let last = limit.min((listeners + ROOM) as u64).saturating_sub(1);
    if let Ok(last) = i32::try_from(last) {
        // Something in the last place for a moment.
        drop(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), last));
    }
}

/// How many connections may be held whose programs were not started yet: no more than half of the
/// descriptors.
pub fn connections_in_hand() -> usize {
    half_of_descriptors().min(crate::sys::MOST_IN_HAND)
}

/// Half of the descriptors that we may have.
pub(super) fn half_of_descriptors() -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit / 2).unwrap_or(usize::MAX)
}

/// The folder that the daemon was started in, where it stays.
pub(super) fn folder() -> Option<&'static PathBuf> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER.get_or_init(|| std::env::current_dir().ok()).as_ref()
}

/// Whether we have a controlling terminal. It does not change once we serve: nothing is opened that
/// could become one (open(2), `O_NOCTTY`).
pub(super) fn has_terminal() -> bool {
    static TERMINAL: OnceLock<bool> = OnceLock::new();
    *TERMINAL.get_or_init(|| match File::open("/dev/tty") {
        Err(error) => error.raw_os_error() != Some(libc::ENXIO),
        Ok(_) => true,
    })
}

/// Gives memory that is not used any more back to the system. Reading a configuration needs far
/// more than keeping it, and most of our code is for that, too.
pub fn release_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: may be called at any time; it only touches free memory.
    unsafe {
        libc::malloc_trim(0);
    }
    release_code();
}

/// Lets the kernel forget the pages of our executable; those that are still needed come back from
/// its cache. Otherwise all that was run once, or lies beside it, stays mapped.
fn release_code() {
    unsafe extern "C" {
        /// The beginning and the end of what is only read, as the linker sets them.
        static __executable_start: u8;
        static etext: u8;
    }
    let page = rustix::param::page_size();
    let start = (&raw const __executable_start).cast_mut();
    let length = (&raw const etext).addr().saturating_sub(start.addr()) / page * page;
    if start.addr().is_multiple_of(page) {
        // A hole between two of its parts is passed over (ENOMEM).
        // SAFETY: these pages are of the executable, mapped private and never written: relocations
        // are behind them. What is dropped is read again from the file, which stays what it is as
        // long as it is mapped (execve(2), ETXTBSY).
        unsafe { libc::madvise(start.cast(), length, libc::MADV_DONTNEED) };
    }
}

/// The original limit on descriptors, if programs have to be given it back.
pub(super) fn original_nofile() -> Option<libc::rlimit64> {
    NOFILE.get().copied()
}

/// Descriptors above 2 that whoever started us left open would reach every program.
fn close_on_exec() -> io::Result<()> {
    // SAFETY: sets a flag on descriptors and closes none.
    let done =
        unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 {
        return Ok(());
    }
    // Before Linux 5.11, or a filter that does not know the call.
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(fd) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if fd > 2 {
            // SAFETY: sets a flag on a descriptor; one that is closed by now is an error.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

/// A daemon that is not root may have been given capabilities that survive exec, so that it can
/// become other users (capabilities(7), "ambient"). It keeps them; its programs must not get them.
fn drop_inheritable_capabilities() -> io::Result<()> {
    rustix::thread::clear_ambient_capability_set()?;
    let mut sets = rustix::thread::capabilities(None)?;
    sets.inheritable = rustix::thread::CapabilitySet::empty();
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

/// Ignored signals stay ignored through exec, so programs would inherit them. With a handler they
/// do not; SIGPIPE gets an empty one, because the daemon must not die of it.
fn reset_signals() {
    extern "C" fn nothing(_: libc::c_int) {}
    // The C library keeps 32 and 33 to itself and refuses them, so nobody else sets them.
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: all zero is a valid sigaction: the default action, no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: only reads the present action into `action`.
        let known = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) } == 0;
        if !known || action.sa_sigaction != libc::SIG_IGN {
            continue;
        }
        if signal == libc::SIGHUP {
            OUTLIVES_TERMINAL.store(true, Ordering::Relaxed);
        }
        action.sa_sigaction =
            if signal == libc::SIGPIPE { nothing as *const () as usize } else { libc::SIG_DFL };
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: the action is initialised, and its handler does nothing at all.
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    }
}

fn raise_nofile() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if rustix::process::setrlimit(Resource::Nofile, raised).is_ok() {
        let value = |limit: Option<u64>| limit.unwrap_or(libc::RLIM64_INFINITY);
        let original =
            libc::rlimit64 { rlim_cur: value(limit.current), rlim_max: value(limit.maximum) };
        // Set once only: `prepare` is called once.
        NOFILE.set(original).ok();
    }
}
