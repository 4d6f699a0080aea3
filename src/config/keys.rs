//! The keys of a service, as data. This one table drives the reader of `inetd.toml`, the options
//! of `inetd serve`, the "did you mean" hints, and a test that the documentation is complete.
//! It never says how a value is checked: that is `resolve`.

use Availability::{Everywhere, Later, Unix};

use crate::sys::{FAMILY, Family};

/// A key of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the table below has a line of documentation for each")]
pub enum Key {
    Listen,
    Backlog,
    Interface,
    Freebind,
    Nodelay,
    Keepalive,
    SendBuffer,
    ReceiveBuffer,
    SocketMode,
    SocketUser,
    SocketGroup,
    BindRetry,
    Rpc,
    Run,
    Arg0,
    Wait,
    Io,
    Stderr,
    User,
    Group,
    Groups,
    Profile,
    Restrict,
    Cwd,
    Env,
    PassEnv,
    CompatEnv,
    Umask,
    Nice,
    Limits,
    Tree,
    Allow,
    Deny,
    Resolve,
    Identify,
    AccessTimes,
    MaxSessions,
    MaxPerSource,
    SourcePrefix,
    Rate,
    RatePerSource,
    RatePause,
    MaxLoad,
    OverLimit,
    OverRate,
    Access,
    TcpWrappers,
    Sensor,
    Banner,
    BannerReject,
    HandshakeTimeout,
    IdleTimeout,
    SessionTimeout,
    StopTimeout,
    LingerTimeout,
    ProxyProtocol,
    TrustedProxies,
    Tls,
    Websocket,
    Telnet,
    Warm,
    Forward,
    ReadyTimeout,
    IdleStop,
    Builtin,
}

impl Key {
    /// Its name in a file: `max_sessions`.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Everything that is known about it.
    pub fn info(self) -> &'static KeyInfo {
        // The table has the order of the enum; a test holds them together.
        &SERVICE[self as usize]
    }
}

/// What is known about a key.
#[derive(Debug)]
pub struct KeyInfo {
    /// The key.
    pub key: Key,
    /// Its name in a file: `max_sessions`.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// What it is about.
    pub group: Group,
    /// The value that it has when it is not written, as it would be written; "required" or "none".
    pub default: &'static str,
    /// Where it works.
    pub availability: Availability,
    /// One line about it.
    pub doc: &'static str,
}

impl KeyInfo {
    /// Its name as an option of `inetd serve`, without the dashes in front: `max-sessions`.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// One line for a help text.
    pub fn help(&self) -> String {
        let default = if self.key == Key::BindRetry { "off" } else { self.default };
        let default = match default {
            "none" | "required" => String::new(),
            default => {
                let plain = default.trim_matches(['[', ']']).replace("\", \"", ",");
                format!(" [{}]", plain.trim_matches('"'))
            }
        };
        match self.availability.obstacle() {
            Some(obstacle) => format!("{} ({})", self.doc, obstacle.trim_start_matches("is ")),
            None => format!("{}{default}", self.doc),
        }
    }
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A string or a list of strings.
    Texts,
    /// A list of strings.
    List,
    /// A list of whole numbers.
    Integers,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// A number, with a point or without.
    Number,
    /// A number of bytes, as an integer or as "64k".
    Size,
    /// "250ms", "10s", "5m", "1h".
    Duration,
    /// Octal permission bits: "0660".
    Mode,
    /// A table.
    Table,
}

impl Kind {
    /// The placeholder of a value in a help text.
    pub fn value_name(self) -> &'static str {
        match self {
            Self::Text | Self::Texts => "TEXT",
            Self::List => "ITEM,...",
            Self::Integers => "NUMBER,...",
            Self::Bool => "true|false",
            Self::Integer | Self::Number => "NUMBER",
            Self::Size => "BYTES",
            Self::Duration => "DURATION",
            Self::Mode => "OCTAL",
            Self::Table => "NAME=VALUE",
        }
    }
}

/// What a key is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Its listening sockets.
    Listening,
    /// The program and how it is started.
    Program,
    /// Who may come in, and how many.
    Admission,
    /// How long something may take.
    Time,
    /// What is put around the connection.
    Wrapping,
    /// Relaying to another server.
    OnDemand,
    /// Services that need no program.
    Builtin,
}

impl Group {
    /// A heading for its keys.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Listening => "Listening",
            Self::Program => "Program",
            Self::Admission => "Admission",
            Self::Time => "Time",
            Self::Wrapping => "Wrapping",
            Self::OnDemand => "On demand",
            Self::Builtin => "Built in",
        }
    }
}

