//! The checked configuration: what the rest of the daemon works with. Every name in it is
//! looked up, every value is in range, and it knows where each value was written.

use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::admission::Gate;
use crate::config::keys::Key;
use crate::listener::endpoint::{Endpoint, UnixUrl};
use crate::record::event::Level;
use crate::record::facility::{self, Facility};
use crate::record::file::Rotation;
use crate::record::format::Format as LogFormat;
use crate::sys::identity::{AccountId, Identity};
use crate::sys::system_log;

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The `[daemon]` table.
    pub daemon: Daemon,
    /// The services, in the order in which they were written. Names are unique.
    pub services: Vec<Arc<ServiceConfig>>,
    /// The files that were read; [`Position::file`] is an index into it.
    pub files: Vec<Arc<Path>>,
}

impl Config {
    /// A service by its name.
    pub fn service(&self, name: &str) -> Option<&ServiceConfig> {
        self.services.iter().find(|service| *service.name == *name).map(|service| &**service)
    }

    /// Whether a service has a `user` other than our own.
    pub fn has_users(&self) -> bool {
        let mut programs = self.services.iter().filter_map(|service| service.program());
        programs.any(|program| program.identity.is_some())
    }

    /// `FILE:LINE:COLUMN` of a position.
    pub fn place(&self, at: Position) -> String {
        let file = self.files.get(usize::from(at.file));
        let file = file.map_or_else(|| "?".into(), |file| file.display().to_string());
        format!("{file}:{}:{}", at.line, at.column)
    }
}

/// Where a value was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Index into [`Config::files`].
    pub file: u16,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u16,
}

/// Settings of the daemon itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Where `inetd reload`, `stop` and `status` reach the daemon.
    pub control: Control,
    /// Sessions of all services together; `None` is no limit.
    pub max_sessions: Option<u32>,
    /// Where `hosts.allow` of TCP wrappers is; `None` is its usual place.
    pub hosts_allow: Option<PathBuf>,
    /// The same for `hosts.deny`.
    pub hosts_deny: Option<PathBuf>,
    /// What the log looks like.
    pub log: Log,
}

/// The control endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Not set: the system's default place.
    Default,
    /// `control = ""`: none.
    Off,
    /// A socket path (Unix) or a pipe name (Windows).
    At(String),
}

/// The `log` table of `[daemon]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Text lines or JSON lines.
    pub format: LogFormat,
    /// The least important level that is written.
    pub level: Level,
    /// Where it goes.
    pub target: LogTarget,
    /// What a log of the system is told of the kind of program that we are (Unix).
    pub facility: Facility,
    /// When a file is replaced.
    pub rotation: Rotation,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: Level::Info,
            target: LogTarget::Auto { file: None },
            facility: facility::DAEMON,
            rotation: Rotation::default(),
        }
    }
}

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// To whom it is best seen by: standard error, the journal behind it, or in a service of
    /// Windows a file and the Event Log.
    Auto {
        /// That file, if it is not to be the usual one.
        file: Option<PathBuf>,
    },
    /// Standard error.
    Stderr,
    /// A file.
    File(PathBuf),
    /// A log of the system.
    System(system_log::Kind),
}

/// One service: where it listens, whom it lets in, what it runs.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Its unique name.
    pub name: Arc<str>,
    /// The addresses, none twice. There is at least one, or a name of the multiplexer.
    pub listen: Box<[Endpoint]>,
    /// The names under which the built-in service `tcpmux` offers it (RFC 1078).
    pub mux: Vec<MuxName>,
    /// Options of its listening sockets. As with `gate` and a program, neighbours in a configuration
    /// that have the same share one copy.
    pub socket: Arc<SocketOptions>,
    /// What rpcbind is told of its ports.
    pub rpc: Option<Rpc>,
    /// First pause before a failed bind is tried again; it doubles up to a minute.
    /// `None`: a failed bind is an error.
    pub bind_retry: Option<Duration>,
    /// One program gets the listening socket (`wait = true`), instead of one for each connection.
    pub wait: bool,
    /// What is done with a connection.
    pub work: Work,
    /// Sessions at a time; `None` is no limit.
    pub max_sessions: Option<u32>,
    /// What is asked of a peer besides a free slot.
    pub gate: Arc<Gate>,
    /// A session that lives longer is stopped; `None` is no limit.
    pub session_timeout: Option<Duration>,
    /// How long each step of the stop ladder waits.
    pub stop_timeout: Duration,
    /// A relayed session without traffic for that long is stopped; `None` is no limit.
    pub idle_timeout: Option<Duration>,
    /// How long a peer may keep a relayed session whose program has ended.
    pub linger_timeout: Duration,
    /// Where the service begins in the file.
    pub at: Position,
    /// Where each key was written, for those that were.
    pub positions: Box<[(Key, Position)]>,
}

