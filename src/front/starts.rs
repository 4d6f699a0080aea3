//! Connections whose programs are to be started, when they are more than can be started at a time.
//!
//! The system's queue of a listener is short, and whoever finds it full comes again after a second at
//! the soonest (RFC 6298). So connections are taken out of it as fast as they come, and wait here. The
//! services take turns, and so do the sources of each, so that a flood delays itself alone.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::admission::source::Source;
use crate::service::ServiceId;

/// Those that wait, and how many are being started.
#[derive(Debug)]
pub(super) struct Starts<T> {
    at_a_time: usize,
    most: usize,
    /// A copy of the number under the lock, for a look without it.
    waiting: AtomicUsize,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    starting: usize,
    waiting: usize,
    holds: usize,
    lines: Turns<ServiceId, Turns<Option<Source>, VecDeque<T>>>,
}

/// One that is being started, until this is dropped.
#[derive(Debug)]
pub(super) struct Seat<'a, T>(&'a Starts<T>);

impl<T> Starts<T> {
    /// Starts are held back from `at_a_time` on, as long as no more than `most` wait.
    pub(super) fn new(at_a_time: usize, most: usize) -> Self {
        let state = State { starting: 0, waiting: 0, holds: 0, lines: Turns::default() };
        Self { at_a_time, most, waiting: AtomicUsize::new(0), state: Mutex::new(state) }
    }

    /// Gives the item back if it can be started now; otherwise it waits. Afterwards, and after it has
    /// let the seat go, the thread has to ask for the [next](Self::next).
    pub(super) fn begin(
        &self,
        service: ServiceId,
        source: impl FnOnce(&T) -> Option<Source>,
        item: T,
    ) -> Option<(Seat<'_, T>, T)> {
        let mut state = self.lock();
        // Nobody overtakes those who wait. Whoever has let a seat go is about to look for them.
        let has_to_wait = state.starting >= self.at_a_time || state.waiting > 0 || state.holds > 0;
        if has_to_wait && state.waiting < self.most {
            state.lines.line(service).line(source(&item)).push_back(item);
            self.count(&mut state, 1);
            return None;
        }
        state.starting += 1;
        Some((Seat(self), item))
    }

    /// Whether somebody waits.
    pub(super) fn are_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// How many more may wait.
    pub(super) fn room(&self) -> usize {
        self.most.saturating_sub(self.waiting.load(Ordering::Relaxed))
    }

    /// As long as this is there, everybody waits.
    pub(super) fn hold(&self) -> Hold<'_, T> {
        self.lock().holds += 1;
        Hold(self)
    }

    /// Whose turn it is, if somebody waits and can be started now.
    pub(super) fn next(&self) -> Option<(Seat<'_, T>, T)> {
        if !self.are_waiting() {
            return None;
        }
        let mut state = self.lock();
        if state.starting >= self.at_a_time {
            return None;
        }
        let item = state.take()?;
        self.count(&mut state, -1);
        state.starting += 1;
        Some((Seat(self), item))
    }

    /// Takes all away that wait.
    pub(super) fn clear(&self) -> Vec<T> {
        let mut state = self.lock();
        let all: Vec<T> = std::iter::from_fn(|| state.take()).collect();
        state.waiting = 0;
        self.waiting.store(0, Ordering::Relaxed);
        all
    }

    fn count(&self, state: &mut State<T>, more: isize) {
        state.waiting = state.waiting.saturating_add_signed(more);
        self.waiting.store(state.waiting, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn take(&mut self) -> Option<T> {
        let of_source = |line: &mut VecDeque<T>| (line.pop_front(), line.is_empty());
        let of_service = |sources: &mut Turns<_, _>| (sources.next(of_source), sources.is_empty());
        self.lines.next(of_service)
    }
}

impl<T> Drop for Seat<'_, T> {
    fn drop(&mut self) {
        self.0.lock().starting -= 1;
    }
}

/// Nothing is started without waiting, until this is dropped.
#[derive(Debug)]
pub(super) struct Hold<'a, T>(&'a Starts<T>);

impl<T> Drop for Hold<'_, T> {
    fn drop(&mut self) {
        self.0.lock().holds -= 1;
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
        std::iter::from_fn(|| starts.next().map(|(_seat, item)| item)).collect()
    }

    #[test]
    fn as_many_start_at_once_as_there_are_seats() {
        let starts = Starts::new(2, 10);
        let (first, item) = starts.begin(1, nobody, 1).unwrap();
        assert_eq!(item, 1);
        let (second, _) = starts.begin(1, nobody, 2).unwrap();
        assert!(starts.begin(1, nobody, 3).is_none());
        assert!(starts.begin(1, nobody, 4).is_none());
        assert!(starts.next().is_none(), "no seat is free");
        drop(first);
        let (third, item) = starts.next().unwrap();
        assert_eq!(item, 3);
        assert!(starts.next().is_none());
        drop((second, third));
        assert_eq!(rest(&starts), [4]);
        assert!(starts.begin(1, nobody, 5).is_some());
    }

    #[test]
    fn services_take_turns_and_so_do_their_sources() {
        let starts = Starts::new(1, 100);
        let (seat, _) = starts.begin(1, nobody, 0).unwrap();
        for item in 10..14 {
            assert!(starts.begin(1, source(1), item).is_none());
        }
        assert!(starts.begin(2, source(1), 20).is_none());
        for item in 30..32 {
            assert!(starts.begin(1, source(2), item).is_none());
        }
        drop(seat);
        assert_eq!(rest(&starts), [10, 20, 30, 11, 31, 12, 13]);
    }

    #[test]
    fn while_a_crowd_is_let_in_nobody_starts_at_once() {
        let starts = Starts::new(2, 10);
        let hold = starts.hold();
        assert!(starts.begin(1, nobody, 1).is_none());
        assert!(starts.begin(1, nobody, 2).is_none());
        assert!(starts.are_waiting());
        drop(hold);
        assert_eq!(rest(&starts), [1, 2]);
        assert!(starts.begin(1, nobody, 3).is_some());
    }

    #[test]
    fn when_too_many_wait_the_next_one_is_started_all_the_same() {
        let starts = Starts::new(1, 1);
        let (seat, _) = starts.begin(1, nobody, 1).unwrap();
        assert!(starts.begin(1, nobody, 2).is_none());
        let (over, item) = starts.begin(1, nobody, 3).unwrap();
        assert_eq!(item, 3);
        drop(seat);
        assert!(starts.next().is_none(), "one is still being started");
        drop(over);
        assert_eq!(rest(&starts), [2]);
    }

    #[test]
    fn those_who_wait_can_be_sent_away() {
        let starts = Starts::new(1, 10);
        let (seat, _) = starts.begin(1, nobody, 1).unwrap();
        for (service, item) in [(1, 2), (1, 3), (2, 4)] {
            assert!(starts.begin(service, nobody, item).is_none());
        }
        assert_eq!(starts.clear(), [2, 4, 3]);
        drop(seat);
        assert!(starts.next().is_none());
        assert!(starts.begin(1, nobody, 5).is_some());
    }

    #[test]
    fn a_seat_is_free_again_after_a_fault() {
        let starts = Starts::new(1, 10);
        let fault = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _seat = starts.begin(1, nobody, 1);
            panic!("a fault");
        }));
        assert!(fault.is_err());
        assert!(starts.begin(1, nobody, 2).is_some());
    }
}
