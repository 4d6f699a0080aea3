//! Guesses the dialect of a classic file by what only one of them has.

use std::ops::Range;

use super::Dialect;
use super::lines::{Line, Word, split};

/// What a guess rests on.
#[derive(Debug, PartialEq)]
pub(super) struct Evidence {
    pub(super) range: Range<usize>,
    pub(super) reason: &'static str,
}

/// The dialect of `text`, and why. Without a reason it is that of OpenBSD, which Debian has.
pub(super) fn dialect(text: &str) -> (Dialect, Option<Evidence>) {
    let lines = split(text, Dialect::Openbsd);
    let found = lines.iter().find_map(strong).or_else(|| lines.iter().find_map(weak));
    match found {
        Some((dialect, range, reason)) => (dialect, Some(Evidence { range, reason })),
        None => (Dialect::Openbsd, None),
    }
}

/// The beginning of something in xinetd's format.
pub(super) fn xinetd(text: &str) -> Option<Range<usize>> {
    if !text.contains('{') {
        return None;
    }
    let lines = split(text, Dialect::Inetutils);
    lines.iter().zip(lines.iter().skip(1)).find_map(|(line, next)| {
        let first = line.words.first()?;
        let opens = line.words.last()?.text == "{" || next.words.first()?.text == "{";
        let begins = match first.text.as_str() {
            "service" => line.words.len() <= 3,
            "defaults" => line.words.len() <= 2,
            _ => false,
        };
        (begins && opens).then(|| first.range.clone())
    })
}

type Guess = (Dialect, Range<usize>, &'static str);

fn strong(line: &Line) -> Option<Guess> {
    let word = |index: usize| line.words.get(index);
    let guess = |dialect, word: &Word, reason| Some((dialect, word.range.clone(), reason));
    let first = word(0)?;
    if first.text == ".include" {
        return guess(Dialect::Netbsd, first, "only netbsd has `.include`");
    }
    if let Some(second) = word(1).filter(|word| matches!(word.text.as_str(), "on" | "off")) {
        return guess(Dialect::Netbsd, second, "only netbsd has this form of a service");
    }
    if first.text.starts_with(':') && first.text.contains(":/") {
        return guess(Dialect::Freebsd, first, "only freebsd has `:user:group:mode:/path`");
    }
    if let Some(program) = word(5).filter(|word| word.text == "internal" && first.text == "auth") {
        return guess(Dialect::Freebsd, program, "only freebsd answers `auth` itself");
    }
    let (socket, protocol, wait) = (word(1)?, word(2)?, word(3)?);
    if let Some(rest) = wait.text.strip_prefix("nowait").or_else(|| wait.text.strip_prefix("wait"))
    {
        match rest.chars().next() {
            Some('/') => {
                return guess(Dialect::Freebsd, wait, "only freebsd has `/` behind nowait");
            }
            Some(':') => return guess(Dialect::Netbsd, wait, "only netbsd has `:` behind nowait"),
            _ => {}
        }
    }
    if socket.text.starts_with("stream,") || socket.text.starts_with("stream:") {
        return guess(Dialect::Netbsd, socket, "only netbsd has options of the socket type");
    }
    if protocol.text.contains(",sndbuf=") || protocol.text.contains(",rcvbuf=") {
        return guess(Dialect::Netbsd, protocol, "only netbsd has buffer sizes");
    }
    match protocol.text.as_str() {
        "tcp46" | "udp46" => guess(Dialect::Freebsd, protocol, "only freebsd has this protocol"),
        "tcp6only" | "udp6only" => {
            guess(Dialect::Inetutils, protocol, "only inetutils has this protocol")
        }
        _ => None,
    }
}

fn weak(line: &Line) -> Option<Guess> {
    let first = line.words.first()?;
    if first.text.rsplit_once(':').is_some_and(|(hosts, _)| hosts.contains(',')) {
        let reason = "openbsd and inetutils have lists of hosts";
        return Some((Dialect::Openbsd, first.range.clone(), reason));
    }
    let quoted = line.words.iter().skip(5).find(|word| word.text.starts_with(['"', '\'']))?;
    let reason = "inetutils and netbsd have quotes";
    Some((Dialect::Inetutils, quoted.range.clone(), reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_is_known_by_what_only_it_has() {
        for (text, expected) in [
            ("a stream tcp nowait/20/60/4 root /bin/x x", Dialect::Freebsd),
            ("a stream tcp46 nowait root /bin/x x", Dialect::Freebsd),
            (":w:w:0660:/run/x stream unix nowait root /bin/x x", Dialect::Freebsd),
            ("a stream tcp nowait:30 root /bin/x x", Dialect::Netbsd),
            ("a stream,8 tcp nowait root /bin/x x", Dialect::Netbsd),
            ("a stream tcp,rcvbuf=64k nowait root /bin/x x", Dialect::Netbsd),
            ("a on\n", Dialect::Netbsd),
            (".include x\n", Dialect::Netbsd),
            ("a stream tcp6only nowait root /bin/x x", Dialect::Inetutils),
            ("a stream tcp nowait root \"/opt/my tools/x\" x", Dialect::Inetutils),
            ("127.0.0.1,::1:a stream tcp nowait root /bin/x x", Dialect::Openbsd),
            ("a stream tcp nowait.30 root /bin/x x", Dialect::Openbsd),
            ("", Dialect::Openbsd),
        ] {
            assert_eq!(dialect(text).0, expected, "{text}");
        }
    }

    #[test]
    fn xinetd_is_not_taken_for_a_classic_file() {
        assert!(xinetd("# c\nservice telnet\n{\n disable = no\n}\n").is_some());
        assert!(xinetd("defaults {\n}\n").is_some());
        assert!(xinetd("service stream tcp nowait root /bin/x x\n").is_none());
    }
}
