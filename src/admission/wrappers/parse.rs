//! The language of hosts_access(5): `daemons : clients [: option] ...`.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::options::{self, Outcome};
use super::pattern::{Client, Daemon, HostPattern, List, Text, split_at};
use crate::admission::rules::Effect;
use crate::admission::tables::Remark;
use crate::admission::tables::files::Files;

/// What libwrap reads of a line, with its end and those that continue it, in bytes. At one that is
/// longer it gives up.
const LONGEST_LINE: usize = 2047;

/// What is wrong with a pattern that names other hosts, and for which nobody is asked.
const NOBODY_ASKED: &str = "this rule is never about anybody";

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) daemons: List<Daemon>,
    pub(super) clients: List<Client>,
    pub(super) outcome: Outcome,
    pub(super) path: Arc<Path>,
    pub(super) line: u32,
}

/// What one file has.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) rules: Vec<Rule>,
    pub(super) remarks: Vec<Remark>,
}

/// Reads a file. `number` is that of its text among all texts; `files` reads those that it names.
pub(super) fn read(
    text: &str,
    path: &Path,
    number: usize,
    effect: Effect,
    files: &mut Files,
) -> File {
    let file = File::default();
    let mut reader = Reader { text: number, effect, path: path.into(), file, files };
    for line in lines(text) {
        if reader.gives_up(&line) {
            break;
        }
        reader.line(&line);
    }
    reader.file
}

/// A line, with those that continue it.
struct Line {
    /// Without the backslashes and line ends that are between them.
    text: String,
    /// For each byte where it is in the file.
    places: Vec<usize>,
    number: u32,
    /// It has an end.
    is_ended: bool,
    /// As much as libwrap had to hold of it at once.
    size: usize,
}

fn lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut current: Option<Line> = None;
    let mut start = 0;
    for (number, raw) in (1..).zip(text.split_inclusive('\n')) {
        let line = current.get_or_insert_with(|| Line {
            text: String::new(),
            places: Vec::new(),
            number,
            is_ended: false,
            size: 0,
        });
        line.size = line.size.max(line.text.len() + raw.len());
        let continues = raw.strip_suffix("\\\n");
        let part = continues.or_else(|| raw.strip_suffix('\n')).unwrap_or(raw);
        line.text.push_str(part);
        line.places.extend(start..start + part.len());
        line.is_ended = continues.is_none() && raw.ends_with('\n');
        start += raw.len();
        if continues.is_none() {
            lines.extend(current.take());
        }
    }
    lines.extend(current);
    lines
}

/// What separates words.
fn is_separator(c: char) -> bool {
    matches!(c, ',' | ' ' | '\t' | '\r' | '\n')
}

struct Reader<'a> {
    text: usize,
    /// What the rules of this file do.
    effect: Effect,
    path: Arc<Path>,
    file: File,
    files: &'a mut Files,
}

