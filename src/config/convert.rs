//! Any other format as an `inetd.toml` that means the same.

use std::collections::HashMap;
use std::path::Path;

use super::keys::{Key, SERVICE};
use super::raw::{Data, Entry, Origin, Raw, RawService, Value};
use super::report::{Problem, Report};
use super::source::Span;
use super::toml_text::{array, bare, comment, string, value};
use super::{FileFormat, Purpose, files, same_names, without_service};

/// Reads `path` and everything that it includes, and writes it as one `inetd.toml`. Programs and
/// users need not exist on this machine.
///
/// # Errors
/// All problems of the file, if one of them is an error.
pub fn convert(path: &Path, format: FileFormat) -> Result<(String, Report), Report> {
    let (mut raw, origin) = files::read(path, format, Vec::new());
    raw.problems.extend(without_service(&raw, origin, path, Purpose::Check));
    raw.problems.extend(same_names(&raw.services));
    if origin != Origin::Classic && !raw.problems.iter().any(Problem::is_error) {
        let message = format!("{} is an inetd.toml already", path.display());
        raw.problems.push(Problem::error_nowhere(message));
    }
    let text = Converter { raw: &raw }.text(path);
    let report = Report::new(raw.problems, &raw.sources);
    if report.errors() > 0 { Err(report) } else { Ok((text, report)) }
}

struct Converter<'a> {
    raw: &'a Raw,
}

impl Converter<'_> {
    fn text(&self, path: &Path) -> String {
        let services: Vec<_> = self.raw.services.iter().map(with_defaults).collect();
        let common = common(&services);
        // Written by hand a file has limits; one that comes from elsewhere has none of its own.
        let mut text = comment(&format!("From {}.", path.display())) + "\n";
        let owned = self.owned_problems();
        let told = |owner: Option<&RawService>, text: &mut String| {
            for problem in owned.get(&owner.map(std::ptr::from_ref)).into_iter().flatten() {
                *text += &format!("{}\n", comment(&problem.line()));
            }
        };
        told(None, &mut text);
        text += "\n[daemon]\nmax_sessions = 0\n";
        for (name, given) in self.raw.daemon.iter().flat_map(|daemon| &daemon.value) {
            text += &format!("{} = {}\n", name.value, value(&given.value));
        }
        if !common.is_empty() {
            text += "\n[defaults]\n";
            for entry in &common {
                text += &self.line(entry, None);
            }
        }
        for (service, entries) in self.raw.services.iter().zip(&services) {
            text += &format!("\n{}\n", comment(&self.origin(service)));
            told(Some(service), &mut text);
            text += &format!("[service.{}]\n", bare(&service.name.value));
            for entry in entries {
                let is_common =
                    common.iter().any(|c| c.key == entry.key && c.written == entry.written);
                if !is_common {
                    text += &self.line(entry, Some(service));
                }
            }
        }
        text
    }

    fn line(&self, entry: &Written, service: Option<&RawService>) -> String {
        let line = format!("{} = {}", entry.key.name(), entry.written);
        // Where the original has a line for it and another word, that is worth to be seen.
        let original = entry
            .at
            .filter(|at| service.is_some_and(|s| !self.is_same_line(*at, s.name.span)))
            .map(|at| self.source_line(at).split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|original| original.split(' ').next() != Some(entry.key.name()));
        match original {
            Some(original) => format!("{line}  {}\n", comment(&original)),
            None => line + "\n",
        }
    }

    /// Where a service was, and its line if it has but one.
    fn origin(&self, service: &RawService) -> String {
        let at = service.name.span;
        let position = self.raw.sources.position(at);
        let file = self.raw.sources.get(at.file).path.display();
        let place = format!("{file}:{}", position.line);
        let is_one_line = service.entries.iter().all(|entry| {
            entry.value.span.file == at.file && self.is_same_line(entry.value.span, at)
        });
        if is_one_line { format!("{place}: {}", self.source_line(at).trim()) } else { place }
    }

    /// What was read differently or not at all, by the service that it is in; without one it is
    /// before the first.
    fn owned_problems(&self) -> HashMap<Option<*const RawService>, Vec<&Problem>> {
        let mut owned: HashMap<_, Vec<_>> = HashMap::new();
        for problem in &self.raw.problems {
            let owner = problem.span().and_then(|span| self.owner(span));
            owned.entry(owner.map(std::ptr::from_ref)).or_default().push(problem);
        }
        owned
    }

    /// The last service that begins before a place.
    fn owner(&self, at: Span) -> Option<&RawService> {
        let line = |span: Span| self.raw.sources.get(span.file).line(span.range().start);
        self.raw
            .services
            .iter()
            .filter(|service| {
                service.name.span.file == at.file && line(service.name.span) <= line(at)
            })
            .max_by_key(|service| service.name.span.start)
    }

    fn is_same_line(&self, a: Span, b: Span) -> bool {
        let source = self.raw.sources.get(a.file);
        a.file == b.file && source.line(a.range().start) == source.line(b.range().start)
    }

    fn source_line(&self, at: Span) -> &str {
        let source = self.raw.sources.get(at.file);
        let line = source.line(at.range().start);
        source.text[source.lines(line, line)].trim_end()
    }
}

