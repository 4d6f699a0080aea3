//! The logs of the system: the Event Log, with our source in it. The texts of the events are in
//! the message table of our executable, see `build.rs`.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::ptr;

use windows_sys::Win32::Foundation::{
    ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND, ERROR_SUCCESS, HANDLE,
};
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
    RegisterEventSourceW, ReportEventW,
};
use windows_sys::Win32::System::Registry::{
    HKEY_LOCAL_MACHINE, REG_DWORD, REG_EXPAND_SZ, RRF_RT_REG_SZ, RegDeleteTreeW, RegGetValueW,
    RegSetKeyValueW,
};

use super::handle::{check, wide};
use crate::record::batch::Record;
use crate::record::event::{Event, Level};
use crate::record::facility::Facility;
use crate::record::format::{Format, Shown};

/// The name of our events, and of the key below which Windows looks for their texts.
pub(super) const SOURCE: &str = "Inetd";
const KEYS: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application";
const MESSAGES: &str = "EventMessageFile";
/// Errors, warnings and information.
const TYPES: u32 = 7;
/// ReportEventW takes 31,839 characters.
const LONGEST: usize = 31_000;
/// The longest path of the message file that is looked at.
const LONGEST_PATH: usize = 1024;

/// A log of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The Event Log.
    EventLog,
}

/// Where the log of a daemon in the background goes: nothing is there without a service.
pub const OF_DAEMONS: Option<Kind> = None;

/// All of them.
pub const KINDS: &[Kind] = &[Kind::EventLog];

/// The one that hears what an administrator has to know about a service, beside the service's own
/// log.
pub const OF_SERVICES: Option<Kind> = Some(Kind::EventLog);

impl Kind {
    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        "eventlog"
    }

    /// Whether its messages can be JSON objects.
    pub fn takes_json(self) -> bool {
        false
    }
}

/// The log that gets what we write to standard error anyway: Windows has no such thing.
pub fn behind_stderr() -> Option<Kind> {
    None
}

/// A log of the system, opened when it is first needed.
#[derive(Debug)]
pub struct SystemLog {
    kind: Kind,
    name: &'static str,
    source: Option<Source>,
}

impl SystemLog {
    /// The log of this kind. The Event Log has no facilities: the configuration refuses another one.
    pub fn new(kind: Kind, _: Facility) -> Self {
        Self::named(kind, SOURCE)
    }

    fn named(kind: Kind, name: &'static str) -> Self {
        Self { kind, name, source: None }
    }

    /// Which one it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Reports a record. It has a form of its own.
    ///
    /// # Errors
    /// Our source is not registered, so nobody could read what is reported, or the Event Log does
    /// not work.
    pub fn write(&mut self, record: &Record<'_>, _format: Format) -> io::Result<()> {
        let source = match self.source.take() {
            Some(source) => source,
            None => {
                look_for_source(self.name)?;
                Source::open(self.name)?
            }
        };
        // A source that does not work is not put back, and opened anew next time.
        source.report(record.event, &fields(record))?;
        self.source = Some(source);
        Ok(())
    }
}

/// Reports what nobody would hear of otherwise, also if our source is not registered. If that
/// fails, there is nobody left to tell.
pub fn last_words(record: &Record<'_>) {
    drop(Source::open(SOURCE).and_then(|source| source.report(record.event, &fields(record))));
}

/// A line for each field.
fn fields(record: &Record<'_>) -> String {
    let mut text = String::new();
    for (name, datum) in record.fields() {
        // Writing to memory cannot fail.
        write!(text, "{name}={}\r\n", Shown(datum)).ok();
    }
    text
}

/// The Event Log, open for our events.
#[derive(Debug)]
struct Source {
    handle: HANDLE,
}

// SAFETY: the handle is a number for the Event Log service; any thread may use it.
unsafe impl Send for Source {}

