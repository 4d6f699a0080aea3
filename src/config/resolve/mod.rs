//! Turns what was read into the checked configuration. Every name is looked up here, and every
//! problem is found in one run: a wrong value never keeps the next one from being looked at.

mod access;
mod address;
mod admission;
mod check;
mod complaint;
mod conflicts;
mod daemon;
mod draft;
mod environment;
mod ident;
mod limits;
mod listen;
mod local;
mod log;
mod mux;
mod peers;
mod program;
mod relay;
mod rpc;
mod tables;
mod words;
mod work;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use address::Transport;
use conflicts::Conflicts;
pub(crate) use daemon::control;
use draft::{Draft, WAYS};
use environment::Environments;
use listen::{Names, System};
use mux::MuxNames;
use program::Who;

use super::keys::Key;
use super::raw::{Entry, Layer, Origin, Raw, RawService};
use super::report::{Problem, Report};
use super::source::Sources;
use super::value::{NAME_LENGTH, is_name, to_name};
use super::{Config, Io, Program, Purpose, ServiceConfig, SocketOptions, Timeouts, Work};
use crate::admission::Gate;
use crate::listener::endpoint::Endpoint;
use crate::sys::identity::Identity;
use crate::sys::socket::{has_ipv6, has_unix_sockets};

/// Checks everything. `origin` is what the configuration as a whole is written in; `cwd` is where
/// programs run if nothing is said, instead of the system's default.
pub(crate) fn resolve(
    raw: Raw,
    origin: Origin,
    purpose: Purpose,
    cwd: Option<PathBuf>,
) -> Result<(Config, Report), Report> {
    let Raw { sources, services, layers, daemon: written, problems } = raw;
    let mut resolver = Resolver {
        sources,
        problems,
        purpose,
        cwd,
        search: std::env::var_os("PATH"),
        programs: None,
        near: HashMap::new(),
        users: None,
        names: Names::new(System { has_ipv6: has_ipv6(), has_unix_sockets: has_unix_sockets() }),
        environments: Environments::new(),
        conflicts: Conflicts::default(),
        rules: HashMap::new(),
        mux: MuxNames::default(),
        tables: tables::Tables::default(),
        found: HashMap::new(),
        identities: HashMap::new(),
        last_program: Shared::default(),
        last_gate: Shared::default(),
        last_socket: Shared::default(),
        last_timeouts: Shared::default(),
    };
    for layer in &layers {
        // A default that no service uses is looked at, too.
        let mut draft = Draft::new(origin, &resolver.environments.default);
        resolver.apply(&mut draft, &layer.entries);
    }
    let mut daemon = daemon::default(origin);
    if let Some(written) = &written {
        daemon::read(&mut daemon, &written.value, &resolver.sources, &mut resolver.problems);
    }
    let resolved: Vec<_> =
        services.iter().map(|service| resolver.service(service, &daemon)).collect();
    resolver.mux_has_a_listener();
    let Resolver { sources, problems, .. } = resolver;
    let report = Report::new(problems, &sources);
    match resolved.into_iter().collect() {
        Some(services) if report.errors() == 0 => {
            Ok((Config { daemon, services, files: sources.paths() }, report))
        }
        _ => Err(report),
    }
}

struct Resolver {
    sources: Sources,
    problems: Vec<Problem>,
    purpose: Purpose,
    cwd: Option<PathBuf>,
    /// Where programs are looked for: our own PATH.
    search: Option<OsString>,
    /// The names of all programs in PATH, read when the first one is missing.
    programs: Option<Vec<String>>,
    /// The nearest of them to each missing one.
    near: HashMap<String, Option<String>>,
    /// The names of all users, read when the first one is missing.
    users: Option<Vec<String>>,
    names: Names,
    environments: Environments,
    conflicts: Conflicts,
    rules: access::Known,
    mux: MuxNames,
    tables: tables::Tables,
    /// The executables by name, and by the folder that it is relative to.
    found: HashMap<OsString, Vec<(Arc<Path>, PathBuf)>>,
    /// Who programs run as; nobody else if it is our own identity.
    identities: HashMap<Who, Option<Identity>>,
    last_program: Shared<Program>,
    last_gate: Shared<Gate>,
    last_socket: Shared<SocketOptions>,
    last_timeouts: Shared<Timeouts>,
}

/// What was made last. Services next to each other often have the same settings; one copy is enough
/// for them.
struct Shared<T>(Option<Arc<T>>);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: PartialEq> Shared<T> {
    fn share(&mut self, new: T) -> Arc<T> {
        match &self.0 {
            Some(last) if **last == new => Arc::clone(last),
            _ => Arc::clone(self.0.insert(Arc::new(new))),
        }
    }
}