/// A key as it will be written.
struct Written {
    key: Key,
    written: String,
    /// Where it comes from; `None` if nothing was written there.
    at: Option<Span>,
}

/// The keys of a service in the order of the manual, with those whose default is another one in
/// an `inetd.toml`.
fn with_defaults(service: &RawService) -> Vec<Written> {
    let mut entries: Vec<Written> = Vec::new();
    for info in SERVICE {
        // The last value of a key counts.
        if let Some(entry) = service.entries.iter().rfind(|entry| entry.key == info.key) {
            let written = shown(entry);
            if written != info.default {
                entries.push(Written { key: entry.key, written, at: Some(entry.value.span) });
            }
        } else if info.key == Key::MaxSessions {
            entries.push(Written { key: info.key, written: "0".to_owned(), at: None });
        }
    }
    entries
}

fn shown(entry: &Entry) -> String {
    // An address without a scheme is the usual form.
    let address = |item: &Value| match &item.value {
        Data::Text(text) => string(text.strip_prefix("tcp://").unwrap_or(text)),
        other => value(other),
    };
    match (&entry.value.value, entry.key) {
        (Data::List(items), Key::Listen) if items.len() == 1 => address(&items[0]),
        (Data::List(items), Key::Listen) => array(items.iter().map(address)),
        (Data::Text(_), Key::Listen) => address(&entry.value),
        (data, _) => value(data),
    }
}

/// What several services have and none has in another way: `[defaults]`.
fn common(services: &[Vec<Written>]) -> Vec<Written> {
    let [first, others @ ..] = services else { return Vec::new() };
    if others.is_empty() {
        return Vec::new();
    }
    let is_own = |key| matches!(key, Key::Listen | Key::Run | Key::Arg0);
    let everywhere = |entry: &&Written| {
        let same = |other: &Written| other.key == entry.key && other.written == entry.written;
        !is_own(entry.key) && others.iter().all(|service| service.iter().any(same))
    };
    let copy =
        |entry: &Written| Written { key: entry.key, written: entry.written.clone(), at: None };
    first.iter().filter(everywhere).map(copy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{FAMILY, Family};

    // Not only the values of the original are in the file, but also its lines, as comments.
    #[test]
    fn what_is_converted_can_be_read_whatever_its_characters_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inetd.conf");
        let program = if FAMILY == Family::Windows { "C:/bin/cat" } else { "/bin/cat" };
        let line = format!("7001 stream tcp nowait root {program} \u{1}a\tb\rc\u{7f}\n");
        std::fs::write(&path, line).unwrap();
        let (text, _) = convert(&path, FileFormat::Inetd).unwrap();
        let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{text}{error}"));
        assert_eq!(table["service"]["7001"]["arg0"].as_str(), Some("\u{1}a"), "{text}");
        let shown = format!("7001 stream tcp nowait root {program} \\u{{1}}a\tb");
        assert!(text.contains(&shown), "{text}");
    }

    #[test]
    fn services_with_one_name_are_not_converted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wininetd.conf");
        std::fs::write(&path, "7001 none a.exe\n7002 none a.exe\n7001 none b.exe\n").unwrap();
        let report = convert(&path, FileFormat::Wininetd).unwrap_err();
        assert_eq!(report.errors(), 1, "{}", report.render());
        assert!(report.render().contains("there are two services named `7001`"));
    }
}
