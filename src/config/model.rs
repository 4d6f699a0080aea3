//! The checked configuration: what the rest of the daemon works with. Every name in it is
//! looked up, every value is in range, and it knows where each value was written.

mod daemon;
mod program;
mod relayed;

use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use self::daemon::{Control, Daemon, Log, LogTarget};
pub use self::program::{Io, Limit, Program, Resource, Stderr, Tree};
pub use self::relayed::{Builtin, Ident, Target};
use crate::admission::Gate;
use crate::config::keys::Key;
use crate::listener::endpoint::Endpoint;
use crate::sys::identity::AccountId;

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

/// One service: where it listens, whom it lets in, what it runs.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Its unique name.
    pub name: Arc<str>,
    /// The addresses, none twice. There is at least one, or a name of the multiplexer.
    pub listen: Box<[Endpoint]>,
    /// The names under which the built-in service `tcpmux` offers it (RFC 1078).
    pub mux: Box<[MuxName]>,
    /// Options of its listening sockets. As with `gate`, `timeouts` and a program, neighbours in a configuration
    /// that have the same share one copy.
    pub socket: Arc<SocketOptions>,
    /// What rpcbind is told of its ports.
    pub rpc: Option<Box<Rpc>>,
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
    /// How long a session and its parts may take.
    pub timeouts: Arc<Timeouts>,
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

/// The keys that end in `_timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A session that lives longer is stopped; `None` is no limit.
    pub session: Option<Duration>,
    /// How long each step of the stop ladder waits.
    pub stop: Duration,
    /// A relayed session without traffic for that long is stopped; `None` is no limit.
    pub idle: Option<Duration>,
    /// How long a peer may keep a relayed session whose program has ended.
    pub linger: Duration,
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
