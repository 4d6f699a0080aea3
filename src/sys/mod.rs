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
//! | `startup` | what is done once, before any thread runs |
//! | `stdio` | files and pipes for a program's standard error |
//! | `system_log` | the logs of the system: journal, syslog, Event Log |
//! | `terminal` | a terminal as standard input and output of a program |
//! | `trust` | who can change a file that has to be trusted |

#![allow(unsafe_code, reason = "this is the platform layer")]

#[cfg(all(unix, not(target_os = "linux")))]
compile_error!(
    "inetd needs Linux 5.9 or later, or Windows 10 or later; other Unix systems are not ported yet"
);

#[cfg(unix)]
#[path = "unix/mod.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows/mod.rs"]
mod platform;

pub use platform::{
    clock, control, desktop, files, identity, inherited, machine, names, notify, owner, paths,
    pipe, poll, process, program, secret, selftest, service, signals, socket, spawn, splice,
    startup, stdio, system_log, terminal, trust,
};

use std::sync::OnceLock;

use crate::config::keys::Key;

/// Connections that are held whose programs were not started yet, at the most.
const MOST_IN_HAND: usize = 16_384;

/// How many processors this process may use. Control groups are read for that, so it is asked once.
pub fn processors() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// How many programs may be starting at a time: one on each processor, and one more, so that
/// somebody accepts while the others wait for programs to be loaded.
pub fn starts_at_a_time() -> usize {
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

/// A minute of the week by local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeekMinute(u16);

impl WeekMinute {
    /// From the day of the week, where Sunday is 0, and the time of day.
    pub fn new(day: i32, hour: i32, minute: i32) -> Self {
        let minutes = ((day + 6) % 7 * 24 + hour) * 60 + minute;
        Self(u16::try_from(minutes).unwrap_or(0))
    }

    /// Minutes since Monday began.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// How a failed accept is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptFailure {
    /// Nothing is waiting.
    Empty,
    /// That peer is gone already; the next one may be fine.
    PeerGone,
    /// Descriptors or memory are used up: pause and come back.
    Resources,
    /// The listener itself is broken: tell somebody.
    Broken,
}

/// How a failed bind is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindFailure {
    /// The address is in use, or no interface has it yet: try again later.
    Later,
    /// It will not work: a start-up error.
    Final,
}

/// The time of day where the machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The year.
    pub year: i32,
    /// The month, from 1.
    pub month: i32,
    /// The day of the month, from 1.
    pub day: i32,
    /// The day of the week, from 0 for Sunday.
    pub weekday: i32,
    /// The hour, up to 23.
    pub hour: i32,
    /// The minute.
    pub minute: i32,
    /// The second; 60 in a leap second.
    pub second: i32,
}

impl From<LocalTime> for WeekMinute {
    fn from(time: LocalTime) -> Self {
        Self::new(time.weekday, time.hour, time.minute)
    }
}

impl std::fmt::Display for LocalTime {
    /// As ctime(3) writes it: `Thu Nov 24 18:22:48 1986`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let name = |names: &[&'static str], index: Option<i32>| {
            let index = index.and_then(|index| usize::try_from(index).ok());
            index.and_then(|index| names.get(index).copied()).unwrap_or("???")
        };
        let (day, month) =
            (name(&DAYS, Some(self.weekday)), name(&MONTHS, self.month.checked_sub(1)));
        let Self { day: of_month, hour, minute, second, year, .. } = self;
        write!(f, "{day} {month} {of_month:2} {hour:02}:{minute:02}:{second:02} {year}")
    }
}

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

/// Why a name cannot be used as that of a user or a group.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is no such user.
    #[error("there is no user `{0}`")]
    UnknownUser(String),
    /// There is no such group.
    #[error("there is no group `{0}`")]
    UnknownGroup(String),
    /// It is the name of a group (Windows).
    #[error("`{0}` is a group, not a user")]
    NotAUser(String),
    /// It is the name of a user (Windows).
    #[error("`{0}` is a user, not a group")]
    NotAGroup(String),
    /// Nobody can become it.
    #[error("no program can run as `{0}`, unless inetd itself does and `user` is left out")]
    OnlyItself(String),
    /// This system has no such thing.
    #[error("not available on this system")]
    Unsupported,
    /// The lookup failed.
    #[error("cannot look it up: {0}")]
    System(#[from] std::io::Error),
}

/// Where a password comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// Somebody types it at the console, and it is not shown.
    Console,
    /// The first line of standard input.
    StandardInput,
}

