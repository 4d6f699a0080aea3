//! The LISTEN language: where a service listens.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use super::local::{pipe, unix};
use crate::config::names_file::ServicesFile;
use crate::config::suggest::did_you_mean;
use crate::config::{MuxName, Target};
use crate::listener::endpoint::Endpoint;
use crate::sys::paths;

const KINDS: &str =
    "there are tcp://, tcp4://, tcp6://, udp://, udp4://, udp6://, unix://, npipe: and tcpmux://";

/// The longest name of a service of the multiplexer. RFC 1078 has no limit; the BSDs read 256.
const MUX_NAME: usize = 128;

/// What is wrong with an address, and what to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Complaint {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

pub(super) fn complain<T>(
    message: impl Into<String>,
    help: impl Into<String>,
) -> Result<T, Complaint> {
    Err(Complaint { message: message.into(), help: Some(help.into()) })
}

/// An address before its names are looked up.
#[derive(Clone, Debug, PartialEq)]
enum Form {
    Inet {
        transport: Transport,
        net: Net,
        host: Option<Host>,
        port: Port,
    },
    /// Of this machine alone.
    Local(Endpoint),
    /// A name of the multiplexer.
    Mux(MuxName),
}

/// What runs over the Internet protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Streams.
    Tcp,
    /// Datagrams.
    Udp,
}

/// The Internet protocols that are wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Net {
    Any,
    V4,
    V6,
}

