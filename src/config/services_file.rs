//! The services file (services(5)): names of ports.

use std::collections::HashMap;
use std::path::Path;

/// The TCP ports of a services file.
#[derive(Debug, Default)]
pub(crate) struct ServicesFile {
    ports: HashMap<String, u16>,
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
            let Some((port, "tcp")) = port.split_once('/') else { continue };
            let Ok(port) = port.parse() else { continue };
            for name in std::iter::once(name).chain(words) {
                ports.entry(name.to_owned()).or_insert(port);
            }
        }
        Self { ports }
    }

    /// The port of a name.
    pub(crate) fn port(&self, name: &str) -> Option<u16> {
        self.ports.get(name).copied()
    }

    /// All names, sorted.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.ports.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_have_tcp_ports() {
        let file = ServicesFile::parse(
            b"# comment\nhttp\t80/tcp www  # World Wide Web\nntp 123/udp\nhttp 81/tcp\nbad x/tcp\n\xff 1/tcp\n",
        );
        assert_eq!(file.port("http"), Some(80));
        assert_eq!(file.port("www"), Some(80));
        assert_eq!(file.port("ntp"), None);
        assert_eq!(file.port("bad"), None);
        assert_eq!(file.names().len(), 3);
    }
}
