//! Whether a connection may come in. This is the only way to a program: a session holds a
//! [`Permit`], and a permit comes from [`Admission::enter`] alone.
//!
//! Slots are counted for each service and for the whole daemon. A listener that finds no slot
//! goes to sleep here instead of polling, and is woken, first come first served, when a permit
//! is dropped.

mod gate;
pub mod names;
pub mod rate;
mod refusal;
pub mod rules;
pub mod schedule;
mod sensor;
pub mod source;
pub mod tables;
pub mod users;
pub mod wrappers;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

pub use self::gate::{Ask, Gate, Verdict, Visitor, World, Wrapped};
use self::rate::{Meter, Rate};
pub use self::refusal::Refusal;
use self::sensor::Caught;
use self::source::{Source, Sources};
use crate::config::{OverLimit, OverRate};
use crate::front::Token;
use crate::listener::ListenerId;
use crate::service::ServiceId;
use crate::sys::poll::Poller;

/// The slots of the daemon.
#[derive(Debug)]
pub struct Admission {
    slots: Mutex<Slots>,
    /// Where a front thread hears that a sleeping listener may try again.
    poller: Arc<Poller>,
    /// Who has touched a sensor.
    pub caught: Caught,
    /// Told each time that the last slot becomes free.
    drained: Notify,
}

#[derive(Debug, Default)]
struct Slots {
    in_use: u32,
    limit: Option<u32>,
    /// In boxes, because up to half of the places of a table are empty.
    services: HashMap<ServiceId, Box<ServiceSlots>>,
    /// Listeners that sleep because the daemon is full.
    waiting: VecDeque<ListenerId>,
    /// Listeners that may try again.
    offered: VecDeque<ListenerId>,
}

#[derive(Debug, Default)]
struct ServiceSlots {
    /// Nobody new comes in.
    draining: bool,
    in_use: u32,
    limit: Option<u32>,
    /// Listeners that sleep because the service is full.
    waiting: Vec<ListenerId>,
    /// How fast connections come in.
    meter: Meter,
    /// The end of the pause that was made because they came too fast.
    pause: Option<Instant>,
    /// Of most services they are not counted.
    sources: Option<Box<Sources>>,
}

/// The answer to a listener that wants to accept.
#[derive(Debug)]
pub enum Entry {
    /// There is a slot, and it is taken now.
    Admitted(Permit),
    /// There is none; the listener sleeps until [`Admission::next_offered`] names it.
    Sleep,
    /// Connections come too fast: the listener rests until then.
    Pause {
        /// Until when.
        until: Instant,
        /// This listener is the first to notice.
        begins: bool,
    },
    /// There is none, and the service wants the connection to be turned away.
    Full(Refusal),
    /// The service drains: the connection is to be turned away.
    Draining,
}

/// A slot of a service and of the daemon. It is free again when this is dropped.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    service: ServiceId,
    /// Whose it is, if that is counted.
    source: Option<Source>,
    /// It was of the second half of the slots.
    scarce: bool,
    /// What becomes of its peer if connections come too fast. With a pause that was looked at before
    /// there was a peer.
    over_rate: OverRate,
}

impl Admission {
    /// No services yet, and room for `limit` sessions together.
    pub fn new(poller: Arc<Poller>, limit: Option<u32>) -> Arc<Self> {
        let slots = Mutex::new(Slots { limit, ..Slots::default() });
        Arc::new(Self { slots, poller, caught: Caught::default(), drained: Notify::new() })
    }

    /// Sets the limit of the whole daemon. Sessions above a lower one go on.
    pub fn set_limit(&self, limit: Option<u32>) {
        let mut slots = self.lock();
        slots.limit = limit;
        // Whoever slept under the old limit tries again, and sleeps again if it is still too low.
        let waiting = std::mem::take(&mut slots.waiting);
        slots.offered.extend(waiting);
        self.wake(slots);
    }

    /// Sets the limit of a service, which is known from then on.
    pub fn set_service_limit(&self, service: ServiceId, limit: Option<u32>) {
        let mut slots = self.lock();
        let of_service = slots.services.entry(service).or_default();
        of_service.limit = limit;
        // What made it pause may be what was just changed.
        of_service.pause = None;
        let waiting = std::mem::take(&mut of_service.waiting);
        slots.offered.extend(waiting);
        self.wake(slots);
    }

    /// A service is not in the configuration any more. The sessions that it has still count for
    /// the daemon, and so does a connection that was on its way to it.
    pub fn forget(&self, service: ServiceId) {
        let mut slots = self.lock();
        if let Some(of_service) = slots.services.remove(&service) {
            slots.offered.extend(of_service.waiting);
        }
        self.wake(slots);
    }

    /// Lets nobody new into a service, or everybody again. Its sessions are not touched.
    pub fn set_draining(&self, service: ServiceId, draining: bool) {
        if let Some(of_service) = self.lock().services.get_mut(&service) {
            of_service.draining = draining;
        }
    }