impl ServiceConfig {
    /// Where `key` was written, or the service itself if the key has its default.
    pub fn position(&self, key: Key) -> Position {
        self.positions.iter().find(|(k, _)| *k == key).map_or(self.at, |(_, at)| *at)
    }

    /// The program that is started, if one is.
    pub fn program(&self) -> Option<&Program> {
        match &self.work {
            Work::Program(program) => Some(program),
            Work::Forward(_) | Work::Builtin(_) | Work::Sensor => None,
        }
    }

    /// What its sessions are, in one word: `io` of the program, `forward`, `builtin`.
    pub fn way(&self) -> &'static str {
        match &self.work {
            Work::Program(program) => program.io.as_str(),
            Work::Forward(_) => "forward",
            Work::Builtin(_) => "builtin",
            Work::Sensor => "sensor",
        }
    }

    /// What happens to processes that are left behind. There are none without a program.
    pub fn tree(&self) -> Tree {
        self.program().map_or(Tree::Kill, |program| program.tree)
    }
}

/// A program of Sun RPC (RFC 5531): its number, and the versions that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rpc {
    /// The number of the program.
    pub program: u32,
    /// Its versions.
    pub versions: RangeInclusive<u32>,
}

/// What a service does with a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// `run`: a program is started.
    Program(Arc<Program>),
    /// `forward`: it is relayed to another server.
    Forward(Target),
    /// `builtin`: inetd answers by itself.
    Builtin(Builtin),
    /// `sensor`: nobody ever comes in; [`Gate::sensor`] says what happens to who tries.
    Sensor,
}

/// Where connections are relayed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A host, looked up anew for each connection, and a port.
    Inet {
        /// An address, or a name.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Inet { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => UnixUrl(path).fmt(f),
        }
    }
}

/// A service that needs no program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// What a peer sends comes back (RFC 862).
    Echo,
    /// What a peer sends is thrown away (RFC 863).
    Discard,
    /// Lines of characters without end (RFC 864).
    Chargen,
    /// The date and time for people (RFC 867).
    Daytime,
    /// Seconds since 1900 in four bytes (RFC 868).
    Time,
    /// One of these quotes (RFC 865), as fortune(6) has them in a file.
    Qotd(Arc<[u8]>),
    /// The services of this daemon, a line each.
    Services,
    /// How the daemon does, as `inetd status` shows it.
    Status,
    /// Whose a connection of the peer's host is (RFC 1413).
    Ident(Box<Ident>),
    /// The peer says which service it wants (RFC 1078): one of those with a [`MuxName`].
    Tcpmux,
}

impl Builtin {
    /// Its name in a configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Discard => "discard",
            Self::Chargen => "chargen",
            Self::Daytime => "daytime",
            Self::Time => "time",
            Self::Qotd(_) => "qotd",
            Self::Services => "services",
            Self::Status => "status",
            Self::Tcpmux => "tcpmux",
            Self::Ident(_) => "ident",
        }
    }

    /// Why it does not answer datagrams, if it does not.
    pub fn no_datagrams(&self) -> Option<&'static str> {
        match self {
            Self::Tcpmux | Self::Ident(_) => Some("it is about connections"),
            Self::Services | Self::Status => {
                Some("the sender of a datagram may be forged, and the answer is much longer")
            }
            Self::Echo
            | Self::Discard
            | Self::Chargen
            | Self::Daytime
            | Self::Time
            | Self::Qotd(_) => None,
        }
    }
}

/// What the built-in service `ident` tells. Without any option it tells nothing: `HIDDEN-USER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ident {
    /// The owner of the connection is looked for and told.
    pub real: bool,
    /// Its number is told instead of its name: the user id, on Windows the SID.
    pub numeric: bool,
    /// A name that is made up is told, whoever it is.
    pub random: bool,
    /// Nothing is told of users who have a file `.noident` at home.
    pub noident: bool,
    /// Told if the owner is not looked for, or not found.
    pub fallback: Option<String>,
    /// The name of the operating system, instead of its own.
    pub os: Option<String>,
    /// How long the peer may take to ask.
    pub timeout: Duration,
}

impl Default for Ident {
    fn default() -> Self {
        Self {
            real: false,
            numeric: false,
            random: false,
            noident: false,
            fallback: None,
            os: None,
            timeout: Duration::from_secs(10),
        }
    }
}

/// The name of a service of the multiplexer. Its case does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MuxName {
    /// What a peer says.
    pub name: String,
    /// inetd sends the positive reply, and not the program.
    pub replies: bool,
}

impl fmt::Display for MuxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tcpmux://{}{}", if self.replies { "+" } else { "" }, self.name)
    }
}

