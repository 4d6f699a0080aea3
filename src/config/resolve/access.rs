//! `allow` and `deny`: addresses, networks, ranges, and files of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use super::Resolver;
use super::complaint::{Complaint, complain};
use super::draft::Draft;
use crate::admission::names::host_name;
use crate::admission::rules::{Block, BlockError, Effect, Pattern, Rule, Rules};
use crate::config::files;
use crate::config::keys::Key;
use crate::config::report::Problem;
use crate::config::source::{Source, Span, Spanned};

/// The rules that were made already: those of a `[defaults]` table are shared by its services.
pub(super) type Known = HashMap<(Option<Span>, Option<Span>, bool), Arc<Rules>>;

impl Resolver {
    /// The rules of a service; `None` if it has none. What is wrong with them is a problem.
    pub(super) fn rules(&mut self, draft: &Draft) -> Option<Arc<Rules>> {
        let (allow, deny) = (draft.span(Key::Allow), draft.span(Key::Deny));
        if (allow, deny) == (None, None) {
            return None;
        }
        let written = (allow, deny, draft.gate.resolve);
        if let Some(rules) = self.rules.get(&written) {
            return Some(Arc::clone(rules));
        }
        let mut reader = Reader { resolver: self, names: draft.gate.resolve, rules: Vec::new() };
        reader.items(&draft.allow, Effect::Allow);
        reader.items(&draft.deny, Effect::Deny);
        // A list of those who may come in is complete; one of those who may not is not.
        let otherwise = if allow.is_some() { Effect::Deny } else { Effect::Allow };
        let rules = Arc::new(Rules::new(reader.rules, otherwise));
        self.rules.insert(written, Arc::clone(&rules));
        Some(rules)
    }
}

/// Reads the items of one service.
struct Reader<'a> {
    resolver: &'a mut Resolver,
    /// Items may be names.
    names: bool,
    rules: Vec<Rule>,
}

impl Reader<'_> {
    fn items(&mut self, items: &[Spanned<String>], effect: Effect) {
        for item in items {
            match item.value.strip_prefix("file:") {
                Some(path) => self.file(path, item.span, effect),
                None => self.item(&item.value, item.span, effect),
            }
        }
    }

    fn item(&mut self, text: &str, span: Span, effect: Effect) {
        match pattern(text, self.names) {
            Ok(pattern) => {
                let at = self.resolver.sources.position(span);
                self.rules.push(Rule { pattern, effect, at });
            }
            Err(Complaint { message, help }) => {
                self.resolver.problems.push(Problem::error(span, message).maybe_help(help));
            }
        }
    }

    /// A file with one item in a line; `#` begins a comment.
    fn file(&mut self, path: &str, span: Span, effect: Effect) {
        let base = Arc::clone(&self.resolver.sources.get(span.file).base);
        let path = base.join(path);
        let text = match files::named_text(&path) {
            Ok(text) => text,
            Err(message) => {
                let help = "it has one address, network or range in a line";
                self.resolver.problems.push(Problem::error(span, message).help(help));
                return;
            }
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let text: Arc<str> = text.into();
        let source = Source::new(path.as_path().into(), folder.into(), Arc::clone(&text));
        let Some(file) = self.resolver.sources.add(source) else {
            self.resolver.problems.push(Problem::error(span, "there are too many files"));
            return;
        };
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let item = line.split('#').next().unwrap_or_default();
            let word = item.trim();
            if !word.is_empty() {
                let at = start + (item.len() - item.trim_start().len());
                self.item(word, Span::new(file, at..at + word.len()), effect);
            }
            start += line.len();
        }
    }
}

/// Reads one item, which may be a name if those are looked up.
fn pattern(text: &str, names: bool) -> Result<Pattern, Complaint> {
    if let Some((first, last)) = text.split_once('-')
        && let (Ok(first), Ok(last)) = (address(first.trim()), address(last.trim()))
    {
        return block(text, Block::range(first, last));
    }
    if let Some((base, prefix)) = text.split_once('/')
        && let Ok(base) = address(base)
    {
        return match prefix.parse() {
            Ok(length) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => {
                block(text, Block::network(base, length))
            }
            _ => complain(
                format!("`{prefix}` is not the length of a prefix"),
                match prefix.parse().ok().and_then(prefix_of_mask) {
                    Some(length) => format!("write {base}/{length}"),
                    None => "a network is written like 10.0.0.0/8 or 2001:db8::/32".into(),
                },
            ),
        };
    }
    let help = match address(text) {
        Ok(ip) => return Ok(Pattern::Block(Block::single(ip))),
        Err(help) => help,
    };
    let (dot, rest) = text.strip_prefix('.').map_or(("", text), |rest| (".", rest));
    match (host_name(rest), names) {
        (Some(name), true) if !is_everybody(&name) => Ok(match dot {
            "" => Pattern::Name(name.into()),
            _ => Pattern::Suffix(format!(".{name}").into()),
        }),
        (Some(name), false) if !is_everybody(&name) && name != "localhost" => complain(
            format!("`{text}` is a name, and names are not looked up"),
            "write an address, or set resolve = true",
        ),
        _ => complain(format!("`{text}` is not an address"), help),
    }
}

