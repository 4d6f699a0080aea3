//! The first field of a classic line: hosts and a service, or the path of a Unix socket.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use super::Dialect;
use super::lines::Word;

/// What the first field says.
#[derive(Debug, PartialEq)]
pub(super) struct Address {
    /// The hosts in front of it; `None` if there are none.
    pub(super) hosts: Option<Vec<String>>,
    /// A port, a name or a path.
    pub(super) service: String,
    /// The bytes of the field that are the service.
    pub(super) range: Range<usize>,
    /// Owner, group and mode of a Unix socket's file (FreeBSD).
    pub(super) owner: Option<[String; 3]>,
}

/// The protocols of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// TCP over this.
    Tcp(Net),
    /// UDP over this.
    Udp(Net),
    /// A Unix stream socket.
    Unix,
}

/// The Internet protocols of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Net {
    /// Nothing is said: IPv4, unless a host says otherwise.
    Unsaid,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
    /// One socket for both.
    Both,
}

/// Takes the first field apart.
pub(super) fn parse(word: &Word, dialect: Dialect) -> Result<Address, &'static str> {
    let text = word.text.as_str();
    let plain = |hosts, service: &str| Address {
        hosts,
        service: service.to_owned(),
        range: text.len() - service.len()..text.len(),
        owner: None,
    };
    if let Some(rest) = text.strip_prefix(':').filter(|_| dialect == Dialect::Freebsd) {
        let parts: Vec<&str> = rest.splitn(4, ':').collect();
        let [user, group, mode, path] = parts[..] else {
            return Err("write :user:group:mode:/path");
        };
        let owner = Some([user, group, mode].map(str::to_owned));
        return Ok(Address { owner, ..plain(None, path) });
    }
    if text.starts_with('/') {
        return Ok(plain(None, text));
    }
    match text.rsplit_once(':') {
        None => Ok(plain(None, text)),
        Some(_) if !dialect.has_hosts() => Err("this dialect has no hosts in front of a service"),
        Some((_, "")) => Err("there is no service behind the host"),
        Some((found, service)) => Ok(plain(Some(hosts(found)), service)),
    }
}

/// A list of hosts. An asterisk stands for every address, which is an empty list.
pub(super) fn hosts(text: &str) -> Vec<String> {
    if text == "*" || text.is_empty() {
        return Vec::new();
    }
    let bare = |host: &str| {
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        inner.unwrap_or(host).to_owned()
    };
    text.split(',').map(bare).collect()
}

/// What a service of the multiplexer begins with.
pub(super) const MUX: &str = "tcpmux/";

/// The address as the `listen` key has it.
pub(super) fn listen(protocol: Protocol, host: Option<&str>, service: &str) -> String {
    if let Some(name) = service.strip_prefix(MUX) {
        return format!("tcpmux://{name}");
    }
    let address: Option<IpAddr> = host.and_then(|host| host.parse().ok());
    let (name, net) = match protocol {
        Protocol::Unix => return format!("unix://{service}"),
        Protocol::Tcp(net) => ("tcp", net),
        Protocol::Udp(net) => ("udp", net),
    };
    let family = match (net, address) {
        (Net::Unsaid, Some(IpAddr::V6(_))) | (Net::V6, _) => "6",
        (Net::Unsaid | Net::V4, _) => "4",
        (Net::Both, _) => "",
    };
    let scheme = format!("{name}{family}");
    match host {
        None => format!("{scheme}://{service}"),
        Some(host) if host.contains(':') || host.parse::<Ipv6Addr>().is_ok() => {
            format!("{scheme}://[{host}]:{service}")
        }
        Some(host) => format!("{scheme}://{host}:{service}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, dialect: Dialect) -> Option<(Option<Vec<String>>, String)> {
        let word = Word { text: text.into(), range: 0..text.len(), is_quoted: false };
        parse(&word, dialect).ok().map(|address| (address.hosts, address.service))
    }

    #[test]
    fn hosts_end_at_the_last_colon() {
        let hosts = |list: &[&str]| Some(list.iter().map(ToString::to_string).collect::<Vec<_>>());
        for (text, expected) in [
            ("http", (None, "http")),
            ("localhost:http", (hosts(&["localhost"]), "http")),
            ("[::1]:7003", (hosts(&["::1"]), "7003")),
            (":::7003", (hosts(&["::"]), "7003")),
            ("127.0.0.1,::1:7001", (hosts(&["127.0.0.1", "::1"]), "7001")),
            ("*:7001", (hosts(&[]), "7001")),
            ("/run/a:b", (None, "/run/a:b")),
        ] {
            let expected = (expected.0, expected.1.to_owned());
            assert_eq!(shown(text, Dialect::Openbsd), Some(expected), "{text}");
        }
        assert_eq!(shown("127.0.0.1:7001", Dialect::Freebsd), None);
        assert_eq!(shown("127.0.0.1:", Dialect::Netbsd), None);
        assert_eq!(shown(":www:0660:/x", Dialect::Freebsd), None);
        let unix = shown(":www:www:0660:/run/x", Dialect::Freebsd);
        assert_eq!(unix, Some((None, "/run/x".to_owned())));
    }

    #[test]
    fn tcp_is_ipv4_unless_the_host_says_otherwise() {
        assert_eq!(listen(Protocol::Tcp(Net::Unsaid), None, "7"), "tcp4://7");
        assert_eq!(listen(Protocol::Tcp(Net::Unsaid), Some("::1"), "7"), "tcp6://[::1]:7");
        assert_eq!(listen(Protocol::Tcp(Net::V4), Some("::1"), "7"), "tcp4://[::1]:7");
        assert_eq!(listen(Protocol::Tcp(Net::Both), None, "7"), "tcp://7");
        assert_eq!(listen(Protocol::Tcp(Net::V6), Some("a"), "http"), "tcp6://a:http");
        assert_eq!(listen(Protocol::Udp(Net::Unsaid), None, "tftp"), "udp4://tftp");
    }
}
