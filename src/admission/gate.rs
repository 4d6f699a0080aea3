//! What a service asks of a peer besides a free slot, and the order in which it asks.

use std::sync::Arc;

use super::rules::{Decision, Effect, PeerName, Rules};
use super::{Permit, Refusal};
use crate::listener::endpoint::Address;

/// The demands of a service. Without any it costs a connection nothing.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// `allow` and `deny`.
    pub rules: Option<Arc<Rules>>,
}

impl Gate {
    /// Decides about a peer that has been accepted with a slot, or was accepted only to hear that
    /// there is none. Of several reasons to refuse it the first one in the order counts:
    /// draining, address, then slot.
    ///
    /// # Errors
    /// The reason. The slot is free again.
    pub fn let_in(&self, slot: Result<Permit, Refusal>, peer: &Address) -> Result<Permit, Refusal> {
        let draining = matches!(slot, Err(Refusal::Draining));
        if !draining && self.effect(peer) == Effect::Deny {
            return Err(Refusal::Address);
        }
        slot
    }

    /// What the rules say about a peer. Those of a Unix socket have no address; who may connect
    /// there is a matter of the socket file's mode.
    fn effect(&self, peer: &Address) -> Effect {
        match (&self.rules, peer) {
            (Some(rules), Address::Inet(peer)) => {
                let decision: Decision<'_> = rules.decide(peer.ip(), PeerName::NotAsked);
                decision.effect().unwrap_or(Effect::Deny)
            }
            _ => Effect::Allow,
        }
    }
}