/// Where a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// On every system.
    Everywhere,
    /// On Linux.
    Unix,
    /// On Windows.
    Windows,
    /// The name is reserved, but this version cannot do it.
    Later,
}

impl Availability {
    /// Why it does not work here, for a message; `None` if it does.
    pub(super) fn obstacle(self) -> Option<&'static str> {
        match (self, FAMILY) {
            (Self::Later, _) => Some("is not available in this version"),
            (Self::Unix, Family::Windows) => Some("is not available on Windows"),
            (Self::Windows, Family::Unix) => Some("is available on Windows only"),
            _ => None,
        }
    }
}

/// A key of `[daemon]` or of its `log` table.
#[derive(Debug)]
pub struct SubKey {
    /// Its name.
    pub name: &'static str,
    /// As in [`KeyInfo::default`].
    pub default: &'static str,
    /// Where it works.
    pub availability: Availability,
}

const fn sub(name: &'static str, default: &'static str, availability: Availability) -> SubKey {
    SubKey { name, default, availability }
}

/// The keys of `[daemon]`.
pub const DAEMON: &[SubKey] = &[
    sub("control", "none", Everywhere),
    sub("http", "none", Later),
    sub("max_sessions", "4096", Everywhere),
    sub("hosts_allow", "none", Everywhere),
    sub("hosts_deny", "none", Everywhere),
    sub("log", "none", Everywhere),
];

/// The keys of the `log` table of `[daemon]`.
pub const LOG: &[SubKey] = &[
    sub("format", "\"text\"", Everywhere),
    sub("level", "\"info\"", Everywhere),
    sub("target", "\"auto\"", Everywhere),
    sub("facility", "\"daemon\"", Unix),
    sub("file", "none", Everywhere),
    sub("rotate_size", "\"10m\"", Everywhere),
    sub("rotate_keep", "5", Everywhere),
];

const fn key(
    key: Key,
    name: &'static str,
    kind: Kind,
    group: Group,
    default: &'static str,
    availability: Availability,
    doc: &'static str,
) -> KeyInfo {
    KeyInfo { key, name, kind, group, default, availability, doc }
}