/// Why a password cannot be kept or forgotten. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// This system has no use for passwords.
    #[error(
        "accounts need no password on this system: inetd that runs as root becomes the `user` of a \
         service without one"
    )]
    Unneeded,
    /// There is no such account.
    #[error("{0}")]
    Account(#[from] IdentityError),
    /// It has none.
    #[error("`{0}` has no password: a service can run as it without one")]
    NoPassword(String),
    /// It cannot be read.
    #[error("cannot read the password: {0}")]
    Unreadable(std::io::Error),
    /// It is not the account's.
    #[error("the password of `{0}` is another one: nothing was changed")]
    WrongPassword(String),
    /// There is nothing to forget.
    #[error("no password is kept for `{0}`: `inetd secret list` shows for whom there is one")]
    NotKept(String),
    /// Only an administrator may.
    #[error("passwords are kept and read by administrators only: {0}")]
    NotPermitted(&'static str),
    /// The store of the system has refused it.
    #[error("cannot use the system's store for passwords: {0}")]
    Store(std::io::Error),
}

/// A program could not be prepared.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct PrepareError {
    /// The key of the service that it is about, if there is one.
    pub key: Option<Key>,
    /// What is wrong.
    #[source]
    pub error: std::io::Error,
}

impl From<std::io::Error> for PrepareError {
    fn from(error: std::io::Error) -> Self {
        Self { key: None, error }
    }
}

/// A program could not be started.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", .stage.as_str())]
pub struct SpawnError {
    /// The step that failed.
    pub stage: SpawnStage,
    /// What the system said.
    #[source]
    pub error: std::io::Error,
}

impl SpawnError {
    /// Whether the same start may work a little later: descriptors, memory or processes are used
    /// up, which is not the program's fault.
    pub fn is_temporary(&self) -> bool {
        matches!(self.stage, SpawnStage::Process | SpawnStage::Stdio)
            && spawn::is_temporary(&self.error)
    }
}

/// A step of starting a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpawnStage {
    /// Making a process and its group or job.
    Process,
    /// Connecting its standard input, output and error.
    Stdio,
    /// Setting resource limits.
    Limits,
    /// Setting the priority.
    Nice,
    /// Becoming the user.
    Identity,
    /// Going to the working directory.
    Directory,
    /// Running the executable.
    Exec,
}

impl SpawnStage {
    /// What was tried, for a message.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "cannot make a process",
            Self::Stdio => "cannot connect its standard input and output",
            Self::Limits => "cannot set its resource limits",
            Self::Nice => "cannot set its priority",
            Self::Identity => "cannot become its user",
            Self::Directory => "cannot go to its working directory",
            Self::Exec => "cannot run the program",
        }
    }
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
    pub owners: Vec<Owner>,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
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

/// The service of the system, as it is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Its command line, as it was registered.
    pub command: String,
    /// Who it runs as; `None` may do everything.
    pub account: Option<identity::Identity>,
    /// Whether it starts at boot.
    pub at_boot: bool,
    /// Whether it runs.
    pub running: bool,
}

/// What is installed as a service of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Our own executable.
    pub executable: std::path::PathBuf,
    /// The absolute path of the configuration.
    pub config: std::path::PathBuf,
    /// The format of the configuration, if its name does not tell.
    pub format: Option<String>,
    /// Who the daemon runs as; `None` is the system's best choice.
    pub account: Option<String>,
    /// When it starts; `None` is what is usual on the system.
    pub start: Option<StartMode>,
    /// Other users that services of the configuration run as.
    pub users: Vec<identity::Identity>,
    /// Whether one of them does so with its profile loaded (Windows).
    pub profiles: bool,
}

/// When a service of the system starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartMode {
    /// At boot.
    Auto,
    /// After everything that has to be there first.
    Delayed,
    /// When somebody starts it.
    Manual,
}

/// How the service does, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Whether it runs.
    pub running: bool,
    /// Its state and its settings, a line each.
    pub text: String,
}

/// Why the system's service manager did not do what it should. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Only an administrator may.
    #[error("cannot {0}: permission denied ({rights})", rights = service::RIGHTS)]
    NotPermitted(&'static str),
    /// It is there.
    #[error(
        "the service is installed already: use `inetd service uninstall` first if it is to be \
         installed in another way"
    )]
    AlreadyInstalled,
    /// It is not there.
    #[error("the service is not installed: use `inetd service install`")]
    NotInstalled,
    /// Nobody has this name.
    #[error("there is no account `{0}` on this system: name another one with --account")]
    UnknownAccount(String),
    /// Anything else that has a remedy of its own.
    #[error("{0}")]
    Refused(String),
    /// What the system said.
    #[error("cannot {0}: {1}")]
    System(&'static str, #[source] std::io::Error),
}
