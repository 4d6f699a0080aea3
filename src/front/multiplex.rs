//! The services of the multiplexer (RFC 1078), and the way of a connection that has asked for one of
//! them: it comes in there as if a listener of that service had accepted it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use super::Front;
use super::candidate::Candidate;
use super::start::Via;
use crate::admission::{Refusal, Verdict, Visitor};
use crate::config::MuxName;
use crate::listener::endpoint::Address;
use crate::relay::{Carrier, Near};
use crate::service::Service;
use crate::sys::socket::Connection;

/// RFC 1078: "a single character indicating positive ("+") or negative ("-") acknowledgment,
/// immediately followed by an optional message of explanation, terminated with a <CRLF>". The
/// messages are those of the BSDs.
pub(super) const POSITIVE: &[u8] = b"+Go\r\n";
pub(super) const NEGATIVE: &[u8] = b"-Service not available\r\n";

/// The services of the multiplexer.
#[derive(Debug, Default)]
pub struct Offers {
    /// By the lower case of their names.
    offers: RwLock<BTreeMap<String, Offer>>,
}

/// A service that the multiplexer offers.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Under this name.
    pub name: MuxName,
    /// The service.
    pub service: Arc<Service>,
}

/// A connection that leaves the multiplexer.
#[derive(Debug)]
pub struct Transfer {
    /// What it has asked for.
    pub offer: Offer,
    /// The connection, with nothing read from it but that.
    pub connection: Connection,
    /// The peer.
    pub peer: Address,
    /// Our address.
    pub local: Address,
}

impl Offers {
    /// Replaces all of them.
    pub fn set(&self, offers: impl IntoIterator<Item = Offer>) {
        let key = |offer: Offer| (offer.name.name.to_ascii_lowercase(), offer);
        let offers = offers.into_iter().map(key).collect();
        *self.offers.write().unwrap_or_else(PoisonError::into_inner) = offers;
    }

    /// The one that a peer asks for. Case does not matter.
    pub fn find(&self, name: &str) -> Option<Offer> {
        let offers = self.offers.read().unwrap_or_else(PoisonError::into_inner);
        offers.get(&name.to_ascii_lowercase()).cloned()
    }

    /// RFC 1078: "The reply to the name "HELP" must be a list of the service names of the supported
    /// services, one name per line."
    pub fn help(&self) -> String {
        self.with_all(|offer| format!("{}\r\n", offer.name.name)).concat()
    }

    /// Something about each, in the order of their names.
    pub fn with_all<T>(&self, tell: impl FnMut(&Offer) -> T) -> Vec<T> {
        let offers = self.offers.read().unwrap_or_else(PoisonError::into_inner);
        offers.values().map(tell).collect()
    }
}

impl Front {
    /// Lets a connection of the multiplexer into the service that it wants, or not. `from` is its
    /// session there.
    pub(super) fn transfer(self: &Arc<Self>, transfer: Transfer, from: Carrier) {
        let Transfer { offer: Offer { name, service }, connection, peer, local } = transfer;
        if self.is_stopping() {
            return;
        }
        let setup = service.setup();
        let gate = &setup.config.gate;
        let via = Via::Tcpmux { replies: name.replies };
        let now = Instant::now();
        let names = gate.resolve.then(|| self.names.known_both(&peer, &local, now)).flatten();
        let names_of = names.as_ref();
        let visitor = Visitor { peer: &peer, local: Some(&local), names: names_of, user: None };
        let verdict = match service.paused_until(now) {
            Some(_) => Verdict::Out(Refusal::Paused, None),
            None => self.admit_at_once(&service, gate, visitor, true),
        };
        // Only now, so that nobody else gets the slot of the daemon that the connection has.
        drop(from);
        let (id, user, tries) = (None, None, 0);
        let (near, local) = (Near::Connection(connection), Some(local));
        let candidate =
            Candidate { id, service, setup, near, peer, local, names, user, tries, via };
        self.settle(candidate, verdict);
    }
}
