use super::*;
use proptest::prelude::*;

fn admission(limit: Option<u32>) -> Arc<Admission> {
    Admission::new(Arc::new(Poller::new().unwrap()), limit)
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
    let first = permit(admission.enter(1, 10, OverLimit::Queue));
    assert!(matches!(admission.enter(1, 10, OverLimit::Queue), Entry::Sleep));
    assert!(matches!(
        admission.enter(1, 11, OverLimit::Reject),
        Entry::Full(Refusal::ServiceLimit)
    ));
    // Another service is not touched by it.
    drop(permit(admission.enter(2, 20, OverLimit::Queue)));
    assert_eq!(admission.next_offered(), None);
    drop(first);
    assert_eq!(admission.next_offered(), Some(10));
    assert_eq!(admission.next_offered(), None);
    assert_eq!(admission.poller.wait().unwrap(), u64::from(Token::Offer));
}

#[test]
fn when_the_daemon_is_full_listeners_are_offered_room_in_their_order() {
    let admission = admission(Some(2));
    let first = permit(admission.enter(1, 10, OverLimit::Queue));
    let second = permit(admission.enter(1, 10, OverLimit::Queue));
    assert!(matches!(admission.enter(1, 10, OverLimit::Queue), Entry::Sleep));
    assert!(matches!(admission.enter(2, 20, OverLimit::Queue), Entry::Sleep));
    assert!(matches!(admission.enter(3, 30, OverLimit::Reject), Entry::Full(Refusal::DaemonLimit)));
    drop(first);
    assert_eq!(admission.next_offered(), Some(10));
    let third = permit(admission.enter(1, 10, OverLimit::Queue));
    assert_eq!(admission.next_offered(), None, "full again");
    drop(second);
    drop(third);
    assert_eq!(admission.next_offered(), Some(20));
}

#[test]
fn a_higher_limit_wakes_those_who_slept_under_the_lower_one() {
    let admission = admission(Some(0));
    admission.set_service_limit(1, Some(0));
    assert!(matches!(admission.enter(1, 10, OverLimit::Queue), Entry::Sleep));
    admission.set_service_limit(1, Some(1));
    assert_eq!(admission.next_offered(), Some(10));
    assert!(matches!(admission.enter(1, 10, OverLimit::Queue), Entry::Sleep));
    admission.set_limit(Some(1));
    assert_eq!(admission.next_offered(), Some(10));
    drop(permit(admission.enter(1, 10, OverLimit::Queue)));
}

#[test]
fn a_sleeping_listener_that_changes_its_service_tries_again() {
    let admission = admission(None);
    admission.set_service_limit(1, Some(0));
    assert!(matches!(admission.enter(1, 10, OverLimit::Queue), Entry::Sleep));
    admission.reconsider(11);
    assert_eq!(admission.next_offered(), None);
    admission.reconsider(10);
    assert_eq!(admission.next_offered(), Some(10));
    assert_eq!(admission.next_offered(), None);
}

#[test]
fn a_draining_service_lets_nobody_in_whatever_its_limit() {
    let admission = admission(Some(1));
    admission.set_service_limit(1, Some(1));
    let held = permit(admission.enter(1, 10, OverLimit::Queue));
    assert!(matches!(admission.enter(1, 10, OverLimit::Queue), Entry::Sleep));
    admission.set_draining(1, true);
    admission.reconsider(10);
    assert_eq!(admission.next_offered(), Some(10));
    let refused = admission.enter(1, 10, OverLimit::Queue);
    assert!(matches!(refused, Entry::Draining));
    // Slots of its sessions become free as ever.
    drop(held);
    assert_eq!(admission.in_use(1), 0);
    drop(permit(admission.enter(2, 20, OverLimit::Queue)));
    admission.set_draining(1, false);
    drop(permit(admission.enter(1, 10, OverLimit::Queue)));
}

proptest! {
    /// Whatever happens, slots in use are exactly the live permits, and nobody sleeps while
    /// there is room for him.
    #[test]
    fn slots_never_drift(events in prop::collection::vec((0u32..3, any::<bool>(), any::<prop::sample::Index>()), 1..200)) {
        let admission = admission(Some(5));
        for service in 0..3 {
            admission.set_service_limit(service, Some(2 + service));
        }
        let mut permits: Vec<(u32, Permit)> = Vec::new();
        let mut asleep: Vec<u64> = Vec::new();
        for (service, come, index) in events {
            if come {
                let listener = u64::from(service);
                if asleep.contains(&listener) {
                    continue; // A sleeping listener does not ask.
                }
                match admission.enter(service, listener, OverLimit::Queue) {
                    Entry::Admitted(permit) => permits.push((service, permit)),
                    Entry::Sleep => asleep.push(listener),
                    Entry::Full(_) | Entry::Draining => unreachable!("queued"),
                }
            } else if !permits.is_empty() {
                drop(permits.swap_remove(index.index(permits.len())));
                while let Some(listener) = admission.next_offered() {
                    asleep.retain(|l| *l != listener);
                }
            }
            for service in 0..3 {
                let live = permits.iter().filter(|(s, _)| *s == service).count();
                prop_assert_eq!(admission.in_use(service) as usize, live);
                let room = permits.len() < 5 && live < 2 + service as usize;
                prop_assert!(!(room && asleep.contains(&u64::from(service))));
            }
        }
    }
}
