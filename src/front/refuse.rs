//! A connection is turned away: its peer hears why, if there are words for it, and its user is asked
//! for first, if the service records users. Neither holds up anybody else.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::start::Via;
use super::{Front, Notice, multiplex};
use crate::admission::Refusal;
use crate::admission::users::User;
use crate::listener::endpoint::Address;
use crate::record::Subject;
use crate::service::{Service, Setup};
use crate::sys::socket::Connection;

/// The connection of a peer that was turned away with some words, which it shall have time to
/// read.
#[derive(Debug)]
pub struct Farewell {
    _connection: Connection,
    _place: OwnedSemaphorePermit,
}

/// A connection that may not come in.
#[derive(Debug)]
pub(super) struct Turned {
    /// The service.
    pub(super) service: Arc<Service>,
    /// Its settings.
    pub(super) setup: Arc<Setup>,
    /// The connection.
    pub(super) connection: Connection,
    /// The peer's address.
    pub(super) peer: Address,
    /// Our address, if it is known.
    pub(super) local: Option<Address>,
    /// The user of the peer, if it was asked for.
    pub(super) user: Option<User>,
    /// How it has come here.
    pub(super) via: Via,
    /// Why it may not.
    pub(super) refusal: Refusal,
    /// The words of the rule that keeps it out, in place of those of the service.
    pub(super) words: Option<Arc<[u8]>>,
}

/// A connection that may not come in, and whose user has not been asked for yet.
#[derive(Debug)]
pub struct Unknown {
    turned: Turned,
    local: Address,
    _place: OwnedSemaphorePermit,
}

impl Unknown {
    /// Asks for its user, and turns it away.
    pub async fn ask(mut self, front: Arc<Front>) {
        self.turned.user = Some(front.users.ask(&self.turned.peer, &self.local).await);
        front.close(self.turned);
    }

    /// Turns it away without the question.
    pub fn give_up(self, front: &Front) {
        front.close(self.turned);
    }
}

impl Front {
    /// Closes the connection of a peer that may not come in. Nothing here waits for it.
    pub(super) fn turn_away(&self, mut turned: Turned) {
        let asks = turned.setup.config.gate.asks_for_users() && turned.user.is_none();
        if asks
            && let Some(local) = turned.local.take()
            && let Ok(place) = Arc::clone(&self.unknown).try_acquire_owned()
        {
            // An identity server knows connections that are open alone.
            return self.notify(Notice::Unknown(Box::new(Unknown {
                turned,
                local,
                _place: place,
            })));
        }
        self.close(turned);
    }

    fn close(&self, turned: Turned) {
        let Turned { service, setup, connection, peer, user, via, refusal, words, .. } = turned;
        self.refused(&service, &peer, user.as_ref(), refusal);
        let reply: &[u8] = match via {
            Via::Listener => &[],
            Via::Tcpmux { .. } => multiplex::NEGATIVE,
        };
        let words = words.as_ref().or(setup.config.gate.banner_reject.as_ref());
        let words = words.map_or(&[][..], |words| words);
        for text in [reply, words].into_iter().filter(|text| !text.is_empty()) {
            connection.offer(text);
        }
        if reply.is_empty() && words.is_empty() {
            return;
        }
        // A close now could reset the connection, and the peer would lose the text, if it has
        // sent anything itself.
        if let Ok(place) = Arc::clone(&self.farewells).try_acquire_owned()
            && let Some(connection) = connection.finish()
        {
            self.notify(Notice::Farewell(Farewell { _connection: connection, _place: place }));
        }
    }

    /// Counts and records somebody who may not come in.
    pub(super) fn refused(
        &self,
        service: &Service,
        peer: &Address,
        user: Option<&User>,
        refusal: Refusal,
    ) {
        service.counters.refused(refusal);
        let user = user.and_then(User::told);
        let subject = Subject { peer: Some(peer), user, ..Subject::of(&service.name) };
        self.recorder.refuse(subject, refusal);
    }
}