impl Reader<'_> {
    fn line(&mut self, line: &Line) {
        let text = line.text.as_str();
        if text.starts_with('#') || text.chars().all(|c| c != ',' && is_separator(c)) {
            return;
        }
        if let Some(at) = text.find('#') {
            let help = "only a line that begins with `#` is a comment";
            self.remark(line.range(at..at + 1), "this is no comment", help);
        }
        let [Some(daemons), Some(clients), options] = fields(text) else {
            let help = "a rule is DAEMONS : CLIENTS";
            self.remark(line.range(0..text.trim_end().len()), "this is no rule", help);
            return;
        };
        let daemons = self.list(line, daemons, Self::daemon);
        let clients = self.list(line, clients, Self::client);
        let options = options.map(|range| split_options(text, range)).unwrap_or_default();
        let mut remarks = Vec::new();
        let outcome =
            options::read(self.effect, &options, text, self.files, |at, message, help| {
                let at = line.range(at);
                remarks.push(Remark::warning(self.text, at, message).help(help));
            });
        self.file.remarks.append(&mut remarks);
        self.rule(daemons, clients, outcome, line);
    }

    /// Whether libwrap reads the file no further: a line that it cannot hold, or the last one
    /// without an end. In hosts.deny that refuses whoever has come so far, as with Debian's libwrap;
    /// others go on behind the line.
    fn gives_up(&mut self, line: &Line) -> bool {
        let message = if line.size > LONGEST_LINE {
            "this line is too long"
        } else if !line.is_ended {
            "the last line has no end"
        } else if line.text.contains('\0') {
            "there is a NUL character in this line"
        } else {
            return false;
        };
        let help = match self.effect {
            Effect::Allow => "as in the original nobody comes in by it, nor by those behind it",
            Effect::Deny => "as in the original everybody is refused about whom no rule above is",
        };
        self.remark(line.range(0..line.text.trim_end().len()), message, help);
        if self.effect == Effect::Deny {
            let daemons = List { parts: vec![vec![Daemon { name: Text::All, at: None }]] };
            let host = HostPattern::Text { text: Text::All, names: false };
            let clients = List { parts: vec![vec![Client { any_user: true, host }]] };
            let outcome = Outcome::of(Effect::Deny);
            self.rule(daemons, clients, outcome, line);
        }
        true
    }

    fn rule(
        &mut self,
        daemons: List<Daemon>,
        clients: List<Client>,
        outcome: Outcome,
        line: &Line,
    ) {
        let (path, line) = (Arc::clone(&self.path), line.number);
        self.file.rules.push(Rule { daemons, clients, outcome, path, line });
    }

    /// `a, b EXCEPT c EXCEPT d`.
    fn list<T>(
        &mut self,
        line: &Line,
        range: Range<usize>,
        item: impl Fn(&mut Self, &Line, Range<usize>) -> T,
    ) -> List<T> {
        let mut parts = vec![Vec::new()];
        let mut at = range.start;
        for word in line.text[range.clone()].split(is_separator) {
            let here = at..at + word.len();
            // Separators are one byte each.
            at = here.end + 1;
            if word.eq_ignore_ascii_case("except") {
                parts.push(Vec::new());
            } else if !word.is_empty() {
                let item = item(self, line, here);
                parts.last_mut().expect("it begins with one").push(item);
            }
        }
        if parts[0].is_empty() {
            self.remark(line.range(range), "this list is empty", NOBODY_ASKED);
        }
        List { parts }
    }

    fn daemon(&mut self, line: &Line, range: Range<usize>) -> Daemon {
        let (name, at) = at_host(&line.text, range);
        let at = at.map(|at| self.host(line, at));
        Daemon { name: Text::read(&line.text[name]), at }
    }

    fn client(&mut self, line: &Line, range: Range<usize>) -> Client {
        let (user, host) = at_host(&line.text, range);
        let Some(host) = host else {
            return Client { any_user: true, host: self.host(line, user) };
        };
        let any_user = Text::read(&line.text[user.clone()]).matches("unknown");
        if !any_user {
            let at = line.range(user.start..user.end + 1);
            let message = "nobody is asked for the name of a peer's user (RFC 1413)";
            self.remark(at, message, NOBODY_ASKED);
        }
        Client { any_user, host: self.host(line, host) }
    }

    fn host(&mut self, line: &Line, range: Range<usize>) -> HostPattern {
        let text = &line.text[range.clone()];
        if text.is_empty() {
            self.remark(line.range(range), "there is no host behind the `@`", NOBODY_ASKED);
            return HostPattern::Never;
        }
        if text.starts_with('@') {
            let help = "a rule that lets somebody in is about nobody, another one about everybody";
            self.remark(line.range(range), "netgroups are not looked up", help);
            return HostPattern::Closed;
        }
        if text.starts_with('/') {
            return self.pattern_file(line, range);
        }
        match HostPattern::read(text) {
            Ok(pattern) => pattern,
            Err((message, help)) => {
                self.remark(line.range(range), message, &help);
                HostPattern::Never
            }
        }
    }

    /// hosts_access(5): "A string that begins with a `/' character is treated as a file name. A
    /// host name or address is matched if it matches any host name or address pattern listed in
    /// the named file."
    fn pattern_file(&mut self, line: &Line, range: Range<usize>) -> HostPattern {
        let path = PathBuf::from(&line.text[range.clone()]);
        let text = match self.files.read(&path) {
            Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Ok(None) => {
                let message = format!("there is no file {}", path.display());
                self.remark(line.range(range), &message, "it is about nobody, as in the original");
                return HostPattern::Never;
            }
            Err(message) => {
                self.remark(line.range(range), &message, "it is as a pattern that cannot be known");
                return HostPattern::Closed;
            }
        };
        let mut patterns = Vec::new();
        for word in text.split_ascii_whitespace() {
            if word.starts_with(['/', '@']) {
                let message = format!("`{word}` in {} is not looked up", path.display());
                self.remark(line.range(range.clone()), &message, "a pattern file names hosts");
                patterns.push(HostPattern::Closed);
                continue;
            }
            patterns.push(HostPattern::read(word).unwrap_or_else(|(message, help)| {
                let message = format!("`{word}` in {}: {message}", path.display());
                self.remark(line.range(range.clone()), &message, &help);
                HostPattern::Never
            }));
        }
        HostPattern::File(patterns)
    }

    fn remark(&mut self, at: Range<usize>, message: &str, help: &str) {
        self.file.remarks.push(Remark::warning(self.text, at, message).help(help));
    }
}

impl Line {
    /// Where a part of it is in the file.
    fn range(&self, range: Range<usize>) -> Range<usize> {
        let first = self.places.get(range.start).or(self.places.last()).copied().unwrap_or(0);
        let last = range.end.checked_sub(1).and_then(|last| self.places.get(last)).copied();
        first..last.map_or(first, |last| last + 1).max(first)
    }
}

/// A daemon or user, and the host behind an `@`. One at the beginning is part of the name.
fn at_host(text: &str, range: Range<usize>) -> (Range<usize>, Option<Range<usize>>) {
    let word = &text[range.clone()];
    let first = word.chars().next().map_or(0, char::len_utf8);
    match split_at(&word[first..], '@') {
        Some((name, _)) => {
            let end = range.start + first + name.len();
            (range.start..end, Some(end + 1..range.end))
        }
        None => (range, None),
    }
}

/// Daemons, clients and options. A colon within brackets is part of an IPv6 address, up to the
/// options.
fn fields(text: &str) -> [Option<Range<usize>>; 3] {
    let Some((daemons, rest)) = split_at(text, ':') else { return [const { None }; 3] };
    let start = daemons.len() + 1;
    let (clients, options) = match split_at(rest, ':') {
        Some((clients, _)) => {
            let end = start + clients.len();
            (start..end, Some(end + 1..text.len()))
        }
        None => (start..text.len(), None),
    };
    [Some(0..daemons.len()), Some(clients), options]
}

/// The options between colons. One behind a backslash is part of what is around it.
fn split_options(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut options = Vec::new();
    let mut start = range.start;
    let bytes = text.as_bytes();
    for at in range.clone() {
        if bytes[at] == b':' && bytes[at - 1] != b'\\' {
            options.push(start..at);
            start = at + 1;
        }
    }
    // libwrap has the end of the line behind the last colon, and takes that for an option.
    options.push(start..range.end);
    options
}