    /// Whether a service lets nobody new in.
    pub fn is_draining(&self, service: ServiceId) -> bool {
        self.lock().services.get(&service).is_some_and(|slots| slots.draining)
    }

    /// Asks for a slot for the connection that `listener` is about to accept.
    pub fn enter(
        self: &Arc<Self>,
        service: ServiceId,
        listener: ListenerId,
        gate: &Gate,
        now: Instant,
    ) -> Entry {
        let mut slots = self.lock();
        let slots = &mut *slots;
        // A reload may have taken the service away just now. Its last connection comes in as before.
        let mut of_service = slots.services.get_mut(&service);
        if let Some(of_service) = &of_service {
            if of_service.draining {
                return Entry::Draining;
            }
            if gate.over_rate == OverRate::Pause
                && let Some(until) = of_service.paused_until(now)
            {
                return Entry::Pause { until, begins: false };
            }
        }
        if is_full(slots.in_use, slots.limit) {
            if gate.over_limit == OverLimit::Reject {
                return Entry::Full(Refusal::DaemonLimit);
            }
            slots.waiting.push_back(listener);
            return Entry::Sleep;
        }
        if let Some(of_service) = &mut of_service {
            if of_service.is_full() {
                if gate.over_limit == OverLimit::Reject {
                    return Entry::Full(Refusal::ServiceLimit);
                }
                of_service.waiting.push(listener);
                return Entry::Sleep;
            }
            if gate.over_rate == OverRate::Pause
                && let Some(until) = of_service.begin_pause(gate, now)
            {
                return Entry::Pause { until, begins: true };
            }
            of_service.in_use += 1;
        }
        slots.in_use += 1;
        let scarce = are_scarce(slots.in_use, slots.limit)
            || of_service.is_some_and(|slots| are_scarce(slots.in_use, slots.limit));
        Entry::Admitted(self.permit(service, scarce, gate.over_rate))
    }

    /// Asks for a slot for somebody who is here already and cannot wait, whatever the service says of
    /// its limits. One who `moves` has a slot of the daemon, in a session that ends as soon as this
    /// is answered.
    ///
    /// # Errors
    /// Why there is none.
    pub fn enter_at_once(
        self: &Arc<Self>,
        service: ServiceId,
        moves: bool,
    ) -> Result<Permit, Refusal> {
        let mut slots = self.lock();
        let slots = &mut *slots;
        let of_service = slots.services.get_mut(&service);
        if of_service.as_ref().is_some_and(|of_service| of_service.draining) {
            return Err(Refusal::Draining);
        }
        if is_full(slots.in_use - u32::from(moves), slots.limit) {
            return Err(Refusal::DaemonLimit);
        }
        if let Some(of_service) = of_service {
            if of_service.is_full() {
                return Err(Refusal::ServiceLimit);
            }
            of_service.in_use += 1;
        }
        slots.in_use += 1;
        // Whoever cannot wait needs each slot that is free.
        Ok(self.permit(service, true, OverRate::Reject))
    }

    /// For a slot that was counted.
    fn permit(self: &Arc<Self>, service: ServiceId, scarce: bool, over_rate: OverRate) -> Permit {
        Permit { admission: Arc::clone(self), service, source: None, scarce, over_rate }
    }

    /// Decides about a peer that was accepted with a slot, or only to hear that there is none. A
    /// `wait` service never sees a peer.
    pub fn let_in(
        &self,
        gate: &Gate,
        slot: Result<Permit, Refusal>,
        visitor: Option<Visitor<'_>>,
        world: &World,
    ) -> Verdict {
        gate.judge(slot, visitor, &self.caught, world).unwrap_or_else(Verdict::from)
    }

    /// The next sleeping listener for which there may be room now. Ask until there is none: one
    /// that finds nothing to accept leaves the room to the next.
    pub fn next_offered(&self) -> Option<ListenerId> {
        let mut slots = self.lock();
        if let Some(listener) = slots.offered.pop_front() {
            return Some(listener);
        }
        if is_full(slots.in_use, slots.limit) { None } else { slots.waiting.pop_front() }
    }

    /// Lets a listener try again if it sleeps: it belongs to another service now.
    pub fn reconsider(&self, listener: ListenerId) {
        let mut slots = self.lock();
        let all = &mut *slots;
        let of_services = all
            .services
            .values_mut()
            .flat_map(|slots| slots.waiting.extract_if(.., |id| *id == listener));
        let asleep = of_services.count() + all.waiting.iter().filter(|id| **id == listener).count();
        all.waiting.retain(|id| *id != listener);
        if asleep > 0 {
            all.offered.push_back(listener);
        }
        self.wake(slots);
    }

    /// Whether a service has slots.
    #[cfg(test)]
    pub(crate) fn knows(&self, service: ServiceId) -> bool {
        self.lock().services.contains_key(&service)
    }

    /// Sessions of a service now.
    pub fn in_use(&self, service: ServiceId) -> u32 {
        self.lock().services.get(&service).map_or(0, |slots| slots.in_use)
    }

