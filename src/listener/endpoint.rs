//! Addresses: where a listener is bound ([`Endpoint`]) and who is at the other
//! end of a connection ([`Address`]).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::sys::{FAMILY, Family};

/// One address that a service listens on.
///
/// Its text form is the one that the daemon announces and that the `listen` key takes:
/// `tcp://127.0.0.1:7000`, `tcp://[::]:7000`, `udp://0.0.0.0:69`, `unix:///run/hello.sock`, `unix:@hello`,
/// `npipe:hello`. On Windows the path of a Unix socket begins with its drive:
/// `unix:///C:/ProgramData/hello.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// A TCP address. Port 0 lets the system choose.
    Tcp {
        /// The address to bind.
        address: SocketAddr,
        /// For an IPv6 address: refuse IPv4 peers (`IPV6_V6ONLY`, RFC 3493 section 5.3).
        /// Always false for IPv4.
        only_v6: bool,
    },
    /// A UDP address. Port 0 lets the system choose.
    Udp {
        /// The address to bind.
        address: SocketAddr,
        /// As of TCP.
        only_v6: bool,
    },
    /// A Unix stream socket with a file name.
    Unix(PathBuf),
    /// A Linux abstract Unix stream socket (unix(7)): a name without a file.
    Abstract(String),
    /// A named pipe of Windows: what comes behind `\\.\pipe\`. Its case does not matter.
    Pipe(String),
}

impl Endpoint {
    /// Whether binding both would fail: the same port on the same address, or on a wildcard
    /// that covers it. Port 0 never conflicts.
    pub fn conflicts(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp { address: a, only_v6: a6 }, Self::Tcp { address: b, only_v6: b6 })
            | (Self::Udp { address: a, only_v6: a6 }, Self::Udp { address: b, only_v6: b6 }) => {
                a.port() == b.port()
                    && a.port() != 0
                    && (a.ip() == b.ip()
                        || covers(a.ip(), *a6, b.ip())
                        || covers(b.ip(), *b6, a.ip()))
            }
            _ => self.one_spelling() == other.one_spelling(),
        }
    }

    /// Whether datagrams come in here, and no connections.
    pub fn is_datagram(&self) -> bool {
        matches!(self, Self::Udp { .. })
    }

    /// Whether the system chooses the port.
    pub fn is_port_zero(&self) -> bool {
        match self {
            Self::Tcp { address, .. } | Self::Udp { address, .. } => address.port() == 0,
            Self::Unix(_) | Self::Abstract(_) | Self::Pipe(_) => false,
        }
    }

    /// The same endpoint, spelled the same way however it was written.
    pub fn one_spelling(&self) -> Self {
        match self {
            Self::Pipe(name) => Self::Pipe(name.to_lowercase()),
            Self::Unix(path) if FAMILY == Family::Windows => {
                Self::Unix(path.to_string_lossy().to_lowercase().into())
            }
            other => other.clone(),
        }
    }
}

/// Whether a socket bound to `wide` also receives what is sent to `narrow`.
fn covers(wide: IpAddr, only_v6: bool, narrow: IpAddr) -> bool {
    match wide {
        IpAddr::V4(wide) => wide.is_unspecified() && narrow.is_ipv4(),
        IpAddr::V6(wide) => wide.is_unspecified() && (narrow.is_ipv6() || !only_v6),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, .. } => write!(f, "tcp://{address}"),
            Self::Udp { address, .. } => write!(f, "udp://{address}"),
            Self::Unix(path) => UnixUrl(path).fmt(f),
            Self::Abstract(name) => write!(f, "unix:@{name}"),
            Self::Pipe(name) => write!(f, "npipe:{name}"),
        }
    }
}

/// A path as the address of a Unix socket. A path of Windows has a slash in front of its drive
/// there, and no backslash (RFC 8089, appendix E.2).
#[derive(Clone, Copy, Debug)]
pub struct UnixUrl<'a>(
    /// The path of the socket.
    pub &'a Path,
);

