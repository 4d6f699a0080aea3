//! What a service asks of a peer besides a free slot, and the order in which it asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::rate::Rate;
use super::rules::{Decision, Effect, PeerName, Rules};
use super::source::{Source, SourcePrefix};
use super::{Permit, Refusal};
use crate::config::OverLimit;
use crate::listener::endpoint::Address;

/// The demands of a service. Without any it costs a connection nothing.
#[derive(Clone, Debug)]
pub struct Gate {
    /// `allow` and `deny`.
    pub rules: Option<Arc<Rules>>,
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
}

impl Gate {
    /// Decides about a peer that was accepted with a slot, or only to hear that there is none.
    /// Of several reasons to refuse it the first one in this order counts: draining, address, slot,
    /// and what [`Permit::claim`] looks at. A `wait` service never sees a peer.
    ///
    /// # Errors
    /// The reason. The slot is free again.
    pub fn let_in(
        &self,
        slot: Result<Permit, Refusal>,
        peer: Option<&Address>,
        now: Instant,
    ) -> Result<Permit, Refusal> {
        let draining = matches!(slot, Err(Refusal::Draining));
        if !draining && self.effect(peer) == Effect::Deny {
            return Err(Refusal::Address);
        }
        let mut permit = slot?;
        if self.counts() {
            permit.claim(self, self.source(peer), now)?;
        }
        Ok(permit)
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

    /// Whether connections are counted at all.
    fn counts(&self) -> bool {
        self.rate.is_some() || self.counts_sources()
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
            over_limit: OverLimit::Queue,
            max_per_source: None,
            source_prefix: SourcePrefix::default(),
            rate: None,
            rate_per_source: None,
            rate_pause: Duration::from_secs(10),
        }
    }
}
