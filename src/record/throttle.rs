//! How many lines something that a peer can cause may write.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bucket of tokens, one for each line, that fills up at a constant rate.
#[derive(Debug)]
pub struct Throttle {
    burst: u32,
    per_second: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: u32,
    filled: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// At most `burst` lines at once and `per_second` in the long run.
    pub const fn new(burst: u32, per_second: u32) -> Self {
        let state = State { tokens: burst, filled: None, suppressed: 0 };
        Self { burst, per_second, state: Mutex::new(state) }
    }

    /// How many lines were not written since the last one that was.
    pub fn suppressed(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).suppressed
    }

    /// Whether a line may be written at `now`: `Some` number of those that were not since the
    /// last one that was.
    pub fn pass(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = *state.filled.get_or_insert(now);
        let earned =
            now.saturating_duration_since(filled).as_secs_f64() * f64::from(self.per_second);
        if earned >= 1.0 {
            let whole = earned.min(f64::from(self.burst)).floor();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0..=burst"
            )]
            let whole = whole as u32;
            state.tokens = state.tokens.saturating_add(whole).min(self.burst);
            state.filled = Some(if state.tokens == self.burst {
                now
            } else {
                filled + Duration::from_secs_f64(f64::from(whole) / f64::from(self.per_second))
            });
        }
        if state.tokens == 0 {
            state.suppressed += 1;
            return None;
        }
        state.tokens -= 1;
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_and_the_rest_is_counted() {
        let throttle = Throttle::new(3, 2);
        let start = Instant::now();
        let passed = (0..10).filter(|_| throttle.pass(start).is_some()).count();
        assert_eq!(passed, 3);
        assert_eq!(throttle.pass(start + Duration::from_millis(500)), Some(7));
        assert_eq!(throttle.pass(start + Duration::from_millis(900)), None);
        assert_eq!(throttle.pass(start + Duration::from_secs(1)), Some(1));
        let later = start + Duration::from_secs(100);
        let passed = (0..10).filter(|_| throttle.pass(later).is_some()).count();
        assert_eq!(passed, 3, "tokens beyond the burst are not kept");
    }
}
