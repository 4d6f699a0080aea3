//! What a service asks of a peer besides a free slot, and the order in which it asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::rate::Rate;
use super::rules::{Decision, Effect, PeerName, Rules};
use super::schedule::Schedule;
use super::source::{Source, SourcePrefix};
use super::{Permit, Refusal};
use crate::config::OverLimit;
use crate::listener::endpoint::Address;
use crate::sys::{WeekMinute, clock};

/// The demands of a service. Without any it costs a connection nothing.
#[derive(Clone, Debug)]
pub struct Gate {
    /// `allow` and `deny`.
    pub rules: Option<Arc<Rules>>,
    /// `access_times`: when peers are let in.
    pub schedule: Option<Schedule>,
    /// What happens when no slot is free, or `rate` is exceeded.
    pub over_limit: OverLimit,
    /// `max_per_source`: sessions at a time of one source; `None` is no limit.
    pub max_per_source: Option<u32>,
    /// `source_prefix`: what one source is.
    pub source_prefix: SourcePrefix,
    /// `rate`: connections in a time.
    pub rate: Option<Rate>,
    /// `rate_per_source`: connections of one source in a time.
    pub rate_per_source: Option<Rate>,
    /// `rate_pause`: how long the service does not accept when `rate` is exceeded.
    pub rate_pause: Duration,
    /// `max_load`: nobody comes in while the load average is that high.
    pub max_load: Option<f64>,
    /// `banner`: sent to each peer that comes in, before its program starts.
    pub banner: Option<Arc<[u8]>>,
    /// `banner_reject`: sent to each peer that does not.
    pub banner_reject: Option<Arc<[u8]>>,
}

/// What a decision depends on besides the peer and the slots.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// When it is made.
    pub now: Instant,
    /// The time on the clock of this place, if it is asked for.
    pub minute: fn() -> WeekMinute,
    /// The load average, if it is asked for.
    pub load: fn() -> Option<f64>,
}

impl World {
    /// This one.
    pub fn at(now: Instant) -> Self {
        Self { now, minute: clock::minute_of_week, load: clock::load_average }
    }
}

impl Gate {
    /// Decides about a peer that was accepted with a slot, or only to hear that there is none.
    /// Of several reasons to refuse it the first one in this order counts: draining, address,
    /// schedule, slot, and what [`Permit::claim`] looks at. A `wait` service never sees a peer.
    ///
    /// # Errors
    /// The reason. The slot is free again.
    pub fn let_in(
        &self,
        slot: Result<Permit, Refusal>,
        peer: Option<&Address>,
        world: &World,
    ) -> Result<Permit, Refusal> {
        if let Err(Refusal::Draining) = slot {
            return slot;
        }
        if self.effect(peer) == Effect::Deny {
            return Err(Refusal::Address);
        }
        if self.schedule.as_ref().is_some_and(|schedule| !schedule.is_open((world.minute)())) {
            return Err(Refusal::Time);
        }
        let mut permit = slot?;
        if self.counts() {
            permit.claim(self, self.source(peer), world)?;
        }
        Ok(permit)
    }

    /// Whether the machine is too busy.
    pub(super) fn is_overloaded(&self, world: &World) -> bool {
        self.max_load.is_some_and(|most| (world.load)().is_some_and(|load| load >= most))
    }

    /// What the rules say about a peer. Those of a Unix socket have no address; who may connect
    /// there is a matter of the socket file's mode.
    fn effect(&self, peer: Option<&Address>) -> Effect {
        match (&self.rules, peer) {
            (Some(rules), Some(Address::Inet(peer))) => {
                let decision: Decision<'_> = rules.decide(peer.ip(), PeerName::NotAsked);
                decision.effect().unwrap_or(Effect::Deny)
            }
            _ => Effect::Allow,
        }
    }

    /// Whether there is more to look at than rules and slots.
    fn counts(&self) -> bool {
        self.rate.is_some() || self.max_load.is_some() || self.counts_sources()
    }

    fn counts_sources(&self) -> bool {
        self.max_per_source.is_some() || self.rate_per_source.is_some()
    }

    /// The source of a peer, if that is counted and it has an address.
    fn source(&self, peer: Option<&Address>) -> Option<Source> {
        match peer {
            Some(Address::Inet(peer)) if self.counts_sources() => {
                Some(self.source_prefix.source(peer.ip()))
            }
            _ => None,
        }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            rules: None,
            schedule: None,
            over_limit: OverLimit::Queue,
            max_per_source: None,
            source_prefix: SourcePrefix::default(),
            rate: None,
            rate_per_source: None,
            rate_pause: Duration::from_secs(10),
            max_load: None,
            banner: None,
            banner_reject: None,
        }
    }
}
