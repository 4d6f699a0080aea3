//! `access` and `tcp_wrappers`: rules in the files of other superservers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::Resolver;
use super::check::Check;
use super::draft::Draft;
use crate::admission::Wrapped;
use crate::admission::tables::watched::{Reader, Watched};
use crate::admission::tables::{Format, Remark, Table};
use crate::admission::wrappers::{Wrappers, daemon_name};
use crate::config::keys::Key;
use crate::config::raw::Data;
use crate::config::report::Problem;
use crate::config::source::{Source, Span, Spanned};
use crate::config::suggest::did_you_mean;
use crate::config::{Daemon, Work};
use crate::sys::paths;

/// About whom the files of TCP wrappers are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// They are not.
    Nobody,
    /// A daemon that is called as the program.
    Program,
    /// A daemon of this name.
    Daemon(String),
}

/// `tcp_wrappers`: whether it asks, or the name of the daemon.
pub(super) fn asked(check: &mut Check<'_>) -> Option<Asked> {
    let Data::Text(text) = &check.value.value else {
        let asks = check.boolean()?;
        return Some(if asks { Asked::Program } else { Asked::Nobody });
    };
    let is_answer = ["true", "false", "yes", "no", "on", "off"].contains(&text.as_str());
    if is_answer || text.is_empty() || text.contains([' ', ',', ':', '@', '/']) {
        let help =
            "write tcp_wrappers = true, or the name of the daemon in hosts.allow: \"in.ftpd\"";
        return check.wrong(&format!("`{text}` is not the name of a daemon"), help);
    }
    Some(Asked::Daemon(check.text()?.value))
}

/// What was read already: services share it.
#[derive(Default)]
pub(super) struct Tables {
    access: HashMap<(Format, PathBuf), Arc<Watched<Table>>>,
    wrappers: Option<Arc<Watched<Wrappers>>>,
}

impl Resolver {
    /// `access` of a service; what is wrong with the table is a problem.
    pub(super) fn access(&mut self, draft: &Draft) -> Option<Arc<Watched<Table>>> {
        let written = draft.access.as_ref()?;
        let (format, path) = self.access_path(written)?;
        let key = (format, path.clone());
        if let Some(known) = self.tables.access.get(&key) {
            return Some(Arc::clone(known));
        }
        let read: Reader<Table> = match format {
            Format::Tcprules => |paths, files| Format::Tcprules.read(&paths[0], files),
            Format::Cdb => |paths, files| Format::Cdb.read(&paths[0], files),
            Format::S6 => |paths, files| Format::S6.read(&paths[0], files),
        };
        let (watched, remarks, texts) = Watched::read([path].into(), read, Instant::now());
        self.tell(written.span, remarks, texts);
        let watched = Arc::new(watched);
        self.tables.access.insert(key, Arc::clone(&watched));
        Some(watched)
    }

    fn access_path(&mut self, written: &Spanned<String>) -> Option<(Format, PathBuf)> {
        const FORMATS: [(&str, Format); 3] =
            [("tcprules", Format::Tcprules), ("cdb", Format::Cdb), ("s6", Format::S6)];
        let (name, path) = written.value.split_once(':').unwrap_or((&written.value, ""));
        match FORMATS.iter().find(|(other, _)| *other == name) {
            Some((_, format)) if !path.is_empty() => {
                let base = &self.sources.get(written.span.file).base;
                Some((*format, base.join(path)))
            }
            found => {
                let names = FORMATS.iter().map(|(name, _)| *name);
                let near = if found.is_none() { did_you_mean(name, names) } else { None };
                let help = near.unwrap_or_else(|| {
                    "write \"tcprules:PATH\", \"cdb:PATH\" or \"s6:FOLDER\"".to_owned()
                });
                let message = format!("`{}` is not a value of `access`", written.value);
                self.problems.push(Problem::error(written.span, message).help(help));
                None
            }
        }
    }

    /// `tcp_wrappers` of a service. The files are the same for all.
    pub(super) fn wrappers(
        &mut self,
        draft: &Draft,
        daemon: &Daemon,
        name: &str,
        work: &Work,
    ) -> Option<Wrapped> {
        let written = match &draft.tcp_wrappers {
            Asked::Nobody => return None,
            Asked::Program => None,
            Asked::Daemon(name) => Some(name),
        };
        let span = draft.span(Key::TcpWrappers)?;
        let files = match &self.tables.wrappers {
            Some(files) => Arc::clone(files),
            None => {
                let usual = |name: &str| paths::hosts_file(name);
                let allow = daemon.hosts_allow.clone().or_else(|| usual("hosts.allow"));
                let deny = daemon.hosts_deny.clone().or_else(|| usual("hosts.deny"));
                let (Some(allow), Some(deny)) = (allow, deny) else {
                    let message = "this system has no place for hosts.allow and hosts.deny";
                    let help = "name them in [daemon]: hosts_allow = \"...\", hosts_deny = \"...\"";
                    self.problems.push(Problem::error(span, message).help(help));
                    return None;
                };
                let paths = [allow, deny].into();
                let (watched, remarks, texts) =
                    Watched::read(paths, Wrappers::read, Instant::now());
                self.tell(span, remarks, texts);
                Arc::clone(self.tables.wrappers.insert(Arc::new(watched)))
            }
        };
        let program = match work {
            Work::Program(program) => program.argv.first().map(|name| name.to_string_lossy()),
            Work::Forward(_) | Work::Builtin(_) | Work::Sensor => None,
        };
        let daemon = match (written, program) {
            (Some(written), _) => written.to_ascii_lowercase(),
            (None, Some(program)) => daemon_name(&program),
            (None, None) => name.to_ascii_lowercase(),
        };
        Some(Wrapped { files, daemon: daemon.into() })
    }

    /// Makes problems of what there is to say about files. `span` is where they are asked for.
    fn tell(&mut self, span: Span, remarks: Vec<Remark>, texts: Vec<(PathBuf, String)>) {
        let files: Vec<_> = texts
            .into_iter()
            .map(|(path, text)| {
                let folder = path.parent().unwrap_or(Path::new(""));
                self.sources.add(Source::new(path.as_path().into(), folder.into(), text.into()))
            })
            .collect();
        for remark in remarks {
            let Remark { place, message, help, is_error } = remark;
            let place = place.and_then(|(text, at)| Some(Span::new((*files.get(text)?)?, at)));
            let at = place.unwrap_or(span);
            let problem = match is_error {
                true => Problem::error(at, message),
                false => Problem::warning(at, message),
            };
            self.problems.push(problem.maybe_help(help));
        }
    }
}
