//! Reads the files of a pair of systemd units: the socket, the service that it starts, and the
//! drop-ins of both. Never looks into them.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{Files, Role, contents, decode};
use crate::config::report::Problem;
use crate::config::source::{Source, Span};
use crate::config::systemd::{self, Folders, Unit, UnitName};

impl Files {
    /// A socket unit that is source `file`, and its service.
    pub(super) fn systemd(&mut self, path: &Path, file: u16) {
        let name = systemd::socket_name(path);
        let at = Span::new(file, 0..0);
        if name.is_template() {
            let message = format!("{} is a template", path.display());
            let help = "a link or a copy NAME@INSTANCE.socket is a socket that is made from it";
            self.raw.problems.push(Problem::error(at, message).help(help));
            return;
        }
        // "If a unit file is empty [...] or is symlinked to /dev/null, its configuration will not be
        // loaded" (systemd.unit(5)).
        if self.raw.sources.get(file).text.is_empty() {
            let message = format!("{} is masked: it is empty", path.display());
            self.raw.problems.push(Problem::warning(at, message));
            return;
        }
        let folders = Folders::of(path);
        let Some(sources) = self.with_drop_ins(&folders, &name, path, file) else { return };
        let unit = Unit { name: &name, path, sources: &sources };
        let Some(socket) = systemd::socket(&mut self.raw, &unit) else { return };

        let name = socket.service.clone();
        let path = folders.find(&name);
        let text = match self.service(&path, socket.at) {
            Ok(text) => text,
            Err(problem) => {
                self.raw.problems.push(*problem);
                return;
            }
        };
        let Some(file) = self.unit(&path, text) else { return };
        let Some(sources) = self.with_drop_ins(&folders, &name, &path, file) else { return };
        let unit = Unit { name: &name, path: &path, sources: &sources };
        systemd::service(&mut self.raw, &unit, socket);
    }

    /// The text of the service unit that is named at `at`.
    fn service(&mut self, path: &Path, at: Span) -> Result<String, Box<Problem>> {
        let is_template =
            path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with('@'));
        // Many sockets may use one template, but each other service is there once.
        let text = if is_template {
            let bytes = contents(path).map_err(|error| Box::new(cannot_read(at, path, &error)))?;
            decode(bytes).0
        } else {
            self.text(path, &Role::Included(at, Arc::default()))?.0
        };
        if text.is_empty() {
            let message = format!("{} is masked: it is empty", path.display());
            let help = "mask the socket, too, or name another service in a drop-in with Service=";
            return Err(Box::new(Problem::error(at, message).help(help)));
        }
        Ok(text)
    }

    /// The sources of a unit: `file`, and its drop-ins; `None` after a problem was told.
    fn with_drop_ins(
        &mut self,
        folders: &Folders,
        name: &UnitName,
        path: &Path,
        file: u16,
    ) -> Option<Vec<u16>> {
        let at = Span::new(file, 0..0);
        let drop_ins = match folders.drop_ins(name, path) {
            Ok(drop_ins) => drop_ins,
            Err((folder, error)) => {
                self.raw.problems.push(cannot_read(at, &folder, &error));
                return None;
            }
        };
        let mut sources = vec![file];
        for path in drop_ins {
            match contents(&path) {
                Ok(bytes) => sources.push(self.unit(&path, decode(bytes).0)?),
                Err(error) => {
                    // What it may take away is not known.
                    self.raw.problems.push(cannot_read(at, &path, &error));
                    return None;
                }
            }
        }
        Some(sources)
    }

    /// One more source; `None` after a problem was told.
    fn unit(&mut self, path: &Path, text: String) -> Option<u16> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let base = absolute.parent().unwrap_or(&absolute).into();
        let file = self.raw.sources.add(Source::new(path.into(), base, text.into()));
        if file.is_none() {
            self.too_many(path);
        }
        file
    }
}

fn cannot_read(at: Span, path: &Path, error: &io::Error) -> Problem {
    Problem::error(at, format!("cannot read {}: {error}", path.display()))
}