impl Resolver {
    fn service(&mut self, raw: &RawService, daemon: &super::Daemon) -> Option<Arc<ServiceConfig>> {
        self.check_name(raw);
        let mut draft = Draft::new(raw.origin, &self.environments.default);
        for layer in outermost_first(raw.layer.as_deref()) {
            self.apply(&mut draft, &layer.entries);
        }
        self.apply(&mut draft, &raw.entries);
        draft.forget_program_defaults(&raw.entries);
        self.missing(raw, &draft);
        let listen = self.listen(&raw.name.value, &draft);
        let mux = self.mux(raw, &draft);
        self.useless(raw, &draft, (&listen, &mux));
        self.without_peers(&draft, &listen);
        self.nothing_to_lend(&draft, &listen);
        self.not_of_datagrams(&draft, &listen);
        self.nobody_to_ask(&draft, &listen);
        self.registering(&draft, &listen);
        self.relaying(raw, &draft, &listen);
        let (rules, access) = (self.rules(&draft), self.access(&draft));
        let work = self.work(raw, &draft)?;
        let wrappers = self.wrappers(&draft, daemon, &raw.name.value, &work);
        let over_rate = draft.over_rate();
        let mut gate = Gate { rules, access, wrappers, over_rate, ..draft.gate.clone() };
        self.datagrams(&draft, &listen, &work, &mut gate);
        self.multiplexing(raw, &draft, (&listen, &mux), &work);
        let relayed = !matches!(&work, Work::Program(program) if program.io == Io::Socket);
        let place = |(key, span): &(Key, _)| (*key, self.sources.position(*span));
        Some(Arc::new(ServiceConfig {
            name: raw.name.value.as_str().into(),
            listen: listen.into(),
            mux: mux.into(),
            socket: self.last_socket.share(SocketOptions { relayed, ..draft.socket }),
            rpc: draft.rpc.map(Box::new),
            bind_retry: draft.bind_retry,
            wait: draft.wait,
            work,
            max_sessions: draft.max_sessions,
            gate: self.last_gate.share(gate),
            timeouts: self.last_timeouts.share(draft.timeouts),
            at: self.sources.position(raw.name.span),
            positions: draft.spans.iter().map(place).collect(),
        }))
    }

    fn apply(&mut self, draft: &mut Draft, entries: &[Entry]) {
        if entries.iter().any(|entry| WAYS.contains(&entry.key)) {
            draft.forget_ways();
        }
        for entry in entries {
            draft.apply(entry, &self.sources, &mut self.problems);
        }
    }

    fn check_name(&mut self, raw: &RawService) {
        let name = &raw.name.value;
        if is_name(name) {
            return;
        }
        let message = match name.as_str() {
            "" => "a service cannot have an empty name".to_owned(),
            name => format!("`{name}` cannot be the name of a service"),
        };
        let problem = Problem::error(raw.name.span, message).fact(format!(
            "names have letters, digits and . _ - + /, at most {NAME_LENGTH} characters"
        ));
        let instead = (!name.is_empty()).then(|| format!("for example `{}`", to_name(name)));
        self.problems.push(problem.maybe_help(instead));
    }

    fn missing(&mut self, raw: &RawService, draft: &Draft) {
        if raw.incomplete {
            return;
        }
        let written = |key| draft.span(key).is_some();
        let other = [Key::Builtin, Key::Forward, Key::Sensor].into_iter().any(written);
        let name = &raw.name.value;
        let mut missing = |what: &str, help: &str| {
            let message = format!("service `{name}` has no `{what}`");
            self.problems.push(Problem::error(raw.name.span, message).help(help));
        };
        if !written(Key::Listen) {
            missing("listen", "say where it listens: listen = \"7000\"");
        }
        if !written(Key::Run) && !other {
            missing(
                "run",
                "say what it runs: run = [\"program\", \"argument\"]; or use `forward` or `builtin`",
            );
        }
    }

    /// A named pipe has no listening end that a program could get.
    fn nothing_to_lend(&mut self, draft: &Draft, listen: &[Endpoint]) {
        let pipe = listen.iter().find(|endpoint| is_pipe(endpoint));
        if let (true, Some(pipe), Some(span)) = (draft.wait, pipe, draft.span(Key::Wait)) {
            let message = format!("`wait` cannot be used with {pipe}");
            self.problems.push(
                Problem::error(span, message)
                    .fact("a named pipe has no listening end that a program could get")
                    .help("let it listen on a port, or leave `wait` out"),
            );
        }
    }

    fn listen(&mut self, service: &str, draft: &Draft) -> Vec<Endpoint> {
        let mut listen = Vec::new();
        for address in &draft.listen {
            let endpoints = match self.names.endpoints(&address.value) {
                Ok(endpoints) => endpoints,
                Err(complaint) => {
                    let problem = Problem::error(address.span, complaint.message);
                    self.problems.push(problem.maybe_help(complaint.help));
                    continue;
                }
            };
            for endpoint in endpoints {
                let interface = draft.socket.interface.as_deref();
                let conflict = self.conflicts.add(&endpoint, interface, service, address.span);
                self.problems.extend(conflict);
                listen.push(endpoint);
            }
        }
        listen
    }
}

fn is_pipe(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Pipe(_))
}

/// The defaults of a file and of those around it.
fn outermost_first(layer: Option<&Layer>) -> Vec<&Layer> {
    let mut layers: Vec<&Layer> =
        std::iter::successors(layer, |layer| layer.parent.as_deref()).collect();
    layers.reverse();
    layers
}
