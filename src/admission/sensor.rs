//! Who has touched a sensor: a service that nobody has any business with. Such a peer may not use
//! any service for some time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::rules::Block;
use super::source::{Source, SourcePrefix};

/// Sources that are remembered.
const MOST: usize = 10_240;

/// Whoever has an IPv6 address usually has a whole /64 of them.
const PREFIX: SourcePrefix = SourcePrefix { v4: 32, v6: 64 };

/// The sources that were caught.
#[derive(Debug, Default)]
pub struct Caught {
    /// Whether there is any: as long as there is none it costs a connection nothing to look.
    any: AtomicBool,
    until: Mutex<HashMap<Source, Instant>>,
}

impl Caught {
    /// Refuses a peer everywhere for so long. Not this machine itself: any program on it could
    /// lock out all others.
    pub fn catch(&self, address: IpAddr, time: Duration, now: Instant) {
        if time.is_zero() || address.to_canonical().is_loopback() {
            return;
        }
        let mut until = self.lock();
        if until.len() >= MOST {
            until.retain(|_, until| *until > now);
            if until.len() >= MOST {
                forget_half(&mut until);
            }
        }
        let end = until.entry(PREFIX.source(address)).or_insert(now);
        *end = (*end).max(now + time);
        self.any.store(true, Ordering::Release);
    }

    /// Whether a peer may not come in because of this.
    pub fn has(&self, address: IpAddr, now: Instant) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let mut until = self.lock();
        let source = PREFIX.source(address);
        let caught = until.get(&source).is_some_and(|until| *until > now);
        if !caught && until.remove(&source).is_some() {
            self.any.store(!until.is_empty(), Ordering::Release);
        }
        caught
    }

    /// Lets everybody go.
    pub fn clear(&self) {
        let mut until = self.lock();
        *until = HashMap::new();
        self.any.store(false, Ordering::Release);
    }

    /// All that are caught now, and for how much longer, in the order of their addresses.
    pub fn list(&self, now: Instant) -> Vec<(Block, Duration)> {
        let left = |until: &Instant| until.checked_duration_since(now);
        let until = self.lock();
        let mut list: Vec<_> = until
            .iter()
            .filter_map(|(source, until)| Some((PREFIX.block(*source), left(until)?)))
            .collect();
        list.sort_unstable_by_key(|(block, _)| block.first());
        list
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Source, Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets those that would be free first.
fn forget_half(until: &mut HashMap<Source, Instant>) {
    let mut ends: Vec<_> = until.iter().map(|(source, until)| (*until, *source)).collect();
    let half = ends.len() / 2;
    ends.select_nth_unstable_by_key(half, |(until, _)| *until);
    for (_, source) in &ends[..half] {
        until.remove(source);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn who_was_caught_is_free_again_after_a_while() {
        let caught = Caught::default();
        let now = Instant::now();
        assert!(!caught.has(ip("192.0.2.1"), now));
        caught.catch(ip("192.0.2.1"), MINUTE, now);
        caught.catch(ip("2001:db8::1"), 2 * MINUTE, now);
        assert!(caught.has(ip("::ffff:192.0.2.1"), now));
        assert!(caught.has(ip("2001:db8::2:3"), now), "the whole /64");
        assert!(!caught.has(ip("192.0.2.2"), now) && !caught.has(ip("2001:db8:0:1::1"), now));
        let list = caught.list(now);
        let list: Vec<_> = list.iter().map(|(block, left)| (block.to_string(), *left)).collect();
        assert_eq!(list, [("192.0.2.1".into(), MINUTE), ("2001:db8::/64".into(), 2 * MINUTE)]);
        // Touching it again is longer, never shorter.
        caught.catch(ip("192.0.2.1"), Duration::from_secs(1), now);
        assert!(caught.has(ip("192.0.2.1"), now + MINUTE - Duration::from_secs(1)));
        assert!(!caught.has(ip("192.0.2.1"), now + MINUTE));
        assert!(caught.has(ip("2001:db8::1"), now + MINUTE));
        caught.clear();
        assert!(!caught.has(ip("2001:db8::1"), now) && caught.list(now).is_empty());
    }

    #[test]
    fn this_machine_and_a_time_of_zero_catch_nobody() {
        let caught = Caught::default();
        let now = Instant::now();
        for address in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            caught.catch(ip(address), MINUTE, now);
            assert!(!caught.has(ip(address), now), "{address}");
        }
        caught.catch(ip("192.0.2.1"), Duration::ZERO, now);
        assert!(caught.list(now).is_empty());
    }

    #[test]
    fn the_table_is_bounded_and_keeps_those_who_stay_longest() {
        let caught = Caught::default();
        let now = Instant::now();
        caught.catch(ip("192.0.2.1"), 100 * MINUTE, now);
        for number in 0..50_000u32 {
            caught.catch(Ipv4Addr::from(0x0a00_0000 + number).into(), MINUTE, now);
            assert!(caught.lock().len() <= MOST);
        }
        assert!(caught.has(ip("192.0.2.1"), now));
    }
}
