//! Whatever comes and ends in whatever order: the counters are right.

use std::time::Duration;

use proptest::prelude::*;

use super::super::*;
use super::{admission, let_in, permit};
use crate::admission::source::SourcePrefix;
use crate::config::OverLimit;

/// What happens in a storm: a connection comes, from a source and to a service; a session ends;
/// time passes.
#[derive(Clone, Debug)]
enum Event {
    Come { service: u32, source: u8 },
    End(prop::sample::Index),
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0u32..4, 0u8..4).prop_map(|(service, source)| Event::Come { service, source }),
        3 => any::<prop::sample::Index>().prop_map(Event::End),
        1 => (0u64..3000).prop_map(Event::Pass),
    ]
}

proptest! {
    /// Whatever happens, slots in use are exactly the live permits, of each service and of each
    /// source; nobody sleeps while there is room; and in the end everybody may come in again.
    #[test]
    fn slots_never_drift(events in prop::collection::vec(event(), 1..300)) {
        let admission = admission(Some(5));
        let gates: Vec<_> = (0..4u32)
            .map(|service| Gate {
                over_limit: if service < 3 { OverLimit::Queue } else { OverLimit::Reject },
                max_per_source: (service > 0).then_some(service),
                rate: Rate::new(service, Duration::from_secs(1)),
                rate_per_source: Rate::new(service / 2, Duration::from_millis(500)),
                rate_pause: Duration::from_millis(200),
                ..Gate::default()
            })
            .collect();
        for service in 0..4 {
            admission.set_service_limit(service, Some(2 + service));
        }
        let mut permits: Vec<(u32, u8, Permit)> = Vec::new();
        let mut asleep: Vec<u64> = Vec::new();
        let mut now = Instant::now();
        for event in events {
            match event {
                Event::Come { service, source } => {
                    let (listener, gate) = (u64::from(service), &gates[service as usize]);
                    if asleep.contains(&listener) {
                        continue; // A sleeping listener does not ask.
                    }
                    let slot = match admission.enter(service, listener, gate, now) {
                        Entry::Admitted(permit) => Ok(permit),
                        Entry::Full(refusal) => Err(refusal),
                        Entry::Draining => unreachable!("nobody asked for it"),
                        Entry::Pause { until, .. } => {
                            prop_assert!(until > now && until < now + Duration::from_secs(5));
                            continue;
                        }
                        Entry::Sleep => {
                            asleep.push(listener);
                            continue;
                        }
                    };
                    if let Ok(permit) = let_in(&admission, gate, slot, source, &World::at(now)) {
                        permits.push((service, source, permit));
                    }
                }
                Event::End(index) if !permits.is_empty() => {
                    drop(permits.swap_remove(index.index(permits.len())));
                }
                Event::End(_) => {}
                Event::Pass(milliseconds) => now += Duration::from_millis(milliseconds),
            }
            while let Some(listener) = admission.next_offered() {
                asleep.retain(|l| *l != listener);
            }
            for (service, gate) in gates.iter().enumerate() {
                let service = u32::try_from(service).unwrap();
                let of_service = || permits.iter().filter(|(s, ..)| *s == service);
                let live = of_service().count();
                prop_assert_eq!(admission.in_use(service) as usize, live);
                let room = permits.len() < 5 && live < 2 + service as usize;
                prop_assert!(!(room && asleep.contains(&u64::from(service))));
                // The end of one of those that hold the slots is dealt with at once.
                prop_assert!(room || permits.iter().any(|(.., permit)| permit.is_scarce()));
                for number in 0..4 {
                    let live = of_service().filter(|(_, source, _)| *source == number).count();
                    let slots = admission.lock();
                    let Some(of_service) = slots.services.get(&service) else { continue };
                    let source = SourcePrefix::default().source([192, 0, 2, number].into());
                    let sources = of_service.sources.as_ref();
                    let counted = sources.map_or(0, |sources| sources.sessions(source)) as usize;
                    prop_assert_eq!(counted, if service > 0 { live } else { 0 });
                    prop_assert!(gate.max_per_source.is_none_or(|most| counted <= most as usize));
                }
            }
        }
        permits.clear();
        while admission.next_offered().is_some() {}
        now += Duration::from_secs(600);
        for (service, gate) in gates.iter().enumerate() {
            let service = u32::try_from(service).unwrap();
            let slot = Ok(permit(admission.enter(service, 1, gate, now)));
            prop_assert!(let_in(&admission, gate, slot, 1, &World::at(now)).is_ok());
        }
    }
}
