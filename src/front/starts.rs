//! Connections whose programs are to be started, in a flood: when they are far more than can be started.
//!
//! The system's queue of a listener is short, and whoever finds it full comes again after a second at
//! the soonest (RFC 6298). So connections are taken out of it many at a time, and wait here. The
//! services take turns, and so do the sources of each, so that a flood delays itself alone.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::admission::source::Source;
use crate::service::ServiceId;

/// Those that wait.
#[derive(Debug)]
pub(super) struct Starts<T> {
    most: usize,
    /// How many there are. It changes with the lock held, and is looked at without it: without a flood
    /// a start takes no lock here.
    waiting: AtomicUsize,
    holds: AtomicUsize,
    lines: Mutex<Lines<T>>,
}

type Lines<T> = Turns<ServiceId, Turns<Option<Source>, VecDeque<T>>>;

impl<T> Starts<T> {
    /// No more than `most` wait.
    pub(super) fn new(most: usize) -> Self {
        let [waiting, holds] = [0, 0].map(AtomicUsize::new);
        Self { most, waiting, holds, lines: Mutex::new(Turns::default()) }
    }

    /// Gives the item back if it can be started at once; otherwise it waits. Afterwards the thread has to
    /// ask for the [next](Self::next).
    pub(super) fn begin(
        &self,
        service: ServiceId,
        source: impl FnOnce(&T) -> Option<Source>,
        item: T,
    ) -> Option<T> {
        // Nobody overtakes those who wait.
        let has_to_wait = self.are_waiting() || self.holds.load(Ordering::Relaxed) > 0;
        if !has_to_wait || self.room() == 0 {
            return Some(item);
        }
        let mut lines = self.lock();
        lines.line(service).line(source(&item)).push_back(item);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Whether somebody waits.
    pub(super) fn are_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// How many more may wait: about, as other threads have looked, too.
    pub(super) fn room(&self) -> usize {
        self.most.saturating_sub(self.waiting.load(Ordering::Relaxed))
    }

    /// As long as this is there, everybody waits.
    pub(super) fn hold(&self) -> Hold<'_> {
        self.holds.fetch_add(1, Ordering::Relaxed);
        Hold(&self.holds)
    }

    /// Whose turn it is, if somebody waits.
    pub(super) fn next(&self) -> Option<T> {
        if self.are_waiting() { self.take(&mut self.lock()) } else { None }
    }

    /// Takes all away that wait.
    pub(super) fn clear(&self) -> Vec<T> {
        let mut lines = self.lock();
        std::iter::from_fn(|| self.take(&mut lines)).collect()
    }

    fn take(&self, lines: &mut Lines<T>) -> Option<T> {
        let of_source = |line: &mut VecDeque<T>| (line.pop_front(), line.is_empty());
        let of_service = |sources: &mut Turns<_, _>| (sources.next(of_source), sources.is_empty());
        let item = lines.next(of_service)?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(item)
    }

    fn lock(&self) -> MutexGuard<'_, Lines<T>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing is started without waiting, until this is dropped.
#[derive(Debug)]
pub(super) struct Hold<'a>(&'a AtomicUsize);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lines that take turns.
#[derive(Debug)]
struct Turns<K, V> {
    order: VecDeque<K>,
    lines: HashMap<K, V>,
}

impl<K, V> Default for Turns<K, V> {
    fn default() -> Self {
        Self { order: VecDeque::new(), lines: HashMap::new() }
    }
}

impl<K: Copy + Eq + Hash, V: Default> Turns<K, V> {
    fn line(&mut self, key: K) -> &mut V {
        self.lines.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            V::default()
        })
    }

    /// Takes something out of the line whose turn it is. `take` tells whether the line is empty then.
    fn next<T>(&mut self, take: impl FnOnce(&mut V) -> (Option<T>, bool)) -> Option<T> {
        let key = self.order.pop_front()?;
        let (item, is_empty) = take(self.lines.get_mut(&key)?);
        if is_empty {
            self.lines.remove(&key);
        } else {
            self.order.push_back(key);
        }
        item
    }

    fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::source::SourcePrefix;

    fn source(last: u8) -> impl Fn(&u32) -> Option<Source> {
        move |_| Some(SourcePrefix::default().source([192, 0, 2, last].into()))
    }

    fn nobody(_: &u32) -> Option<Source> {
        None
    }

    /// Everything that waits, in its order.
    fn rest(starts: &Starts<u32>) -> Vec<u32> {
        std::iter::from_fn(|| starts.next()).collect()
    }

    #[test]
    fn nobody_waits_but_for_a_crowd_and_for_those_before() {
        let starts = Starts::new(10);
        assert_eq!(starts.begin(1, nobody, 1), Some(1));
        let hold = starts.hold();
        assert_eq!(starts.begin(1, nobody, 2), None);
        drop(hold);
        assert_eq!(starts.begin(2, nobody, 3), None, "nobody overtakes");
        assert!(starts.are_waiting());
        assert_eq!(rest(&starts), [2, 3]);
        assert_eq!(starts.begin(1, nobody, 4), Some(4));
    }

    #[test]
    fn services_take_turns_and_so_do_their_sources() {
        let starts = Starts::new(100);
        let hold = starts.hold();
        for item in 10..14 {
            assert_eq!(starts.begin(1, source(1), item), None);
        }
        assert_eq!(starts.begin(2, source(1), 20), None);
        for item in 30..32 {
            assert_eq!(starts.begin(1, source(2), item), None);
        }
        drop(hold);
        assert_eq!(rest(&starts), [10, 20, 30, 11, 31, 12, 13]);
    }

    #[test]
    fn when_too_many_wait_the_next_one_is_started_all_the_same() {
        let starts = Starts::new(1);
        let _hold = starts.hold();
        assert_eq!(starts.room(), 1);
        assert_eq!(starts.begin(1, nobody, 1), None);
        assert_eq!(starts.room(), 0);
        assert_eq!(starts.begin(1, nobody, 2), Some(2));
        assert_eq!(rest(&starts), [1]);
    }

    #[test]
    fn those_who_wait_can_be_sent_away() {
        let starts = Starts::new(10);
        let hold = starts.hold();
        for (service, item) in [(1, 2), (1, 3), (2, 4)] {
            assert_eq!(starts.begin(service, nobody, item), None);
        }
        drop(hold);
        assert_eq!(starts.clear(), [2, 4, 3]);
        assert!(!starts.are_waiting());
        assert_eq!(starts.begin(1, nobody, 5), Some(5));
    }
}
