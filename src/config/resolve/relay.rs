//! Keys that are about relaying, on a service that is not relayed.

use super::Resolver;
use super::draft::Draft;
use crate::config::Io;
use crate::config::keys::Key;
use crate::config::raw::RawService;
use crate::config::report::Problem;
use crate::listener::endpoint::Endpoint;
use crate::sys::terminal;

impl Resolver {
    /// What does not go together with the `io` of a service.
    pub(super) fn relaying(&mut self, raw: &RawService, draft: &Draft, listen: &[Endpoint]) {
        if draft.wait && draft.io != Io::Socket {
            self.wait_needs_the_socket(draft);
        }
        if draft.io == Io::Pty
            && let (Some(obstacle), Some(io)) = (terminal::obstacle(), draft.span(Key::Io))
        {
            let problem = Problem::error(io, format!("io = \"pty\" {obstacle}"));
            self.problems.push(problem.help("use io = \"pipe\""));
        }
        let has_datagrams = listen.iter().any(Endpoint::is_datagram);
        if has_datagrams && draft.io == Io::Pty {
            self.no_terminal(draft);
        }
        let has_program = draft.forward.is_none() && draft.builtin.is_none();
        let has_flows = has_datagrams && !draft.wait;
        if draft.io == Io::Socket && has_program && !has_flows {
            self.nothing_is_relayed(raw, draft);
        }
    }

    fn wait_needs_the_socket(&mut self, draft: &Draft) {
        let Some(io) = draft.span(Key::Io) else { return };
        let message = "`wait = true` works with io = \"socket\" only";
        let problem = Problem::error(io, message)
            .label("there is no connection that could be relayed")
            .help("remove `io`: the program accepts the connections itself");
        self.problems.push(match draft.span(Key::Wait) {
            Some(wait) => problem.related(wait, "this gives the program the listening socket"),
            None => problem,
        });
    }

    fn no_terminal(&mut self, draft: &Draft) {
        let Some(io) = draft.span(Key::Io) else { return };
        let problem = Problem::error(io, "io = \"pty\" does not work with udp://")
            .label("a terminal has no datagrams");
        self.problems.push(problem.help("use io = \"pipe\", or remove it"));
    }

    /// Defaults are for those that they suit; a service's own key should do something.
    fn nothing_is_relayed(&mut self, raw: &RawService, draft: &Draft) {
        for entry in &raw.entries {
            let of_relays = match entry.key {
                Key::IdleTimeout => draft.timeouts.idle.is_some(),
                Key::LingerTimeout => true,
                _ => false,
            };
            if of_relays {
                let message = format!("`{}` needs a relay", entry.key.name());
                self.problems.push(
                    Problem::error(entry.name, message)
                        .label("with io = \"socket\" the bytes do not pass through inetd")
                        .help("use io = \"pipe\", or remove it"),
                );
            }
        }
    }
}
