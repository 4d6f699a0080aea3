//! `allow` and `deny`: who may connect, by address and by name. The decision does not depend on
//! the order of the rules, and its cost hardly on their number.

mod block;
mod segments;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

pub use self::block::{Block, BlockError};
pub(super) use self::segments::Lookup;
use crate::config::Position;

/// What a rule does with those that it is about. The order is that of their strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// They may come in.
    Allow,
    /// They may not.
    Deny,
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Addresses.
    Block(Block),
    /// A host of this name, in lower case.
    Name(Box<str>),
    /// Every host whose name ends so, in lower case, with the dot in front: `.example.org`.
    Suffix(Box<str>),
}

/// One item of `allow` or `deny`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Whom it is about.
    pub pattern: Pattern,
    /// What it does with them.
    pub effect: Effect,
    /// Where it was written.
    pub at: Position,
}

type Index = u32;

/// All rules of a service.
#[derive(Debug)]
pub struct Rules {
    rules: Box<[Rule]>,
    addresses: Lookup,
    /// Of names and suffixes the rule that decides: the first that denies, or the first.
    names: HashMap<Box<str>, Index>,
    /// What happens to those whom no rule is about.
    otherwise: Effect,
    /// The first rule that denies a name.
    denies_names: Option<Index>,
}

/// What is known of a peer's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerName<'a> {
    /// Nobody has looked for it.
    NotAsked,
    /// It has none, or nobody answered in time.
    Unknown,
    /// It has one that does not lead back to its address.
    Mismatch,
    /// It has this one, in lower case, and the name leads back to its address.
    Known(&'a str),
}

/// The answer of [`Rules::decide`].
#[derive(Clone, Copy, Debug)]
pub enum Decision<'a> {
    /// This rule decides.
    Rule(&'a Rule),
    /// No rule is about the peer.
    Otherwise(Effect),
    /// It may have a name that this rule denies, and none is known: denied.
    Nameless(&'a Rule),
    /// It depends on the name.
    AskName,
}

impl Rules {
    /// Prepares rules. `otherwise` holds for those whom none is about.
    pub fn new(rules: Vec<Rule>, otherwise: Effect) -> Self {
        let mut blocks = Vec::new();
        let mut names: HashMap<Box<str>, Index> = HashMap::new();
        let mut denies_names = None;
        for (rule, index) in rules.iter().zip(0..) {
            match &rule.pattern {
                Pattern::Block(block) => blocks.push((*block, rule.effect, index)),
                Pattern::Name(name) | Pattern::Suffix(name) => {
                    if rule.effect == Effect::Deny {
                        denies_names.get_or_insert(index);
                    }
                    let decides = names.entry(name.clone()).or_insert(index);
                    if rule.effect > rules[*decides as usize].effect {
                        *decides = index;
                    }
                }
            }
        }
        let addresses = Lookup::new(&blocks);
        Self { rules: rules.into(), addresses, names, otherwise, denies_names }
    }

    /// Whether any rule is about names.
    pub fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// Who decides about a peer: a rule for this one address; else one for its name; else the one
    /// for the longest suffix of its name; else the narrowest one for a network or a range; and
    /// of equal ones a `deny`.
    pub fn decide(&self, address: IpAddr, name: PeerName<'_>) -> Decision<'_> {
        let by_address = self.addresses.find(address).map(|index| self.rule(index));
        let is_single =
            |rule: &Rule| matches!(&rule.pattern, Pattern::Block(block) if block.is_single());
        let found = by_address.filter(|rule| !self.has_names() || is_single(rule));
        if let Some(rule) = found {
            return Decision::Rule(rule);
        }
        match name {
            _ if !self.has_names() => {}
            PeerName::NotAsked => return Decision::AskName,
            PeerName::Known(name) => {
                if let Some(rule) = self.by_name(name) {
                    return Decision::Rule(rule);
                }
            }
            // Otherwise whoever is denied by name would only have to take the name away.
            PeerName::Unknown | PeerName::Mismatch => {
                if let Some(index) = self.denies_names {
                    return Decision::Nameless(self.rule(index));
                }
            }
        }
        by_address.map_or(Decision::Otherwise(self.otherwise), Decision::Rule)
    }

    fn by_name(&self, name: &str) -> Option<&Rule> {
        let dots = name.match_indices('.').map(|(dot, _)| &name[dot..]);
        let found = std::iter::once(name).chain(dots).find_map(|part| self.names.get(part));
        found.map(|index| self.rule(*index))
    }

    fn rule(&self, index: Index) -> &Rule {
        &self.rules[index as usize]
    }
}

impl Decision<'_> {
    /// Whether the peer may come in; `None` if that depends on its name.
    pub fn effect(&self) -> Option<Effect> {
        match self {
            Self::Rule(rule) => Some(rule.effect),
            Self::Otherwise(effect) => Some(*effect),
            Self::Nameless(_) => Some(Effect::Deny),
            Self::AskName => None,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(block) => write!(f, "{block}"),
            Self::Name(name) | Self::Suffix(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests;
