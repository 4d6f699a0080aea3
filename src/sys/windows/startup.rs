//! What is done once, before any thread runs.

use std::io;

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Networking::WinSock::{WSADATA, WSAStartup};
use windows_sys::Win32::System::Console::{
    GetStdHandle, STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
};
use windows_sys::Win32::System::Diagnostics::Debug::{
    SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SEM_NOOPENFILEERRORBOX, SetErrorMode,
};

use super::handle::set_inheritable;
use crate::sys::Detached;

/// The file mode creation mask that a configuration has by default. Windows has none.
pub const UMASK: u32 = 0o022;

/// The version of Windows Sockets that has all we need: 2.2.
const WINSOCK: u16 = 0x0202;

/// Whether whoever started us wants us to go on when the terminal is closed: there is no such wish
/// on Windows, and no signal that would ask.
pub fn outlives_terminal() -> bool {
    false
}

/// Goes into the background. What runs there is a service on Windows, and installed before.
///
/// # Errors
/// None here.
pub fn detach() -> io::Result<Detached> {
    Ok(Detached::Here)
}

/// Makes this process fit for a daemon: sockets work, nothing waits for a click on a dialog that
/// nobody sees, our own standard handles stay with us.
///
/// Call it once, first thing, from the only thread.
pub fn prepare() -> io::Result<()> {
    start_sockets()?;
    // Programs inherit it. A crash then ends a program at once instead of holding its session.
    // SAFETY: sets a flag of the process.
    unsafe {
        SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX)
    };
    for which in [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
        // SAFETY: gives a handle that the process owns as a whole.
        let handle = unsafe { GetStdHandle(which) };
        if !handle.is_null() && handle != INVALID_HANDLE_VALUE {
            // Programs get an explicit list of handles anyway; a closed one is no harm.
            drop(set_inheritable(handle, false));
        }
    }
    Ok(())
}

/// How many connections may be held whose programs were not started yet. The number of handles has no
/// limit of its own.
pub fn connections_in_hand() -> usize {
    crate::sys::MOST_IN_HAND
}

/// Makes room for that many listeners: the table of handles of Windows grows by itself.
pub fn make_room(_listeners: usize) {}

/// Gives memory that is not used any more back to the system: the heap of Windows does so itself.
pub fn release_memory() {}

/// For the life of the process: it is never cleaned up.
pub(super) fn start_sockets() -> io::Result<()> {
    let mut data = WSADATA::default();
    // SAFETY: the pointer is valid for the call.
    match unsafe { WSAStartup(WINSOCK, &raw mut data) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}
