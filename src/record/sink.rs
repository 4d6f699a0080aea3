//! Where records go. Only the thread of the log writes here, so it may take its time; whatever
//! fails, records come out somewhere.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::batch::{Batch, Record};
use super::event::{self, Event, Level};
use super::file::{LogFile, Rotation};
use super::format::{self, Format};
use super::log::{Field, Value};
use crate::config::{Log, LogTarget};
use crate::sys::system_log::{self, Kind, SystemLog};

/// A target that fails and works by turns is told of no more often than this.
const TOLD_AGAIN: Duration = Duration::from_secs(10);

/// Where the daemon runs, as far as its log is concerned.
#[derive(Clone, Debug)]
pub enum Surroundings {
    /// Somebody, or another program, takes standard error.
    Console,
    /// Nobody sees standard error. This file is the log if nothing is said.
    Service(PathBuf),
}

/// A place for records.
#[derive(Debug)]
pub struct Sink {
    format: Format,
    place: Place,
    beside: Beside,
    /// Where records go if `place` does not work; none is standard error.
    refuge: Option<PathBuf>,
    health: Health,
    told: Option<Instant>,
    /// Memory for lines.
    lines: Vec<u8>,
}

#[derive(Debug)]
enum Place {
    Stderr,
    File(LogFile),
    System(SystemLog),
}

#[derive(Clone, Copy, Debug)]
enum Health {
    Works,
    Fails { told: bool },
}

/// In a service, a log of the system hears what an administrator has to know.
#[derive(Debug)]
enum Beside {
    Nothing,
    Log(SystemLog),
    /// It does not work.
    Lost,
}

