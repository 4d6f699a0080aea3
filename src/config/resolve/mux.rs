//! Names of the multiplexer (RFC 1078): each belongs to one service, and somebody has to listen for
//! all of them.

use std::collections::HashMap;

use super::draft::Draft;
use super::listen::Names;
use super::{Resolver, is_pipe};
use crate::config::keys::{Group, Key};
use crate::config::raw::{Origin, RawService};
use crate::config::report::Problem;
use crate::config::source::Span;
use crate::config::{Builtin, MuxName, Work};
use crate::listener::endpoint::Endpoint;

const MULTIPLEXER: &str =
    "add a service with listen = \"tcpmux\", which is port 1, and builtin = \"tcpmux\"";

/// The names so far.
#[derive(Default)]
pub(super) struct MuxNames {
    /// By their lower case: whose it is, and where it was written.
    names: HashMap<String, (String, Span)>,
    /// The first one, and whether it was written in an `inetd.toml`.
    first: Option<(MuxName, Span, Origin)>,
    /// There is a service that listens for them.
    has_listener: bool,
}

impl Resolver {
    /// The names of the multiplexer that a service has.
    pub(super) fn mux(&mut self, raw: &RawService, draft: &Draft) -> Vec<MuxName> {
        let mut names = Vec::new();
        for address in &draft.listen {
            let Some(name) = Names::mux(&address.value) else { continue };
            let key = name.name.to_ascii_lowercase();
            let owner = (raw.name.value.clone(), address.span);
            let first = self.mux.names.entry(key).or_insert_with(|| owner.clone());
            if first.1 == address.span {
                self.mux.first.get_or_insert((name.clone(), address.span, raw.origin));
                names.push(name);
            } else {
                let message = format!("`{name}` is there already");
                let problem = Problem::error(address.span, message).fact("case does not matter");
                let related = format!("service `{}` has it", first.0);
                self.problems.push(problem.related(first.1, related));
            }
        }
        names
    }

    /// What does not go together with the multiplexer, in a service that is one or has a name.
    pub(super) fn multiplexing(
        &mut self,
        raw: &RawService,
        draft: &Draft,
        (listen, mux): (&[Endpoint], &[MuxName]),
        work: &Work,
    ) {
        let at = draft.span(Key::Builtin).unwrap_or(raw.name.span);
        if *work == Work::Builtin(Builtin::Tcpmux) {
            self.mux.has_listener = true;
            if !mux.is_empty() {
                let problem = Problem::error(at, "a multiplexer cannot offer a multiplexer");
                self.problems.push(problem.help("let it listen on a port alone"));
            }
            if let Some(pipe) = listen.iter().find(|endpoint| is_pipe(endpoint)) {
                let message = format!("builtin = \"tcpmux\" cannot be used with {pipe}");
                let fact = "a pipe cannot be handed on once something was read from it";
                self.problems.push(Problem::error(at, message).fact(fact).help("use TCP"));
            }
        }
        if let Work::Builtin(builtin) = work
            && let Some(why) = builtin.no_datagrams()
            && let Some(datagram) = listen.iter().find(|endpoint| endpoint.is_datagram())
        {
            let message =
                format!("builtin = \"{}\" cannot be used with {datagram}", builtin.name());
            self.problems.push(Problem::error(at, message).fact(why).help("use tcp://"));
        }
        let Some(name) = mux.first() else { return };
        if let (true, Some(at)) = (draft.wait, draft.span(Key::Wait)) {
            let problem = Problem::error(at, format!("`wait` cannot be used with {name}"))
                .fact("the multiplexer hands over connections, not the listening socket");
            self.problems.push(problem.help("remove it, or write `nowait`"));
        }
        if !listen.is_empty() || raw.origin == Origin::Classic {
            return;
        }
        for entry in &raw.entries {
            let of_sockets = entry.key.info().group == Group::Listening;
            if of_sockets
                && entry.key != Key::Listen
                && entry.key.info().availability.obstacle().is_none()
            {
                let message = format!("`{}` has no effect", entry.key.name());
                let label = format!("`{}` is reached through a multiplexer", raw.name.value);
                self.problems.push(Problem::warning(entry.name, message).label(label));
            }
        }
    }

    /// Whether somebody listens for the names that there are.
    pub(super) fn mux_has_a_listener(&mut self) {
        let Some((name, at, origin)) = &self.mux.first else { return };
        if self.mux.has_listener {
            return;
        }
        let message = format!("nobody can reach {name}: there is no service `tcpmux`");
        // The originals take it in silence.
        let problem = match origin {
            Origin::Classic => Problem::warning(*at, message)
                .help("add the line: tcpmux stream tcp nowait root internal"),
            Origin::Toml | Origin::CommandLine => Problem::error(*at, message).help(MULTIPLEXER),
        };
        self.problems.push(problem);
    }
}
