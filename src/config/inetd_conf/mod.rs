//! Reads a classic, positional `inetd.conf` in one of five dialects. What a dialect means is kept
//! as it was (`tcp` is IPv4 only, and `nowait/10` is not `nowait.10`); what cannot be kept is an
//! error, or a warning where only a limit is lost.

mod address;
mod auth;
mod guess;
mod lines;
mod pairs;
mod program;
mod service;
mod user;
mod wait;

use std::collections::HashSet;
use std::sync::Arc;

use lines::Line;
pub(super) use lines::physical;

use super::keys::Key;
use super::raw::{Data, Entry, Origin, Raw, RawService};
use super::report::Problem;
use super::source::{Span, Spanned};

/// Whose `inetd.conf` it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Freebsd,
    Netbsd,
    Openbsd,
    Inetutils,
    Busybox,
}

impl Dialect {
    /// Its name as a `--format`.
    fn name(self) -> &'static str {
        match self {
            Self::Freebsd => "freebsd",
            Self::Netbsd => "netbsd",
            Self::Openbsd => "openbsd",
            Self::Inetutils => "inetutils",
            Self::Busybox => "busybox",
        }
    }

    /// Whether a line that begins with a blank continues the one before.
    fn continues(self) -> bool {
        matches!(self, Self::Freebsd | Self::Netbsd | Self::Openbsd)
    }

    /// Whether a service can have a host in front: `127.0.0.1:7001`.
    fn has_hosts(self) -> bool {
        self != Self::Freebsd
    }

    /// Whether quotes hold words together.
    fn has_quotes(self) -> bool {
        matches!(self, Self::Netbsd | Self::Inetutils)
    }
}

/// Whether a text looks like one of xinetd, and not like a classic file.
pub(crate) fn is_xinetd(text: &str) -> bool {
    guess::xinetd(text).is_some()
}

/// Reads source `file`. Without a dialect one is guessed, and a note says so.
///
/// `hosts` are those of services that name none; empty for every address. Gives what the file
/// includes, with the hosts that hold there.
pub(crate) fn read(
    raw: &mut Raw,
    file: u16,
    dialect: Option<Dialect>,
    hosts: Vec<String>,
) -> Vec<(Spanned<String>, Vec<String>)> {
    let text = Arc::clone(&raw.sources.get(file).text);
    if let Some(range) = guess::xinetd(&text) {
        raw.problems.push(
            Problem::error(Span::new(file, range), "this is xinetd's format")
                .label("not a line of inetd.conf")
                .help("--format xinetd reads it"),
        );
        return Vec::new();
    }
    let dialect = dialect.unwrap_or_else(|| {
        let (dialect, evidence) = guess::dialect(&text);
        raw.problems.push(note(raw, file, dialect, evidence));
        dialect
    });
    let names = raw.services.iter().map(|service| service.name.value.clone()).collect();
    let (rpc, included) = (None, Vec::new());
    let mut reader = Reader { raw, names, file, dialect, hosts, rpc, included };
    let mut next = 0;
    for line in lines::split(&text, dialect) {
        let Some(start) = line.words.first().map(|word| word.range.start) else { continue };
        if start < next {
            continue; // It belonged to the definition before it.
        }
        if dialect == Dialect::Netbsd && Reader::begins_pairs(&line) {
            next = reader.pairs(&text, start);
        } else {
            reader.line(&line);
        }
    }
    reader.multiplexer();
    reader.included
}

/// Says what was guessed and why.
fn note(raw: &Raw, file: u16, dialect: Dialect, evidence: Option<guess::Evidence>) -> Problem {
    let name = dialect.name();
    let help = format!("--format {name} says it for sure");
    match evidence {
        Some(evidence) => {
            Problem::note(Span::new(file, evidence.range), format!("read as the {name} dialect"))
                .label(evidence.reason)
                .help(help)
        }
        None => {
            let path = raw.sources.get(file).path.display();
            Problem::note_nowhere(format!(
                "{path} is read as the {name} dialect: nothing in it belongs to another one only"
            ))
            .help(help)
        }
    }
}

/// What is known while a file is read.
struct Reader<'a> {
    raw: &'a mut Raw,
    /// The names that services have.
    names: HashSet<String>,
    file: u16,
    dialect: Dialect,
    /// The hosts of services that name none; empty for every address.
    hosts: Vec<String>,
    /// Where `rpc/` was, in front of the protocol of the line that is being read.
    rpc: Option<std::ops::Range<usize>>,
    /// What is to be included, with the hosts that hold there.
    included: Vec<(Spanned<String>, Vec<String>)>,
}

