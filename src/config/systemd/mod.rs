//! Reads a pair of systemd units: a `NAME.socket` and the `NAME@.service` (Accept=yes) or
//! `NAME.service` beside it, each with its drop-ins (systemd.unit(5), systemd.socket(5),
//! systemd.service(5), systemd.exec(5)).

mod effective;
mod environment;
mod name;
mod place;
mod service;
mod socket;
mod specifiers;
mod syntax;

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use self::effective::effective;
use self::syntax::{Setting, parse};
use super::keys::Key;
use super::raw::{Data, Entry, Origin, Raw, RawService};
use super::report::Problem;
use super::source::{Span, Spanned};
use super::value;

pub(crate) use self::name::UnitName;
pub(crate) use self::place::Folders;
use self::specifiers::Specifiers;

/// A unit whose files were read.
#[derive(Debug)]
pub(crate) struct Unit<'a> {
    pub(crate) name: &'a UnitName,
    /// The file of the unit itself.
    pub(crate) path: &'a Path,
    /// The sources: the unit itself, and the drop-ins in the order in which they are applied.
    pub(crate) sources: &'a [u16],
}

/// A socket unit that was read. Its service is read next.
#[derive(Debug)]
pub(crate) struct Socket {
    /// The service unit.
    pub(crate) service: UnitName,
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

/// The name of the socket unit in a file.
pub(crate) fn socket_name(path: &Path) -> UnitName {
    let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
    UnitName::new(stem, "socket")
}

/// Reads a socket unit; `None` if the name of its service is wrong, which was told.
pub(crate) fn socket(raw: &mut Raw, unit: &Unit<'_>) -> Option<Socket> {
    let before = errors(&raw.problems);
    let settings = settings(raw, unit, "Socket");
    let at = settings.first().map_or(start(unit), |setting| setting.name.span);
    let specifiers = Specifiers::new(unit.name.clone(), unit.path);
    let mut pair = Pair { problems: &mut raw.problems, entries: Vec::new(), specifiers };
    let settings = effective(settings, &mut pair);
    let socket = socket::translate(&settings, &mut pair, at);
    let entries = pair.entries;
    let stem = unit.path.file_stem().unwrap_or_default().to_string_lossy();
    let service = match &socket.service {
        Some(named) => UnitName::of_service(&named.value)?,
        None => unit.name.service(socket.accept),
    };
    Some(Socket {
        service,
        at: socket.service.as_ref().map_or(at, |service| service.span),
        name: Spanned { value: value::to_name(&stem), span: at },
        accept: socket.accept,
        entries,
        incomplete: errors(&raw.problems) > before,
    })
}

/// Reads the service unit of a socket.
pub(crate) fn service(raw: &mut Raw, unit: &Unit<'_>, socket: Socket) {
    let before = errors(&raw.problems);
    let settings = settings(raw, unit, "Service");
    let at = settings.first().map_or(start(unit), |setting| setting.name.span);
    let specifiers = Specifiers::new(unit.name.clone(), unit.path);
    let mut pair = Pair { problems: &mut raw.problems, entries: socket.entries, specifiers };
    let settings = effective(settings, &mut pair);
    service::translate(&settings, socket.accept, &mut pair, at);
    let entries = pair.entries;
    raw.services.push(RawService {
        name: socket.name,
        origin: Origin::Classic,
        layer: None,
        entries,
        incomplete: socket.incomplete || errors(&raw.problems) > before,
    });
}

/// What the files of a unit say in one section, in the order in which it counts.
fn settings(raw: &mut Raw, unit: &Unit<'_>, section: &str) -> Vec<Setting> {
    let mut settings = Vec::new();
    for file in unit.sources {
        let text = Arc::clone(&raw.sources.get(*file).text);
        settings.extend(parse(&text, *file, &mut raw.problems));
    }
    settings.retain(|setting| setting.section == section);
    settings
}

/// Where a unit begins.
fn start(unit: &Unit<'_>) -> Span {
    Span::new(unit.sources.first().copied().unwrap_or_default(), 0..0)
}

fn errors(problems: &[Problem]) -> usize {
    problems.iter().filter(|problem| problem.is_error()).count()
}

/// What a pair of units becomes, bit by bit.
struct Pair<'a> {
    problems: &'a mut Vec<Problem>,
    entries: Vec<Entry>,
    /// Of the unit that is read.
    specifiers: Specifiers,
}

impl Pair<'_> {
    fn add(&mut self, key: Key, setting: &Setting, value: Data) {
        let (name, span) = (setting.name.span, setting.value.span);
        // An empty value takes back what another setting has given the key.
        self.entries.retain(|entry| entry.key != key);
        if !setting.value.value.is_empty() {
            self.entries.push(Entry { key, name, value: Spanned { value, span } });
        }
    }

    /// Adds to a list.
    fn extend(&mut self, key: Key, setting: &Setting, items: impl IntoIterator<Item = String>) {
        let span = setting.value.span;
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

    /// A text with what its specifiers stand for; `None` after a problem was told.
    fn expanded(&mut self, text: &str, setting: &Setting) -> Option<String> {
        match self.specifiers.expanded(text) {
            Ok(text) => Some(text),
            Err(unknown) => {
                let problem = Problem::error(setting.value.span, unknown.message);
                self.problems.push(problem.help(unknown.help));
                None
            }
        }
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
