//! What the built-in services `services` and `status` tell a peer.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Front;
use crate::service::Service;

impl Front {
    /// A line for each service: its name and where it listens.
    pub fn describe_services(&self) -> String {
        self.describe(|_, addresses, line| write!(line, " {}", addresses.join(" ")))
    }

    /// A line for each service: its name, and what it has done.
    pub fn describe_state(&self) -> String {
        self.describe(|service, _, line| {
            let sessions = self.admission.in_use(service.id);
            let started = service.counters.started.load(Ordering::Relaxed);
            write!(line, " {sessions} sessions, {started} started")
        })
    }

    fn describe(
        &self,
        what: impl Fn(&Service, &[String], &mut String) -> std::fmt::Result,
    ) -> String {
        let mut services: BTreeMap<Arc<str>, (Arc<Service>, Vec<String>)> = BTreeMap::new();
        for listener in super::lock(&self.listeners).values() {
            let service = listener.service();
            let entry = services.entry(Arc::clone(&service.name));
            let (_, addresses) = entry.or_insert_with(|| (service, Vec::new()));
            addresses.push(listener.local().to_string());
        }
        self.offers.with_all(|offer| {
            let entry = services.entry(Arc::clone(&offer.service.name));
            let (_, addresses) = entry.or_insert_with(|| (Arc::clone(&offer.service), Vec::new()));
            addresses.push(offer.name.to_string());
        });
        let mut text = String::new();
        for (name, (service, mut addresses)) in services {
            addresses.sort();
            text += &name;
            // Writing to memory cannot fail.
            what(&service, &addresses, &mut text).ok();
            text += "\r\n";
        }
        text
    }
}
