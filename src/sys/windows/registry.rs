//! Values of the registry that the system keeps for everybody to read.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, ERROR_SUCCESS};
use windows_sys::Win32::System::Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_SZ, RegGetValueW};

use super::handle::wide;

/// A text below `HKEY_LOCAL_MACHINE`, with the variables in it replaced.
pub(super) fn text(key: &str, value: &str) -> io::Result<OsString> {
    let (key, value) = (wide(OsStr::new(key))?, wide(OsStr::new(value))?);
    let mut buffer = vec![0_u16; 512];
    loop {
        let mut size = u32::try_from(size_of_val(&*buffer)).unwrap_or(0);
        // SAFETY: the names end with a NUL, the buffer has this size in bytes, and the first
        // handle is a constant that is always open.
        let code = unsafe {
            RegGetValueW(
                HKEY_LOCAL_MACHINE,
                key.as_ptr(),
                value.as_ptr(),
                RRF_RT_REG_SZ,
                ptr::null_mut(),
                buffer.as_mut_ptr().cast(),
                &raw mut size,
            )
        };
        match code {
            ERROR_SUCCESS => break,
            ERROR_MORE_DATA if buffer.len() < 1 << 16 => buffer.resize(buffer.len() * 4, 0),
            code => return Err(io::Error::from_raw_os_error(code.cast_signed())),
        }
    }
    let text = buffer.split(|unit| *unit == 0).next().unwrap_or_default();
    Ok(OsString::from_wide(text))
}
