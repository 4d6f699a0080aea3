//! The set of services and listeners. A new configuration never closes what is unchanged, and if
//! something in it cannot work, nothing is changed at all.

mod reload;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Io, SocketOptions, Tree};
use crate::control::status::ServiceStatus;
use crate::front::Front;
use crate::listener::Listener;
use crate::listener::endpoint::Endpoint;
use crate::record::event;
use crate::record::log::Value;
use crate::rpcbind::Registration;
use crate::service::{Service, ServiceId};
use crate::sys::inherited;
use crate::sys::socket::ListenSocket;
use crate::sys::{FAMILY, Family};

/// The longest pause between two tries to bind.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// The number of an endpoint that is not bound yet.
pub(super) type PendingId = u64;

/// All services and listeners.
#[derive(Debug)]
pub(super) struct Listeners {
    front: Arc<Front>,
    services: BTreeMap<Arc<str>, Arc<Service>>,
    bound: Vec<Arc<Listener>>,
    pending: HashMap<PendingId, Pending>,
    announcements: Vec<(Arc<str>, Endpoint)>,
    /// Sockets from a service manager that no service has claimed yet.
    inherited: Vec<(String, ListenSocket)>,
    last_service: ServiceId,
    last_pending: PendingId,
}

/// An endpoint that could not be bound yet.
#[derive(Debug)]
struct Pending {
    place: String,
    service: Arc<Service>,
    endpoint: Endpoint,
    options: Arc<SocketOptions>,
    pause: Duration,
}

impl Listeners {
    pub(super) fn new(front: Arc<Front>) -> Self {
        let mut usable = Vec::new();
        for (name, socket) in inherited::listeners() {
            match socket {
                Ok(socket) => usable.push((name, socket)),
                Err(error) => {
                    let fields = [("name", Value::Text(&name)), ("error", Value::Text(&error))];
                    front.recorder.log().event(event::UNUSABLE_SOCKET, &fields);
                }
            }
        }
        Self {
            front,
            services: BTreeMap::new(),
            bound: Vec::new(),
            pending: HashMap::new(),
            announcements: Vec::new(),
            inherited: usable,
            last_service: 0,
            last_pending: 0,
        }
    }

    /// How many services there are.
    pub(super) fn count(&self) -> usize {
        self.services.len()
    }

    /// Whether every endpoint is bound.
    pub(super) fn all_bound(&self) -> bool {
        self.pending.is_empty()
    }

    /// What was bound since the last call.
    pub(super) fn take_announcements(&mut self) -> Vec<(Arc<str>, Endpoint)> {
        std::mem::take(&mut self.announcements)
    }

    /// The service of this name.
    pub(super) fn service(&self, name: &str) -> Option<&Arc<Service>> {
        self.services.get(name)
    }

