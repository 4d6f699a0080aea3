//! What a service does with a connection: a program, another server, or inetd itself.

use std::time::Duration;

use super::Resolver;
use super::check::Check;
use super::draft::{Draft, WAYS};
use super::ident;
use crate::admission::Gate;
use crate::admission::rate::Rate;
use crate::config::files::read_at_most;
use crate::config::keys::{Group, Key};
use crate::config::raw::RawService;
use crate::config::report::Problem;
use crate::config::source::Sources;
use crate::config::suggest::{did_you_mean, enumerate};
use crate::config::{Builtin, Target, Work};
use crate::listener::endpoint::Endpoint;

const BUILTINS: [&str; 10] = [
    "echo",
    "discard",
    "chargen",
    "daytime",
    "time",
    "qotd:PATH",
    "tcpmux",
    "ident",
    "services",
    "status",
];

/// Answers of a built-in service to datagrams of one source, unless `rate_per_source` is written.
const ANSWERS_A_SECOND: u32 = 100;
/// A larger file is not one of quotes.
const LARGEST_QUOTES: u64 = 1 << 20;

impl Resolver {
    /// What the service does; what is wrong with it is a problem.
    pub(super) fn work(&mut self, raw: &RawService, draft: &Draft) -> Option<Work> {
        let written: Vec<_> =
            WAYS.into_iter().filter_map(|key| Some((key, draft.span(key)?))).collect();
        if let [(first, at), (second, again), ..] = written[..] {
            let (first, second) = (first.name(), second.name());
            let problem =
                Problem::error(again, format!("`{first}` and `{second}` do not go together"));
            self.problems.push(problem.related(at, "this is there, too").help(match second {
                "forward" => "a server that is started by the first connection is not available in this version",
                _ => "remove one of them",
            }));
            return None;
        }
        if draft.span(Key::Run).is_some() {
            let program = self.program(draft)?;
            return Some(Work::Program(self.last_program.share(program)));
        }
        self.no_program(raw, draft);
        if let Some(builtin) = &draft.builtin {
            return Some(Work::Builtin(builtin.clone()));
        }
        if draft.gate.sensor.is_some() {
            return Some(Work::Sensor);
        }
        let text = draft.forward.as_ref()?;
        match self.names.target(&text.value) {
            Ok(target) => Some(Work::Forward(target)),
            Err(complaint) => {
                let problem = Problem::error(text.span, complaint.message);
                self.problems.push(problem.maybe_help(complaint.help));
                None
            }
        }
    }

    /// What datagrams change: a built-in service must not be made to flood a third party, and there
    /// is nothing to relay them to but a host.
    pub(super) fn datagrams(
        &mut self,
        draft: &Draft,
        listen: &[Endpoint],
        work: &Work,
        gate: &mut Gate,
    ) {
        if !listen.iter().any(Endpoint::is_datagram) {
            return;
        }
        match (work, draft.span(Key::Forward)) {
            (Work::Builtin(_), _) if draft.span(Key::RatePerSource).is_none() => {
                gate.rate_per_source = Rate::new(ANSWERS_A_SECOND, Duration::from_secs(1));
            }
            (Work::Forward(Target::Unix(_)), Some(at)) => {
                let problem = Problem::error(at, "datagrams cannot be relayed to a Unix socket");
                self.problems
                    .push(problem.help("use HOST:PORT, or a service of its own for udp://"));
            }
            _ => {}
        }
    }

    /// Keys of a program for a service that has none, if they are its own and not a default.
    fn no_program(&mut self, raw: &RawService, draft: &Draft) {
        if draft.builtin.is_none() && draft.forward.is_none() && draft.gate.sensor.is_none() {
            return;
        }
        for entry in &raw.entries {
            let info = entry.key.info();
            let is_default = entry.key == Key::Wait && !draft.wait;
            if info.group == Group::Program && info.availability.obstacle().is_none() && !is_default
            {
                let message = format!("`{}` needs a program", info.name);
                self.problems.push(
                    Problem::error(entry.name, message)
                        .label(format!("`{}` starts none", raw.name.value))
                        .help("remove it"),
                );
            }
        }
    }
}

/// `builtin`.
pub(super) fn builtin(check: &mut Check<'_>, sources: &Sources) -> Option<Builtin> {
    let text = check.text()?;
    Some(match text.value.as_str() {
        "echo" => Builtin::Echo,
        "discard" => Builtin::Discard,
        "chargen" => Builtin::Chargen,
        "daytime" => Builtin::Daytime,
        "time" => Builtin::Time,
        "services" => Builtin::Services,
        "status" => Builtin::Status,
        "tcpmux" => Builtin::Tcpmux,
        "ident" => Builtin::Ident(Box::default()),
        "qotd" => {
            return check.wrong(
                "`qotd` has no file",
                "write \"qotd:PATH\", a file with a line `%` between two quotes",
            );
        }
        other if other.starts_with("ident:") => {
            let (_, options) = other.split_at("ident:".len());
            match ident::options(options) {
                Ok(ident) => Builtin::Ident(Box::new(ident)),
                Err(message) => return check.wrong(&message, ident::HELP),
            }
        }
        other => match other.strip_prefix("qotd:") {
            Some(path) => {
                let path = sources.get(text.span.file).base.join(path);
                match read_at_most(&path, LARGEST_QUOTES) {
                    Ok(quotes) => Builtin::Qotd(quotes.into()),
                    Err(error) => {
                        let message = format!("cannot read the quotes {}: {error}", path.display());
                        return check.wrong(
                            &message,
                            "name a text file with a line `%` between two quotes",
                        );
                    }
                }
            }
            None => {
                let help = did_you_mean(other, BUILTINS).unwrap_or_else(|| {
                    format!("there are {}", enumerate(BUILTINS).replace(" or ", " and "))
                });
                return check.wrong(&format!("there is no built-in service `{other}`"), &help);
            }
        },
    })
}
