//! What `inetd doctor --selftest` asks of the system: in the programs that its daemons start, and
//! when it ends these daemons.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::identity::Identity;

/// How long a daemon may take to end after it was asked, and after it was asked again.
const PATIENCE: Duration = Duration::from_secs(3);
/// Descriptors above this are not looked at.
const MOST_DESCRIPTORS: i32 = 4096;

/// The descriptors of this program that it should not have: all but its standard ones.
pub fn leaked() -> Vec<String> {
    let is_open = |fd: &i32| {
        // SAFETY: asks for a flag; a descriptor that is not open is an error.
        unsafe { libc::fcntl(*fd, libc::F_GETFD) != -1 }
    };
    let name = |fd: i32| {
        let target = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
        format!("descriptor {fd} is {}", target.display())
    };
    (3..MOST_DESCRIPTORS).filter(is_open).map(name).collect()
}

/// The connection that this program was started with, as a network-aware program uses it.
pub fn own_stream() -> io::Result<TcpStream> {
    own_socket().map(TcpStream::from)
}

/// The listener that this program was started with.
pub fn own_listener() -> io::Result<TcpListener> {
    own_socket().map(TcpListener::from)
}

fn own_socket() -> io::Result<OwnedFd> {
    let number = std::env::var("Inetd_SOCK").map_err(io::Error::other)?;
    let number = number.parse().map_err(io::Error::other)?;
    // SAFETY: whoever started us says that this descriptor is ours, and nobody closes it.
    let socket = unsafe { BorrowedFd::borrow_raw(number) };
    socket.try_clone_to_owned()
}

/// The requests to stop that a program gets: SIGTERM.
#[derive(Debug)]
pub struct StopRequests {
    set: libc::sigset_t,
}

impl StopRequests {
    /// From now on they do not end this program. Call it before other threads run.
    pub fn hold() -> io::Result<Self> {
        // SAFETY: all zero is a valid set of signals.
        let mut set = unsafe { std::mem::zeroed() };
        // SAFETY: the set is valid, and so is the number.
        unsafe { libc::sigaddset(&raw mut set, libc::SIGTERM) };
        // SAFETY: the set is valid; the old mask is not asked for.
        let error =
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
        if error == 0 { Ok(Self { set }) } else { Err(io::Error::from_raw_os_error(error)) }
    }

    /// Waits for one.
    pub fn wait(&self) -> io::Result<()> {
        let mut signal = 0;
        // SAFETY: the set and the pointer are valid for the call.
        match unsafe { libc::sigwait(&raw const self.set, &raw mut signal) } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Ends a daemon and all that it has started: asks it, asks again, kills it. `program` is an
/// argument by which its programs are known.
pub fn end(daemon: &mut Child, program: &str) {
    let id = i32::try_from(daemon.id()).ok().and_then(Pid::from_raw);
    for _ in 0..2 {
        let begin = Instant::now();
        if let Some(id) = id {
            kill_process(id, Signal::TERM).ok(); // It has ended already.
        }
        while begin.elapsed() < PATIENCE {
            if !matches!(daemon.try_wait(), Ok(None)) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
    drop(daemon.kill());
    drop(daemon.wait());
    // Its programs come to us, because we are a subreaper (`startup::prepare`), and what they have
    // started comes when they have ended.
    while end_orphans(program) {}
}

/// Whether there were any.
fn end_orphans(program: &str) -> bool {
    let mut found = false;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw)
        else {
            continue;
        };
        let line = || std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let is_program = || line().split(|byte| *byte == 0).any(|word| word == program.as_bytes());
        if is_own_child(&entry.path()) && is_program() {
            found = true;
            kill_process(id, Signal::KILL).ok();
            waitpid(Some(id), WaitOptions::empty()).ok();
        }
    }
    found
}

/// Whether we are the parent of a process (proc_pid_stat(5): behind the name in parentheses come
/// the state and the parent).
fn is_own_child(process: &Path) -> bool {
    let text = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
    let parent = text.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
    parent.is_some_and(|parent| parent == std::process::id().to_string())
}

/// The processor time that this program has used.
pub fn processor_time() -> io::Result<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).map_err(io::Error::other)
}

/// Users with the least rights that every system has.
pub const ORDINARY_USERS: &[&str] = &["nobody"];

/// What [`rights`] tells to a program that runs as `identity`, among other things.
pub fn rights_of(identity: &Identity) -> Vec<String> {
    let Identity { user, group, .. } = identity;
    let capabilities = ["CapPrm", "CapInh", "CapAmb"].map(|name| format!("{name}: {:016}", 0));
    [format!("Uid: {user} {user} {user} {user}"), format!("Gid: {group} {group} {group} {group}")]
        .into_iter()
        .chain(capabilities)
        .collect()
}

/// Who this program runs as and what it may do.
pub fn rights() -> io::Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let wanted = ["Uid:", "Gid:", "Groups:", "CapPrm:", "CapInh:", "CapAmb:"];
    let lines = status.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    Ok(lines.map(|line| line.replace('\t', " ") + "\n").collect())
}

/// Why there are no events to look for in the Event Log: it is a thing of Windows.
pub fn events_obstacle() -> Option<String> {
    Some("only Windows has an Event Log".into())
}

/// Whether the Event Log has an event of ours with this in its text.
pub fn event_exists(_text: &str) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What is wrong with the control endpoint of a daemon that runs, if anything.
pub fn control_flaw(endpoint: &str, daemon: u32) -> io::Result<Option<String>> {
    let mode = std::fs::metadata(endpoint)?.permissions().mode() & 0o777;
    if mode != 0o600 {
        return Ok(Some(format!("others can use {endpoint}: its mode is {mode:o}")));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = runtime.block_on(super::control::server_id(endpoint))?;
    Ok((server != daemon).then(|| format!("process {server} serves it, and not {daemon}")))
}