impl Reader<'_> {
    fn push(&mut self, problem: Problem) {
        self.raw.problems.push(problem);
    }

    /// inetutils-inetd listens for services of the multiplexer by itself.
    fn multiplexer(&mut self) {
        if self.dialect != Dialect::Inetutils {
            return;
        }
        let has = |service: &RawService, key, wanted: fn(&str) -> bool| {
            let mut entries = service.entries.iter().filter(|entry| entry.key == key);
            entries.any(|entry| match &entry.value.value {
                Data::Text(text) => wanted(text),
                Data::List(items) => {
                    items.iter().any(|item| matches!(&item.value, Data::Text(text) if wanted(text)))
                }
                _ => false,
            })
        };
        let services = &self.raw.services;
        if services.iter().any(|service| has(service, Key::Builtin, |name| name == "tcpmux")) {
            return;
        }
        let is_mux =
            |service: &&RawService| has(service, Key::Listen, |text| text.starts_with("tcpmux://"));
        let Some(span) = services.iter().find(is_mux).map(|service| service.name.span) else {
            return;
        };
        let text = |text: &str| Spanned { value: Data::Text(text.to_owned()), span };
        let entry = |key, value| Entry { key, name: span, value };
        self.push(
            Problem::note(span, "the service `tcpmux` is added, which listens for it")
                .label("as inetutils-inetd does"),
        );
        self.raw.services.push(RawService {
            name: Spanned { value: "tcpmux".to_owned(), span },
            origin: Origin::Classic,
            layer: None,
            entries: vec![
                entry(Key::Listen, text("tcp4://tcpmux")),
                entry(Key::Builtin, text("tcpmux")),
            ],
            incomplete: false,
        });
    }

    fn line(&mut self, line: &Line) {
        if let Some((range, message)) = &line.broken {
            let problem = Problem::error(Span::new(self.file, range.clone()), *message);
            self.push(problem.help("write the same character at the end of the text"));
            return;
        }
        let Some(first) = line.words.first() else { return };
        let span = Span::new(self.file, first.range.clone());
        if line.is_policy {
            self.push(
                Problem::error(span, "IPsec policies are not available")
                    .label("the services below would run without it")
                    .help("remove the line if they may"),
            );
            return;
        }
        if self.dialect == Dialect::Netbsd && first.text == ".include" {
            self.include(line);
            return;
        }
        if self.dialect.has_hosts() && line.words.len() == 1 && first.text.ends_with(':') {
            self.hosts = address::hosts(first.text.trim_end_matches(':'));
            return;
        }
        self.oddities(line);
        self.service(line);
    }

    /// `.include PATTERN`
    fn include(&mut self, line: &Line) {
        match &line.words[1..] {
            [pattern] => {
                let span = Span::new(self.file, pattern.range.clone());
                let pattern = Spanned { value: pattern.text.clone(), span };
                self.included.push((pattern, self.hosts.clone()));
            }
            _ => {
                let span = Span::new(self.file, line.words[0].range.clone());
                self.push(Problem::error(span, "write one name or pattern behind `.include`"));
            }
        }
    }

    /// Things that the originals accept in silence and that are never meant.
    fn oddities(&mut self, line: &Line) {
        for part in &line.continuations {
            let words = &line.words[part.clone()];
            let Some(first) = words.first() else { continue };
            let span = Span::new(self.file, first.range.clone());
            if first.text.starts_with('#') {
                self.push(
                    Problem::warning(span, "this comment is part of the line above")
                        .label("its words become arguments of the program")
                        .help("move the `#` to the beginning of the line"),
                );
            } else if words.len() >= 6 && service::is_socket_type(&words[1].text) {
                self.push(
                    Problem::warning(span, "this service is part of the line above")
                        .label("its words become arguments of the program")
                        .help("remove the blanks in front of it"),
                );
            }
        }
        let ends = line.continuations.iter().map(|part| part.start).chain([line.words.len()]);
        for last in ends.filter_map(|end| line.words.get(end.checked_sub(1)?)) {
            if last.text == "\\" {
                self.push(
                    Problem::warning(
                        Span::new(self.file, last.range.clone()),
                        "a backslash does not continue the line",
                    )
                    .label("this is an argument"),
                );
            }
        }
    }
}