impl Source {
    fn open(name: &str) -> io::Result<Self> {
        let source = wide(OsStr::new(name))?;
        // SAFETY: the name ends with a NUL; null is this machine.
        let handle = unsafe { RegisterEventSourceW(ptr::null(), source.as_ptr()) };
        if handle.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self { handle }) }
    }

    /// Reports an event; `fields` are what the message table has `%1` for.
    fn report(&self, event: &Event, fields: &str) -> io::Result<()> {
        let fields = wide(OsStr::new(&insert(fields)))?;
        let inserts = [fields.as_ptr()];
        let kind = match event.level {
            Level::Error => EVENTLOG_ERROR_TYPE,
            Level::Warn => EVENTLOG_WARNING_TYPE,
            Level::Info | Level::Debug => EVENTLOG_INFORMATION_TYPE,
        };
        // SAFETY: an open handle, one text that ends with a NUL, no user and no data.
        check(unsafe {
            ReportEventW(
                self.handle,
                kind,
                0,
                event.id.into(),
                ptr::null_mut(),
                1,
                0,
                inserts.as_ptr(),
                ptr::null(),
            )
        })
    }
}

/// A text that can be inserted. Event Viewer takes a `%1` in it, as in the IPv6 address `fe80::1%1`,
/// for a place to insert something else ("Remarks" of ReportEvent).
fn insert(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut after_percent = false;
    for c in text.chars().filter(|c| *c != '\0').take(LONGEST / 2) {
        if after_percent && c.is_ascii_digit() {
            shown.push(' ');
        }
        after_percent = c == '%';
        shown.push(c);
    }
    shown
}

impl Drop for Source {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is not used any more.
        unsafe { DeregisterEventSource(self.handle) };
    }
}

/// Tells Windows that the texts of our events are in `executable`.
pub(super) fn register(executable: &Path) -> io::Result<()> {
    let path = executable.as_os_str();
    if path.to_string_lossy().contains([';', ',', '%']) {
        // The first two separate paths, and the third starts a variable.
        let text = format!(
            "Event Viewer cannot read messages from {} because of the `;`, `,` or `%` in it: move \
             inetd.exe to another folder",
            executable.display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    set(MESSAGES, REG_EXPAND_SZ, &bytes(&wide(path)?))?;
    set("TypesSupported", REG_DWORD, &TYPES.to_ne_bytes())
}

/// Undoes [`register`].
pub(super) fn unregister() -> io::Result<()> {
    let key = key(SOURCE)?;
    // SAFETY: the name ends with a NUL, and the first handle is a constant that is always open.
    match unsafe { RegDeleteTreeW(HKEY_LOCAL_MACHINE, key.as_ptr()) } {
        ERROR_SUCCESS | ERROR_FILE_NOT_FOUND => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.cast_signed())),
    }
}

/// Why a log of this kind does not work here, and what to do about it; nothing if it does.
pub fn obstacle(kind: Kind) -> Option<String> {
    match kind {
        Kind::EventLog => look_for_source(SOURCE).err().map(|error| error.to_string()),
    }
}

/// Whether the texts of our events can be found.
fn look_for_source(source: &str) -> io::Result<()> {
    let remedy = "run `inetd service install` as an administrator, which registers it";
    let text = match message_file(source) {
        Ok(Some(file)) if file.is_file() => return Ok(()),
        Ok(Some(file)) => format!(
            "the Event Log source `{source}` names {}, which is not there: {remedy}",
            file.display()
        ),
        Ok(None) => format!("the Event Log source `{source}` is not registered: {remedy}"),
        Err(error) => format!("cannot look for the Event Log source `{source}`: {error}"),
    };
    Err(io::Error::new(io::ErrorKind::NotFound, text))
}

fn message_file(source: &str) -> io::Result<Option<PathBuf>> {
    let (key, name) = (key(source)?, wide(OsStr::new(MESSAGES))?);
    let mut buffer = [0_u16; LONGEST_PATH];
    let mut size = u32::try_from(size_of_val(&buffer)).unwrap_or(0);
    // SAFETY: the names end with a NUL, the buffer has this size in bytes, and the first handle is
    // a constant that is always open. Variables in a REG_EXPAND_SZ are expanded, and then it counts
    // as REG_SZ.
    let code = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            name.as_ptr(),
            RRF_RT_REG_SZ,
            ptr::null_mut(),
            buffer.as_mut_ptr().cast(),
            &raw mut size,
        )
    };
    match code {
        ERROR_SUCCESS => {
            let text = buffer.split(|unit| *unit == 0).next().unwrap_or_default();
            Ok(Some(OsString::from_wide(text).into()))
        }
        ERROR_FILE_NOT_FOUND | ERROR_PATH_NOT_FOUND => Ok(None),
        code => Err(io::Error::from_raw_os_error(code.cast_signed())),
    }
}

