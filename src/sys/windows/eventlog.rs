//! The Event Log of Windows: our source in it, and reporting events. The texts of the events are
//! in the message table of our executable, see `build.rs`.

use std::ffi::{OsStr, OsString};
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
    HKEY_LOCAL_MACHINE, REG_DWORD, REG_EXPAND_SZ, RRF_RT_REG_EXPAND_SZ, RRF_RT_REG_SZ,
    RegDeleteTreeW, RegGetValueW, RegSetKeyValueW,
};

use super::handle::{check, wide};
use crate::record::event::{Event, Level};

/// The name of our events, and of the key below which Windows looks for their texts.
const SOURCE: &str = "Inetd";
const KEY: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application\Inetd";
const MESSAGES: &str = "EventMessageFile";
/// Errors, warnings and information.
const TYPES: u32 = 7;
/// ReportEventW takes 31,839 characters.
const LONGEST: usize = 31_000;
/// The longest path of the message file that is looked at.
const LONGEST_PATH: usize = 1024;

/// The Event Log, open for our events.
#[derive(Debug)]
pub struct EventLog {
    handle: HANDLE,
}

// SAFETY: the handle is a number for the Event Log service; any thread may use it.
unsafe impl Send for EventLog {}

impl EventLog {
    /// Opens it.
    ///
    /// # Errors
    /// Our source is not registered, so nobody could read the events.
    pub fn open() -> io::Result<Self> {
        look_for_source()?;
        Self::connect()
    }

    fn connect() -> io::Result<Self> {
        let source = wide(OsStr::new(SOURCE))?;
        // SAFETY: the name ends with a NUL; null is this machine.
        let handle = unsafe { RegisterEventSourceW(ptr::null(), source.as_ptr()) };
        if handle.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self { handle }) }
    }

    /// Reports an event; `fields` are what the message table has `%1` for.
    pub fn write(&self, event: &Event, fields: &str) -> io::Result<()> {
        let fields: String = fields.chars().filter(|c| *c != '\0').take(LONGEST / 2).collect();
        let fields = wide(OsStr::new(&fields))?;
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

impl Drop for EventLog {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is not used any more.
        unsafe { DeregisterEventSource(self.handle) };
    }
}

/// Reports an event that nobody would hear of otherwise, also if our source is not registered. If
/// that fails, there is nobody left to tell.
pub fn last_words(event: &Event, fields: &str) {
    drop(EventLog::connect().and_then(|log| log.write(event, fields)));
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
    let key = wide(OsStr::new(KEY))?;
    // SAFETY: the name ends with a NUL, and the first handle is a constant that is always open.
    match unsafe { RegDeleteTreeW(HKEY_LOCAL_MACHINE, key.as_ptr()) } {
        ERROR_SUCCESS | ERROR_FILE_NOT_FOUND => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.cast_signed())),
    }
}

/// Whether the texts of our events can be found.
fn look_for_source() -> io::Result<()> {
    let remedy = "run `inetd service install` as an administrator, which registers it";
    let text = match message_file() {
        Ok(Some(file)) if file.is_file() => return Ok(()),
        Ok(Some(file)) => format!(
            "the Event Log source `{SOURCE}` names {}, which is not there: {remedy}",
            file.display()
        ),
        Ok(None) => format!("the Event Log source `{SOURCE}` is not registered: {remedy}"),
        Err(error) => format!("cannot look for the Event Log source `{SOURCE}`: {error}"),
    };
    Err(io::Error::new(io::ErrorKind::NotFound, text))
}

fn message_file() -> io::Result<Option<PathBuf>> {
    let (key, name) = (wide(OsStr::new(KEY))?, wide(OsStr::new(MESSAGES))?);
    let mut buffer = [0_u16; LONGEST_PATH];
    let mut size = u32::try_from(size_of_val(&buffer)).unwrap_or(0);
    // SAFETY: the names end with a NUL, the buffer has this size in bytes, and the first handle is
    // a constant that is always open. Variables in the value are expanded.
    let code = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            name.as_ptr(),
            RRF_RT_REG_SZ | RRF_RT_REG_EXPAND_SZ,
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
    let (key, name) = (wide(OsStr::new(KEY))?, wide(OsStr::new(name))?);
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
    fn a_path_that_event_viewer_would_misread_is_refused() {
        for path in [r"C:\a;b\inetd.exe", r"C:\a,b\inetd.exe", r"C:\%a%\inetd.exe"] {
            let error = register(Path::new(path)).unwrap_err().to_string();
            assert!(error.contains(path) && error.contains("another folder"), "{error}");
        }
    }
}
