//! So many connections in so long a time. The meter is the generic cell rate algorithm in its
//! form of virtual scheduling (ITU-T I.371, annex A): one time stamp, no timer, and what it lets
//! pass is what a bucket of tokens would let pass that fills up continuously.

use std::fmt;
use std::time::{Duration, Instant};

/// `rate`: `count` at once, and the same number again in each `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    period: Duration,
}

/// How far a [`Rate`] is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// When everything that has passed would be due if it came evenly ("theoretical arrival time").
    due: Option<Instant>,
}

impl Rate {
    /// A rate; `None` if it lets nobody pass.
    pub fn new(count: u32, period: Duration) -> Option<Self> {
        (count > 0 && !period.is_zero()).then_some(Self { count, period })
    }

    /// The time for one.
    fn interval(self) -> Duration {
        self.period / self.count
    }
}

impl Meter {
    /// When the next one may pass, if that is not now.
    pub fn opens_at(&self, rate: Rate, now: Instant) -> Option<Instant> {
        // So much may be due already that the whole count passes at once.
        let ahead = rate.interval() * (rate.count - 1);
        let due = self.due?;
        if due <= now + ahead { None } else { due.checked_sub(ahead) }
    }

    /// One passes, whether it may or not.
    pub fn pass(&mut self, rate: Rate, now: Instant) {
        self.due = Some(self.due.map_or(now, |due| due.max(now)) + rate.interval());
    }

    /// How far it is used up: until then it is not as new.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, humantime::format_duration(self.period))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_after_the_other() {
        let rate = Rate::new(3, Duration::from_secs(3)).unwrap();
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut meter = Meter::default();
        let mut ask = |now| {
            let opens_at = meter.opens_at(rate, now);
            if opens_at.is_none() {
                meter.pass(rate, now);
            }
            opens_at
        };
        assert_eq!([ask(at(0)), ask(at(0)), ask(at(0))], [None; 3]);
        assert_eq!(ask(at(0)), Some(at(1000)));
        assert_eq!(ask(at(999)), Some(at(1000)));
        assert_eq!(ask(at(1000)), None);
        assert_eq!(ask(at(1000)), Some(at(2000)));
        let later = at(100_000);
        assert_eq!([ask(later), ask(later), ask(later)], [None; 3], "as new after a while");
        assert_eq!(ask(later), Some(at(101_000)));
    }

    #[test]
    fn a_rate_is_never_zero() {
        assert_eq!(Rate::new(0, Duration::from_secs(1)), None);
        assert_eq!(Rate::new(1, Duration::ZERO), None);
        assert_eq!(Rate::new(50, Duration::from_secs(60)).unwrap().to_string(), "50/1m");
    }

    proptest! {
        /// The reference is a bucket with room for `count` tokens, in exact arithmetic: a token
        /// is `interval` nanoseconds.
        #[test]
        fn it_is_a_bucket_of_tokens(
            count in 1u32..20,
            period in 1u64..5_000,
            pauses in prop::collection::vec(0u64..1_000, 0..200),
        ) {
            let rate = Rate::new(count, Duration::from_nanos(period)).unwrap();
            let interval = period / u64::from(count);
            prop_assume!(interval > 0);
            let room = interval * u64::from(count);
            let (mut meter, mut level, mut now) = (Meter::default(), room, Instant::now());
            for pause in pauses {
                now += Duration::from_nanos(pause);
                level = room.min(level + pause);
                let opens_at = meter.opens_at(rate, now);
                prop_assert_eq!(opens_at.is_none(), level >= interval);
                match opens_at {
                    None => {
                        meter.pass(rate, now);
                        level -= interval;
                    }
                    Some(at) => {
                        let missing = Duration::from_nanos(interval - level);
                        prop_assert_eq!(at, now + missing);
                    }
                }
            }
        }
    }
}
