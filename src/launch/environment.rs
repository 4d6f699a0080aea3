//! What a program is told about its connection: the variables of the UCSPI family (`PROTO`,
//! `TCPREMOTEIP`), of xinetd (`REMOTE_HOST`), of systemd (`REMOTE_ADDR`) and our own.
//! `Inetd_SOCK` and `LISTEN_PID` depend on the system and are added by [`crate::sys::spawn`].

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::ops::Range;

use super::variables::Variables;
use crate::admission::names::HostNames;
use crate::admission::tables::Variable;
use crate::listener::endpoint::{Address, Endpoint};
use crate::record::format::is_unsafe;
use crate::session::SessionId;
use crate::sys::{FAMILY, Family};

/// Variables that tell a program about its connection. A value from elsewhere would be a lie.
const FACTS: [&str; 19] = [
    "Inetd_SOCK",
    "PROTO",
    "TCPLOCALIP",
    "TCPLOCALPORT",
    "TCPLOCALHOST",
    "TCPREMOTEIP",
    "TCPREMOTEPORT",
    "TCPREMOTEHOST",
    "TCPREMOTEINFO",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "REMOTE_HOST",
    "INETD_SERVICE",
    "INETD_SESSION",
    "INETD_LOCAL",
    "INETD_REMOTE",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

/// Whether a variable of this name is for us alone to set.
pub fn is_fact(name: &OsStr) -> bool {
    FACTS.iter().any(|fact| match FAMILY {
        Family::Unix => name == *fact,
        Family::Windows => name.eq_ignore_ascii_case(fact),
    })
}

/// The facts of a connection, or of a listening socket for a `wait` server.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The service's name.
    pub service: &'a str,
    /// The session.
    pub session: SessionId,
    /// Both ends.
    pub ends: Ends<'a>,
    /// Datagrams are exchanged, on no connection.
    pub is_datagram: bool,
}

/// Who is connected to what.
#[derive(Clone, Copy, Debug)]
pub enum Ends<'a> {
    /// A connection.
    Connection {
        /// Our address.
        local: &'a Address,
        /// The peer's address.
        remote: &'a Address,
        /// The names of both, as far as they are known.
        names: &'a HostNames,
        /// The user of the peer, if its machine has told one.
        user: Option<&'a str>,
        /// What a rule adds.
        variables: &'a [Variable],
    },
    /// A listening socket.
    Listener {
        /// Where it is bound.
        local: &'a Endpoint,
    },
}

impl Facts<'_> {
    /// Fills `variables`.
    pub fn describe(&self, variables: &mut Variables) {
        variables.clear();
        match self.ends {
            Ends::Connection { local, remote, names, user, variables: added } => {
                for (name, value) in added {
                    match value {
                        Some(value) => variables.replace(name, value),
                        None => variables.remove(name),
                    }
                }
                describe_connection(variables, local, remote, names, self.is_datagram);
                if let Some(user) = user {
                    let safe = user.chars().filter(|c| !is_unsafe(*c));
                    variables.push("TCPREMOTEINFO", safe.collect::<String>());
                }
            }
            Ends::Listener { local } => {
                variables.push("PROTO", protocol_of(local));
                variables.push("INETD_LOCAL", local);
                variables.push("LISTEN_FDNAMES", self.service.replace(':', "_"));
            }
        }
        variables.push("INETD_SERVICE", self.service);
        variables.push("INETD_SESSION", self.session);
    }
}

fn describe_connection(
    variables: &mut Variables,
    local: &Address,
    remote: &Address,
    names: &HostNames,
    is_datagram: bool,
) {
    let (Address::Inet(local), Address::Inet(remote)) = (local, remote) else {
        let is_pipe = matches!(local, Address::Pipe(_));
        variables.push("PROTO", if is_pipe { "PIPE" } else { "UNIX" });
        variables.push("INETD_LOCAL", local);
        variables.push("INETD_REMOTE", remote);
        return;
    };
    variables.push("PROTO", if is_datagram { "UDP" } else { protocol(*local) });
    describe_end(variables, ["TCPLOCALIP", "TCPLOCALPORT", "INETD_LOCAL"], *local);
    let names_of_remote = ["TCPREMOTEIP", "TCPREMOTEPORT", "INETD_REMOTE"];
    let (ip, port) = describe_end(variables, names_of_remote, *remote);
    variables.repeat("REMOTE_ADDR", &[&ip]);
    variables.repeat("REMOTE_PORT", &[&port]);
    variables.repeat("REMOTE_HOST", &[&ip]);
    if let Some(name) = names.local.known() {
        variables.push("TCPLOCALHOST", name);
    }
    if let Some(name) = names.remote.known() {
        variables.push("TCPREMOTEHOST", name);
    }
}

