use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn rule(effect: Effect, pattern: Pattern) -> Rule {
    Rule { pattern, effect, at: Position::default() }
}

/// What decides, naively: all rules are looked at.
fn naive(rules: &[Rule], address: IpAddr) -> Option<&Rule> {
    let about = rules.iter().filter_map(|rule| match &rule.pattern {
        Pattern::Block(block) if block.contains(address) => Some((block.size(), rule)),
        _ => None,
    });
    // Of equal ones `min_by_key` gives the first.
    about.min_by_key(|(size, rule)| (*size, rule.effect == Effect::Allow)).map(|(_, rule)| rule)
}

fn effect() -> impl Strategy<Value = Effect> {
    prop_oneof![Just(Effect::Allow), Just(Effect::Deny)]
}

/// Addresses that are near each other, at both ends of the space and in the middle.
fn address() -> impl Strategy<Value = IpAddr> {
    let v4 = prop_oneof![0u32..20, (u32::MAX - 20)..=u32::MAX, 0x0a00_0000u32..0x0a00_0200];
    let v6 = prop_oneof![0u128..20, (u128::MAX - 20)..=u128::MAX, 1u128 << 100..(1 << 100) + 512];
    prop_oneof![v4.prop_map(|ip| IpAddr::V4(ip.into())), v6.prop_map(|ip| IpAddr::V6(ip.into())),]
}

fn block() -> impl Strategy<Value = Block> {
    let network = (address(), 0u8..=128)
        .prop_filter_map("too long", |(address, prefix)| Block::around(address, prefix).ok());
    let range = (address(), address())
        .prop_filter_map("not a range", |(first, last)| Block::range(first, last).ok());
    prop_oneof![network, range, address().prop_map(Block::single)]
}

proptest! {
    #[test]
    fn the_rule_that_is_found_is_the_one_that_a_scan_finds(
        rules in prop::collection::vec((effect(), block()), 0..40),
        addresses in prop::collection::vec(address(), 1..40),
    ) {
        let rules: Vec<_> =
            rules.into_iter().map(|(effect, block)| rule(effect, Pattern::Block(block))).collect();
        let compiled = Rules::new(rules.clone(), Effect::Allow);
        // Each end of each block, too.
        let edges = rules.iter().flat_map(|rule| match &rule.pattern {
            Pattern::Block(Block::V4 { first, last }) => {
                let edges = [first.wrapping_sub(1), *first, *last, last.wrapping_add(1)];
                edges.map(|ip| IpAddr::V4(Ipv4Addr::from(ip)))
            }
            Pattern::Block(Block::V6 { first, last }) => {
                let edges = [first.wrapping_sub(1), *first, *last, last.wrapping_add(1)];
                edges.map(|ip| IpAddr::V6(Ipv6Addr::from(ip)))
            }
            other => panic!("{other}"),
        });
        for address in addresses.iter().copied().chain(edges) {
            let found = match compiled.decide(address, PeerName::NotAsked) {
                Decision::Rule(rule) => Some((rule.effect, rule.pattern.clone())),
                Decision::Otherwise(Effect::Allow) => None,
                other => panic!("{other:?}"),
            };
            let expected = naive(&rules, address);
            prop_assert_eq!(found, expected.map(|rule| (rule.effect, rule.pattern.clone())));
        }
    }
}

fn rules(allow: &[&str], deny: &[&str], otherwise: Effect) -> Rules {
    let pattern = |text: &str| match text.split_once('/') {
        Some((address, prefix)) => Pattern::Block(
            Block::network(address.parse().unwrap(), prefix.parse().unwrap()).unwrap(),
        ),
        None => match text.parse() {
            Ok(address) => Pattern::Block(Block::single(address)),
            Err(_) if text.starts_with('.') => Pattern::Suffix(text.into()),
            Err(_) => Pattern::Name(text.into()),
        },
    };
    let allow = allow.iter().map(|text| rule(Effect::Allow, pattern(text)));
    let deny = deny.iter().map(|text| rule(Effect::Deny, pattern(text)));
    Rules::new(allow.chain(deny).collect(), otherwise)
}