/// Every key of a service, in the order of [`Key`].
#[rustfmt::skip]
pub const SERVICE: &[KeyInfo] = &[
    key(Key::Listen, "listen", Kind::Texts, Group::Listening, "required", Everywhere, "Where to listen: PORT, HOST:PORT, tcp://..., udp://..., unix:///PATH, npipe:NAME, tcpmux://NAME"),
    key(Key::Backlog, "backlog", Kind::Integer, Group::Listening, "4096", Everywhere, "Connections that may wait to be accepted; the system may cap it"),
    key(Key::Interface, "interface", Kind::Text, Group::Listening, "none", Unix, "Listen on this network interface only"),
    key(Key::Freebind, "freebind", Kind::Bool, Group::Listening, "false", Unix, "Bind an address that no interface has yet"),
    key(Key::Nodelay, "nodelay", Kind::Bool, Group::Listening, "false", Everywhere, "Send small segments at once"),
    key(Key::Keepalive, "keepalive", Kind::Bool, Group::Listening, "true", Everywhere, "Find out that a peer is gone"),
    key(Key::SendBuffer, "send_buffer", Kind::Size, Group::Listening, "none", Everywhere, "Send buffer of a connection in bytes"),
    key(Key::ReceiveBuffer, "receive_buffer", Kind::Size, Group::Listening, "none", Everywhere, "Receive buffer of a connection in bytes"),
    key(Key::SocketMode, "socket_mode", Kind::Mode, Group::Listening, "none", Unix, "Permission bits of a Unix socket's file"),
    key(Key::SocketUser, "socket_user", Kind::Text, Group::Listening, "none", Everywhere, "Owner of a Unix socket's file; on Windows a user that may connect to it or to a pipe"),
    key(Key::SocketGroup, "socket_group", Kind::Text, Group::Listening, "none", Everywhere, "Group of a Unix socket's file; on Windows a group that may connect to it or to a pipe"),
    key(Key::BindRetry, "bind_retry", Kind::Duration, Group::Listening, "\"1s\"", Everywhere, "First pause before a failed bind is tried again; off: it is an error"),
    key(Key::Rpc, "rpc", Kind::Text, Group::Listening, "none", Unix, "Tell rpcbind of the ports: NAME/FIRST-LAST, NUMBER/VERSION"),
    key(Key::Run, "run", Kind::List, Group::Program, "required", Everywhere, "The program and its arguments"),
    key(Key::Arg0, "arg0", Kind::Text, Group::Program, "none", Everywhere, "The program's name for itself, instead of run[0]"),
    key(Key::Wait, "wait", Kind::Bool, Group::Program, "false", Everywhere, "One program gets the listening socket"),
    key(Key::Io, "io", Kind::Text, Group::Program, "\"socket\"", Everywhere, "What standard input and output are: socket, pipe, pty"),
    key(Key::Stderr, "stderr", Kind::Text, Group::Program, "\"socket\"", Everywhere, "Where standard error goes: socket, log, null, file:PATH"),
    key(Key::User, "user", Kind::Text, Group::Program, "none", Everywhere, "Run as this user"),
    key(Key::Group, "group", Kind::Text, Group::Program, "none", Unix, "Run with this group instead of the user's own"),
    key(Key::Groups, "groups", Kind::List, Group::Program, "none", Unix, "Supplementary groups instead of the user's own"),
    key(Key::Profile, "profile", Kind::Bool, Group::Program, "false", Availability::Windows, "Load the user's profile"),
    key(Key::Restrict, "restrict", Kind::Bool, Group::Program, "false", Availability::Windows, "Run with as few rights as possible"),
    key(Key::Cwd, "cwd", Kind::Text, Group::Program, "none", Everywhere, "Working directory"),
    key(Key::Env, "env", Kind::Table, Group::Program, "none", Everywhere, "Environment variables to set"),
    key(Key::PassEnv, "pass_env", Kind::List, Group::Program, "[\"PATH\", \"LANG\", \"LC_*\", \"TZ\"]", Everywhere, "Environment variables to pass on"),
    key(Key::CompatEnv, "compat_env", Kind::List, Group::Program, "none", Later, "Other names for the facts of a connection"),
    key(Key::Umask, "umask", Kind::Mode, Group::Program, "\"022\"", Unix, "File mode creation mask"),
    key(Key::Nice, "nice", Kind::Integer, Group::Program, "none", Unix, "Scheduling priority, -20 to 19"),
    key(Key::Limits, "limits", Kind::Table, Group::Program, "none", Everywhere, "Resource limits"),
    key(Key::Tree, "tree", Kind::Text, Group::Program, "\"kill\"", Everywhere, "What happens to processes left behind: kill, leave"),
    key(Key::Allow, "allow", Kind::List, Group::Admission, "none", Everywhere, "Who may connect: addresses, 10.0.0.0/8, 10.0.0.1-10.0.0.9, file:PATH"),
    key(Key::Deny, "deny", Kind::List, Group::Admission, "none", Everywhere, "Who may not connect"),
    key(Key::Resolve, "resolve", Kind::Bool, Group::Admission, "false", Everywhere, "Look up the names of peers"),
    key(Key::Identify, "identify", Kind::Text, Group::Admission, "\"off\"", Everywhere, "Ask the machines of peers for their users (RFC 1413): off, refused, log, require"),
    key(Key::AccessTimes, "access_times", Kind::List, Group::Admission, "none", Everywhere, "When connections are let in: 08:00-18:00, mon-fri 22:00-06:00"),
    key(Key::MaxSessions, "max_sessions", Kind::Integer, Group::Admission, "512", Everywhere, "Sessions at a time; 0 is no limit"),
    key(Key::MaxPerSource, "max_per_source", Kind::Integer, Group::Admission, "0", Everywhere, "Sessions at a time of one source; 0 is no limit"),
    key(Key::SourcePrefix, "source_prefix", Kind::Integers, Group::Admission, "[32, 128]", Everywhere, "Bits of an IPv4 and of an IPv6 address that are one source"),
    key(Key::Rate, "rate", Kind::Text, Group::Admission, "\"0\"", Everywhere, "Connections in a time: 50/1s"),
    key(Key::RatePerSource, "rate_per_source", Kind::Text, Group::Admission, "\"0\"", Everywhere, "Connections of one source in a time: 10/1m"),
    key(Key::RatePause, "rate_pause", Kind::Duration, Group::Admission, "\"10s\"", Everywhere, "Pause after the rate was exceeded"),
    key(Key::MaxLoad, "max_load", Kind::Number, Group::Admission, "\"off\"", Unix, "Load average from which on nobody comes in"),
    key(Key::OverLimit, "over_limit", Kind::Text, Group::Admission, "\"queue\"", Everywhere, "What happens to a connection without a free slot: queue, reject"),
    key(Key::OverRate, "over_rate", Kind::Text, Group::Admission, "none", Everywhere, "What happens when the rate is exceeded: pause, reject; as over_limit if not written"),
    key(Key::Access, "access", Kind::Text, Group::Admission, "none", Everywhere, "Rules of another superserver: tcprules:PATH, cdb:PATH, s6:FOLDER"),
    key(Key::TcpWrappers, "tcp_wrappers", Kind::Bool, Group::Admission, "false", Everywhere, "Obey hosts.allow and hosts.deny; a text is the name of the daemon there"),
    key(Key::Sensor, "sensor", Kind::Duration, Group::Admission, "none", Everywhere, "Instead of a program: whoever connects is refused everywhere for so long"),
    key(Key::Banner, "banner", Kind::Text, Group::Admission, "none", Everywhere, "Sent to each peer that comes in, first: TEXT, file:PATH"),
    key(Key::BannerReject, "banner_reject", Kind::Text, Group::Admission, "none", Everywhere, "Sent to each peer that is refused: TEXT, file:PATH"),
    key(Key::HandshakeTimeout, "handshake_timeout", Kind::Duration, Group::Time, "\"10s\"", Later, "How long a handshake may take"),
    key(Key::IdleTimeout, "idle_timeout", Kind::Duration, Group::Time, "\"off\"", Everywhere, "Stop a relayed session without traffic"),
    key(Key::SessionTimeout, "session_timeout", Kind::Duration, Group::Time, "\"off\"", Everywhere, "Stop a session that lives longer"),
    key(Key::StopTimeout, "stop_timeout", Kind::Duration, Group::Time, "\"5s\"", Everywhere, "How long each step of stopping a program waits"),
    key(Key::LingerTimeout, "linger_timeout", Kind::Duration, Group::Time, "\"2s\"", Everywhere, "How long a peer may keep a relayed session whose program has ended"),
    key(Key::ProxyProtocol, "proxy_protocol", Kind::Text, Group::Wrapping, "\"off\"", Later, "Expect a PROXY header"),
    key(Key::TrustedProxies, "trusted_proxies", Kind::List, Group::Wrapping, "none", Later, "Whose PROXY headers are believed"),
    key(Key::Tls, "tls", Kind::Table, Group::Wrapping, "none", Later, "Encrypt the connection"),
    key(Key::Websocket, "websocket", Kind::Table, Group::Wrapping, "none", Later, "Speak WebSocket"),
    key(Key::Telnet, "telnet", Kind::Bool, Group::Wrapping, "false", Later, "Speak the telnet protocol"),
    key(Key::Warm, "warm", Kind::Integer, Group::Wrapping, "0", Later, "Programs that are started in advance"),
    key(Key::Forward, "forward", Kind::Text, Group::OnDemand, "none", Everywhere, "Relay connections to this server instead: HOST:PORT, unix:///PATH"),
    key(Key::ReadyTimeout, "ready_timeout", Kind::Duration, Group::OnDemand, "\"30s\"", Later, "How long a server may take to start"),
    key(Key::IdleStop, "idle_stop", Kind::Duration, Group::OnDemand, "\"10m\"", Later, "Stop a server without connections"),
    key(Key::Builtin, "builtin", Kind::Text, Group::Builtin, "none", Everywhere, "A service that needs no program: echo, discard, chargen, daytime, time, qotd:PATH, tcpmux, ident, services, status"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const MANUAL: &str = include_str!("../../docs/configuration.md");

    #[test]
    fn the_table_has_the_order_of_the_enum() {
        for (index, info) in SERVICE.iter().enumerate() {
            assert_eq!(info.key as usize, index, "{}", info.name);
            assert_eq!(info.key.name(), info.name);
        }
    }

    #[test]
    fn the_manual_names_every_key_with_its_default() {
        let names = |line: &str, name: &str, default: &str| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            cells.next() == Some(&format!("`{name}`"))
                && cells.any(|cell| cell == default || cell == format!("`{default}`"))
        };
        for info in SERVICE {
            let found = match info.availability {
                Later => MANUAL.contains(&format!("`{}`", info.name)),
                _ => MANUAL.lines().any(|line| names(line, info.name, info.default)),
            };
            assert!(found, "`{}` with its default {}", info.name, info.default);
        }
        for info in DAEMON.iter().chain(LOG) {
            let found = match info.availability {
                Later => MANUAL.contains(&format!("`{}`", info.name)),
                _ => MANUAL.lines().any(|line| names(line, info.name, info.default)),
            };
            assert!(found, "`{}` with its default {}", info.name, info.default);
        }
    }
}