/// Options of a listening socket. Two listeners with equal endpoints and equal options are the
/// same one to a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Length of the queue of connections that were not accepted yet (listen(2)).
    pub backlog: u32,
    /// Listen on this network interface only (`SO_BINDTODEVICE`).
    pub interface: Option<String>,
    /// Bind an address that no interface has yet (`IP_FREEBIND`).
    pub freebind: bool,
    /// Send small segments at once (`TCP_NODELAY`).
    pub nodelay: bool,
    /// Find out that a peer is gone (`SO_KEEPALIVE`).
    pub keepalive: bool,
    /// `SO_SNDBUF` in bytes.
    pub send_buffer: Option<u32>,
    /// `SO_RCVBUF` in bytes.
    pub receive_buffer: Option<u32>,
    /// Permission bits of a Unix socket's file.
    pub mode: Option<u32>,
    /// Owner of a Unix socket's file; on Windows a user that may connect.
    pub user: Option<AccountId>,
    /// Group of a Unix socket's file; on Windows a group that may connect.
    pub group: Option<AccountId>,
    /// The daemon reads and writes the connections itself. A named pipe has to know that before it
    /// has one.
    pub relayed: bool,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            backlog: 4096,
            interface: None,
            freebind: false,
            nodelay: false,
            keepalive: true,
            send_buffer: None,
            receive_buffer: None,
            mode: None,
            user: None,
            group: None,
            relayed: false,
        }
    }
}

/// A program and how it is started.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Absolute path of the executable, found at load.
    pub path: PathBuf,
    /// The arguments; the first is the program's name for itself.
    pub argv: Vec<OsString>,
    /// The whole environment apart from the facts of the connection. Services with equal
    /// environments share one.
    pub environment: Arc<Vec<(OsString, OsString)>>,
    /// Working directory.
    pub cwd: PathBuf,
    /// Run as somebody else; `None` is the daemon's own user.
    pub identity: Option<Identity>,
    /// With the user's profile loaded (Windows).
    pub profile: bool,
    /// With as few rights as possible (Windows).
    pub restrict: bool,
    /// File mode creation mask (Unix).
    pub umask: u32,
    /// Scheduling priority, -20 to 19 (Unix).
    pub nice: Option<i32>,
    /// Resource limits.
    pub limits: Vec<Limit>,
    /// What happens to processes that the program leaves behind.
    pub tree: Tree,
    /// What standard input and output are.
    pub io: Io,
    /// Where standard error goes.
    pub stderr: Stderr,
}

/// `io`: what the standard input and output of a program are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    /// The connection itself.
    Socket,
    /// A pipe; the daemon relays.
    Pipe,
    /// A terminal; the daemon relays.
    Pty,
}

impl Io {
    /// The word for it in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Pipe => "pipe",
            Self::Pty => "pty",
        }
    }
}

/// `tree`: what happens to processes that a program left behind when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    /// They are killed, and the session lasts until they are gone.
    Kill,
    /// They go on, and the session ends with the program.
    Leave,
}

/// `stderr`: where the standard error of a program goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stderr {
    /// To the peer, as standard output does.
    Socket,
    /// To the daemon's log, line by line, each with service, session and pid.
    Log,
    /// Nowhere.
    Null,
    /// Appended to a file.
    File(PathBuf),
}

/// `identify`: whether the machine of a peer is asked for its user (RFC 1413).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identify {
    /// It is not.
    Off,
    /// Only of those who are turned away; what it tells is recorded.
    Refused,
    /// What it tells is recorded.
    Log,
    /// And whoever it tells nothing about is refused.
    Require,
}

/// `over_limit`: what happens to a connection when no slot is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverLimit {
    /// It waits in the backlog of the listening socket until a session ends.
    Queue,
    /// It is accepted and closed.
    Reject,
}

/// `over_rate`: what happens to a connection when `rate` is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverRate {
    /// The service accepts nothing for a while; it waits in the backlog until then.
    Pause,
    /// It is accepted and closed.
    Reject,
}

impl From<OverLimit> for OverRate {
    /// What it is if only `over_limit` is written.
    fn from(over_limit: OverLimit) -> Self {
        match over_limit {
            OverLimit::Queue => Self::Pause,
            OverLimit::Reject => Self::Reject,
        }
    }
}

/// One resource limit of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is limited.
    pub resource: Resource,
    /// The limit in the resource's unit; `None` is unlimited.
    pub value: Option<u64>,
}

/// A resource that `limits` can name. The first group is of setrlimit(2), the second of
/// Windows job objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `as`: address space in bytes.
    AddressSpace,
    /// `core`: size of a core file in bytes.
    Core,
    /// `cpu`: processor time in seconds.
    Cpu,
    /// `data`: data segment in bytes.
    Data,
    /// `fsize`: size of a written file in bytes.
    FileSize,
    /// `nofile`: number of descriptors.
    Files,
    /// `nproc`: number of the user's processes.
    Processes,
    /// `stack`: stack in bytes.
    Stack,
    /// `memory`: committed memory of the whole session in bytes (Windows).
    JobMemory,
    /// `processes`: processes of the session at a time (Windows).
    JobProcesses,
    /// `cpu_percent`: share of all processors (Windows).
    JobCpuPercent,
}
