//! How a new configuration replaces an old one: a plan that does everything that can fail, and a
//! commit that cannot.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{LONGEST_RETRY, Listeners, Pending, PendingId, hint};
use crate::config::keys::Key;
use crate::config::{Config, MuxName, ServiceConfig};
use crate::front::Offer;
use crate::listener::Listener;
use crate::listener::endpoint::Endpoint;
use crate::record::event;
use crate::record::log::Value;
use crate::service::{Service, Setup};
use crate::sys::BindFailure;
use crate::sys::socket::{ListenSocket, bind_failure};

/// The first pause where an old listener of ours was in the way; it doubles.
const FIRST_RETRY: Duration = Duration::from_millis(10);

/// Why a configuration cannot be used on this machine now.
#[derive(Debug, thiserror::Error)]
pub(in crate::supervisor) enum ApplyError {
    #[error("{place}: service `{service}`: {error}")]
    Setup { place: String, service: Arc<str>, error: io::Error },
    #[error("{place}: service `{service}`: cannot listen on {endpoint}: {error}{}", hint(.error))]
    Bind { place: String, service: Arc<str>, endpoint: Endpoint, error: io::Error },
}

/// A service of the new configuration, prepared, before anything is changed.
struct Planned {
    setup: Arc<Setup>,
    /// For each endpoint: the listener that stays, or the new socket, or what to try later.
    endpoints: Vec<(Endpoint, Source)>,
}

enum Source {
    Kept(Arc<Listener>),
    New(ListenSocket),
    Later(io::Error),
    /// Can be bound when old listeners are closed.
    Replaced,
}

impl Listeners {
    /// Makes `config` the configuration. Gives the endpoints that have to be bound later.
    ///
    /// # Errors
    /// Something in it will never work. Then nothing has changed.
    pub(in crate::supervisor) fn apply(
        &mut self,
        config: &Config,
    ) -> Result<Vec<(Instant, PendingId)>, ApplyError> {
        let planned = self.plan(config)?;
        self.front.admission.set_limit(config.daemon.max_sessions);
        if config.services.iter().all(|service| service.gate.sensor.is_none()) {
            self.front.admission.caught.clear();
        }
        let pending = self.commit(config, planned);
        self.drop_unclaimed();
        Ok(pending)
    }

    /// Prepares everything that can fail.
    fn plan(&mut self, config: &Config) -> Result<Vec<Planned>, ApplyError> {
        let mut unclaimed = self.bound.clone();
        let mut planned: Vec<(Setup, Vec<_>)> = Vec::with_capacity(config.services.len());
        for service in &config.services {
            let like = planned.last().map(|(setup, _)| setup);
            let setup =
                Setup::new(Arc::clone(service), like).map_err(|error| ApplyError::Setup {
                    place: config.place(error.key.map_or(service.at, |key| service.position(key))),
                    service: Arc::clone(&service.name),
                    error: error.error,
                })?;
            let mut endpoints = Vec::with_capacity(service.listen.len());
            for endpoint in &*service.listen {
                let same = |listener: &Arc<Listener>| {
                    listener.asked == *endpoint
                        && listener.suits(&service.socket)
                        // Each `port 0` is another port: it belongs to its service.
                        && (!endpoint.is_port_zero() || listener.service().name == service.name)
                };
                let source = unclaimed.iter().position(same).map(|at| unclaimed.swap_remove(at));
                endpoints.push((endpoint.clone(), source.map(Source::Kept)));
            }
            planned.push((setup, endpoints));
        }
        // Only now it is known which listeners go, and a new endpoint may need their place.
        let mut result = Vec::with_capacity(planned.len());
        for (setup, endpoints) in planned {
            let mut sources = Vec::with_capacity(endpoints.len());
            for (endpoint, kept) in endpoints {
                let source = match kept {
                    Some(kept) => kept,
                    None => self.source(config, &setup.config, &endpoint, &unclaimed)?,
                };
                sources.push((endpoint, source));
            }
            result.push(Planned { setup: Arc::new(setup), endpoints: sources });
        }
        Ok(result)
    }