/// Adds the address, the port, and both together. Gives where the first two are.
fn describe_end(
    variables: &mut Variables,
    [ip_name, port_name, both_name]: [&str; 3],
    end: SocketAddr,
) -> (Range<usize>, Range<usize>) {
    let ip = variables.push(ip_name, end.ip());
    let port = variables.push(port_name, end.port());
    match end {
        SocketAddr::V4(_) => variables.repeat(both_name, &[&ip, &port]),
        // In brackets.
        SocketAddr::V6(_) => drop(variables.push(both_name, end)),
    }
    (ip, port)
}

fn protocol(local: SocketAddr) -> &'static str {
    if local.is_ipv6() { "TCP6" } else { "TCP" }
}

fn protocol_of(endpoint: &Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Tcp { address, .. } => protocol(*address),
        Endpoint::Udp { .. } => "UDP",
        Endpoint::Unix(_) | Endpoint::Abstract(_) => "UNIX",
        Endpoint::Pipe(_) => "PIPE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::names::Name;

    fn described(ends: Ends<'_>) -> Vec<String> {
        let mut variables = Variables::default();
        let is_datagram = false;
        Facts { service: "hello", session: 7, ends, is_datagram }.describe(&mut variables);
        variables.iter().map(|v| v.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_tcp_connection_is_described_in_every_dialect() {
        let local = Address::Inet("127.0.0.1:7000".parse().unwrap());
        let remote = Address::Inet("192.0.2.1:4321".parse().unwrap());
        assert_eq!(
            described(Ends::Connection {
                local: &local,
                remote: &remote,
                names: &HostNames {
                    remote: Name::Known("peer.example".into()),
                    local: Name::Unknown
                },
                user: Some("st\u{9b}jo\thns\u{202e}"),
                variables: &[("RELAY".into(), Some("".into())), ("LANG".into(), None)],
            }),
            [
                "RELAY=",
                "PROTO=TCP",
                "TCPLOCALIP=127.0.0.1",
                "TCPLOCALPORT=7000",
                "INETD_LOCAL=127.0.0.1:7000",
                "TCPREMOTEIP=192.0.2.1",
                "TCPREMOTEPORT=4321",
                "INETD_REMOTE=192.0.2.1:4321",
                "REMOTE_ADDR=192.0.2.1",
                "REMOTE_PORT=4321",
                "REMOTE_HOST=192.0.2.1",
                "TCPREMOTEHOST=peer.example",
                "TCPREMOTEINFO=stjohns",
                "INETD_SERVICE=hello",
                "INETD_SESSION=7",
            ]
        );
    }

    #[test]
    fn local_peers_have_no_address_and_a_listener_has_no_peer() {
        let local = Address::Unix(Some("/run/x.sock".into()));
        let remote = Address::Unix(None);
        assert_eq!(
            described(Ends::Connection {
                local: &local,
                remote: &remote,
                names: &HostNames::default(),
                user: None,
                variables: &[],
            }),
            [
                "PROTO=UNIX",
                "INETD_LOCAL=unix:/run/x.sock",
                "INETD_REMOTE=unix",
                "INETD_SERVICE=hello",
                "INETD_SESSION=7",
            ]
        );
        let local = Address::Pipe("hello".into());
        let remote = Address::PipeClient(4711);
        assert_eq!(
            described(Ends::Connection {
                local: &local,
                remote: &remote,
                names: &HostNames::default(),
                user: None,
                variables: &[],
            }),
            [
                "PROTO=PIPE",
                "INETD_LOCAL=pipe:hello",
                "INETD_REMOTE=pipe:pid=4711",
                "INETD_SERVICE=hello",
                "INETD_SESSION=7",
            ]
        );
        let local = Endpoint::Tcp { address: "[::1]:7".parse().unwrap(), only_v6: false };
        assert_eq!(
            described(Ends::Listener { local: &local }),
            [
                "PROTO=TCP6",
                "INETD_LOCAL=tcp://[::1]:7",
                "LISTEN_FDNAMES=hello",
                "INETD_SERVICE=hello",
                "INETD_SESSION=7",
            ]
        );
    }
}
