//! What was looked for in a table in which no rule is about a peer, spelled as its files have it.

use std::net::IpAddr;

use super::{Order, Table};
use crate::admission::rules::PeerName;

impl Table {
    /// What a rule about this peer would be called, in the order in which it is looked for.
    pub fn looked_for(&self, address: IpAddr, name: PeerName<'_>) -> String {
        let (mut sought, named) = match self.order {
            Order::Tcprules => (prefixes(address), tcprules_names as fn(&str) -> Vec<String>),
            Order::S6 => (vec![networks(address)], s6_names as fn(&str) -> Vec<String>),
        };
        match name {
            PeerName::Known(name) if self.has_names() => sought.extend(named(name)),
            _ if self.has_names() => sought.push("a name, which it has not".to_owned()),
            _ => {}
        }
        if self.order == Order::Tcprules {
            sought.push("the empty address".to_owned());
        }
        sought.join(", ")
    }
}

/// `10.1.2.3`, `10.1.2.`, `10.1.`, `10.`; what is beyond the original has slashes.
fn prefixes(address: IpAddr) -> Vec<String> {
    let text = address.to_string();
    match address {
        IpAddr::V4(_) => {
            let shorter = text.rmatch_indices('.').map(|(dot, _)| text[..=dot].to_owned());
            std::iter::once(text.clone()).chain(shorter).collect()
        }
        IpAddr::V6(_) => vec![text, "a network with a slash".to_owned()],
    }
}

fn networks(address: IpAddr) -> String {
    match address {
        IpAddr::V4(_) => format!("ip4/{address}_32 to ip4/0.0.0.0_0"),
        IpAddr::V6(_) => format!("ip6/{address}_128 to ip6/::_0"),
    }
}

/// `=a.example.org`, `=.example.org`, `=.org`, `=`.
fn tcprules_names(name: &str) -> Vec<String> {
    let domains = name.match_indices('.').map(|(dot, _)| format!("={}", &name[dot..]));
    std::iter::once(format!("={name}")).chain(domains).chain(["=".to_owned()]).collect()
}

/// `reversedns/a.example.org`, `reversedns/example.org`, `reversedns/org`, `reversedns/@`.
fn s6_names(name: &str) -> Vec<String> {
    let domains = name.match_indices('.').map(|(dot, _)| &name[dot + 1..]);
    let names = std::iter::once(name).chain(domains).chain(["@"]);
    names.map(|name| format!("reversedns/{name}")).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::admission::rules::{Block, Effect};
    use crate::admission::tables::{Answer, Key, Place, TableRule};

    fn table(order: Order, keys: &[Key]) -> Table {
        let place = Place { path: Path::new("x").into(), line: 1 };
        let rule =
            TableRule { is_single: false, effect: Effect::Allow, place, variables: Vec::new() };
        Table::new(keys.iter().map(|key| (key.clone(), rule.clone())).collect(), order)
    }

    #[test]
    fn all_names_of_rules_about_a_peer_are_told() {
        let by_name = [Key::Name("other.example.net".into())];
        let (v4, v6): (IpAddr, IpAddr) =
            ("192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap());
        let known = PeerName::Known("a.example.org");
        for (order, keys, address, name, expected) in [
            (
                Order::S6,
                &by_name[..],
                v4,
                known,
                "ip4/192.0.2.7_32 to ip4/0.0.0.0_0, reversedns/a.example.org, \
                 reversedns/example.org, reversedns/org, reversedns/@",
            ),
            (Order::S6, &[], v6, known, "ip6/2001:db8::7_128 to ip6/::_0"),
            (
                Order::Tcprules,
                &by_name[..],
                v4,
                known,
                "192.0.2.7, 192.0.2., 192.0., 192., =a.example.org, =.example.org, =.org, =, \
                 the empty address",
            ),
            (
                Order::Tcprules,
                &by_name[..],
                v6,
                PeerName::Unknown,
                "2001:db8::7, a network with a slash, a name, which it has not, the empty address",
            ),
        ] {
            assert_eq!(table(order, keys).looked_for(address, name), expected);
        }
    }

    /// Each single one of them would have been found.
    #[test]
    fn what_is_told_is_what_is_looked_for() {
        let address: IpAddr = "10.1.2.3".parse().unwrap();
        let name = PeerName::Known("a.example.org");
        let sought = table(Order::Tcprules, &[Key::Named]).looked_for(address, name);
        let mut keys = Vec::new();
        for text in sought.split(", ") {
            let text = if text == "the empty address" { "" } else { text };
            let key = crate::admission::tables::tcprules::key(text).unwrap();
            let answer = table(Order::Tcprules, std::slice::from_ref(&key)).decide(address, name);
            assert!(matches!(answer, Answer::Decided(_, Some(_), _)), "{text}");
            keys.push(key);
        }
        assert!(keys.contains(&Key::Block(Block::single(address))), "{sought}");
        assert_eq!(keys.len(), 4 + 3 + 1 + 1, "{sought}");
    }
}
