//! The services file (services(5)): names of ports.

use std::collections::HashMap;
use std::path::Path;

use super::resolve::Transport;

/// The ports of a services file.
#[derive(Debug, Default)]
pub(crate) struct ServicesFile {
    ports: HashMap<(String, Transport), u16>,
}

impl ServicesFile {
    /// Reads `path`. Without a file there are no names.
    pub(crate) fn load(path: &Path) -> Self {
        std::fs::read(path).map_or_else(|_| Self::default(), |bytes| Self::parse(&bytes))
    }

    /// Lines are `NAME PORT/PROTOCOL [ALIAS...]`, `#` begins a comment. The first of two equal
    /// names counts, as for getservbyname(3).
    fn parse(bytes: &[u8]) -> Self {
        let mut ports = HashMap::new();
        for line in String::from_utf8_lossy(bytes).lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let (Some(name), Some(port)) = (words.next(), words.next()) else { continue };
            let Some((port, transport)) = port.split_once('/') else { continue };
            let transports = [Transport::Tcp, Transport::Udp];
            let Some(transport) = transports.into_iter().find(|known| known.name() == transport)
            else {
                continue;
            };
            let Ok(port) = port.parse() else { continue };
            for name in std::iter::once(name).chain(words) {
                ports.entry((name.to_owned(), transport)).or_insert(port);
            }
        }
        Self { ports }
    }

    /// The port of a name.
    pub(crate) fn port(&self, name: &str, transport: Transport) -> Option<u16> {
        self.ports.get(&(name.to_owned(), transport)).copied()
    }

    /// All names of a transport, sorted.
    pub(crate) fn names(&self, transport: Transport) -> Vec<&str> {
        let of_transport = self.ports.keys().filter(|(_, other)| *other == transport);
        let mut names: Vec<&str> = of_transport.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_have_ports() {
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
}
