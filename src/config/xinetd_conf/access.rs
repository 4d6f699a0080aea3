//! `only_from`, `no_access`, `access_times` and what belongs to them: who may come in, and when.

use super::attributes::{Given, Settings};
use super::syntax::Word;
use crate::config::keys::Key;
use crate::config::raw::{Data, Entry};
use crate::config::report::Problem;
use crate::config::source::{Span, Spanned};

/// Every address: what nobody can come from if it is denied.
const EVERYBODY: [&str; 2] = ["0.0.0.0/0", "::/0"];

pub(super) fn translate(
    settings: &Settings,
    problems: &mut Vec<Problem>,
    entries: &mut Vec<Entry>,
) {
    let mut add = |key, span, value| {
        entries.push(Entry { key, name: span, value: Spanned { value, span } });
    };
    let mut has_names = None;
    let (allow, deny) = (settings.get("only_from"), settings.get("no_access"));
    if let Some(nobody) = allow.filter(|given| given.values.is_empty()) {
        // An empty list lets nobody in.
        let everybody = EVERYBODY.map(|net| text(net.to_owned(), nobody.at));
        add(Key::Deny, nobody.at, Data::List(everybody.to_vec()));
    } else {
        for (given, key) in [(allow, Key::Allow), (deny, Key::Deny)] {
            let Some(given) = given.filter(|given| !given.values.is_empty()) else { continue };
            let mut list = Vec::new();
            for word in &given.values {
                match addresses(word) {
                    Ok(addresses) => {
                        list.extend(addresses.into_iter().map(|a| text(a, word.span)));
                    }
                    Err(problem) => problems.push(*problem),
                }
                if is_name(&word.value) {
                    has_names.get_or_insert(word.span);
                }
            }
            add(key, given.at, Data::List(list));
        }
    }
    if let Some(at) = has_names {
        add(Key::Resolve, at, Data::Bool(true));
    }
    if let Some(given) = settings.get("access_times") {
        let mut times = Vec::new();
        for word in &given.values {
            match inclusive(&word.value) {
                Some(time) => times.push(text(time, word.span)),
                None => problems.push(
                    Problem::error(word.span, format!("`{}` is no time of day", word.value))
                        .help("write from and to on one day: 08:00-17:59"),
                ),
            }
        }
        add(Key::AccessTimes, given.at, Data::List(times));
    }
}

/// xinetd's `08:00-17:59`, whose last minute is part of it and which never goes over midnight, as
/// a time of `access_times`.
fn inclusive(times: &str) -> Option<String> {
    let minutes = |time: &str| {
        let (hour, minute) = time.split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then(|| hour * 60 + minute)
    };
    let (from, to) = times.split_once('-')?;
    let (from, to) = (minutes(from)?, minutes(to)? + 1);
    let show = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    (from < to).then(|| format!("{}-{}", show(from), show(to)))
}

fn text(text: String, span: Span) -> Spanned<Data> {
    Spanned { value: Data::Text(text), span }
}

pub(super) fn is_name(item: &str) -> bool {
    item.parse::<std::net::IpAddr>().is_err()
        && !item.contains(['/', ':', '{'])
        && item.contains(|c: char| c.is_alphabetic())
}

/// What one item of a list stands for, as addresses and networks.
fn addresses(word: &Word) -> Result<Vec<String>, Box<Problem>> {
    let item = word.value.as_str();
    if item.ends_with(',') {
        let problem = Problem::error(word.span, format!("`{item}` ends with a comma"));
        return Err(Box::new(problem.help("there are blanks between addresses, no commas")));
    }
    if is_name(item) || item.contains('/') || item.parse::<std::net::Ipv6Addr>().is_ok() {
        // "::" is everybody with IPv6.
        return Ok(vec![if item == "::" { "::/0".to_owned() } else { item.to_owned() }]);
    }
    let wrong = |help: &str| {
        let problem = Problem::error(word.span, format!("`{item}` is not an address"));
        Box::new(problem.help(help))
    };
    if let Some((head, rest)) = item.split_once('{') {
        let list = rest.strip_suffix('}').ok_or_else(|| wrong("close the brace: 10.1.{2,3}"))?;
        let prefix = octets(head.trim_end_matches('.')).filter(|octets| octets.len() < 4);
        let prefix = prefix.ok_or_else(|| wrong("numbers and dots go before the brace"))?;
        return list
            .split(',')
            .map(|last| {
                let mut octets = prefix.clone();
                octets.push(last.trim().parse().map_err(|_| wrong("numbers go up to 255"))?);
                Ok(network(&octets, octets.len()))
            })
            .collect();
    }
    let octets = octets(item).ok_or_else(|| wrong("write 192.0.2.1, 192.0.2.0/24 or a name"))?;
    // Zeros at the end stand for any number.
    let fixed = octets.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    Ok(vec![network(&octets, fixed)])
}

/// One to four numbers with dots between.
fn octets(text: &str) -> Option<Vec<u8>> {
    let octets = text.split('.').map(|octet| octet.parse().ok()).collect::<Option<Vec<u8>>>()?;
    (octets.len() <= 4).then_some(octets)
}

/// The network with the first `fixed` of these numbers.
fn network(octets: &[u8], fixed: usize) -> String {
    let mut all = [0; 4];
    all[..octets.len()].copy_from_slice(octets);
    let address = std::net::Ipv4Addr::from(all);
    if fixed == 4 { address.to_string() } else { format!("{address}/{}", fixed * 8) }
}

impl Given {
    /// Whether it is a list with this word.
    pub(super) fn has(&self, word: &str) -> bool {
        self.values.iter().any(|value| value.value.eq_ignore_ascii_case(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(item: &str) -> Option<String> {
        let word = Spanned { value: item.to_owned(), span: Span::new(0, 0..item.len()) };
        addresses(&word).ok().map(|list| list.join(" "))
    }

    #[test]
    fn the_last_minute_counts() {
        assert_eq!(inclusive("08:00-17:59").as_deref(), Some("08:00-18:00"));
        assert_eq!(inclusive("8:5-8:5").as_deref(), Some("08:05-08:06"));
        assert_eq!(inclusive("00:00-23:59").as_deref(), Some("00:00-24:00"));
        for wrong in ["22:00-06:00", "08:00", "24:00-24:01", "65535:00-08:00", "08:60-09:00", "a-b"]
        {
            assert_eq!(inclusive(wrong), None, "{wrong}");
        }
    }

    // xinetd.conf(5), "only_from": a numeric address "in the form of %d.%d.%d.%d. If the rightmost
    // components are 0, they are treated as wildcards", "a factorized address", an "ip
    // address/netmask range", a host or domain name.
    #[test]
    fn items_stand_for_networks() {
        for (item, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.0", "192.0.2.0/24"),
            ("192.0.0.0", "192.0.0.0/8"),
            ("0.0.0.0", "0.0.0.0/0"),
            ("10.1", "10.1.0.0/16"),
            ("10.1.{2,3,7}", "10.1.2.0/24 10.1.3.0/24 10.1.7.0/24"),
            ("10.1.2.{4,5}", "10.1.2.4 10.1.2.5"),
            ("192.0.2.0/26", "192.0.2.0/26"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1"),
            ("::", "::/0"),
            ("host.example.org", "host.example.org"),
            (".example.org", ".example.org"),
        ] {
            assert_eq!(shown(item).as_deref(), Some(expected), "{item}");
        }
        for item in ["10.0.0.0/8,", "10.1.{2", "10.1.2.3.{4}", "10.1.{256}", "300.1", "1.2.3.4.5"] {
            assert_eq!(shown(item), None, "{item}");
        }
    }
}
