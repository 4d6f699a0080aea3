//! What is remembered of the sources of a service's connections: how many sessions each has and
//! how fast it comes. The table is bounded whatever a peer does.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use super::rate::{Meter, Rate};
use super::rules::Block;

/// Sources that are remembered for their rate alone. Those with sessions come on top.
const MOST: usize = 16_384;

/// How much of an address counts as one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourcePrefix {
    /// Bits of an IPv4 address.
    pub v4: u8,
    /// Bits of an IPv6 address.
    pub v6: u8,
}

/// A source: the first address of those that count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

/// The sources of one service.
#[derive(Debug, Default)]
pub(super) struct Sources {
    known: HashMap<Source, State>,
    /// The number of sources from which on it is worth to look for some to forget.
    clear_at: usize,
}

#[derive(Debug, Default)]
struct State {
    sessions: u32,
    meter: Meter,
}

impl SourcePrefix {
    /// Bits of this address.
    pub fn bits(self, address: IpAddr) -> u8 {
        if address.is_ipv4() { self.v4 } else { self.v6 }
    }

    /// The addresses of a source.
    pub fn block(self, source: Source) -> Block {
        let single = Block::single(source.0);
        Block::around(source.0, self.bits(source.0)).unwrap_or(single)
    }

    /// The source of an address.
    pub fn source(self, address: IpAddr) -> Source {
        let address = address.to_canonical();
        // The prefix is never longer than the address.
        Source(Block::around(address, self.bits(address)).map_or(address, Block::first))
    }
}

impl Default for SourcePrefix {
    fn default() -> Self {
        Self { v4: 32, v6: 128 }
    }
}

impl Sources {
    /// The sessions of a source.
    pub(super) fn sessions(&self, source: Source) -> u32 {
        self.known.get(&source).map_or(0, |state| state.sessions)
    }

    /// How fast a source comes.
    pub(super) fn meter(&self, source: Source) -> Meter {
        self.known.get(&source).map_or_else(Meter::default, |state| state.meter)
    }

    /// A source begins a session.
    pub(super) fn enter(&mut self, source: Source) {
        if self.known.len() >= self.clear_at.max(MOST) {
            self.clear_up(Instant::now());
        }
        self.known.entry(source).or_default().sessions += 1;
    }

    /// A session of a source counts for its rate.
    pub(super) fn pass(&mut self, source: Source, rate: Rate, now: Instant) {
        self.known.entry(source).or_default().meter.pass(rate, now);
    }

    /// A session of a source has ended.
    pub(super) fn leave(&mut self, source: Source, now: Instant) {
        let Some(state) = self.known.get_mut(&source) else { return };
        state.sessions -= 1;
        if state.is_idle(now) {
            self.known.remove(&source);
        }
    }

    /// Forgets sources that do nothing, and if too many are left, those that are least busy. So a
    /// peer with very many addresses can have the rate of its own ones forgotten, but not that of
    /// busier ones. Thousands of new sources come between two calls, whatever they do.
    fn clear_up(&mut self, now: Instant) {
        self.known.retain(|_, state| !state.is_idle(now));
        let without = self.known.iter().filter(|(_, state)| state.sessions == 0);
        let mut without: Vec<_> =
            without.map(|(source, state)| (state.meter.due(), *source)).collect();
        if let Some(gone) = without.len().checked_sub(MOST / 2 + 1) {
            without.select_nth_unstable_by_key(gone, |(due, _)| *due);
            for (_, source) in &without[..=gone] {
                self.known.remove(source);
            }
        }
        self.clear_at = self.known.len() + MOST / 2;
        self.known.shrink_to(self.clear_at.max(MOST));
    }
}

impl State {
    /// Whether it is as good as forgotten.
    fn is_idle(&self, now: Instant) -> bool {
        self.sessions == 0 && self.meter.due().is_none_or(|due| due <= now)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn source(number: u32) -> Source {
        SourcePrefix::default().source(Ipv4Addr::from(number).into())
    }

    #[test]
    fn a_source_is_as_much_of_an_address_as_one_likes() {
        let show = |v4, v6, text: &str| {
            SourcePrefix { v4, v6 }.source(text.parse().unwrap()).0.to_string()
        };
        assert_eq!(show(32, 128, "192.0.2.7"), "192.0.2.7");
        assert_eq!(show(24, 64, "192.0.2.7"), "192.0.2.0");
        assert_eq!(show(0, 0, "192.0.2.7"), "0.0.0.0");
        assert_eq!(show(24, 64, "2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(show(24, 0, "2001:db8::1"), "::");
        assert_eq!(show(24, 0, "::ffff:192.0.2.7"), "192.0.2.0");
    }

    #[test]
    fn the_table_is_bounded_and_keeps_sessions_and_the_busiest() {
        let rate = Rate::new(1000, Duration::from_secs(1000)).unwrap();
        let now = Instant::now();
        let mut sources = Sources::default();
        let visit = |sources: &mut Sources, number| {
            sources.enter(source(number));
            sources.pass(source(number), rate, now);
            sources.leave(source(number), now);
        };
        // One that stays, one that comes often, and very many that come once.
        sources.enter(source(1));
        (0..500).for_each(|_| visit(&mut sources, 2));
        for number in 10..100_000 {
            visit(&mut sources, number);
            assert!(sources.known.len() <= MOST + 1, "one has a session");
        }
        assert_eq!(sources.sessions(source(1)), 1);
        assert_eq!(sources.meter(source(2)).due(), Some(now + Duration::from_secs(500)));
        let later = now + Duration::from_secs(1000);
        sources.clear_up(later);
        sources.leave(source(1), later);
        assert!(sources.known.is_empty());
        assert!(sources.known.capacity() <= 2 * MOST);
    }

    #[test]
    fn many_sessions_of_many_sources_are_all_counted() {
        let now = Instant::now();
        let mut sources = Sources::default();
        (0..50_000).for_each(|number| sources.enter(source(number)));
        assert!((0..50_000).all(|number| sources.sessions(source(number)) == 1));
        (0..50_000).for_each(|number| sources.leave(source(number), now));
        assert!(sources.known.is_empty());
    }
}
