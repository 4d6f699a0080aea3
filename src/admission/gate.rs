//! What a service asks of a peer besides a free slot, and the order in which it asks.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::names::HostNames;
use super::rate::Rate;
use super::rules::{Effect, PeerName, Rules};
use super::schedule::Schedule;
use super::sensor::Caught;
use super::source::{Source, SourcePrefix};
use super::tables::watched::{Look, Watched};
use super::tables::{self, Answer, Extras, Table};
use super::users::User;
use super::wrappers::{Request, Wrappers};
use super::{Permit, Refusal};
use crate::config::{Identify, OverLimit, OverRate};
use crate::listener::endpoint::Address;
use crate::sys::{WeekMinute, clock};

/// The demands of a service. Without any it costs a connection nothing.
#[derive(Clone, Debug)]
pub struct Gate {
    /// `allow` and `deny`.
    pub rules: Option<Arc<Rules>>,
    /// `resolve`: the names of peers are looked up.
    pub resolve: bool,
    /// `access`: a table of another superserver.
    pub access: Option<Arc<Watched<Table>>>,
    /// `tcp_wrappers`: hosts.allow and hosts.deny.
    pub wrappers: Option<Wrapped>,
    /// `identify`: the machines of peers are asked for their users.
    pub identify: Identify,
    /// `sensor`: whoever comes in here may not come in anywhere for so long.
    pub sensor: Option<Duration>,
    /// `access_times`: when peers are let in.
    pub schedule: Option<Schedule>,
    /// What happens when no slot is free.
    pub over_limit: OverLimit,
    /// What happens when `rate` is exceeded.
    pub over_rate: OverRate,
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

/// TCP wrappers, and the name of the daemon in their files.
#[derive(Clone, Debug)]
pub struct Wrapped {
    /// The files.
    pub files: Arc<Watched<Wrappers>>,
    /// The name.
    pub daemon: Arc<str>,
}

/// Who wants to come in.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'a> {
    /// The peer's address.
    pub peer: &'a Address,
    /// Our address, if it is known; see [`Gate::wants_local`].
    pub local: Option<&'a Address>,
    /// The names of both, if they were asked for.
    pub names: Option<&'a HostNames>,
    /// The user of the peer, if it was asked for.
    pub user: Option<&'a User>,
}

/// What becomes of a peer.
#[derive(Debug)]
pub enum Verdict {
    /// It may come in, with these extras.
    In(Permit, Extras),
    /// It may not, and hears these words if there are any. The slot is free again.
    Out(Refusal, Option<Arc<[u8]>>),
    /// Something has to be found out first.
    Ask(Permit, Ask),
}

/// What has to be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The names of both ends.
    Names,
    /// Whether files have changed.
    Tables,
    /// The user of the peer.
    User,
}

/// Why somebody may not come in.
#[derive(Debug)]
pub(super) struct Turned {
    refusal: Refusal,
    words: Option<Arc<[u8]>>,
}

impl From<Refusal> for Turned {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, words: None }
    }
}

impl From<Turned> for Verdict {
    fn from(turned: Turned) -> Self {
        Self::Out(turned.refusal, turned.words)
    }
}

/// What a decision depends on besides the peer and the slots.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// When it is made.
    pub now: Instant,
    /// Somebody has just looked whether files have changed.
    pub fresh: bool,
    /// The time on the clock of this place, if it is asked for.
    pub minute: fn() -> WeekMinute,
    /// The load average, if it is asked for.
    pub load: fn() -> Option<f64>,
}

impl World {
    /// This one.
    pub fn at(now: Instant) -> Self {
        Self { now, fresh: false, minute: clock::minute_of_week, load: clock::load_average }
    }
}

impl PartialEq for Gate {
    /// Rules and tables are equal if they are the same ones.
    fn eq(&self, other: &Self) -> bool {
        let Self {
            rules,
            resolve,
            access,
            wrappers,
            identify,
            sensor,
            schedule,
            over_limit,
            over_rate,
            max_per_source,
            source_prefix,
            rate,
            rate_per_source,
            rate_pause,
            max_load,
            banner,
            banner_reject,
        } = self;
        same(rules.as_ref(), other.rules.as_ref())
            && same(access.as_ref(), other.access.as_ref())
            && *wrappers == other.wrappers
            && (*resolve, *identify, *sensor) == (other.resolve, other.identify, other.sensor)
            && (*over_limit, *over_rate) == (other.over_limit, other.over_rate)
            && *schedule == other.schedule
            && (*max_per_source, *source_prefix) == (other.max_per_source, other.source_prefix)
            && (*rate, *rate_per_source) == (other.rate, other.rate_per_source)
            && (*rate_pause, *max_load) == (other.rate_pause, other.max_load)
            && (banner, banner_reject) == (&other.banner, &other.banner_reject)
    }
}

