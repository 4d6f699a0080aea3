//! What a service asks of a peer besides a free slot, and the order in which it asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::rate::Rate;
use super::rules::{Effect, PeerName, Rules};
use super::schedule::Schedule;
use super::sensor::Caught;
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
    /// `resolve`: the names of peers are looked up.
    pub resolve: bool,
    /// `sensor`: whoever comes in here may not come in anywhere for so long.
    pub sensor: Option<Duration>,
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

/// What becomes of a peer.
#[derive(Debug)]
pub enum Verdict {
    /// It may come in.
    In(Permit),
    /// It may not. The slot is free again.
    Out(Refusal),
    /// Its name has to be looked up first.
    Ask(Permit),
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
    /// A permit that is not passed on frees its slot. A `wait` service never sees a peer.
    ///
    /// # Errors
    /// Of several reasons to refuse it the first one in this order: draining, sensor, address,
    /// schedule, slot, sessions of its source, rate, rate of its source, load.
    pub(super) fn judge(
        &self,
        slot: Result<Permit, Refusal>,
        peer: Option<&Address>,
        name: PeerName<'_>,
        caught: &Caught,
        world: &World,
    ) -> Result<Verdict, Refusal> {
        if let Err(Refusal::Draining) = slot {
            return Err(Refusal::Draining);
        }
        let address = peer.and_then(Address::ip);
        if address.is_some_and(|address| caught.has(address, world.now)) {
            return Err(Refusal::Sensor);
        }
        if self.effect(peer, name) == Some(Effect::Deny) {
            return Err(Refusal::Address);
        }
        if self.schedule.as_ref().is_some_and(|schedule| !schedule.is_open((world.minute)())) {
            return Err(Refusal::Time);
        }
        let mut permit = slot?;
        if let Some(source) = self.source(peer) {
            permit.count_for(source, self)?;
        }
        if self.resolve && address.is_some() && name == PeerName::NotAsked {
            return Ok(Verdict::Ask(permit));
        }
        if self.rate.is_some() || self.rate_per_source.is_some() || self.max_load.is_some() {
            permit.count(self, world)?;
        }
        if let Some(time) = self.sensor {
            if let Some(address) = address {
                caught.catch(address, time, world.now);
            }
            return Err(Refusal::Sensor);
        }
        Ok(Verdict::In(permit))
    }

    /// Whether the machine is too busy.
    pub(super) fn is_overloaded(&self, world: &World) -> bool {
        self.max_load.is_some_and(|most| (world.load)().is_some_and(|load| load >= most))
    }

    /// What the rules say about a peer; `None` if that depends on its name. Peers of a Unix socket
    /// have no address; who may connect there is a matter of the socket file's mode.
    fn effect(&self, peer: Option<&Address>, name: PeerName<'_>) -> Option<Effect> {
        match (&self.rules, peer) {
            (Some(rules), Some(Address::Inet(peer))) => rules.decide(peer.ip(), name).effect(),
            _ => Some(Effect::Allow),
        }
    }

    /// The source of a peer, if that is counted and it has an address.
    fn source(&self, peer: Option<&Address>) -> Option<Source> {
        match peer {
            Some(Address::Inet(peer))
                if self.max_per_source.is_some() || self.rate_per_source.is_some() =>
            {
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
            resolve: false,
            sensor: None,
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
