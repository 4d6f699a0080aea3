//! The text of tcprules(1): `10.20.:allow,WHO="lan"`. What it makes of an address are keys of a
//! cdb, in which a peer is looked up letter by letter; of two rules for one key the first counts.
//! Beyond the original an address may be an IPv6 one, and a network may be written with a slash.

use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::files::Files;
use super::{Key, Loaded, Order, Place, Remark, Table, TableRule, Variable, needed, set, variable};
use crate::admission::names::host_name;
use crate::admission::rules::{Block, BlockError, Effect};

/// What is said of a rule that the original never finds.
const NEVER: &str = "this is never about anybody";
const FORMS: &str =
    "write 10.1.2.3, 10.1., 10.1.2-9., 2001:db8::/32, =host, =.domain, = or nothing";

/// Reads the file.
pub(super) fn read(path: &Path, files: &mut Files) -> Loaded<Table> {
    let mut texts = Vec::new();
    let mut found = Vec::new();
    let remarks = match needed(path, files) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let remarks = parse(&text, &path.into(), &mut found);
            texts.push((path.to_owned(), text));
            remarks
        }
        Err(message) => vec![Remark::nowhere(message)],
    };
    Loaded::new(Table::new(found, Order::Tcprules), remarks, texts)
}

fn parse(text: &str, path: &Arc<Path>, found: &mut Vec<(Key, TableRule)>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut start = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        // Blanks at the end are left out, as there; those in front are part of the address.
        let rule = line.trim_end_matches(['\n', '\r', ' ', '\t']);
        if !rule.is_empty() && !line.starts_with('#') {
            let place = Place { path: Arc::clone(path), line: number };
            let mut line = Line { text: rule, start, remarks: &mut remarks };
            if let Some((keys, rule)) = line.read(place) {
                found.extend(keys.into_iter().map(|key| (key, rule.clone())));
            }
        }
        start += line.len();
    }
    if found.is_empty() && remarks.is_empty() {
        remarks.push(Remark::empty());
    }
    remarks
}

/// Whom a key is about; `None` if that is nobody who is ever looked up.
pub(super) fn key(text: &str) -> Option<Key> {
    if text.is_empty() {
        return Some(Key::Everybody);
    }
    if text.contains('@') {
        return None; // Nobody is asked for the name of a peer's user.
    }
    if let Some(name) = text.strip_prefix('=') {
        if name.is_empty() {
            return Some(Key::Named);
        }
        let (dot, rest) = name.strip_prefix('.').map_or(("", name), |rest| (".", rest));
        // A peer has its name in lower case, and the key of a cdb is looked for as it is.
        let found = host_name(rest).filter(|name| name == rest)?;
        return Some(Key::Name(format!("{dot}{found}")));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Key::Block(Block::single(address)));
    }
    let octets: Option<Vec<u8>> = text.strip_suffix('.')?.split('.').map(octet).collect();
    let octets = octets.filter(|octets| octets.len() < 4)?;
    let mut address = [0; 4];
    address[..octets.len()].copy_from_slice(&octets);
    let bits = u8::try_from(octets.len() * 8).ok()?;
    Some(Key::Block(Block::network(IpAddr::from(address), bits).ok()?))
}

/// A number as it is looked for: without zeros in front.
fn octet(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok())?
}

/// One line.
struct Line<'a> {
    text: &'a str,
    /// Where it begins in the file.
    start: usize,
    remarks: &'a mut Vec<Remark>,
}