fn decide(rules: &Rules, address: &str, name: PeerName<'_>) -> String {
    match rules.decide(address.parse().unwrap(), name) {
        Decision::Rule(rule) => format!("{} {}", rule.effect, rule.pattern),
        Decision::Otherwise(effect) => effect.to_string(),
        Decision::Nameless(rule) => format!("nameless {}", rule.pattern),
        Decision::AskName => "ask".into(),
    }
}

#[test]
fn the_longest_prefix_wins_and_deny_wins_a_tie() {
    let rules = rules(
        &["10.0.0.0/8", "10.1.2.3", "192.0.2.0/24", "2001:db8::/32"],
        &["10.1.0.0/16", "192.0.2.0/24", "2001:db8:1::/48"],
        Effect::Deny,
    );
    let decide = |address| decide(&rules, address, PeerName::NotAsked);
    assert_eq!(decide("10.9.9.9"), "allow 10.0.0.0/8");
    assert_eq!(decide("10.1.9.9"), "deny 10.1.0.0/16");
    assert_eq!(decide("10.1.2.3"), "allow 10.1.2.3");
    assert_eq!(decide("192.0.2.7"), "deny 192.0.2.0/24");
    assert_eq!(decide("2001:db8:1::7"), "deny 2001:db8:1::/48");
    assert_eq!(decide("2001:db8:2::7"), "allow 2001:db8::/32");
    assert_eq!(decide("::ffff:10.1.2.3"), "allow 10.1.2.3");
    assert_eq!(decide("198.51.100.1"), "deny");
}

#[test]
fn a_name_is_between_one_address_and_a_network() {
    let rules = rules(
        &["10.0.0.0/8", "10.0.0.7", "good.evil.example", ".example.org"],
        &[".evil.example", "bad.example.org", ".guest.example.org"],
        Effect::Deny,
    );
    let ask = |address| decide(&rules, address, PeerName::NotAsked);
    assert_eq!(ask("10.0.0.7"), "allow 10.0.0.7", "one address needs no name");
    assert_eq!(ask("10.0.0.8"), "ask");
    assert_eq!(ask("192.0.2.1"), "ask");
    let named = |name| decide(&rules, "10.0.0.8", PeerName::Known(name));
    assert_eq!(named("x.evil.example"), "deny .evil.example");
    assert_eq!(named("good.evil.example"), "allow good.evil.example");
    assert_eq!(named("a.b.example.org"), "allow .example.org");
    assert_eq!(named("a.guest.example.org"), "deny .guest.example.org");
    assert_eq!(named("bad.example.org"), "deny bad.example.org");
    assert_eq!(named("example.org"), "allow 10.0.0.0/8", "a suffix is not the domain itself");
    assert_eq!(named("other.example.net"), "allow 10.0.0.0/8");
    assert_eq!(decide(&rules, "10.0.0.8", PeerName::Unknown), "nameless .evil.example");
    assert_eq!(decide(&rules, "10.0.0.7", PeerName::Unknown), "allow 10.0.0.7");
}

#[test]
fn without_a_name_that_is_denied_the_nameless_are_as_everybody() {
    let rules = rules(&[".example.org", "10.0.0.0/8"], &["10.1.0.0/16"], Effect::Deny);
    assert_eq!(decide(&rules, "10.2.0.1", PeerName::Unknown), "allow 10.0.0.0/8");
    assert_eq!(decide(&rules, "192.0.2.1", PeerName::Unknown), "deny");
}

#[test]
fn a_hundred_thousand_rules_are_found_at_once() {
    let block =
        |n: u32| Pattern::Block(Block::single(Ipv4Addr::from(n.wrapping_mul(40_503)).into()));
    let rules: Vec<_> = (0..100_000).map(|n| rule(Effect::Deny, block(n))).collect();
    let rules = Rules::new(rules, Effect::Allow);
    let denied = (0..100_000u32).filter(|n| {
        let address = Ipv4Addr::from(n.wrapping_mul(40_503)).into();
        rules.decide(address, PeerName::NotAsked).effect() == Some(Effect::Deny)
    });
    // A scan would make ten thousand million steps of this.
    assert_eq!(denied.count(), 100_000);
}
