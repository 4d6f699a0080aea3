//! The lines that a process writes, collected by a thread, so that a test can wait for one.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// All lines so far of one stream.
#[derive(Clone, Default)]
pub struct Lines {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    /// Collects from `source` until it ends.
    pub fn of(source: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let shared = Arc::clone(&lines.shared);
        std::thread::spawn(move || collect(source, &shared));
        lines
    }

    /// The first line that is `wanted`, now or when it comes.
    #[track_caller]
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.wait(what, |lines| lines.iter().find(|line| wanted(line)).cloned())
    }

    /// As [`Self::wait_for`], but only among the lines from `mark` on.
    #[track_caller]
    pub fn wait_after(&self, mark: usize, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.wait(what, |lines| lines[mark..].iter().find(|line| wanted(line)).cloned())
    }

    /// Waits until `look` finds something in the lines.
    ///
    /// # Panics
    /// After the deadline, or when the stream has ended without it, with all lines.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut(&[String]) -> Option<T>) -> T {
        let end = Instant::now() + super::deadline();
        let (state, changed) = &*self.shared;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = look(&state.lines) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            let why = if state.ended { "the stream has ended" } else { "the deadline is over" };
            assert!(
                !left.is_zero() && !state.ended,
                "waited in vain for {what}: {why}. All lines:\n{}",
                state.lines.join("\n")
            );
            state = changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for this line: false if the stream ends without it.
    #[track_caller]
    pub fn to_first(&self, wanted: &str) -> bool {
        let end = Instant::now() + super::deadline();
        let (state, changed) = &*self.shared;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.ended || state.lines.iter().any(|line| line == wanted) {
                return !state.ended;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "neither `{wanted}` nor the end of the stream");
            state = changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the end of the stream and gives all lines.
    #[track_caller]
    pub fn to_end(&self) -> Vec<String> {
        let end = Instant::now() + super::deadline();
        let (state, changed) = &*self.shared;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.ended {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the stream does not end:\n{}", state.lines.join("\n"));
            state = changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.lines.clone()
    }

    /// All lines so far.
    pub fn all(&self) -> Vec<String> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).lines.clone()
    }

    /// The number of lines so far: what comes later is new.
    pub fn mark(&self) -> usize {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).lines.len()
    }
}

fn collect(source: impl Read, shared: &(Mutex<State>, Condvar)) {
    let mut source = BufReader::new(source);
    let mut line = Vec::new();
    loop {
        line.clear();
        let ended = !matches!(source.read_until(b'\n', &mut line), Ok(1..));
        let (state, changed) = shared;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if ended {
            state.ended = true;
        } else {
            state.lines.push(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).into());
        }
        changed.notify_all();
        if ended {
            return;
        }
    }
}