impl PartialEq for Wrapped {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.files, &other.files) && self.daemon == other.daemon
    }
}

fn same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (a, b) => a.is_none() && b.is_none(),
    }
}

impl Gate {
    /// Decides about a peer that was accepted with a slot, or only to hear that there is none.
    /// A permit that is not passed on frees its slot. A `wait` service never sees a peer.
    ///
    /// # Errors
    /// Of several reasons to refuse it the first one in this order: draining, sensor, address
    /// (`allow` and `deny`, then `access`, then TCP wrappers),
    /// schedule, slot, sessions of its source, user, rate, rate of its source, load.
    pub(super) fn judge(
        &self,
        slot: Result<Permit, Refusal>,
        visitor: Option<Visitor<'_>>,
        caught: &Caught,
        world: &World,
    ) -> Result<Verdict, Turned> {
        if let Err(Refusal::Draining) = slot {
            return Err(Refusal::Draining.into());
        }
        let address = visitor.and_then(|visitor| visitor.peer.ip());
        if address.is_some_and(|address| caught.has(address, world.now)) {
            return Err(Refusal::Sensor.into());
        }
        let (mut ask, mut extras) = (None, Extras::default());
        if let (Some(visitor), Some(address)) = (visitor, address) {
            ask = self.look_up(visitor, address, world, &mut extras)?;
        }
        if self.schedule.as_ref().is_some_and(|schedule| !schedule.is_open((world.minute)())) {
            return Err(Refusal::Time.into());
        }
        let mut permit = slot?;
        if let Some(source) = self.source(address) {
            permit.count_for(source, self)?;
        }
        if let Some(ask) = ask {
            return Ok(Verdict::Ask(permit, ask));
        }
        if self.wants_user(visitor)? {
            return Ok(Verdict::Ask(permit, Ask::User));
        }
        if self.rate.is_some() || self.rate_per_source.is_some() || self.max_load.is_some() {
            permit.count(self, world)?;
        }
        if let Some(time) = self.sensor {
            if let Some(address) = address {
                caught.catch(address, time, world.now);
            }
            return Err(Refusal::Sensor.into());
        }
        Ok(Verdict::In(permit, extras))
    }

    /// What rules and tables say about an address; what has to be found out before they can say
    /// it. Peers without an address never come here: who may connect is a matter of the rights of
    /// the socket file or pipe.
    fn look_up(
        &self,
        visitor: Visitor<'_>,
        address: IpAddr,
        world: &World,
        extras: &mut Extras,
    ) -> Result<Option<Ask>, Turned> {
        let names = visitor.names;
        let name = names.map_or(PeerName::NotAsked, HostNames::peer);
        let mut wants_names = self.resolve && names.is_none();
        if let Some(rules) = &self.rules {
            match rules.decide(address, name).effect() {
                Some(Effect::Deny) => return Err(Refusal::Address.into()),
                Some(Effect::Allow) => {}
                None => wants_names = true,
            }
        }
        let is_stale = self.tables_are_stale(world.now);
        if is_stale && !world.fresh {
            return Ok(Some(Ask::Tables));
        }
        let mut answer = |answer, refusal| match answer {
            Answer::AskName => {
                wants_names = true;
                Ok(())
            }
            Answer::Decided(Effect::Deny, _, more) => Err(Turned { refusal, words: more.banner }),
            Answer::Decided(Effect::Allow, _, more) => {
                for variable in more.variables {
                    tables::set(&mut extras.variables, variable);
                }
                extras.banner = more.banner.or(extras.banner.take());
                Ok(())
            }
        };
        if let Some(access) = &self.access {
            answer(access.table().decide(address, name), Refusal::Address)?;
        }
        if let Some(Wrapped { files, daemon }) = &self.wrappers {
            let unspecified = IpAddr::from([0; 4]);
            let request = Request {
                daemon,
                peer: address,
                name,
                local: visitor.local.and_then(Address::ip).unwrap_or(unspecified),
                local_name: names.map_or(PeerName::NotAsked, |names| names.local.as_peer()),
            };
            answer(files.table().decide(&request), Refusal::Wrappers)?;
        }
        Ok(wants_names.then_some(Ask::Names))
    }

