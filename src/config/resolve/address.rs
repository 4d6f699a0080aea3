//! The LISTEN language: what an address says. Nothing is looked up here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::complaint::{Complaint, complain};
use super::local::{pipe, unix};
use crate::config::MuxName;
use crate::config::suggest::did_you_mean;
use crate::listener::endpoint::Endpoint;

const KINDS: &str =
    "there are tcp://, tcp4://, tcp6://, udp://, udp4://, udp6://, unix://, npipe: and tcpmux://";

/// The longest name of a service of the multiplexer. RFC 1078 has no limit; the BSDs read 256.
const MUX_NAME: usize = 128;

/// An address before its names are looked up.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
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
pub(super) enum Net {
    Any,
    V4,
    V6,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Host {
    Address(IpAddr),
    Name(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Port {
    Number(u16),
    Name(String),
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

/// Reads an address, and looks nothing up.
pub(super) fn parse(text: &str) -> Result<Form, Complaint> {
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

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn anything_like_an_address_is_parsed(text in "(tcp|unix|npipe|:|/|\\[|\\]|[0-9]|\\.|@|%|x)*") {
            let _ = parse(&text);
        }
    }
}