fn block(text: &str, block: Result<Block, BlockError>) -> Result<Pattern, Complaint> {
    match block {
        Ok(block) => Ok(Pattern::Block(block)),
        Err(BlockError::Long(most)) => complain(
            format!("the prefix of `{text}` is too long"),
            format!("an address of this family has {most} bits"),
        ),
        Err(BlockError::HostBits(network)) => complain(
            format!("`{text}` is not the beginning of a network"),
            format!(
                "write {network} for the whole network, or leave out the prefix for one address"
            ),
        ),
        Err(BlockError::Backwards) => {
            complain(format!("the range `{text}` is backwards"), "write the lower address first")
        }
        Err(BlockError::Mixed) => complain(
            format!("`{text}` begins with one family of addresses and ends with the other"),
            "write one range for IPv4 and one for IPv6",
        ),
    }
}

/// An address, or what to do.
fn address(text: &str) -> Result<IpAddr, String> {
    const FORMS: &str = "write an address, a network (10.0.0.0/8), a range (10.0.0.1-10.0.0.9) \
                         or file:PATH";
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(ip) = bare.parse() {
        return Ok(ip);
    }
    let lower = text.to_ascii_lowercase();
    Err(match lower.as_str() {
        "" => FORMS.into(),
        word if is_everybody(word) => "write \"0.0.0.0/0\", \"::/0\" for everybody".into(),
        name if name.starts_with("*.") => format!("write \"{}\"", &text[1..]),
        "localhost" | "loopback" => "write \"127.0.0.0/8\", \"::1\"".into(),
        _ if text.contains('%') => "leave out the zone: rules are about addresses alone".into(),
        _ if text.contains(',') || text.contains(' ') => {
            "write each item on its own: [\"10.0.0.0/8\", \"192.0.2.7\"]".into()
        }
        _ => match dotted_prefix(text) {
            Some(network) => format!("write {network}"),
            None => FORMS.into(),
        },
    })
}

/// Words that other programs have for everybody.
fn is_everybody(word: &str) -> bool {
    matches!(word, "*" | "all" | "any")
}

/// What `10.20.` means to TCP wrappers, and `10.20` to those who are used to it.
fn dotted_prefix(text: &str) -> Option<Block> {
    let octets: Result<Vec<u8>, _> =
        text.strip_suffix('.').unwrap_or(text).split('.').map(str::parse).collect();
    let octets = octets.ok().filter(|octets| (1..4).contains(&octets.len()))?;
    let mut full = [0; 4];
    full[..octets.len()].copy_from_slice(&octets);
    let length = u8::try_from(octets.len() * 8).ok()?;
    Block::network(IpAddr::from(full), length).ok()
}

/// The length of a dotted mask such as 255.255.0.0.
fn prefix_of_mask(mask: std::net::Ipv4Addr) -> Option<u32> {
    let bits = u32::from(mask);
    (bits.leading_ones() == bits.count_ones()).then(|| bits.count_ones())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let read = pattern(text, true).map(|pattern| pattern.to_string());
        read.map_err(|complaint| complaint.help.unwrap_or_default())
    }

    #[test]
    fn addresses_networks_and_ranges() {
        for (text, meaning) in [
            ("192.0.2.7", "192.0.2.7"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("10.0.0.1-10.0.0.9", "10.0.0.1-10.0.0.9"),
            ("10.0.0.1 - 10.0.0.9", "10.0.0.1-10.0.0.9"),
            ("::1-::ff", "::1-::ff"),
            ("Host.Example.ORG", "host.example.org"),
            ("a-b.example.org", "a-b.example.org"),
            (".example.org", ".example.org"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(read(text), Ok(meaning.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_nearly_right_is_corrected() {
        for (text, help) in [
            ("10.1.2.3/8", "write 10.0.0.0/8 for"),
            ("10.20.", "write 10.20.0.0/16"),
            ("10", "write 10.0.0.0/8"),
            ("10.0.0.0/255.0.0.0", "write 10.0.0.0/8"),
            ("10.0.0.0/255.0.255.0", "a network is written like"),
            ("all", "write \"0.0.0.0/0\""),
            ("fe80::1%eth0", "leave out the zone"),
            ("10.0.0.0/8, 127.0.0.1", "a network is written like"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(help), "{text}: {told}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "\\PC*", more in "[0-9a-f.:/,-]*") {
            let _ = (pattern(&text, true), pattern(&more, false));
        }
    }
}