    /// Whether users are asked for at all. A sensor lets nobody in, whoever it is.
    pub fn asks_for_users(&self) -> bool {
        self.identify != Identify::Off && self.sensor.is_none()
    }

    /// Whether the user of a peer has to be asked for.
    fn wants_user(&self, visitor: Option<Visitor<'_>>) -> Result<bool, Turned> {
        if !self.asks_for_users() || self.identify == Identify::Refused {
            return Ok(false);
        }
        let told = visitor.and_then(|visitor| visitor.user.map(User::told));
        // Whoever has no address has no machine that could be asked.
        let can_ask = visitor.is_some_and(|visitor| visitor.peer.ip().is_some());
        match told {
            None if can_ask => Ok(true),
            None | Some(None) if self.identify == Identify::Require => Err(Refusal::NoId.into()),
            _ => Ok(false),
        }
    }

    /// Whether something depends on our own address.
    pub fn wants_local(&self) -> bool {
        self.resolve || self.wrappers.is_some() || self.asks_for_users()
    }

    fn tables_are_stale(&self, now: Instant) -> bool {
        self.access.as_ref().is_some_and(|table| table.is_stale(now))
            || self.wrappers.as_ref().is_some_and(|wrapped| wrapped.files.is_stale(now))
    }

    /// Has somebody look whether files have changed, and waits for that, but not for ever.
    pub async fn look_at_tables(&self, tell: impl Fn(&Look) + Clone + Send + 'static) {
        let now = Instant::now();
        if let Some(access) = self.access.as_ref().filter(|table| table.is_stale(now)) {
            access.refresh(tell.clone()).await;
        }
        let wrapped = self.wrappers.as_ref().map(|wrapped| &wrapped.files);
        if let Some(files) = wrapped.filter(|files| files.is_stale(now)) {
            files.refresh(tell).await;
        }
    }

    /// Whether the machine is too busy.
    pub(super) fn is_overloaded(&self, world: &World) -> bool {
        self.max_load.is_some_and(|most| (world.load)().is_some_and(|load| load >= most))
    }

    /// The source of a peer, if that is counted and it has an address.
    fn source(&self, address: Option<IpAddr>) -> Option<Source> {
        let counts = self.max_per_source.is_some() || self.rate_per_source.is_some();
        address.filter(|_| counts).map(|address| self.source_prefix.source(address))
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            rules: None,
            resolve: false,
            access: None,
            wrappers: None,
            identify: Identify::Off,
            sensor: None,
            schedule: None,
            over_limit: OverLimit::Queue,
            over_rate: OverRate::Pause,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::{Admission, Entry};
    use crate::sys::poll::Poller;

    #[test]
    fn whoever_has_no_user_and_no_machine_that_could_be_asked_does_not_get_past_require() {
        let admission = Admission::new(Arc::new(Poller::new().unwrap()), None);
        let world = World::at(Instant::now());
        let decide = |identify, peer: &Address, user: Option<&User>| {
            let gate = Gate { identify, ..Gate::default() };
            let Entry::Admitted(permit) = admission.enter(1, 1, &gate, world.now) else {
                panic!("there is no limit")
            };
            let visitor = Visitor { peer, local: None, names: None, user };
            match admission.let_in(&gate, Ok(permit), Some(visitor), &world) {
                Verdict::In(..) => "in".to_owned(),
                Verdict::Out(refusal, _) => refusal.to_string(),
                Verdict::Ask(_, ask) => format!("{ask:?}"),
            }
        };
        let inet = Address::Inet(([192, 0, 2, 1], 5000).into());
        let told = User::Told("somebody".into());
        for (peer, user, expected) in [
            (&inet, None, ["in", "in", "User", "User"]),
            (&inet, Some(&User::Unknown), ["in", "in", "in", "noid"]),
            (&inet, Some(&told), ["in", "in", "in", "in"]),
            (&Address::Unix(None), None, ["in", "in", "in", "noid"]),
        ] {
            let all = [Identify::Off, Identify::Refused, Identify::Log, Identify::Require];
            assert_eq!(
                all.map(|identify| decide(identify, peer, user)),
                expected,
                "{peer} {user:?}"
            );
        }
    }
}