/// Sets a value below our key, which is made if it is not there.
fn set(name: &str, kind: u32, data: &[u8]) -> io::Result<()> {
    let (key, name) = (key(SOURCE)?, wide(OsStr::new(name))?);
    let size = u32::try_from(data.len()).unwrap_or(0);
    // SAFETY: both names end with a NUL, the data has this size, and the first handle is a
    // constant that is always open.
    let code = unsafe {
        RegSetKeyValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            name.as_ptr(),
            kind,
            data.as_ptr().cast(),
            size,
        )
    };
    if code == ERROR_SUCCESS {
        return Ok(());
    }
    Err(io::Error::from_raw_os_error(code.cast_signed()))
}

fn key(source: &str) -> io::Result<Vec<u16>> {
    wide(OsStr::new(&format!(r"{KEYS}\{source}")))
}

fn bytes(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.to_ne_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::System::Diagnostics::Debug::{
        FORMAT_MESSAGE_ARGUMENT_ARRAY, FORMAT_MESSAGE_FROM_HMODULE, FormatMessageW,
    };
    use windows_sys::Win32::System::LibraryLoader::GetModuleHandleW;

    use super::*;
    use crate::record::event;
    use crate::record::log::Log;
    use crate::record::sink::Sink;

    /// As Event Viewer does it: the text of an event from the message table of the executable.
    fn message(id: u32, fields: &str) -> io::Result<String> {
        let fields = wide(OsStr::new(fields))?;
        let inserts = [fields.as_ptr()];
        let mut buffer = [0_u16; 1024];
        // SAFETY: null is our own executable.
        let module = unsafe { GetModuleHandleW(ptr::null()) };
        // SAFETY: the buffer has this size in characters, and there is the one insert that the
        // texts have.
        let length = unsafe {
            FormatMessageW(
                FORMAT_MESSAGE_FROM_HMODULE | FORMAT_MESSAGE_ARGUMENT_ARRAY,
                module.cast_const(),
                id,
                0,
                buffer.as_mut_ptr(),
                1024,
                inserts.as_ptr().cast(),
            )
        };
        if length == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(String::from_utf16_lossy(&buffer[..length as usize]))
    }

    #[test]
    fn the_executable_has_a_text_for_each_event_and_no_other() {
        for event in event::ALL {
            assert_eq!(
                message(event.id.into(), "a=b 100%").unwrap(),
                format!("{}. {}\r\n\r\na=b 100%\r\n", event.text, event.meaning)
            );
        }
        let known = |id| event::ALL.iter().any(|event| u32::from(event.id) == id);
        for id in (0..7000).filter(|id| !known(*id)) {
            message(id, "").unwrap_err();
        }
    }

    #[test]
    fn what_is_inserted_inserts_nothing() {
        assert_eq!(
            insert("peer=[fe80::1%12]:7 100% %%5 \0%n"),
            "peer=[fe80::1% 12]:7 100% %% 5 %n"
        );
        assert_eq!(insert(&"\u{1f600}".repeat(LONGEST)).encode_utf16().count(), LONGEST);
    }

    #[test]
    fn without_a_source_the_log_says_what_to_do_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let refuge = folder.path().join("refuge");
        let nowhere = SystemLog::named(Kind::EventLog, "Inetd-Test-Not-Registered");
        let log = Log::with(Sink::of_system(nowhere, refuge.clone()), Level::Info).unwrap();
        log.event(event::STARTED, &[]);
        log.event(event::STOPPED, &[]);
        log.flush();
        let text = std::fs::read_to_string(&refuge).unwrap();
        let lines: Vec<_> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        let notice = "WARN The log target does not work target=eventlog error=\"the Event Log \
                      source `Inetd-Test-Not-Registered` is not registered: run `inetd service \
                      install` as an administrator, which registers it\"";
        assert_eq!(lines, [notice, "INFO Started", "INFO Stopped"]);
    }

    #[test]
    fn a_path_that_event_viewer_would_misread_is_refused() {
        for path in [r"C:\a;b\inetd.exe", r"C:\a,b\inetd.exe", r"C:\%a%\inetd.exe"] {
            let error = register(Path::new(path)).unwrap_err().to_string();
            assert!(error.contains(path) && error.contains("another folder"), "{error}");
        }
    }
}
