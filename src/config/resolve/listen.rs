//! Where a service listens, and what it forwards to: endpoints and servers behind the words of
//! the [LISTEN language](super::address). Owns the look-up of ports and hosts.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use super::address::{Form, Host, Net, Port, Transport, parse};
use super::complaint::{Complaint, complain};
use crate::config::names_file::ServicesFile;
use crate::config::suggest::did_you_mean;
use crate::config::{MuxName, Target};
use crate::listener::endpoint::Endpoint;
use crate::sys::paths;

/// What the system can do.
#[derive(Clone, Copy, Debug)]
pub(super) struct System {
    pub(super) has_ipv6: bool,
    pub(super) has_unix_sockets: bool,
}

/// Looks up names; each one once.
pub(super) struct Names {
    system: System,
    services: Option<ServicesFile>,
    hosts: HashMap<String, Result<Vec<SocketAddr>, String>>,
}

impl Names {
    pub(super) fn new(system: System) -> Self {
        Self { system, services: None, hosts: HashMap::new() }
    }

    fn needs_unix_sockets(&self) -> Result<(), Complaint> {
        if self.system.has_unix_sockets {
            return Ok(());
        }
        complain(
            "this system has no Unix sockets",
            "they need Windows 10 1803, Windows Server 2019 or a later one: use npipe:NAME or \
             127.0.0.1:PORT",
        )
    }

    /// The name of the multiplexer that an address is, if it is one.
    pub(super) fn mux(text: &str) -> Option<MuxName> {
        match parse(text) {
            Ok(Form::Mux(name)) => Some(name),
            _ => None,
        }
    }

