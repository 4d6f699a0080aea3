//! The logs of the system: the journal of systemd (systemd.journal-fields(7), "Native Journal
//! Protocol") and syslog (RFC 3164, as it is spoken on `/dev/log`).

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::linux::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use crate::record::batch::{Datum, Record};
use crate::record::event::Level;
use crate::record::facility::{self, Facility};
use crate::record::format::{self, Format, Message};

/// How long a log that is busy is waited for. Whoever logs does not wait meanwhile.
const PATIENCE: Duration = Duration::from_millis(500);

/// Bytes of a text: longer ones are cut off. A datagram takes about 200 KiB, and syslog daemons
/// take 8 KiB (rsyslog's `$MaxMessageSize`).
const LONGEST: usize = 8000;

/// `MESSAGE_ID` of the journal: these digits, and the number of the event.
const MESSAGE_ID: &str = "e2016f0193eb4521903c75f590b4";

/// A log of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// systemd's journal.
    Journald,
    /// Whatever listens on `/dev/log`.
    Syslog,
}

/// Where the log of a daemon in the background goes.
pub const OF_DAEMONS: Option<Kind> = Some(Kind::Syslog);

/// All of them.
pub const KINDS: &[Kind] = &[Kind::Journald, Kind::Syslog];

/// The one that hears what an administrator has to know about a service, beside the service's own
/// log: none, since systemd has all of that log.
pub const OF_SERVICES: Option<Kind> = None;

impl Kind {
    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Journald => "journald",
            Self::Syslog => "syslog",
        }
    }

    /// Whether its messages can be JSON objects.
    pub fn takes_json(self) -> bool {
        self == Self::Syslog
    }
}

/// The log that gets what we write to standard error anyway, and could have it with its fields.
pub fn behind_stderr() -> Option<Kind> {
    behind(std::env::var("JOURNAL_STREAM").ok().as_deref())
}

fn behind(stream: Option<&str>) -> Option<Kind> {
    let stderr = std::fs::metadata("/proc/self/fd/2").ok()?;
    // "This permits invoked processes to safely detect whether their standard output or standard error
    // output are connected to the journal" (systemd.exec(5)): the variable alone is inherited by
    // everybody.
    let stderr = format!("{}:{}", stderr.st_dev(), stderr.st_ino());
    (stream? == stderr).then_some(Kind::Journald)
}

/// A log of the system, connected when it is first needed.
#[derive(Debug)]
pub struct SystemLog {
    kind: Kind,
    facility: Facility,
    path: PathBuf,
    socket: Option<UnixDatagram>,
    /// It did not take a message in time; until it does, it is not waited for again.
    slow: bool,
    message: Vec<u8>,
}

impl SystemLog {
    /// The log of this kind, which gets messages of this facility.
    pub fn new(kind: Kind, facility: Facility) -> Self {
        let path = match kind {
            Kind::Journald => "/run/systemd/journal/socket",
            Kind::Syslog => "/dev/log",
        };
        Self::at(kind, facility, path.into())
    }

    fn at(kind: Kind, facility: Facility, path: PathBuf) -> Self {
        Self { kind, facility, path, socket: None, slow: false, message: Vec::new() }
    }

    /// Which one it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Sends a record.
    ///
    /// # Errors
    /// There is no such log, or it does not take the record.
    pub fn write(&mut self, record: &Record<'_>, format: Format) -> io::Result<()> {
        self.message.clear();
        match self.kind {
            Kind::Journald => journal_entry(&mut self.message, self.facility, record)?,
            Kind::Syslog => syslog_message(&mut self.message, self.facility, record, format)?,
        }
        let sent = match self.send() {
            // It may have been started again: then the old socket leads nowhere.
            Err(error) if self.socket.is_some() && error.kind() != io::ErrorKind::WouldBlock => {
                self.socket = None;
                self.send()
            }
            other => other,
        };
        let is_slow = matches!(&sent, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        if is_slow != self.slow {
            self.slow = is_slow;
            self.socket.as_ref().map_or(Ok(()), |socket| socket.set_nonblocking(is_slow))?;
        }
        sent.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::Error::new(error.kind(), "it does not keep up"),
            kind => io::Error::new(kind, format!("{}: {error}", self.path.display())),
        })
    }

    fn send(&mut self) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(&self.path)?;
                socket.set_write_timeout(Some(PATIENCE))?;
                socket.set_nonblocking(self.slow)?;
                socket
            }
        };
        self.socket.insert(socket).send(&self.message).map(drop)
    }
}

/// Why a log of this kind does not work here, and what to do about it; nothing if it does.
pub fn obstacle(kind: Kind) -> Option<String> {
    let path = SystemLog::new(kind, facility::DAEMON).path;
    let error = UnixDatagram::unbound().and_then(|socket| socket.connect(&path)).err()?;
    let path = path.display();
    Some(format!("{path}: {error} (start the daemon that serves it, or choose another target)"))
}

/// Tells of an event that nobody would hear of otherwise.
pub fn last_words(record: &Record<'_>) {
    // There is nobody left to tell if this fails.
    drop(writeln!(io::stderr(), "inetd: {}", Message(record)));
}

/// The fields are those of the record, in capitals. What is in them is taken as it is: the journal
/// knows where they end.
fn journal_entry(out: &mut Vec<u8>, facility: Facility, record: &Record<'_>) -> io::Result<()> {
    let event = record.event;
    let severity = severity(event.level);
    let message = format!("{}", Message(record));
    journal_field(out, "MESSAGE", &message)?;
    write!(
        out,
        "PRIORITY={severity}\nSYSLOG_FACILITY={}\nSYSLOG_IDENTIFIER=inetd\n",
        facility.number
    )?;
    write!(out, "MESSAGE_ID={MESSAGE_ID}{:04}\nINETD_EVENT={}\n", event.id, event.id)?;
    let mut scratch = String::new();
    for (name, datum) in record.fields() {
        scratch.clear();
        let text = match datum {
            Datum::Text(text) => text,
            Datum::Number(number) => {
                write!(scratch, "{number}").ok();
                &scratch
            }
            Datum::Seconds(duration) => {
                write!(scratch, "{:.3}", duration.as_secs_f64()).ok();
                &scratch
            }
        };
        journal_field(out, &name.to_ascii_uppercase(), text)?;
    }
    Ok(())
}

fn journal_field(out: &mut Vec<u8>, name: &str, value: &str) -> io::Result<()> {
    let value = shortened(value);
    if value.contains('\n') {
        // With its length in front, so that a line in it is no field.
        writeln!(out, "{name}")?;
        out.extend((value.len() as u64).to_le_bytes());
        return writeln!(out, "{value}");
    }
    writeln!(out, "{name}={value}")
}

/// Without a time, which the daemon adds ("4.3.3" of RFC 3164): it knows the time zone.
fn syslog_message(
    out: &mut Vec<u8>,
    facility: Facility,
    record: &Record<'_>,
    format: Format,
) -> io::Result<()> {
    let priority = facility.number * 8 + severity(record.event.level);
    write!(out, "<{priority}>inetd[{}]: ", std::process::id())?;
    let message = match format {
        Format::Text => Message(record).to_string(),
        Format::Json => format::json_object(record),
    };
    out.extend(shortened(&message).as_bytes());
    Ok(())
}

fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug => 7,
    }
}

fn shortened(text: &str) -> &str {
    if text.len() <= LONGEST {
        return text;
    }
    let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests;
