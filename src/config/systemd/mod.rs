//! Reads a pair of systemd units: a `NAME.socket` and the `NAME@.service` (Accept=yes) or
//! `NAME.service` beside it (systemd.socket(5), systemd.service(5), systemd.exec(5)).

mod environment;
mod service;
mod socket;
mod syntax;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::syntax::{Setting, parse};
use super::keys::Key;
use super::raw::{Data, Entry, Origin, Raw, RawService};
use super::report::Problem;
use super::source::{Span, Spanned};
use super::value;

/// A socket unit that was read. Its service is read next.
#[derive(Debug)]
pub(crate) struct Socket {
    /// The file of the service unit.
    pub(crate) service: PathBuf,
    /// Where the socket says so, or begins.
    pub(crate) at: Span,
    name: Spanned<String>,
    accept: bool,
    entries: Vec<Entry>,
    incomplete: bool,
}

/// Whether the name of a file is that of a socket unit.
pub(crate) fn is_socket(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "socket")
}

/// Reads source `file`, a socket unit.
pub(crate) fn socket(raw: &mut Raw, file: u16) -> Socket {
    let source = raw.sources.get(file);
    let (text, path) = (Arc::clone(&source.text), Arc::clone(&source.path));
    let before = errors(&raw.problems);
    let settings = parse(&text, file, &mut raw.problems);
    let at = settings.first().map_or(Span::new(file, 0..0), |setting| setting.name.span);
    let mut unit = Unit { problems: &mut raw.problems, entries: Vec::new() };
    let socket = socket::translate(&settings, &mut unit, at);
    let entries = unit.entries;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = match &socket.service {
        Some(service) => service.value.clone(),
        None if socket.accept => format!("{stem}@.service"),
        None => format!("{stem}.service"),
    };
    Socket {
        service: path.parent().unwrap_or(Path::new("")).join(name),
        at: socket.service.map_or(at, |service| service.span),
        name: Spanned { value: value::to_name(&stem), span: at },
        accept: socket.accept,
        entries,
        incomplete: errors(&raw.problems) > before,
    }
}

/// Reads source `file`, the service unit of a socket.
pub(crate) fn service(raw: &mut Raw, file: u16, socket: Socket) {
    let text = Arc::clone(&raw.sources.get(file).text);
    let before = errors(&raw.problems);
    let settings = parse(&text, file, &mut raw.problems);
    let mut unit = Unit { problems: &mut raw.problems, entries: socket.entries };
    service::translate(&settings, socket.accept, &mut unit, file);
    let entries = unit.entries;
    raw.services.push(RawService {
        name: socket.name,
        origin: Origin::Classic,
        layer: None,
        entries,
        incomplete: socket.incomplete || errors(&raw.problems) > before,
    });
}

fn errors(problems: &[Problem]) -> usize {
    problems.iter().filter(|problem| problem.is_error()).count()
}

/// What a unit becomes, bit by bit.
struct Unit<'a> {
    problems: &'a mut Vec<Problem>,
    entries: Vec<Entry>,
}

impl Unit<'_> {
    fn add(&mut self, key: Key, setting: &Setting, value: Data) {
        let (name, span) = (setting.name.span, setting.value.span);
        // The last value of a setting counts, and an empty one takes it back.
        self.entries.retain(|entry| entry.key != key);
        if !setting.value.value.is_empty() {
            self.entries.push(Entry { key, name, value: Spanned { value, span } });
        }
    }

    /// Adds to a list; an empty value empties it.
    fn extend(&mut self, key: Key, setting: &Setting, items: impl IntoIterator<Item = String>) {
        let span = setting.value.span;
        if setting.value.value.is_empty() {
            self.entries.retain(|entry| entry.key != key);
            return;
        }
        let items = items.into_iter().map(|text| Spanned { value: Data::Text(text), span });
        let entry = self.entries.iter_mut().find(|entry| entry.key == key);
        match entry.map(|entry| &mut entry.value.value) {
            Some(Data::List(list)) => list.extend(items),
            _ => {
                let value = Spanned { value: Data::List(items.collect()), span };
                self.entries.push(Entry { key, name: setting.name.span, value });
            }
        }
    }

    fn text(&mut self, key: Key, setting: &Setting) {
        self.add(key, setting, Data::Text(setting.value.value.clone()));
    }

    fn bool(&mut self, key: Key, setting: &Setting) {
        if let Some(value) = self.boolean(setting) {
            self.add(key, setting, Data::Bool(value));
        }
    }

    /// A boolean (systemd.syntax(7)).
    fn boolean(&mut self, setting: &Setting) -> Option<bool> {
        match setting.value.value.to_ascii_lowercase().as_str() {
            "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
            "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
            _ => {
                self.wrong(setting, "yes or no");
                None
            }
        }
    }

    fn integer(&mut self, key: Key, setting: &Setting) {
        match setting.value.value.parse() {
            Ok(value) => self.add(key, setting, Data::Integer { value, octal: false }),
            Err(_) if setting.value.value.is_empty() => self.text(key, setting),
            Err(_) => self.wrong(setting, "a number"),
        }
    }

    /// A time, in seconds where no unit is written.
    fn time(&mut self, key: Key, setting: &Setting) {
        if let Some(text) = self.duration(setting) {
            self.add(key, setting, Data::Text(text));
        }
    }

    /// A time in our form: "off" for ever.
    fn duration(&mut self, setting: &Setting) -> Option<String> {
        let text = &setting.value.value;
        if text == "infinity" {
            return Some("off".to_owned());
        }
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let text = if is_number { format!("{text}s") } else { text.clone() };
        if value::duration(&text).is_none() && !text.is_empty() {
            self.wrong(setting, "a time such as 5s or 2min");
            return None;
        }
        Some(text)
    }

    fn wrong(&mut self, setting: &Setting, wanted: &str) {
        let message = format!("`{}` is not a value of {}", setting.value.value, setting.name.value);
        let problem = Problem::error(setting.value.span, message);
        self.problems.push(problem.help(format!("write {wanted}")));
    }

    /// A setting that loses nothing that somebody may rely on.
    fn ignore(&mut self, setting: &Setting, why: &str) {
        let message = format!("{} is ignored", setting.name.value);
        self.problems.push(Problem::warning(setting.name.span, message).label(why));
    }

    fn refuse(&mut self, setting: &Setting, why: &str) {
        let message = format!("{} cannot be honoured", setting.name.value);
        self.problems.push(Problem::error(setting.name.span, message).label(why));
    }
}