    /// The endpoints of one address, at least one; none of a name of the multiplexer.
    pub(super) fn endpoints(&mut self, text: &str) -> Result<Vec<Endpoint>, Complaint> {
        let (transport, net, host, port) = match parse(text)? {
            Form::Local(endpoint) => {
                if let Endpoint::Unix(_) = endpoint {
                    self.needs_unix_sockets()?;
                }
                return Ok(vec![endpoint]);
            }
            Form::Mux(_) => return Ok(Vec::new()),
            Form::Inet { transport, net, host, port } => {
                (transport, net, host, self.port(port, transport)?)
            }
        };
        let only_v6 = net == Net::V6;
        let every: IpAddr = match net {
            Net::V4 => Ipv4Addr::UNSPECIFIED.into(),
            // A port alone asks for what there is, not for IPv6.
            Net::Any if !self.system.has_ipv6 => Ipv4Addr::UNSPECIFIED.into(),
            Net::Any | Net::V6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        let addresses = match host {
            None => vec![SocketAddr::new(every, port)],
            Some(Host::Address(address)) => {
                if (net == Net::V4 && address.is_ipv6()) || (net == Net::V6 && address.is_ipv4()) {
                    let name = transport.name();
                    let other = if net == Net::V4 { 6 } else { 4 };
                    return complain(
                        format!("`{address}` is not an address of that protocol"),
                        format!("use {name}{other}:// or {name}://"),
                    );
                }
                vec![SocketAddr::new(address, port)]
            }
            Some(Host::Name(name)) => self.host(&name, net, port)?,
        };
        let only_v6 = |address: &SocketAddr| only_v6 && address.is_ipv6();
        let endpoint = |address| {
            let only_v6 = only_v6(&address);
            match transport {
                Transport::Tcp => Endpoint::Tcp { address, only_v6 },
                Transport::Udp => Endpoint::Udp { address, only_v6 },
            }
        };
        let mut endpoints = Vec::with_capacity(addresses.len());
        for endpoint in addresses.into_iter().map(endpoint) {
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
        Ok(endpoints)
    }

    /// The server that a service forwards to.
    pub(super) fn target(&mut self, text: &str) -> Result<Target, Complaint> {
        const HELP: &str = "write \"HOST:PORT\", \"[::1]:PORT\" or \"unix:///PATH\"";
        match parse(text)? {
            Form::Local(Endpoint::Unix(path)) => {
                self.needs_unix_sockets().map(|()| Target::Unix(path))
            }
            Form::Inet { transport: Transport::Tcp, net: Net::Any, host: Some(host), port } => {
                let port = self.port(port, Transport::Tcp)?;
                if port == 0 {
                    return complain(format!("`{text}` has no port"), HELP);
                }
                let host = match host {
                    Host::Address(address) => address.to_string(),
                    Host::Name(name) => name,
                };
                Ok(Target::Inet { host, port })
            }
            Form::Inet { host: None, .. } => complain(format!("`{text}` has no host"), HELP),
            _ => complain(format!("`{text}` is not an address to forward to"), HELP),
        }
    }

    fn port(&mut self, port: Port, transport: Transport) -> Result<u16, Complaint> {
        let name = match port {
            Port::Number(port) => return Ok(port),
            Port::Name(name) => name,
        };
        let path = paths::services_file();
        let services = self.services.get_or_insert_with(|| ServicesFile::load(&path));
        services.port(&name, transport).ok_or_else(|| Complaint {
            message: format!(
                "there is no {} service `{name}` in {}",
                transport.name().to_uppercase(),
                path.display()
            ),
            help: did_you_mean(&name, services.names(transport))
                .or_else(|| Some("write the number of the port".into())),
        })
    }

    fn host(&mut self, name: &str, net: Net, port: u16) -> Result<Vec<SocketAddr>, Complaint> {
        let found = self.hosts.entry(name.to_owned()).or_insert_with(|| {
            (name, 0).to_socket_addrs().map(Iterator::collect).map_err(|error| error.to_string())
        });
        let addresses = match found {
            Ok(addresses) => addresses,
            Err(error) => {
                return complain(
                    format!("cannot look up the host `{name}`: {error}"),
                    "write an address, which needs no name server at start",
                );
            }
        };
        let wanted = addresses.iter().filter(|address| match net {
            Net::Any => true,
            Net::V4 => address.is_ipv4(),
            Net::V6 => address.is_ipv6(),
        });
        let mut wanted: Vec<SocketAddr> = wanted.copied().collect();
        wanted.iter_mut().for_each(|address| address.set_port(port));
        if wanted.is_empty() {
            let family = if net == Net::V4 { "IPv4" } else { "IPv6" };
            return complain(format!("the host `{name}` has no {family} address"), "use tcp://");
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sys::{FAMILY, Family};

    const ALL: System = System { has_ipv6: true, has_unix_sockets: true };

    fn endpoints(text: &str) -> Result<Vec<Endpoint>, Complaint> {
        Names::new(ALL).endpoints(text)
    }

    fn shown(text: &str) -> String {
        match endpoints(text) {
            Ok(endpoints) => {
                endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }
            Err(complaint) => complaint.message,
        }
    }

    #[test]
    fn every_form_of_an_address() {
        for (text, expected) in [
            ("7000", "tcp://[::]:7000"),
            ("0", "tcp://[::]:0"),
            ("tcp://7000", "tcp://[::]:7000"),
            ("tcp4://7000", "tcp://0.0.0.0:7000"),
            ("tcp6://7000", "tcp://[::]:7000"),
            ("127.0.0.1:7000", "tcp://127.0.0.1:7000"),
            ("[::1]:7000", "tcp://[::1]:7000"),
            ("tcp6://[::1]:65535", "tcp://[::1]:65535"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let only = |text| match &endpoints(text).unwrap()[0] {
            Endpoint::Tcp { only_v6, .. } => *only_v6,
            _ => unreachable!(),
        };
        assert!(only("tcp6://7000") && !only("7000") && !only("tcp4://7000"));
    }

    #[test]
    fn a_port_alone_is_of_ipv4_where_there_is_no_ipv6() {
        let shown = |text| {
            Names::new(System { has_ipv6: false, ..ALL }).endpoints(text).unwrap()[0].to_string()
        };
        assert_eq!(shown("7000"), "tcp://0.0.0.0:7000");
        assert_eq!(shown("tcp://7000"), "tcp://0.0.0.0:7000");
        // Who asks for IPv6 is told that it cannot be had.
        assert_eq!(shown("tcp6://7000"), "tcp://[::]:7000");
        assert_eq!(shown("[::]:7000"), "tcp://[::]:7000");
    }

    #[test]
    fn what_is_not_an_address_is_explained() {
        for (text, expected) in [
            ("", "`` is not an address to listen on"),
            (" 80", "` 80` is not an address to listen on"),
            ("65536", "`65536` is not a port"),
            ("-1", "`-1` is not a port"),
            ("+1", "`+1` is not a port"),
            ("127.0.0.1", "`127.0.0.1` has no port"),
            ("127.0.0.1:", "the port is missing"),
            ("::1", "`::1` is ambiguous: an IPv6 address needs brackets"),
            ("[::1]", "`[::1]` has no port"),
            ("[::1", "`[::1` has no closing bracket"),
            ("[1.2.3.4]:1", "`1.2.3.4` is not an IPv6 address"),
            (":80", "`:80` has no host"),
            ("*:80", "`*:80` has no host"),
            ("1.2.3:80", "`1.2.3` is not an address or the name of a host"),
            ("a b:80", "`a b` is not an address or the name of a host"),
            ("http://80", "unknown kind of address `http://`"),
            ("/run/x.sock", "`/run/x.sock` is a path"),
            ("tcp4://[::1]:1", "`::1` is not an address of that protocol"),
            ("tcp6://127.0.0.1:1", "`127.0.0.1` is not an address of that protocol"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_the_system_does_not_have_is_said() {
        let mut names = Names::new(System { has_unix_sockets: false, ..ALL });
        let address = if FAMILY == Family::Windows { "unix:///C:/x.sock" } else { "unix:///x" };
        for complaint in [names.endpoints(address).unwrap_err(), names.target(address).unwrap_err()]
        {
            assert_eq!(complaint.message, "this system has no Unix sockets");
            assert!(complaint.help.unwrap().contains("Windows Server 2019"));
        }
        assert!(names.endpoints("127.0.0.1:7000").is_ok());
        assert!(Names::new(ALL).target(address).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_announced_can_be_listened_to(address: SocketAddr) {
            // Flow labels and zones are not part of the text form.
            let address = SocketAddr::new(address.ip(), address.port());
            let endpoint = Endpoint::Tcp { address, only_v6: false };
            prop_assert_eq!(endpoints(&endpoint.to_string()), Ok(vec![endpoint]));
        }
    }
}
