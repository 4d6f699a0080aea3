//! What becomes of somebody whom admission has decided about: the one way in, and out, for connections
//! of listeners and of the multiplexer, for peers about whom something was found out, and for those
//! who send datagrams.

use std::sync::Arc;

use super::refuse::Turned;
use super::start::{Arrival, Via};
use super::{Front, Notice, multiplex};
use crate::admission::names::HostNames;
use crate::admission::tables::Extras;
use crate::admission::users::User;
use crate::admission::{Permit, Refusal, Verdict};
use crate::listener::endpoint::Address;
use crate::relay::Near;
use crate::service::{Service, Setup};
use crate::session::SessionId;

/// Somebody who wants to come in.
#[derive(Debug)]
pub(super) struct Candidate {
    /// The number of the session, if it has got one already.
    pub(super) id: Option<SessionId>,
    /// The service.
    pub(super) service: Arc<Service>,
    /// Its settings.
    pub(super) setup: Arc<Setup>,
    /// The connection, or the datagrams of the peer.
    pub(super) near: Near,
    /// The peer's address.
    pub(super) peer: Address,
    /// Our address, if it is known.
    pub(super) local: Option<Address>,
    /// The names of both, if they were asked for.
    pub(super) names: Option<HostNames>,
    /// The user of the peer, if it was asked for.
    pub(super) user: Option<User>,
    /// How often its program was tried.
    pub(super) tries: u8,
    /// How it has come here.
    pub(super) via: Via,
}

impl Arrival {
    /// Takes it back to where it has to be decided about.
    pub(super) fn reconsider(self) -> (Candidate, Permit) {
        let Self { id, service, setup, permit, near, peer, local, names, user, tries, via, .. } =
            self;
        let (id, local) = (Some(id), Some(local));
        let candidate =
            Candidate { id, service, setup, near, peer, local, names, user, tries, via };
        (candidate, permit)
    }
}

impl Front {
    /// Does what admission says.
    pub(super) fn settle(self: &Arc<Self>, candidate: Candidate, verdict: Verdict) {
        let Candidate { id, service, setup, near, peer, local, names, user, tries, via } =
            candidate;
        let (permit, extras, ask) = match verdict {
            Verdict::In(permit, extras) => (permit, extras, None),
            Verdict::Ask(permit, ask) => (permit, Extras::default(), Some(ask)),
            Verdict::Out(refusal, words) => {
                return match near {
                    Near::Datagrams(_) => self.refused(&service, &peer, user.as_ref(), refusal),
                    Near::Connection(connection) => self.turn_away(Turned {
                        service,
                        setup,
                        connection,
                        peer,
                        local,
                        user,
                        via,
                        refusal,
                        words,
                    }),
                };
            }
        };
        // Without a local address the peer is gone already: there is nobody to serve.
        let Some(local) = local else { return };
        let id = id.unwrap_or_else(|| self.next_session());
        let arrival = Arrival {
            id,
            service,
            setup,
            permit,
            near,
            peer,
            local,
            names,
            user,
            extras,
            tries,
            via,
        };
        match ask {
            None => self.welcome(arrival),
            Some(ask) => self.notify(Notice::FindOut(Box::new(arrival), ask)),
        }
    }

    /// Turns somebody away who was admitted and waits for a program.
    pub(super) fn dismiss(self: &Arc<Self>, arrival: Arrival) {
        let (candidate, permit) = arrival.reconsider();
        drop(permit);
        self.settle(candidate, Verdict::Out(Refusal::Draining, None));
    }

    /// Somebody may come in.
    fn welcome(self: &Arc<Self>, arrival: Arrival) {
        if let Near::Connection(connection) = &arrival.near {
            if arrival.via == (Via::Tcpmux { replies: true }) {
                connection.offer(multiplex::POSITIVE);
            }
            let words = [&arrival.setup.config.gate.banner, &arrival.extras.banner];
            words.into_iter().flatten().for_each(|words| connection.offer(words));
        }
        self.start_session(arrival);
    }
}