impl Line<'_> {
    fn read(&mut self, place: Place) -> Option<(Vec<Key>, TableRule)> {
        if !self.text.contains(':') {
            let help = "the original ignores it, too; a comment begins with `#`";
            self.remark(0..self.text.len(), "this is no rule", help);
            return None;
        }
        // An IPv6 address has colons itself; an instruction does not begin with a digit.
        let split = [":allow", ":deny"].iter().filter_map(|word| self.text.find(word)).min();
        let Some(split) = split else {
            let help = "a rule is ADDRESS:allow or ADDRESS:deny, without blanks";
            self.error(0..self.text.len(), "this is no rule", help);
            return None;
        };
        let (address, instruction) = (&self.text[..split], &self.text[split + 1..]);
        let keys = self.keys(address);
        let (effect, rest) = match instruction.strip_prefix("allow") {
            Some(rest) => (Effect::Allow, rest),
            None => (Effect::Deny, instruction.strip_prefix("deny")?),
        };
        let variables = self.variables(self.text.len() - rest.len());
        Some((keys?, TableRule { is_single: false, effect, place, variables: variables? }))
    }

    /// What is behind `allow` or `deny`: `,NAME="value"`, where the quote is any character.
    fn variables(&mut self, from: usize) -> Option<Vec<Variable>> {
        const HELP: &str = "write a comma, a name, `=` and the value in quotes: ,NAME=\"value\"";
        let mut variables = Vec::new();
        let mut at = from;
        while at < self.text.len() {
            let rest = &self.text[at..];
            let read = rest.strip_prefix(',').and_then(|rest| {
                let (name, quoted) = rest.split_once('=')?;
                let quote = quoted.chars().next()?;
                let value = &quoted[quote.len_utf8()..];
                let end = value.find(quote)?;
                Some((name, &value[..end], 2 + name.len() + end + 2 * quote.len_utf8()))
            });
            let Some((name, value, length)) = read else {
                self.error(at..self.text.len(), "this is no variable", HELP);
                return None;
            };
            match variable(name, Some(value)) {
                Ok(variable) => set(&mut variables, variable),
                Err(message) => {
                    self.error(at + 1..at + 1 + name.len(), &message, "choose another name");
                    return None;
                }
            }
            at += length;
        }
        Some(variables)
    }

    fn keys(&mut self, address: &str) -> Option<Vec<Key>> {
        let whole = 0..address.len();
        if let Some((user, _)) = address.split_once('@') {
            let message = "nobody is asked for the name of a peer's user (RFC 1413)";
            self.remark(0..user.len() + 1, message, "this rule is never about anybody");
            return Some(Vec::new());
        }
        if let Some((base, prefix)) = address.split_once('/')
            && let (Ok(base), Ok(prefix)) = (base.parse::<IpAddr>(), prefix.parse())
        {
            return match Block::network(base, prefix) {
                Ok(block) => Some(vec![Key::Block(block)]),
                Err(BlockError::HostBits(block)) => {
                    let message = "this is not the beginning of a network";
                    self.error(whole, message, &format!("write {block}"));
                    None
                }
                Err(_) => {
                    self.error(whole, "this is no network", FORMS);
                    None
                }
            };
        }
        let is_named = address.starts_with('=');
        if address.contains(':') && !is_named && address.parse::<IpAddr>().is_err() {
            self.error(whole, "this is no address", FORMS);
            return None;
        }
        let written = match address.split_once('-') {
            Some((left, right)) if !address.contains('=') => self.range(address, left, right)?,
            _ => vec![address.to_owned()],
        };
        let keys: Vec<Key> = written.iter().filter_map(|text| key(text)).collect();
        if keys.is_empty() {
            let help = match key(&format!("{address}.")) {
                Some(_) if !is_named => format!("write `{address}.` with a dot at the end"),
                _ if key(&address.to_ascii_lowercase()).is_some() => {
                    "names are looked for in lower case".to_owned()
                }
                _ => FORMS.to_owned(),
            };
            self.remark(whole, NEVER, &help);
        }
        Some(keys)
    }

    /// `10.1.2-9.`: what is written out with each number in place of the first range, which ends at
    /// 255 however far it goes.
    fn range(&mut self, address: &str, left: &str, right: &str) -> Option<Vec<String>> {
        let (front, from) = left
            .rsplit_once('.')
            .map_or(("", left), |(_, from)| (&left[..left.len() - from.len()], from));
        let to = right.split('.').next().unwrap_or_default();
        let rest = &right[to.len()..];
        // The original reads nothing as 0.
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true if text.is_empty() => Some(0),
            true => Some(text.parse().unwrap_or(u32::MAX)),
            false => None,
        };
        let (Some(from), Some(to)) = (number(from), number(to)) else {
            self.error(0..address.len(), "this is no range", FORMS);
            return None;
        };
        Some((from..=to.min(255)).map(|number| format!("{front}{number}{rest}")).collect())
    }

    fn error(&mut self, at: Range<usize>, message: &str, help: &str) {
        let at = self.start + at.start..self.start + at.end;
        self.remarks.push(Remark::error(0, at, message).help(help));
    }

    fn remark(&mut self, at: Range<usize>, message: &str, help: &str) {
        let at = self.start + at.start..self.start + at.end;
        self.remarks.push(Remark::warning(0, at, message).help(help));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::admission::rules::PeerName;
    use crate::admission::tables::Answer;

    fn table(text: &str) -> (Table, Vec<Remark>) {
        let mut found = Vec::new();
        let remarks = parse(text, &Path::new("rules").into(), &mut found);
        (Table::new(found, Order::Tcprules), remarks)
    }

    fn told(table: &Table, address: &str, name: PeerName<'_>) -> String {
        match table.decide(address.parse().unwrap(), name) {
            Answer::AskName => "ask".into(),
            Answer::Decided(effect, place, extras) => {
                let line = place.map_or(0, |place| place.line);
                let variables = extras.variables.iter().map(|(name, value)| {
                    format!(" {name}={}", value.as_deref().unwrap_or_default())
                });
                format!("{effect} {line}{}", variables.collect::<String>())
            }
        }
    }

    #[test]
    fn the_sample_of_the_manual() {
        let text = "# rules\n127.0.0.1:allow,RELAY=\"\",WHO=/local host/\n10.20.:allow,WHO=\"lan\"\n\
                    10.20.9.1-40:deny\n=.example.net:allow\n2001:db8::/32:allow\n\
                    =:allow,NAMED=\"1\"\n:deny\n";
        let (table, remarks) = table(text);
        assert_eq!(remarks, []);
        let told = |address, name| told(&table, address, name);
        let unknown = PeerName::Unknown;
        assert_eq!(told("127.0.0.1", PeerName::NotAsked), "allow 2 RELAY= WHO=local host");
        assert_eq!(told("10.20.1.1", PeerName::NotAsked), "ask");
        assert_eq!(told("10.20.1.1", unknown), "allow 3 WHO=lan");
        assert_eq!(told("10.20.9.40", PeerName::NotAsked), "deny 4");
        assert_eq!(told("10.20.9.41", unknown), "allow 3 WHO=lan");
        assert_eq!(told("192.0.2.1", unknown), "deny 8");
        assert_eq!(told("192.0.2.1", PeerName::Mismatch), "deny 8");
        assert_eq!(told("192.0.2.1", PeerName::Known("a.example.net")), "allow 5");
        assert_eq!(told("192.0.2.1", PeerName::Known("example.org")), "allow 7 NAMED=1");
        assert_eq!(told("2001:db8::1", unknown), "allow 6");
        assert_eq!(told("::ffff:10.20.9.1", unknown), "deny 4");
    }

    // tcprules(1): "tcpserver(1) looks for rules with various addresses: [...] 3. $TCPREMOTEIP;
    // 4. =$TCPREMOTEHOST, if $TCPREMOTEHOST is set; 5. shorter and shorter prefixes of $TCPREMOTEIP
    // ending with a dot; 6. shorter and shorter suffixes of $TCPREMOTEHOST starting with a dot,
    // preceded by =, if $TCPREMOTEHOST is set; 7. =, if $TCPREMOTEHOST is set; and finally 8. the empty
    // string. tcpserver(1) uses the first rule it finds." 1 and 2 begin with $TCPREMOTEINFO, which
    // nobody is asked for here.
    #[test]
    fn rules_are_looked_for_in_the_order_of_the_manual() {
        let lines = [
            "10.1.2.3:deny",
            "=h.b.c:allow",
            "10.1.2.:deny",
            "10.:allow",
            "=.b.c:deny",
            "=.c:allow",
            "=:deny",
            ":allow",
        ];
        let known = PeerName::Known("h.b.c");
        for first in 0..lines.len() {
            // Without the rules above, the next one decides.
            let (table, _) = table(&lines[first..].join("\n"));
            let expected = lines[first].rsplit(':').next().unwrap();
            assert_eq!(
                told(&table, "10.1.2.3", known),
                format!("{expected} 1"),
                "{}",
                lines[first]
            );
        }
        let (empty, remarks) = table("");
        assert_eq!(told(&empty, "10.1.2.3", known), "allow 0", "no rule: allow");
        assert_eq!(remarks[0].message, "there is no rule here: everybody may come in");
        let (twice, _) = table("10.1.:deny\n10.1.:allow\n");
        assert_eq!(told(&twice, "10.1.2.3", known), "deny 1", "the first one counts");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let wrong = |text: &str| {
            let (_, remarks) = table(text);
            let [remark] = &remarks[..] else { panic!("{text}: {remarks:?}") };
            let (_, at) = remark.place.clone().unwrap();
            (text[at].to_owned(), remark.message.clone(), remark.is_error)
        };
        let fact = "`PROTO` is a fact of the connection, which inetd sets";
        let user = "nobody is asked for the name of a peer's user (RFC 1413)";
        let never = "this is never about anybody";
        for (text, at, message, is_error) in [
            ("10.20:allow", "10.20", never, false),
            ("10.1.2.300:deny", "10.1.2.300", never, false),
            ("10.1.2.03:deny", "10.1.2.03", never, false),
            ("10.1.9-2.:deny", "10.1.9-2.", never, false),
            (" 10.1.:deny", " 10.1.", never, false),
            ("=a b:deny", "=a b", never, false),
            ("=Example.org:deny", "=Example.org", never, false),
            ("joe@10.1.:deny", "joe@", user, false),
            ("10.1.2.3", "10.1.2.3", "this is no rule", false),
            ("10.1.2.3:", "10.1.2.3:", "this is no rule", true),
            ("10.1.x-2.:deny", "10.1.x-2.", "this is no range", true),
            ("x:y:deny", "x:y", "this is no address", true),
            ("10.1.2.3/8:deny", "10.1.2.3/8", "this is not the beginning of a network", true),
            ("10.0.0.0/33:deny", "10.0.0.0/33", "this is no network", true),
            (":allow,A=\"1", ",A=\"1", "this is no variable", true),
            (":allow,A", ",A", "this is no variable", true),
            (":allowed", "ed", "this is no variable", true),
            (":allow,=\"1\"", "", "`` cannot be a variable", true),
            (":allow,PROTO=\"x\"", "PROTO", fact, true),
        ] {
            assert_eq!(wrong(text), (at.to_owned(), message.to_owned(), is_error), "{text}");
        }
        let (table, _) = table(":allow,A=\"b,c=d\",B=|x\"y|\n");
        assert_eq!(told(&table, "::1", PeerName::Unknown), "allow 1 A=b,c=d B=x\"y");
    }

    // tcprules(1) says of ranges and blanks less than the program does; these were compared with
    // tcprulescheck of ucspi-tcp 0.88.
    #[test]
    fn ranges_may_be_in_any_place_and_end_at_255() {
        let (table, remarks) = table(
            "10.1-2.3.:deny\n10.9.250-300.:deny\n172.-1.:deny\n192.0.2.7:deny \t\n\
             \t\n198.51.100.1:allow,A=\"1\",B=\"2\",A=\"3\"\n",
        );
        assert_eq!(remarks, []);
        for (address, expected) in [
            ("10.1.3.9", "deny 1"),
            ("10.2.3.9", "deny 1"),
            ("10.3.3.9", "allow 0"),
            ("10.9.255.1", "deny 2"),
            ("10.9.249.1", "allow 0"),
            ("172.0.1.1", "deny 3"),
            ("172.1.1.1", "deny 3"),
            ("172.2.1.1", "allow 0"),
            ("192.0.2.7", "deny 4"),
            ("198.51.100.1", "allow 6 B=2 A=3"),
        ] {
            assert_eq!(told(&table, address, PeerName::Unknown), expected, "{address}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(
            text in "\\PC*",
            more in "((=|:|allow|deny|,|A|\"|10\\.|-|/|\n|@|[0-9]|::|é)?){0,60}",
        ) {
            table(&text);
            table(&more);
        }
    }
}
