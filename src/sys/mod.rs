//! The operating system: all `unsafe` code and every `cfg(unix)` or `cfg(windows)` of the crate.
//!
//! There are two folders with the same file names and the same function names, and this module
//! shows one of them; the compiler holds them together. What is in each:
//!
//! | module | owns |
//! |---|---|
//! | `clock` | the time of day here, and how busy the machine is |
//! | `control` | the stream under the control protocol: Unix socket or named pipe |
//! | `desktop` | how many programs of a service fit on its desktop |
//! | `files` | files that are read while the daemon runs |
//! | `identity` | users and groups, looked up at load |
//! | `inherited` | listening sockets that a service manager passed to us |
//! | `machine` | facts about this machine that decide how well a configuration works |
//! | `names` | the system's resolver |
//! | `notify` | what a service manager is told |
//! | `owner` | whose a connection is |
//! | `paths` | default places of files |
//! | `pipe` | standard input and output of a program that is relayed |
//! | `poll` | one queue of readiness events for the front threads |
//! | `process` | a started program: its end, its tree, how it is stopped |
//! | `program` | finding an executable by name |
//! | `secret` | passwords of accounts |
//! | `selftest` | what `inetd doctor --selftest` asks of the system |
//! | `service` | inetd as a service of the system: installing, starting, stopping, running as one |
//! | `signals` | requests to stop or reload from outside |
//! | `socket` | listening sockets and connections |
//! | `spawn` | starting a program |
//! | `splice` | bytes that go from one connection to another without coming here (Linux) |
//! | `startup` | what is done once, before any thread runs |
//! | `stdio` | files and pipes for a program's standard error |
//! | `system_log` | the logs of the system: journal, syslog, Event Log |
//! | `terminal` | a terminal as standard input and output of a program |
//! | `trust` | who can change a file that has to be trusted |
//!
//! What both tell the rest of the crate in the same words, or do in the same way, is here by topic:
//!
//! | module | owns |
//! |---|---|
//! | `accounts` | what can be wrong with the name of an account or its password, where that comes from |
//! | `failure` | errors of accepting, binding and starting, and what they mean |
//! | `installation` | inetd as a service of the system: what is installed, how it does |
//! | `local_time` | the time of day where the machine is |
//! | `search` | looking for a file at several places |

#![allow(unsafe_code, reason = "this is the platform layer")]

#[cfg(all(unix, not(target_os = "linux")))]
compile_error!(
    "inetd needs Linux 5.9 or later, or Windows 10 or later; other Unix systems are not ported yet"
);

mod accounts;
mod failure;
mod installation;
mod local_time;
mod search;

#[cfg(unix)]
#[path = "unix/mod.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows/mod.rs"]
mod platform;

use std::sync::OnceLock;

pub use self::accounts::{IdentityError, SecretError, SecretSource};
pub use self::failure::{AcceptFailure, BindFailure, PrepareError, SpawnError, SpawnStage};
pub use self::installation::{Installation, Installed, ServiceError, ServiceStatus, StartMode};
pub use self::local_time::{LocalTime, WeekMinute};
pub use platform::{
    clock, control, desktop, files, identity, inherited, machine, names, notify, owner, paths,
    pipe, poll, process, program, secret, selftest, service, signals, socket, spawn, splice,
    startup, stdio, system_log, terminal, trust,
};

/// Programs for which there is room in the tables from the beginning.
pub const ROOM: usize = 28;

/// Connections that are held whose programs were not started yet, at the most.
const MOST_IN_HAND: usize = 16_384;

/// How many processors this process may use. Control groups are read for that, so it is asked once.
pub fn processors() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Threads of the front: one for each processor, which may be starting a program, and one more, which
/// accepts meanwhile.
pub fn front_threads() -> usize {
    processors() + 1
}

/// Where a process goes on that wanted to go into the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detached {
    /// In the background.
    Background,
    /// It is the one that has started that, and has nothing to do any more but to end with this code.
    Starter(u8),
    /// Where it was: the system has no background.
    Here,
}

/// A family of operating systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Linux.
    Unix,
    /// Windows.
    Windows,
}

/// The family that this program was built for.
pub const FAMILY: Family = if cfg!(windows) { Family::Windows } else { Family::Unix };

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It ended by itself with this code.
    Code(u32),
    /// A signal ended it (Unix).
    Signal(i32),
    /// Somebody else took the status away.
    Unknown,
}

/// The exit code of a process whose libraries could not set themselves up, which is how Windows
/// ends a program that cannot get a place on its desktop (STATUS_DLL_INIT_FAILED, KB 184802). No
/// exit code of Unix is that large.
const NO_DESKTOP: u32 = 0xC000_0142;

impl ExitStatus {
    /// Whether the program found no room on its desktop, or was not let near it.
    pub fn is_desktop_heap(self) -> bool {
        self == Self::Code(NO_DESKTOP)
    }
}

/// The desktop heap that the programs of a service share (Windows).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DesktopHeap {
    /// Its size in KiB.
    pub kilobytes: u32,
    /// About how many sessions fit into it.
    pub sessions: u32,
}

/// What somebody outside asks of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// End: SIGTERM, SIGINT, Ctrl-C.
    Stop,
    /// Read the configuration again: SIGHUP.
    Reload,
}

/// An address that somebody listens on, or takes datagrams at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The address.
    pub address: std::net::SocketAddr,
    /// It is a port of UDP, and not of TCP.
    pub is_datagram: bool,
    /// The processes that have the socket open, as far as we may see it.
    pub owners: Vec<ListeningProcess>,
}

/// A process that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListeningProcess {
    /// Its id.
    pub id: u32,
    /// The path of its executable, or at least a name.
    pub program: String,
}

/// Somebody besides administrators and ourselves who can change a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outsider {
    /// The file, or the folder above it in which it can be replaced.
    pub path: std::path::PathBuf,
    /// Who: "everybody", "the group `staff`".
    pub who: String,
    /// Whether that is everybody who can log on to this machine.
    pub everybody: bool,
    /// Whether it is the owner, who can change the rights.
    pub owner: bool,
}

/// What somebody wants to do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Read it.
    Read,
    /// Run it.
    Run,
    /// Run it, and let its interpreter read it.
    Interpret,
}
