//! Names of pipes, and how one is claimed: what the control pipe and the pipes of services share.

use std::ffi::OsStr;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::ptr;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_PIPE_BUSY, GetLastError, SetLastError,
};
use windows_sys::Win32::System::Threading::CreateMutexW;

use super::handle::{own, wide};

/// Where names of pipes live.
const PIPES: &str = r"\\.\pipe\";

/// The name with `\\.\pipe\` in front.
pub(super) fn full_name(name: &str) -> String {
    if name.starts_with(PIPES) { name.to_owned() } else { format!("{PIPES}{name}") }
}

/// Whether an error is this one of the system.
pub(super) fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code.cast_signed())
}

/// What the system says if the first instance of a pipe is not the first.
pub(super) fn in_use(error: io::Error) -> io::Error {
    if is(&error, ERROR_ACCESS_DENIED) || is(&error, ERROR_PIPE_BUSY) {
        return io::Error::new(io::ErrorKind::AddrInUse, "another program serves this pipe");
    }
    error
}

/// A mutex with a name that stands for the pipe, seen from every session of the machine. It tells
/// of another daemon where the pipe alone does not (Wine lets anybody add an instance).
///
/// # Errors
/// `AddrInUse` if somebody has claimed the pipe.
pub(super) fn claim(pipe: &str) -> io::Result<OwnedHandle> {
    // Names of pipes do not regard case; names of mutexes do, and cannot have a backslash.
    let name = pipe.trim_start_matches(PIPES).to_lowercase().replace('\\', "/");
    let name = wide(OsStr::new(&format!(r"Global\inetd-pipe-{name}")))?;
    // SAFETY: sets a number of this thread: success leaves the old one as it is.
    unsafe { SetLastError(0) };
    // SAFETY: the name ends with a NUL; null stands for default security (not inheritable).
    let mutex = unsafe { CreateMutexW(ptr::null(), 0, name.as_ptr()) };
    // SAFETY: reads a number of this thread.
    let code = unsafe { GetLastError() };
    // SAFETY: a new handle that nobody else owns.
    let mutex = unsafe { own(mutex) }.map_err(in_use)?;
    if code == ERROR_ALREADY_EXISTS {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another inetd serves this pipe"));
    }
    Ok(mutex)
}