    /// The names of all services.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.services.keys().map(|name| &**name)
    }

    /// Lets nobody new into a service, or everybody again.
    ///
    /// # Errors
    /// A listener cannot listen again; the service drains on.
    pub(super) fn set_draining(&self, service: &Service, draining: bool) -> io::Result<()> {
        let admission = &self.front.admission;
        admission.set_draining(service.id, draining);
        for listener in self.bound.iter().filter(|listener| listener.service().id == service.id) {
            if let Err(error) = self.front.set_draining(listener, draining) {
                if !draining {
                    self.set_draining(service, true)?;
                    let endpoint = listener.local();
                    let text = format!("cannot listen on {endpoint} again: {error}");
                    return Err(io::Error::new(error.kind(), text));
                }
                // Then admission has to turn away who comes.
                self.cannot_retune(service, &error);
            }
            // One that sleeps, because the service is full, turns away who waits.
            admission.reconsider(listener.id);
        }
        Ok(())
    }

    /// A listener drains if its service does.
    fn settle(&self, listener: &Arc<Listener>) {
        let service = listener.service();
        let draining = self.front.admission.is_draining(service.id);
        if let Err(error) = self.front.set_draining(listener, draining) {
            self.cannot_retune(&service, &error);
        }
    }

    /// What rpcbind shall know of the listeners.
    pub(super) fn registrations(&self) -> Vec<Registration> {
        let of = |listener: &Arc<Listener>| {
            let setup = listener.service().setup();
            let rpc = setup.config.rpc.as_deref()?.clone();
            let local = listener.local().clone();
            let version = move |version| Registration::of(&local, rpc.program, version);
            Some(rpc.versions.flat_map(version))
        };
        self.bound.iter().filter_map(of).flatten().collect()
    }

    /// `tree` of a service.
    pub(super) fn tree_of(&self, service: &str) -> Option<Tree> {
        self.services.get(service).map(|service| service.setup().config.tree())
    }

    /// What there is to tell about the services, by name; about one of them if it is `only` that.
    pub(super) fn describe(&self, only: Option<ServiceId>) -> Vec<ServiceStatus> {
        let mut bound: HashMap<ServiceId, Vec<&Endpoint>> = HashMap::new();
        for listener in &self.bound {
            bound.entry(listener.service().id).or_default().push(listener.local());
        }
        let mut pending: HashMap<ServiceId, Vec<&Endpoint>> = HashMap::new();
        for missing in self.pending.values() {
            pending.entry(missing.service.id).or_default().push(&missing.endpoint);
        }
        let of = |map: &HashMap<_, Vec<&Endpoint>>, id| {
            map.get(&id).into_iter().flatten().map(ToString::to_string).collect()
        };
        let wanted = |service: &&Arc<Service>| only.is_none_or(|id| id == service.id);
        self.services
            .values()
            .filter(wanted)
            .map(|service| {
                let setup = service.setup();
                let mut addresses: Vec<String> = of(&bound, service.id);
                addresses.extend(setup.config.mux.iter().map(ToString::to_string));
                let (bound, pending) = (addresses, of(&pending, service.id));
                ServiceStatus::new(&self.front, service, bound, pending)
            })
            .collect()
    }

    /// Closes every listener. Sessions are not touched.
    pub(super) fn close_all(&mut self) {
        self.pending.clear();
        self.front.offers.set([]);
        for listener in self.bound.drain(..) {
            self.front.remove_listener(&listener);
        }
    }
    /// Tries to bind an endpoint that could not be bound before.
    pub(super) fn bind_again(&mut self, id: PendingId) -> Vec<(Instant, PendingId)> {
        // A reload may have dropped it.
        let Some(mut pending) = self.pending.remove(&id) else { return Vec::new() };
        let bound = ListenSocket::bind(&pending.endpoint, &pending.options).and_then(|socket| {
            self.add(&pending.service, &pending.endpoint, &pending.options, socket)
        });
        match bound {
            Ok(()) => Vec::new(),
            Err(error) => {
                pending.pause = (pending.pause * 2).min(LONGEST_RETRY);
                vec![self.postpone(pending, &error)]
            }
        }
    }

    fn cannot_retune(&self, service: &Service, error: &io::Error) {
        let fields = [("service", Value::Text(&service.name)), ("error", Value::Text(error))];
        self.front.recorder.log().event(event::CANNOT_RETUNE, &fields);
    }

    fn add(
        &mut self,
        service: &Arc<Service>,
        endpoint: &Endpoint,
        options: &Arc<SocketOptions>,
        socket: ListenSocket,
    ) -> io::Result<()> {
        let local = socket.local().clone();
        self.warn_of_filters(service, &socket);
        let listener = self.front.add_listener(|id| {
            let (asked, options) = (endpoint.clone(), Arc::clone(options));
            Listener::new(id, asked, options, socket, Arc::clone(service))
        })?;
        self.settle(&listener);
        self.bound.push(listener);
        self.announcements.push((Arc::clone(&service.name), local));
        Ok(())
    }

    /// Where connections are no files, those that should be standard input are relayed instead.
    fn warn_of_filters(&self, service: &Service, socket: &ListenSocket) {
        let setup = service.setup();
        let config = &setup.config;
        let needs_files = config.program().is_some_and(|program| program.io == Io::Socket);
        if !socket.gives_files() && needs_files && !config.wait {
            let (name, address) = (Value::Text(&service.name), Value::Text(socket.local()));
            let fields = [("service", name), ("address", address)];
            self.front.recorder.log().event(event::NO_FILES, &fields);
        }
    }

    fn postpone(&mut self, pending: Pending, error: &io::Error) -> (Instant, PendingId) {
        let fields = [
            ("service", Value::Text(&pending.service.name)),
            ("address", Value::Text(&pending.endpoint)),
            ("error", Value::Text(&format_args!("{error}{}", hint(error)))),
            ("at", Value::Text(&pending.place)),
            ("retry_in", Value::Seconds(pending.pause)),
        ];
        self.front.recorder.log().event(event::CANNOT_LISTEN, &fields);
        let at = Instant::now() + pending.pause;
        self.last_pending += 1;
        self.pending.insert(self.last_pending, pending);
        (at, self.last_pending)
    }
}

/// What to do about an address that cannot be bound.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied if FAMILY == Family::Windows => {
            " (another program has the port for itself, or Windows keeps it, or the folder is somebody else's: `inetd doctor` tells)"
        }
        io::ErrorKind::PermissionDenied => {
            " (a port below 1024, or a folder of somebody else: it needs more rights, root or CAP_NET_BIND_SERVICE)"
        }
        io::ErrorKind::AddrInUse => {
            " (another program listens there: stop it or choose another address)"
        }
        io::ErrorKind::AddrNotAvailable => {
            " (no network interface of this machine has this address)"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests;