impl Sink {
    /// Opens what the settings name. A log of the system that is not there now may be there
    /// later, so that is no error.
    pub(super) fn open(settings: &Log, surroundings: &Surroundings) -> io::Result<Self> {
        let file = |path| {
            LogFile::open(path, settings.rotation).map(Place::File).map_err(|error| {
                let text = format!(
                    "cannot open the log file {}: {error} (the account of the daemon needs the \
                     right to add files to that folder)",
                    path.display()
                );
                io::Error::new(error.kind(), text)
            })
        };
        let place = match (&settings.target, surroundings) {
            (LogTarget::File(path), _) => file(path)?,
            (LogTarget::Auto { file: path }, Surroundings::Service(default)) => {
                file(path.as_ref().unwrap_or(default))?
            }
            (LogTarget::Auto { .. }, Surroundings::Console) => {
                match system_log::behind_stderr().filter(|kind| fits(*kind, settings.format)) {
                    Some(kind) => Place::System(SystemLog::new(kind, settings.facility)),
                    None => Place::Stderr,
                }
            }
            (LogTarget::Stderr, Surroundings::Console) => Place::Stderr,
            (LogTarget::Stderr, Surroundings::Service(_)) => {
                let text = "nobody sees the standard error of a service: use the log target \
                            \"auto\" or \"file\"";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            (LogTarget::System(kind), _) if !fits(*kind, settings.format) => {
                let text = format!(
                    "the log target `{}` has a form of its own, and not that of JSON lines",
                    kind.name()
                );
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            (LogTarget::System(kind), _) => Place::System(SystemLog::new(*kind, settings.facility)),
        };
        let refuge = match surroundings {
            Surroundings::Console => None,
            Surroundings::Service(path) => Some(path.clone()),
        };
        let beside = match (system_log::OF_SERVICES, &place) {
            (Some(kind), Place::System(log)) if log.kind() == kind => Beside::Nothing,
            (Some(kind), _) if refuge.is_some() => {
                Beside::Log(SystemLog::new(kind, settings.facility))
            }
            _ => Beside::Nothing,
        };
        Ok(Self::new(settings.format, place, beside, refuge))
    }

    fn new(format: Format, place: Place, beside: Beside, refuge: Option<PathBuf>) -> Self {
        let (health, told, lines) = (Health::Works, None, Vec::new());
        Self { format, place, beside, refuge, health, told, lines }
    }

    /// A log of the system, or a file if that fails.
    #[cfg(test)]
    pub(crate) fn of_system(log: SystemLog, refuge: PathBuf) -> Self {
        Self::new(Format::Text, Place::System(log), Beside::Nothing, Some(refuge))
    }

    /// Whether it is standard error.
    pub(super) fn is_stderr(&self) -> bool {
        matches!(self.place, Place::Stderr)
    }

    /// Writes records, somewhere else if their place does not work.
    pub(super) fn write(&mut self, batch: &Batch) {
        match (self.try_write(batch), self.health) {
            (Ok(()), Health::Works) => {}
            (Ok(()), Health::Fails { told }) => {
                self.health = Health::Works;
                if told {
                    self.write(&Batch::one(event::LOG_TARGET_BACK, &[]));
                }
            }
            (Err(error), Health::Works) => {
                let notice = self.notice(&error);
                self.health = Health::Fails { told: notice.is_some() };
                self.save();
                if let Some(notice) = notice {
                    self.write_beside(&notice);
                }
            }
            (Err(_), Health::Fails { .. }) => self.save(),
        }
        self.write_beside(batch);
        self.lines.clear();
        // Not to keep the memory of one storm for ever.
        self.lines.shrink_to(64 * 1024);
    }

    /// If it fails, the lines that could not be written are in `lines`.
    fn try_write(&mut self, batch: &Batch) -> io::Result<()> {
        self.lines.clear();
        if let Place::System(log) = &mut self.place {
            let mut records = batch.records();
            let failed = records.find_map(|record| {
                log.write(&record, self.format).err().map(|error| (record, error))
            });
            let Some((record, error)) = failed else { return Ok(()) };
            format::line(&mut self.lines, self.format, &record);
            records.for_each(|record| format::line(&mut self.lines, self.format, &record));
            return Err(error);
        }
        batch.records().for_each(|record| format::line(&mut self.lines, self.format, &record));
        match &mut self.place {
            Place::File(file) => file.append(&self.lines).map_err(|(written, error)| {
                self.lines.drain(..written);
                error
            }),
            _ => {
                stderr(&self.lines);
                Ok(())
            }
        }
    }

    /// Says that the place does not work, ahead of the lines that are saved, unless it has just
    /// been said.
    fn notice(&mut self, error: &io::Error) -> Option<Batch> {
        if self.told.is_some_and(|told| told.elapsed() < TOLD_AGAIN) {
            return None;
        }
        self.told = Some(Instant::now());
        let target: &dyn fmt::Display = match &self.place {
            Place::Stderr => &"stderr",
            Place::File(file) => &file.path().display(),
            Place::System(log) => &log.kind().name(),
        };
        let fields = [("target", Value::Text(target)), ("error", Value::Text(error))];
        let notice = Batch::one(event::LOG_TARGET_FAILS, &fields);
        let mut lines = Vec::new();
        notice.records().for_each(|record| format::line(&mut lines, self.format, &record));
        lines.append(&mut self.lines);
        self.lines = lines;
        Some(notice)
    }

    /// Writes `lines` where somebody may find them.
    fn save(&mut self) {
        let Some(path) = &self.refuge else { return stderr(&self.lines) };
        // If that fails too, nothing is left.
        let file = LogFile::open(path, Rotation::default());
        drop(file.map(|mut file| file.append(&self.lines)));
    }

    fn write_beside(&mut self, batch: &Batch) {
        for record in batch.records().filter(|record| is_notable(record.event)) {
            match &mut self.beside {
                Beside::Nothing => return,
                Beside::Log(log) => {
                    if let Err(error) = log.write(&record, Format::Text) {
                        self.beside = Beside::Lost;
                        last_words_of(&record);
                        let fields = [("error", Value::Text(&error))];
                        self.write(&Batch::one(event::NO_EVENT_LOG, &fields));
                    }
                }
                Beside::Lost => last_words_of(&record),
            }
        }
    }
}

/// Tells what nobody would hear of otherwise.
pub fn last_words(event: &'static Event, fields: &[Field<'_>]) {
    Batch::one(event, fields).records().for_each(|record| system_log::last_words(&record));
}

/// An administrator looks for errors there, even if they look ugly.
fn last_words_of(record: &Record<'_>) {
    if record.event.level == Level::Error {
        system_log::last_words(record);
    }
}

/// Whether an administrator has to know. Sessions come and go all the time.
fn is_notable(event: &Event) -> bool {
    event.level <= Level::Warn || !(3000..4000).contains(&event.id)
}

fn fits(kind: Kind, format: Format) -> bool {
    format == Format::Text || kind.takes_json()
}

fn stderr(lines: &[u8]) {
    // There is nobody to tell that standard error cannot be written.
    drop(io::stderr().write_all(lines));
}
