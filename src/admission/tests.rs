//! Slots, limits and rates, as those who ask for them see them.

mod storm;

use std::time::Duration;

use super::*;
use crate::admission::rules::{Block, Effect, Pattern, Rule, Rules};
use crate::admission::schedule::Schedule;
use crate::config::{OverLimit, OverRate, Position};
use crate::listener::endpoint::Address;
use crate::sys::WeekMinute;

/// Room for `limit` sessions, and services 0 to 3 without a limit.
fn admission(limit: Option<u32>) -> Arc<Admission> {
    let admission = Admission::new(Arc::new(Poller::new().unwrap()), limit);
    (0..4).for_each(|service| admission.set_service_limit(service, None));
    admission
}

fn gate(over_limit: OverLimit) -> Gate {
    Gate { over_limit, over_rate: over_limit.into(), ..Gate::default() }
}

fn enter(admission: &Arc<Admission>, service: u32, listener: u64, over_limit: OverLimit) -> Entry {
    admission.enter(service, listener, &gate(over_limit), Instant::now())
}

/// The answer for a peer without a name.
fn let_in(
    admission: &Admission,
    gate: &Gate,
    slot: Result<Permit, Refusal>,
    number: u8,
    world: &World,
) -> Result<Permit, Refusal> {
    let visitor = Visitor { peer: &peer(number), local: None, names: None, user: None };
    match admission.let_in(gate, slot, Some(visitor), world) {
        Verdict::In(permit, _) => Ok(permit),
        Verdict::Out(refusal, _) => Err(refusal),
        Verdict::Ask(..) => panic!("nobody asked for anything"),
    }
}

fn peer(number: u8) -> Address {
    Address::Inet(([192, 0, 2, number], 5000).into())
}

