//! The address space cut into pieces, each with the one rule that decides about it.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Block, Effect, Index};

/// An address in the space: `u32` or `u128`.
trait Number: Copy + Ord + TryFrom<u128> {}

impl Number for u32 {}
impl Number for u128 {}

/// A rule about the addresses from `first` to `last`.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: u128,
    last: u128,
    effect: Effect,
    rule: Index,
}

/// The pieces, in order. Looking one up is a binary search, however the rules overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segments<T> {
    starts: Box<[T]>,
    /// For each piece its rule, or [`NOBODY`].
    rules: Box<[Index]>,
}

/// Both address spaces, cut into pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::admission) struct Lookup {
    v4: Segments<u32>,
    v6: Segments<u128>,
}

impl Lookup {
    /// Of the rules about an address the narrowest decides; of equally narrow ones one that
    /// denies, then the first.
    pub(in crate::admission) fn new(rules: &[(Block, Effect, Index)]) -> Self {
        let spans = |is_v4| {
            let family = rules.iter().filter(move |(block, ..)| block.is_v4() == is_v4);
            let spans = family.map(|(block, effect, rule)| {
                let (first, last) = block.ends();
                Span { first, last, effect: *effect, rule: *rule }
            });
            spans.collect::<Vec<_>>()
        };
        Self { v4: Segments::new(&spans(true)), v6: Segments::new(&spans(false)) }
    }

    /// The rule that decides about an address.
    pub(in crate::admission) fn find(&self, address: IpAddr) -> Option<Index> {
        match address.to_canonical() {
            IpAddr::V4(ip) => self.v4.find(ip.into()),
            IpAddr::V6(ip) => self.v6.find(ip.into()),
        }
    }
}

/// No rule decides about a piece.
const NOBODY: Index = Index::MAX;

impl<T: Number> Segments<T> {
    fn new(spans: &[Span]) -> Self {
        let mut edges = Vec::with_capacity(spans.len() * 2);
        for span in spans {
            let rank = (span.last - span.first, Reverse(span.effect), span.rule);
            edges.push((span.first, true, rank));
            // Behind the last address of all there is nothing.
            edges.extend(span.last.checked_add(1).map(|end| (end, false, rank)));
        }
        edges.sort_unstable();
        let (mut starts, mut rules) = (Vec::new(), Vec::new());
        let mut active = BTreeSet::new();
        for at in edges.chunk_by(|a, b| a.0 == b.0) {
            for (_, begins, rank) in at {
                if *begins {
                    active.insert(*rank);
                } else {
                    active.remove(rank);
                }
            }
            let rule = active.first().map_or(NOBODY, |(_, _, rule)| *rule);
            // The end of the IPv4 space is no IPv4 address.
            if rules.last() != Some(&rule)
                && let Ok(start) = T::try_from(at[0].0)
            {
                starts.push(start);
                rules.push(rule);
            }
        }
        Self { starts: starts.into(), rules: rules.into() }
    }

    fn find(&self, address: T) -> Option<Index> {
        let behind = self.starts.partition_point(|start| *start <= address);
        let rule = *self.rules.get(behind.checked_sub(1)?)?;
        (rule != NOBODY).then_some(rule)
    }
}