impl fmt::Display for UnixUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match FAMILY {
            Family::Unix => write!(f, "unix://{}", self.0.display()),
            Family::Windows => {
                write!(f, "unix:///{}", self.0.to_string_lossy().replace('\\', "/"))
            }
        }
    }
}

/// One end of a connection. IPv4 peers of a dual-stack listener are IPv4 addresses here,
/// never `::ffff:` ones, so that rules, records and programs see one form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An Internet address and port.
    Inet(SocketAddr),
    /// A Unix socket; peers are unnamed as a rule.
    Unix(Option<PathBuf>),
    /// Our end of a named pipe: its name.
    Pipe(String),
    /// The other end of a named pipe: the process that has opened it.
    PipeClient(u32),
}

impl Address {
    /// The Internet address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Inet(address) => Some(address.ip()),
            Self::Unix(_) | Self::Pipe(_) | Self::PipeClient(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => Self::Inet(SocketAddr::new(ip.into(), address.port())),
            // As it is: a link-local address is nothing without its scope.
            IpAddr::V6(_) => Self::Inet(address),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(None) => f.write_str("unix"),
            Self::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Self::Pipe(name) => write!(f, "pipe:{name}"),
            Self::PipeClient(process) => write!(f, "pipe:pid={process}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str, only_v6: bool) -> Endpoint {
        Endpoint::Tcp { address: text.parse().unwrap(), only_v6 }
    }

    #[test]
    fn endpoints_conflict_when_one_covers_the_other() {
        let cases = [
            ("127.0.0.1:80", false, "127.0.0.1:80", false, true),
            ("127.0.0.1:80", false, "127.0.0.1:81", false, false),
            ("127.0.0.1:80", false, "127.0.0.2:80", false, false),
            ("0.0.0.0:80", false, "127.0.0.1:80", false, true),
            ("[::]:80", false, "127.0.0.1:80", false, true),
            ("[::]:80", true, "127.0.0.1:80", false, false),
            ("[::]:80", true, "[::1]:80", false, true),
            ("0.0.0.0:80", false, "[::1]:80", false, false),
            ("0.0.0.0:0", false, "0.0.0.0:0", false, false),
        ];
        for (a, a6, b, b6, expected) in cases {
            assert_eq!(tcp(a, a6).conflicts(&tcp(b, b6)), expected, "{a} {b}");
            assert_eq!(tcp(b, b6).conflicts(&tcp(a, a6)), expected, "{b} {a}");
        }
    }

    #[test]
    fn pipes_conflict_whatever_their_case() {
        let pipe = |name: &str| Endpoint::Pipe(name.into());
        assert!(pipe("Hello").conflicts(&pipe("hello")));
        assert!(!pipe("hello").conflicts(&pipe("hello2")));
        assert!(!pipe("hello").conflicts(&Endpoint::Abstract("hello".into())));
        assert_eq!(pipe("Hello").to_string(), "npipe:Hello");
    }

    #[test]
    fn a_unix_socket_is_announced_as_it_is_written() {
        let (path, other, url) = match FAMILY {
            Family::Unix => ("/run/x.sock", "/run/X.sock", "unix:///run/x.sock"),
            Family::Windows => (r"C:\x\y.sock", r"c:\X\y.sock", "unix:///C:/x/y.sock"),
        };
        let (socket, other) = (Endpoint::Unix(path.into()), Endpoint::Unix(other.into()));
        assert_eq!(socket.to_string(), url);
        // The case of a name does not matter on Windows.
        assert_eq!(socket.conflicts(&other), FAMILY == Family::Windows);
    }

    #[test]
    fn a_mapped_peer_is_an_ipv4_peer() {
        let mapped: SocketAddr = "[::ffff:192.0.2.7]:5000".parse().unwrap();
        assert_eq!(Address::from(mapped).to_string(), "192.0.2.7:5000");
    }
}
