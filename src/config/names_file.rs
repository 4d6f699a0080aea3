//! Files that give names to numbers: of ports (services(5)) and of programs of Sun RPC (rpc(5)).

use std::collections::HashMap;
use std::path::Path;

use super::resolve::Transport;

/// The ports of a services file.
#[derive(Debug, Default)]
pub struct ServicesFile {
    ports: HashMap<(String, Transport), u16>,
}

impl ServicesFile {
    /// Reads `path`. Without a file there are no names.
    pub(super) fn load(path: &Path) -> Self {
        Self::parse(&std::fs::read(path).unwrap_or_default())
    }

    /// Lines are `NAME PORT/PROTOCOL [ALIAS...]`, `#` begins a comment. The first of two equal
    /// names counts, as for getservbyname(3).
    pub fn parse(bytes: &[u8]) -> Self {
        let mut ports = HashMap::new();
        for (port, names) in entries(&String::from_utf8_lossy(bytes)) {
            let Some((port, transport)) = port.split_once('/') else { continue };
            let transports = [Transport::Tcp, Transport::Udp];
            let Some(transport) = transports.into_iter().find(|known| known.name() == transport)
            else {
                continue;
            };
            let Ok(port) = port.parse() else { continue };
            for name in names {
                ports.entry((name.to_owned(), transport)).or_insert(port);
            }
        }
        Self { ports }
    }

    /// The port of a name.
    pub fn port(&self, name: &str, transport: Transport) -> Option<u16> {
        self.ports.get(&(name.to_owned(), transport)).copied()
    }

    /// All names of a transport, sorted.
    pub fn names(&self, transport: Transport) -> Vec<&str> {
        let of_transport = self.ports.keys().filter(|(_, other)| *other == transport);
        let mut names: Vec<&str> = of_transport.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

/// The programs of a file of rpc(5).
#[derive(Debug, Default)]
pub struct RpcFile {
    programs: HashMap<String, u32>,
}

impl RpcFile {
    /// Reads `path`. Without a file there are no names.
    pub(super) fn load(path: &Path) -> Self {
        Self::parse(&std::fs::read(path).unwrap_or_default())
    }

    /// Lines are `NAME NUMBER [ALIAS...]`, `#` begins a comment. The first of two equal names
    /// counts.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut programs = HashMap::new();
        for (number, names) in entries(&String::from_utf8_lossy(bytes)) {
            let Ok(number) = number.parse() else { continue };
            for name in names {
                programs.entry(name.to_owned()).or_insert(number);
            }
        }
        Self { programs }
    }

    /// The number of a program.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.programs.get(name).copied()
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.programs.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

/// The second word of each line, and the others, which are names for it.
fn entries(text: &str) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
    text.lines().filter_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let (name, number) = (words.next()?, words.next()?);
        Some((number, std::iter::once(name).chain(words)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_have_names_and_aliases() {
        let file = ServicesFile::parse(
            b"# comment\nhttp\t80/tcp www  # World Wide Web\nntp 123/udp\nhttp 81/tcp\nbad x/tcp\n\xff 1/tcp\n",
        );
        let port = |name| file.port(name, Transport::Tcp);
        assert_eq!(port("http"), Some(80));
        assert_eq!(port("www"), Some(80));
        assert_eq!(port("ntp"), None);
        assert_eq!(file.port("ntp", Transport::Udp), Some(123));
        assert_eq!(port("bad"), None);
        assert_eq!(file.names(Transport::Tcp).len(), 3);
    }

    // A byte in a comment that is no UTF-8 takes no name away.
    #[test]
    fn programs_have_names_and_aliases() {
        let file = RpcFile::parse(
            b"# a \xfc comment\nportmapper\t100000\tportmap sunrpc # the same\n\nmountd 100005\nx\n\
              mountd 7\nmountd x\n",
        );
        assert_eq!(file.number("portmapper"), Some(100_000));
        assert_eq!(file.number("sunrpc"), Some(100_000));
        assert_eq!(file.number("mountd"), Some(100_005));
        for none in ["the", "x", "#", "a", ""] {
            assert_eq!(file.number(none), None, "{none}");
        }
        assert_eq!(file.names(), ["mountd", "portmap", "portmapper", "sunrpc"]);
    }
}
