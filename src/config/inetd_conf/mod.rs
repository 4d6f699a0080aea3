//! Reads a classic, positional `inetd.conf` in one of five dialects. What a dialect means is kept
//! as it was (`tcp` is IPv4 only, and `nowait/10` is not `nowait.10`); what cannot be kept is an
//! error, or a warning where only a limit is lost.

mod address;
mod guess;
mod lines;
mod service;
mod user;
mod wait;

use std::sync::Arc;

use lines::Line;
pub(super) use lines::physical;

use super::raw::Raw;
use super::report::Problem;
use super::source::Span;

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
pub(crate) fn read(raw: &mut Raw, file: u16, dialect: Option<Dialect>) {
    let text = Arc::clone(&raw.sources.get(file).text);
    if let Some(range) = guess::xinetd(&text) {
        raw.problems.push(
            Problem::error(Span::new(file, range), "this is xinetd's format")
                .label("not a line of inetd.conf")
                .help("--format xinetd reads it"),
        );
        return;
    }
    let dialect = dialect.unwrap_or_else(|| {
        let (dialect, evidence) = guess::dialect(&text);
        raw.problems.push(note(raw, file, dialect, evidence));
        dialect
    });
    let mut reader = Reader { raw, file, dialect, hosts: Vec::new() };
    for line in lines::split(&text, dialect) {
        reader.line(&line);
    }
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
    file: u16,
    dialect: Dialect,
    /// The hosts of services that name none; empty for every address.
    hosts: Vec<String>,
}

impl Reader<'_> {
    fn push(&mut self, problem: Problem) {
        self.raw.problems.push(problem);
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
        if self.dialect == Dialect::Netbsd && self.is_modern(line) {
            return;
        }
        if self.dialect.has_hosts() && line.words.len() == 1 && first.text.ends_with(':') {
            self.hosts = address::hosts(first.text.trim_end_matches(':'));
            return;
        }
        self.oddities(line);
        self.service(line);
    }

    /// Whether it is one of NetBSD's newer forms, which is reported.
    fn is_modern(&mut self, line: &Line) -> bool {
        let [first, rest @ ..] = &line.words[..] else { return false };
        if first.text == ".include" {
            let problem = Problem::error(
                Span::new(self.file, first.range.clone()),
                "`.include` is not available in this version",
            );
            self.push(problem.help("put the files into one folder and name the folder instead"));
            return true;
        }
        let Some(second) = rest.first().filter(|word| matches!(word.text.as_str(), "on" | "off"))
        else {
            return false;
        };
        let problem = Problem::error(
            Span::new(self.file, second.range.clone()),
            "the key = value form of a service is not available in this version",
        );
        self.push(
            problem.help("write the service on one line: service stream tcp nowait user program"),
        );
        true
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
