//! Reads `xinetd.conf` and the files that it includes. What an attribute means is kept as it was;
//! what cannot be kept is a warning, and where more peers would come in without it the service is
//! left out.

mod access;
mod attributes;
mod identify;
mod left_out;
mod listen;
mod log;
mod program;
mod service;
mod syntax;
mod wrappers;

use std::path::{Path, PathBuf};

use self::attributes::{Given, Settings};
use self::syntax::Word;
pub(crate) use self::syntax::{Item, parse};
use super::raw::Raw;
use super::report::Problem;
use super::source::Span;
use crate::record::facility;
use crate::sys::{FAMILY, Family};

/// What is known while the files of one configuration are read: defaults hold across them.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    defaults: Settings,
    services: Vec<Entry>,
}

/// The entry of a service.
#[derive(Debug)]
struct Entry {
    name: Word,
    settings: Settings,
    /// Not every line of it could be read.
    incomplete: bool,
}

impl Entries {
    /// Takes an entry in. `first` is where its file has its `defaults`, as soon as that is known.
    pub(crate) fn add(
        &mut self,
        item: Item,
        first: &mut Option<Span>,
        problems: &mut Vec<Problem>,
    ) {
        match item {
            Item::Defaults(at, lines) => {
                if let Some(first) = *first {
                    let message = "there are two `defaults` in this file";
                    let problem = Problem::warning(at, message).label("ignored");
                    problems.push(problem.related(first, "this counts"));
                    return;
                }
                *first = Some(at);
                lines.into_iter().for_each(|line| self.defaults.add(line, true, problems));
            }
            Item::Service(name, body) => {
                let mut settings = Settings::at_start(&self.defaults);
                let lines = body.attributes.into_iter();
                lines.for_each(|line| settings.add(line, false, problems));
                self.services.push(Entry { name, settings, incomplete: body.incomplete });
            }
            // Reading files is not done here.
            Item::Include(_) | Item::IncludeFolder(_) => {}
        }
    }

    /// All files are read: adds the services that are on.
    pub(crate) fn finish(self, raw: &mut Raw) {
        let Self { defaults, services } = self;
        let (enabled, disabled) = (defaults.get("enabled"), defaults.get("disabled"));
        let mut facility = facility::DAEMON;
        // Windows has none. An inetd.toml around these files says itself what its log is.
        if let Some((other, at)) = log::of_defaults(&defaults)
            && other != facility
            && FAMILY == Family::Unix
            && raw.daemon.is_none()
        {
            facility = other;
            raw.daemon = Some(log::daemon(other, at));
        }
        for mut entry in services {
            let id = entry.settings.get("id").map_or(&entry.name, Given::one).value.clone();
            // `enabled` is the list of all that may be on, and `disabled` takes from it.
            if enabled.is_some_and(|list| !list.has(&id)) || disabled.is_some_and(|l| l.has(&id)) {
                continue;
            }
            entry.settings.fill(&defaults);
            raw.services.extend(service::translate(&entry, facility, &mut raw.problems));
        }
    }
}

/// Whether `includedir` reads a file of this name (xinetd.conf(5): all "excluding
/// files with names containing a dot ('.') or ending with a tilde ('~')").
fn is_included(name: &str) -> bool {
    !name.contains('.') && !name.ends_with('~')
}

/// The files of a folder that `includedir` reads, in the order of their names, and those that it
/// does not read although they look as if somebody wanted it to.
pub(crate) fn folder(path: &Path) -> std::io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut included, mut skipped) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if file.is_dir() {
            continue;
        }
        if is_included(&name) {
            included.push(file);
        } else if name.ends_with(".conf") {
            skipped.push(file);
        }
    }
    included.sort();
    skipped.sort();
    Ok((included, skipped))
}