fn permit(entry: Entry) -> Permit {
    match entry {
        Entry::Admitted(permit) => permit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_service_sleeps_and_is_offered_the_slot_that_becomes_free() {
    let admission = admission(None);
    admission.set_service_limit(1, Some(1));
    let first = permit(enter(&admission, 1, 10, OverLimit::Queue));
    assert!(matches!(enter(&admission, 1, 10, OverLimit::Queue), Entry::Sleep));
    assert!(matches!(
        enter(&admission, 1, 11, OverLimit::Reject),
        Entry::Full(Refusal::ServiceLimit)
    ));
    // Another service is not touched by it.
    drop(permit(enter(&admission, 2, 20, OverLimit::Queue)));
    assert_eq!(admission.next_offered(), None);
    drop(first);
    assert_eq!(admission.next_offered(), Some(10));
    assert_eq!(admission.next_offered(), None);
    assert_eq!(admission.poller.wait().unwrap(), u64::from(Token::Offer));
}

#[test]
fn when_the_daemon_is_full_listeners_are_offered_room_in_their_order() {
    let admission = admission(Some(2));
    let first = permit(enter(&admission, 1, 10, OverLimit::Queue));
    let second = permit(enter(&admission, 1, 10, OverLimit::Queue));
    assert!(matches!(enter(&admission, 1, 10, OverLimit::Queue), Entry::Sleep));
    assert!(matches!(enter(&admission, 2, 20, OverLimit::Queue), Entry::Sleep));
    assert!(matches!(
        enter(&admission, 3, 30, OverLimit::Reject),
        Entry::Full(Refusal::DaemonLimit)
    ));
    drop(first);
    assert_eq!(admission.next_offered(), Some(10));
    let third = permit(enter(&admission, 1, 10, OverLimit::Queue));
    assert_eq!(admission.next_offered(), None, "full again");
    drop(second);
    drop(third);
    assert_eq!(admission.next_offered(), Some(20));
}

#[test]
fn a_higher_limit_wakes_those_who_slept_under_the_lower_one() {
    let admission = admission(Some(0));
    admission.set_service_limit(1, Some(0));
    assert!(matches!(enter(&admission, 1, 10, OverLimit::Queue), Entry::Sleep));
    admission.set_limit(Some(1));
    assert_eq!(admission.next_offered(), Some(10));
    assert!(matches!(enter(&admission, 1, 10, OverLimit::Queue), Entry::Sleep));
    admission.set_service_limit(1, Some(1));
    assert_eq!(admission.next_offered(), Some(10));
    drop(permit(enter(&admission, 1, 10, OverLimit::Queue)));
}

#[test]
fn a_sleeping_listener_that_changes_its_service_tries_again() {
    let admission = admission(None);
    admission.set_service_limit(1, Some(0));
    assert!(matches!(enter(&admission, 1, 10, OverLimit::Queue), Entry::Sleep));
    admission.reconsider(11);
    assert_eq!(admission.next_offered(), None);
    admission.reconsider(10);
    assert_eq!(admission.next_offered(), Some(10));
    assert_eq!(admission.next_offered(), None);
}

#[test]
fn of_a_service_that_is_gone_nothing_is_left_and_its_sessions_end_as_ever() {
    let admission = admission(Some(2));
    admission.set_service_limit(1, Some(1));
    let limited = Gate {
        max_per_source: Some(1),
        rate_per_source: Rate::new(1, Duration::from_secs(1)),
        ..gate(OverLimit::Queue)
    };
    let world = World::at(Instant::now());
    let held = permit(admission.enter(1, 10, &limited, world.now));
    let held = let_in(&admission, &limited, Ok(held), 1, &world).unwrap();
    assert!(matches!(enter(&admission, 1, 10, OverLimit::Queue), Entry::Sleep));
    admission.forget(1);
    // Whoever slept because it was full may belong to another service now.
    assert_eq!(admission.next_offered(), Some(10));
    // A front thread may have been on its way into it.
    let late = permit(admission.enter(1, 10, &limited, world.now));
    let late = let_in(&admission, &limited, Ok(late), 1, &world).unwrap();
    assert_eq!(admission.together(), (2, Some(2)));
    assert!(matches!(enter(&admission, 1, 10, OverLimit::Queue), Entry::Sleep));
    drop(held);
    drop(late);
    admission.set_draining(1, true);
    assert_eq!(admission.together(), (0, Some(2)));
    assert!(!admission.knows(1));
}

#[test]
fn a_draining_service_lets_nobody_in_whatever_its_limit() {
    let admission = admission(Some(1));
    admission.set_service_limit(1, Some(1));
    let held = permit(enter(&admission, 1, 10, OverLimit::Queue));
    assert!(matches!(enter(&admission, 1, 10, OverLimit::Queue), Entry::Sleep));
    admission.set_draining(1, true);
    admission.reconsider(10);
    assert_eq!(admission.next_offered(), Some(10));
    let refused = enter(&admission, 1, 10, OverLimit::Queue);
    assert!(matches!(refused, Entry::Draining));
    // Slots of its sessions become free as ever.
    drop(held);
    assert_eq!(admission.in_use(1), 0);
    drop(permit(enter(&admission, 2, 20, OverLimit::Queue)));
    admission.set_draining(1, false);
    drop(permit(enter(&admission, 1, 10, OverLimit::Queue)));
}

#[test]
fn a_flood_from_one_source_uses_up_nothing_of_the_others() {
    let second = Duration::from_secs(1);
    let admission = admission(None);
    let gate = Gate {
        max_per_source: Some(2),
        rate: Rate::new(5, 10 * second),
        rate_per_source: Rate::new(3, 3 * second),
        ..gate(OverLimit::Reject)
    };
    let start = Instant::now();
    let come = |number, now| {
        let slot = Ok(permit(admission.enter(1, 10, &gate, now)));
        let_in(&admission, &gate, slot, number, &World::at(now))
    };
    let refused = |number, now| come(number, now).unwrap_err();
    let mut held = vec![come(1, start).unwrap(), come(1, start).unwrap()];
    for _ in 0..100 {
        assert_eq!(refused(1, start), Refusal::SourceLimit);
    }
    held.pop();
    drop(come(1, start).unwrap());
    for _ in 0..100 {
        assert_eq!(refused(1, start), Refusal::SourceRate);
    }
    drop(come(2, start).unwrap());
    drop(come(3, start).unwrap());
    assert_eq!(refused(2, start), Refusal::Rate, "five in all");
    assert_eq!(refused(4, start), Refusal::Rate);
    let later = start + 2 * second;
    drop(come(4, later).unwrap());
    assert_eq!(admission.in_use(1), 1);
    drop(held);
    assert_eq!(admission.in_use(1), 0);
}

#[test]
fn of_several_reasons_the_first_in_the_order_counts() {
    let admission = admission(Some(1));
    let second = Duration::from_secs(1);
    let deny = Rule {
        pattern: Pattern::Block(Block::single([192, 0, 2, 1].into())),
        effect: Effect::Deny,
        at: Position::default(),
    };
    let mut gate = Gate {
        rules: Some(Arc::new(Rules::new(vec![deny], Effect::Allow))),
        schedule: Some(Schedule::new(&["mon 08:00-09:00".parse().unwrap()])),
        max_per_source: Some(1),
        rate: Rate::new(1, second),
        rate_per_source: Rate::new(1, second),
        max_load: Some(2.0),
        ..gate(OverLimit::Reject)
    };
    let now = Instant::now();
    let busy = World { now, fresh: true, minute: || WeekMinute::new(1, 8, 30), load: || Some(2.0) };
    let idle = World { load: || Some(1.99), ..busy };
    let at_night = World { minute: || WeekMinute::new(1, 9, 0), ..busy };
    let enter = |gate: &Gate| match admission.enter(1, 10, gate, now) {
        Entry::Admitted(permit) => Ok(permit),
        Entry::Full(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    };
    let held = let_in(&admission, &gate, enter(&gate), 2, &idle).unwrap();
    let reason = |gate: &Gate, slot, number, world| {
        let_in(&admission, gate, slot, number, world).unwrap_err()
    };
    assert_eq!(reason(&gate, Err(Refusal::Draining), 1, &at_night), Refusal::Draining);
    assert_eq!(reason(&gate, enter(&gate), 1, &at_night), Refusal::Address);
    assert_eq!(reason(&gate, enter(&gate), 2, &at_night), Refusal::Time);
    assert_eq!(reason(&gate, enter(&gate), 2, &busy), Refusal::DaemonLimit);
    admission.set_limit(None);
    admission.set_service_limit(1, Some(1));
    assert_eq!(reason(&gate, enter(&gate), 2, &busy), Refusal::ServiceLimit);
    admission.set_service_limit(1, None);
    assert_eq!(reason(&gate, enter(&gate), 2, &busy), Refusal::SourceLimit);
    gate.max_per_source = None;
    assert_eq!(reason(&gate, enter(&gate), 2, &busy), Refusal::Rate);
    gate.rate = None;
    assert_eq!(reason(&gate, enter(&gate), 2, &busy), Refusal::SourceRate);
    gate.rate_per_source = None;
    assert_eq!(reason(&gate, enter(&gate), 2, &busy), Refusal::Load);
    assert!(let_in(&admission, &gate, enter(&gate), 2, &idle).is_ok());
    drop(held);
    assert_eq!(admission.in_use(1), 0, "nothing of all this is left");
}

#[test]
fn who_cannot_wait_is_refused_whatever_the_service_says() {
    let second = Duration::from_secs(1);
    let admission = admission(None);
    admission.set_service_limit(1, Some(1));
    let gate = Gate { rate: Rate::new(1, second), ..gate(OverLimit::Queue) };
    let start = Instant::now();
    let world = World::at(start);
    let come = || admission.enter_at_once(1, false);
    let held = let_in(&admission, &gate, come(), 1, &world).unwrap();
    assert_eq!(come().unwrap_err(), Refusal::ServiceLimit);
    drop(held);
    assert_eq!(admission.next_offered(), None, "nobody sleeps");
    // Too fast: no pause for the others, but a refusal.
    assert_eq!(let_in(&admission, &gate, come(), 1, &world).unwrap_err(), Refusal::Rate);
}

#[test]
fn who_moves_to_another_service_keeps_the_slot_of_the_daemon() {
    let admission = admission(Some(1));
    let before = permit(enter(&admission, 1, 10, OverLimit::Queue));
    assert!(matches!(enter(&admission, 1, 10, OverLimit::Queue), Entry::Sleep));
    assert_eq!(admission.enter_at_once(2, false).unwrap_err(), Refusal::DaemonLimit);
    let after = admission.enter_at_once(2, true).unwrap();
    drop(before);
    assert_eq!(admission.next_offered(), None, "the slot was never free");
    assert_eq!((admission.together(), admission.in_use(2)), ((1, Some(1)), 1));
    drop(after);
    assert_eq!(admission.next_offered(), Some(10));
}

// xinetd.conf(5): "instances" is how many servers "can be simultaneously active"; of "cps": "If the
// rate of incoming connections is higher than this, the service will be temporarily disabled."
#[test]
fn a_full_service_refuses_and_a_fast_one_pauses() {
    let second = Duration::from_secs(1);
    let admission = admission(None);
    admission.set_service_limit(1, Some(2));
    let gate = Gate {
        over_limit: OverLimit::Reject,
        over_rate: OverRate::Pause,
        rate: Rate::new(3, 3 * second),
        ..Gate::default()
    };
    let start = Instant::now();
    let enter = |now| admission.enter(1, 10, &gate, now);
    let come = |now| let_in(&admission, &gate, Ok(permit(enter(now))), 1, &World::at(now)).unwrap();
    let first = come(start);
    let second_one = come(start);
    for _ in 0..9 {
        assert!(
            matches!(enter(start), Entry::Full(Refusal::ServiceLimit)),
            "and counts for nothing"
        );
    }
    drop(first);
    drop(come(start));
    let end = start + 10 * second;
    assert!(matches!(enter(start), Entry::Pause { until, begins: true } if until == end));
    // Nothing is accepted in the pause, also not to be closed.
    let third = admission.enter(2, 20, &gate, start);
    admission.set_limit(Some(2));
    assert!(matches!(enter(start), Entry::Pause { until, begins: false } if until == end));
    assert!(matches!(enter(end), Entry::Full(Refusal::DaemonLimit)));
    drop((third, second_one));
    drop(come(end));
}

#[test]
fn a_full_service_lets_wait_and_a_fast_one_refuses() {
    let second = Duration::from_secs(1);
    let admission = admission(None);
    admission.set_service_limit(1, Some(1));
    let gate =
        Gate { over_rate: OverRate::Reject, rate: Rate::new(1, second), ..gate(OverLimit::Queue) };
    let start = Instant::now();
    let world = World::at(start);
    let enter = || admission.enter(1, 10, &gate, start);
    let held = let_in(&admission, &gate, Ok(permit(enter())), 1, &world).unwrap();
    assert!(matches!(enter(), Entry::Sleep));
    drop(held);
    assert_eq!(admission.next_offered(), Some(10));
    let slot = Ok(permit(enter()));
    assert_eq!(let_in(&admission, &gate, slot, 1, &world).unwrap_err(), Refusal::Rate);
}

#[test]
fn too_many_connections_make_a_pause_that_ends() {
    let second = Duration::from_secs(1);
    let admission = admission(None);
    let mut gate = Gate { rate: Rate::new(2, 2 * second), ..Gate::default() };
    let start = Instant::now();
    let come = |gate: &Gate, now| {
        let entry = admission.enter(1, 10, gate, now);
        if let Entry::Admitted(permit) = entry {
            let_in(&admission, gate, Ok(permit), 1, &World::at(now)).unwrap();
            return None;
        }
        match entry {
            Entry::Pause { until, begins } => Some((until, begins)),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!([come(&gate, start), come(&gate, start)], [None; 2]);
    let end = start + 10 * second;
    assert_eq!(come(&gate, start), Some((end, true)));
    assert_eq!(come(&gate, start + 9 * second), Some((end, false)));
    assert_eq!([come(&gate, end), come(&gate, end)], [None; 2]);
    assert_eq!(come(&gate, end), Some((end + 10 * second, true)));
    // A reload ends the pause; without one connections come one by one.
    admission.set_service_limit(1, None);
    gate.rate_pause = Duration::ZERO;
    assert_eq!(come(&gate, end), Some((end + second, true)));
    assert_eq!(come(&gate, end + second), None);
    assert_eq!(come(&gate, end + second), Some((end + 2 * second, true)));
}
