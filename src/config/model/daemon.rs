//! Settings of the daemon itself.

use std::path::PathBuf;

use crate::record::event::Level;
use crate::record::facility::{self, Facility};
use crate::record::file::Rotation;
use crate::record::format::Format as LogFormat;
use crate::sys::system_log;

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
