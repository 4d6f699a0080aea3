//! What connections are relayed to where no program runs: another server, or inetd itself.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::listener::endpoint::UnixUrl;

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
    /// The peer says which service it wants (RFC 1078): one of those with a
    /// [`MuxName`](super::MuxName).
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
