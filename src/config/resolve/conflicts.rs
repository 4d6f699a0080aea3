//! Finds endpoints that cannot both be bound.

use std::collections::HashMap;

use crate::config::report::Problem;
use crate::config::source::Span;
use crate::listener::endpoint::Endpoint;

/// The endpoints of all services so far.
#[derive(Default)]
pub(super) struct Conflicts {
    /// By port, so that many services do not mean many comparisons.
    ports: HashMap<u16, Vec<Taken>>,
    /// By [`Endpoint::one_spelling`].
    named: HashMap<Endpoint, Taken>,
}

#[derive(Clone)]
struct Taken {
    endpoint: Endpoint,
    interface: Option<String>,
    service: String,
    span: Span,
}

impl Conflicts {
    /// Adds an endpoint; a problem if it cannot be bound along with an earlier one.
    pub(super) fn add(
        &mut self,
        endpoint: &Endpoint,
        interface: Option<&str>,
        service: &str,
        span: Span,
    ) -> Option<Problem> {
        let new = Taken {
            endpoint: endpoint.clone(),
            interface: interface.map(str::to_owned),
            service: service.to_owned(),
            span,
        };
        let (Endpoint::Tcp { address, .. } | Endpoint::Udp { address, .. }) = endpoint else {
            let key = endpoint.one_spelling();
            let first = self.named.get(&key).map(|first| problem(&new, first));
            self.named.entry(key).or_insert(new);
            return first;
        };
        if address.port() == 0 {
            return None;
        }
        let taken = self.ports.entry(address.port()).or_default();
        let first = taken
            .iter()
            .find(|first| first.endpoint.conflicts(&new.endpoint) && same_interface(first, &new));
        let found = first.map(|first| problem(&new, first));
        taken.push(new);
        found
    }
}

/// Sockets of different interfaces do not meet (`SO_BINDTODEVICE`, socket(7)).
fn same_interface(a: &Taken, b: &Taken) -> bool {
    a.interface.is_none() || b.interface.is_none() || a.interface == b.interface
}

fn problem(new: &Taken, first: &Taken) -> Problem {
    let (service, endpoint) = (&new.service, &new.endpoint);
    if new.service == first.service && new.span == first.span {
        let message =
            format!("service `{service}` listens on {endpoint} and {} at once", first.endpoint);
        return Problem::error(new.span, message);
    }
    if new.service == first.service {
        let message = format!("service `{service}` listens on {endpoint} twice");
        return Problem::error(new.span, message)
            .label("again here")
            .related(first.span, format!("this is {}", first.endpoint));
    }
    let message =
        format!("services `{}` and `{service}` listen on the same address", first.service);
    let label = format!("`{service}` listens on {endpoint}");
    Problem::error(new.span, message)
        .label(label)
        .related(first.span, format!("`{}` listens on {}", first.service, first.endpoint))
        .help("give one of them another port or another address")
}