#[derive(Clone, Debug, PartialEq)]
enum Host {
    Address(IpAddr),
    Name(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Port {
    Number(u16),
    Name(String),
}

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

impl Transport {
    /// As addresses and the services file have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
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

fn parse(text: &str) -> Result<Form, Complaint> {
    if text.trim() != text || text.is_empty() {
        return complain(
            format!("`{text}` is not an address to listen on"),
            "write a port, \"127.0.0.1:7000\", \"[::1]:7000\" or \"unix:///path\"",
        );
    }
    if let Some(rest) = text.strip_prefix("unix:") {
        return unix(rest).map(Form::Local);
    }
    if let Some(rest) = text.strip_prefix("npipe:") {
        return pipe(rest).map(Form::Local);
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None if text.starts_with('/') => {
            return complain(
                format!("`{text}` is a path"),
                format!("write \"unix://{text}\" for a Unix socket"),
            );
        }
        None => (text.split_once(':').map_or("", |(scheme, _)| scheme), text),
    };
    match scheme {
        "vsock" => {
            return complain("`vsock` addresses are not available in this version", KINDS);
        }
        _ if rest.len() == text.len() => return inet(Transport::Tcp, Net::Any, rest),
        _ => {}
    }
    match scheme {
        "tcp" => inet(Transport::Tcp, Net::Any, rest),
        "tcp4" => inet(Transport::Tcp, Net::V4, rest),
        "tcp6" => inet(Transport::Tcp, Net::V6, rest),
        "udp" => inet(Transport::Udp, Net::Any, rest),
        "udp4" => inet(Transport::Udp, Net::V4, rest),
        "udp6" => inet(Transport::Udp, Net::V6, rest),
        "tcpmux" => mux(rest),
        _ => Err(Complaint {
            message: format!("unknown kind of address `{scheme}://`"),
            help: did_you_mean(
                scheme,
                ["tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "unix", "npipe", "tcpmux"],
            )
            .or_else(|| Some(KINDS.into())),
        }),
    }
}

/// RFC 1078 asks for a line that ends with CRLF, and says no more of a name.
fn mux(text: &str) -> Result<Form, Complaint> {
    const HELP: &str = "write \"tcpmux://NAME\", or \"tcpmux://+NAME\" to have inetd send the `+`";
    let (name, replies) = match text.strip_prefix('+') {
        Some(name) => (name, true),
        None => (text, false),
    };
    if name.is_empty() {
        return complain("the service of the multiplexer has no name", HELP);
    }
    if name.eq_ignore_ascii_case("help") {
        return complain("`help` lists the services of the multiplexer", "use another name");
    }
    if name.starts_with('+') || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return complain(format!("`{name}` cannot be a name of the multiplexer"), HELP);
    }
    if name.len() > MUX_NAME {
        return complain(
            format!("the name of the multiplexer has {} characters", name.len()),
            format!("use at most {MUX_NAME}"),
        );
    }
    Ok(Form::Mux(MuxName { name: name.to_owned(), replies }))
}

fn inet(transport: Transport, net: Net, text: &str) -> Result<Form, Complaint> {
    let (host, port) = split(text)?;
    Ok(Form::Inet { transport, net, host, port: parse_port(port)? })
}

fn split(text: &str) -> Result<(Option<Host>, &str), Complaint> {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, rest)) = rest.split_once(']') else {
            return complain(format!("`{text}` has no closing bracket"), "write \"[::1]:7000\"");
        };
        let Some(port) = rest.strip_prefix(':') else {
            return complain(
                format!("`{text}` has no port"),
                format!("write \"[{address}]:7000\""),
            );
        };
        return match address.parse::<Ipv6Addr>() {
            Ok(address) => Ok((Some(Host::Address(address.into())), port)),
            // An address with a zone, `fe80::1%eth0`: the resolver knows the number of `eth0`.
            Err(_)
                if address.split_once('%').is_some_and(|(a, _)| a.parse::<Ipv6Addr>().is_ok()) =>
            {
                Ok((Some(Host::Name(address.to_owned())), port))
            }
            Err(_) => complain(
                format!("`{address}` is not an IPv6 address"),
                "only IPv6 addresses have brackets",
            ),
        };
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        if let Ok(address) = text.parse::<IpAddr>() {
            return complain(
                format!("`{text}` has no port"),
                format!("write \"{}\"", SocketAddr::new(address, 7000)),
            );
        }
        return Ok((None, text));
    };
    if host.contains(':') {
        return complain(
            format!("`{text}` is ambiguous: an IPv6 address needs brackets"),
            match text.parse::<Ipv6Addr>() {
                Ok(address) => format!("write \"[{address}]:7000\""),
                Err(_) => format!("write \"[{host}]:{port}\""),
            },
        );
    }
    if host.is_empty() || host == "*" {
        return complain(
            format!("`{text}` has no host"),
            format!("write \"{port}\" to listen on every address"),
        );
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok((Some(Host::Address(address.into())), port));
    }
    let valid = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    let numeric = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if numeric || !host.chars().all(valid) {
        return complain(
            format!("`{host}` is not an address or the name of a host"),
            format!("write \"127.0.0.1:{port}\", \"[::1]:{port}\" or \"localhost:{port}\""),
        );
    }
    Ok((Some(Host::Name(host.to_owned())), port))
}

fn parse_port(text: &str) -> Result<Port, Complaint> {
    if text.is_empty() {
        return complain("the port is missing", "write a number from 0 to 65535 behind the colon");
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse() {
            Ok(port) if digits.len() == text.len() => Ok(Port::Number(port)),
            _ => complain(
                format!("`{text}` is not a port"),
                "ports are numbers from 0 to 65535; 0 lets the system choose",
            ),
        };
    }
    if !text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '/' | '[' | ']' | ',')) {
        return complain(
            format!("`{text}` is not a port"),
            "write a number from 0 to 65535 or a name of the services file",
        );
    }
    Ok(Port::Name(text.to_owned()))
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
        fn any_text_is_parsed(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn anything_like_an_address_is_parsed(text in "(tcp|unix|npipe|:|/|\\[|\\]|[0-9]|\\.|@|%|x)*") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_announced_can_be_listened_to(address: SocketAddr) {
            // Flow labels and zones are not part of the text form.
            let address = SocketAddr::new(address.ip(), address.port());
            let endpoint = Endpoint::Tcp { address, only_v6: false };
            prop_assert_eq!(endpoints(&endpoint.to_string()), Ok(vec![endpoint]));
        }
    }
}
