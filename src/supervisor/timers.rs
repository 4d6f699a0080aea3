//! What is due at some time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Instant;

/// Things to do, each at its time. Whoever deals with one looks whether it still makes sense.
#[derive(Debug)]
pub(super) struct Timers<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    count: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Instant,
    /// Keeps entries of the same time in order.
    number: u64,
    what: T,
}

impl<T> Timers<T> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), count: 0 }
    }

    pub(super) fn add(&mut self, at: Instant, what: T) {
        self.count += 1;
        self.heap.push(Reverse(Entry { at, number: self.count, what }));
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// Takes all of which `which` says so, whatever their time.
    pub(super) fn take(&mut self, which: impl Fn(&T) -> bool) -> Vec<T> {
        let all = std::mem::take(&mut self.heap).into_vec();
        let (taken, left): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|Reverse(entry)| which(&entry.what));
        self.heap = left.into();
        taken.into_iter().map(|Reverse(entry)| entry.what).collect()
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.heap.iter().map(|Reverse(entry)| &entry.what)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Takes the next one that is due at `now`.
    pub(super) fn due(&mut self, now: Instant) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry.what)
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn things_come_in_order_of_time_then_of_arrival() {
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        let mut timers = Timers::new();
        timers.add(later, 'c');
        timers.add(start, 'a');
        timers.add(start, 'b');
        timers.add(start, 'x');
        assert_eq!(timers.take(|what| *what == 'x'), ['x']);
        assert_eq!(timers.next(), Some(start));
        assert_eq!(timers.due(start), Some('a'));
        assert_eq!(timers.due(start), Some('b'));
        assert_eq!(timers.due(start), None);
        assert_eq!(timers.due(later), Some('c'));
        assert_eq!(timers.next(), None);
    }
}
