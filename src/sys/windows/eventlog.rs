//! The Event Log: where an administrator looks when a service does not start. Only what nobody
//! would see otherwise is told here; the log file has everything.

use std::ffi::OsStr;
use std::io;
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, ERROR_SUCCESS};
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, RegisterEventSourceW, ReportEventW,
};
use windows_sys::Win32::System::Registry::{
    HKEY_LOCAL_MACHINE, REG_DWORD, REG_EXPAND_SZ, RegDeleteTreeW, RegSetKeyValueW,
};

use super::handle::wide;

/// The name of our events, and of the key below which Windows looks for their texts.
const SOURCE: &str = "Inetd";
const KEY: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application\Inetd";
/// A part of Windows with messages that consist of one text, numbered from 1 to 1000.
const MESSAGES: &str = r"%SystemRoot%\System32\EventCreate.exe";
/// The number of an event in the life of the daemon.
const LIFE_CYCLE: u32 = 1000;
/// Errors, warnings and information.
const TYPES: u32 = 7;
/// ReportEventW takes 31,839 characters.
const LONGEST: usize = 31_000;

/// Tells of an error. If that fails too, there is nobody left to tell.
pub fn error(text: &str) {
    let text: String = text.chars().filter(|c| *c != '\0').take(LONGEST / 2).collect();
    let (Ok(source), Ok(text)) = (wide(OsStr::new(SOURCE)), wide(OsStr::new(&text))) else {
        return;
    };
    // SAFETY: the name ends with a NUL; null is this machine.
    let log = unsafe { RegisterEventSourceW(ptr::null(), source.as_ptr()) };
    if log.is_null() {
        return;
    }
    let texts = [text.as_ptr()];
    // SAFETY: an open handle, one text that ends with a NUL, no user and no data.
    unsafe {
        ReportEventW(
            log,
            EVENTLOG_ERROR_TYPE,
            0,
            LIFE_CYCLE,
            ptr::null_mut(),
            1,
            0,
            texts.as_ptr(),
            ptr::null(),
        )
    };
    // SAFETY: closes the handle from above, which nobody else has.
    unsafe { DeregisterEventSource(log) };
}

/// Tells Windows where the texts of our events are.
pub(super) fn register() -> io::Result<()> {
    set("EventMessageFile", REG_EXPAND_SZ, &bytes(&wide(OsStr::new(MESSAGES))?))?;
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