    fn source(
        &mut self,
        config: &Config,
        service: &ServiceConfig,
        endpoint: &Endpoint,
        going: &[Arc<Listener>],
    ) -> Result<Source, ApplyError> {
        let claimed = self.inherited.iter().position(|(name, socket)| {
            socket.local() == endpoint || **name == *service.name && endpoint.is_port_zero()
        });
        if let Some(at) = claimed {
            return Ok(Source::New(self.inherited.swap_remove(at).1));
        }
        if going.iter().any(|listener| listener.local().conflicts(endpoint)) {
            return Ok(Source::Replaced);
        }
        match ListenSocket::bind(endpoint, &service.socket) {
            Ok(socket) => Ok(Source::New(socket)),
            Err(error)
                if service.bind_retry.is_some() && bind_failure(&error) == BindFailure::Later =>
            {
                Ok(Source::Later(error))
            }
            Err(error) => Err(ApplyError::Bind {
                place: place(config, service),
                service: Arc::clone(&service.name),
                endpoint: endpoint.clone(),
                error,
            }),
        }
    }

    /// Changes over. Nothing in here can refuse.
    fn commit(&mut self, config: &Config, planned: Vec<Planned>) -> Vec<(Instant, PendingId)> {
        self.pending.clear();
        let stays = |listener: &Arc<Listener>| {
            let mut sources = planned.iter().flat_map(|service| &service.endpoints);
            sources
                .any(|(_, source)| matches!(source, Source::Kept(kept) if kept.id == listener.id))
        };
        let (kept, gone): (Vec<_>, Vec<_>) = self.bound.drain(..).partition(stays);
        self.bound = kept;
        for listener in gone {
            self.front.remove_listener(&listener);
        }
        let mut offers = Vec::new();
        let mut old = std::mem::take(&mut self.services);
        let mut later = Vec::new();
        for Planned { setup, endpoints } in planned {
            let service = match old.remove(&setup.config.name) {
                Some(service) => {
                    service.set_setup(Arc::clone(&setup));
                    service
                }
                None => {
                    self.last_service += 1;
                    Arc::new(Service::new(self.last_service, Arc::clone(&setup)))
                }
            };
            self.front.admission.set_service_limit(service.id, setup.config.max_sessions);
            self.services.insert(Arc::clone(&service.name), Arc::clone(&service));
            let offer =
                |name: &MuxName| Offer { name: name.clone(), service: Arc::clone(&service) };
            offers.extend(setup.config.mux.iter().map(offer));
            for (endpoint, source) in endpoints {
                let mut pause = setup.config.bind_retry.unwrap_or(LONGEST_RETRY);
                let options = &setup.config.socket;
                let tried = match source {
                    Source::Kept(listener) => {
                        let moved = listener.service().id != service.id;
                        listener.set_service(Arc::clone(&service));
                        if let Err(error) = listener.retune(&setup.config.socket) {
                            self.cannot_retune(&service, &error);
                        }
                        if moved {
                            self.front.admission.reconsider(listener.id);
                            self.settle(&listener);
                        }
                        continue;
                    }
                    Source::New(socket) => self.add(&service, &endpoint, options, socket),
                    Source::Later(error) => Err(error),
                    Source::Replaced => ListenSocket::bind(&endpoint, options)
                        .and_then(|socket| self.add(&service, &endpoint, options, socket))
                        // A front thread may still hold the old socket, for a moment.
                        .inspect_err(|_| pause = FIRST_RETRY),
                };
                if let Err(error) = tried {
                    let (service, options) = (Arc::clone(&service), Arc::clone(options));
                    let place = place(config, &setup.config);
                    let pending = Pending { place, service, endpoint, options, pause };
                    later.push(self.postpone(pending, &error));
                }
            }
        }
        self.front.offers.set(offers);
        // Only now that no connection is given to them any more.
        for service in old.into_values() {
            self.front.admission.forget(service.id);
        }
        later
    }

    /// Closes what a service manager passed and nobody wants: clients would wait in vain.
    fn drop_unclaimed(&mut self) {
        for (name, socket) in std::mem::take(&mut self.inherited) {
            let fields = [("name", Value::Text(&name)), ("address", Value::Text(socket.local()))];
            self.front.recorder.log().event(event::UNCLAIMED_SOCKET, &fields);
        }
    }
}

/// Where a service says where it listens.
fn place(config: &Config, service: &ServiceConfig) -> String {
    config.place(service.position(Key::Listen))
}