    /// Sessions of all services now, and how many there may be.
    pub fn together(&self) -> (u32, Option<u32>) {
        let slots = self.lock();
        (slots.in_use, slots.limit)
    }

    /// Waits until no slot is in use. Cancel safe.
    pub async fn drained(&self) {
        while self.lock().in_use > 0 {
            self.drained.notified().await;
        }
    }

    fn leave(&self, service: ServiceId, source: Option<Source>) {
        let mut slots = self.lock();
        let all = &mut *slots;
        all.in_use -= 1;
        if let Some(of_service) = all.services.get_mut(&service) {
            of_service.in_use -= 1;
            if let (Some(source), Some(sources)) = (source, &mut of_service.sources) {
                sources.leave(source, Instant::now());
            }
            all.offered.extend(of_service.waiting.drain(..));
        }
        if all.in_use == 0 {
            self.drained.notify_one();
        }
        self.wake(slots);
    }

    fn wake(&self, slots: MutexGuard<'_, Slots>) {
        let anybody = !slots.offered.is_empty() || !slots.waiting.is_empty();
        drop(slots);
        if anybody {
            // Fails only if memory is used up; the next permit that is dropped tries again.
            drop(self.poller.post(Token::Offer.into()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServiceSlots {
    fn is_full(&self) -> bool {
        is_full(self.in_use, self.limit)
    }

    /// The end of the pause that is on because connections came too fast.
    fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.pause.filter(|until| *until > now)
    }

    /// The end of the pause that begins now if connections come too fast. Not for those that are
    /// turned away for it: they make no pause.
    fn begin_pause(&mut self, gate: &Gate, now: Instant) -> Option<Instant> {
        let opens_at = self.meter.opens_at(gate.rate?, now);
        self.pause = opens_at.map(|at| at.max(now + gate.rate_pause));
        self.pause
    }

    /// Whether one more may come in: rate, rate of its source.
    fn check(&self, permit: &Permit, gate: &Gate, now: Instant) -> Result<(), Refusal> {
        let closed = |meter: Meter, rate: Rate| meter.opens_at(rate, now).is_some();
        // With "pause" there was room a moment ago, before the connection was accepted. Whatever
        // other threads have let in meanwhile is at most one for each of them, and counts.
        if permit.over_rate == OverRate::Reject
            && gate.rate.is_some_and(|rate| closed(self.meter, rate))
        {
            return Err(Refusal::Rate);
        }
        let of_source = gate.rate_per_source.zip(permit.source);
        let sources = self.sources.as_deref();
        let meter = |source| sources.map_or_else(Meter::default, |sources| sources.meter(source));
        if of_source.is_some_and(|(rate, source)| closed(meter(source), rate)) {
            return Err(Refusal::SourceRate);
        }
        Ok(())
    }
}

impl Permit {
    /// Whether somebody may wait for the slot, or be turned away for want of it.
    pub fn is_scarce(&self) -> bool {
        self.scarce || self.source.is_some()
    }

    /// Counts the session for its source, once.
    ///
    /// # Errors
    /// The source has as many sessions as it may have.
    fn count_for(&mut self, source: Source, gate: &Gate) -> Result<(), Refusal> {
        if self.source.is_some() {
            return Ok(());
        }
        let mut slots = self.admission.lock();
        let Some(of_service) = slots.services.get_mut(&self.service) else { return Ok(()) };
        let sources = of_service.sources.get_or_insert_default();
        if gate.max_per_source.is_some_and(|most| sources.sessions(source) >= most) {
            return Err(Refusal::SourceLimit);
        }
        sources.enter(source);
        self.source = Some(source);
        Ok(())
    }

    /// Counts the connection for the rates.
    ///
    /// # Errors
    /// A rate or the load does not let it in. Then it counts for none of the rates, so that a
    /// flood from one source does not use up what others may have.
    fn count(&mut self, gate: &Gate, world: &World) -> Result<(), Refusal> {
        let overloaded = gate.is_overloaded(world);
        let mut slots = self.admission.lock();
        let mut of_service = slots.services.get_mut(&self.service);
        if let Some(of_service) = &mut of_service {
            of_service.check(self, gate, world.now)?;
        }
        if overloaded {
            return Err(Refusal::Load);
        }
        let Some(of_service) = of_service else { return Ok(()) };
        if let Some(rate) = gate.rate {
            of_service.meter.pass(rate, world.now);
        }
        if let Some((rate, source)) = gate.rate_per_source.zip(self.source) {
            of_service.sources.get_or_insert_default().pass(source, rate, world.now);
        }
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.leave(self.service, self.source);
    }
}

fn is_full(in_use: u32, limit: Option<u32>) -> bool {
    limit.is_some_and(|limit| in_use >= limit)
}

/// Whether more than half of the slots are in use. While nobody has one of the second half, some are free.
fn are_scarce(in_use: u32, limit: Option<u32>) -> bool {
    limit.is_some_and(|limit| in_use > limit / 2)
}

#[cfg(test)]
mod tests;
