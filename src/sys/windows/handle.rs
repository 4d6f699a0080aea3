//! Small things that every file of this folder needs: results of Windows calls, owned handles,
//! and the one flag that decides whether a program may inherit a handle.

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{
    DUPLICATE_SAME_ACCESS, DuplicateHandle, GetHandleInformation, HANDLE, HANDLE_FLAG_INHERIT,
    SetHandleInformation,
};
use windows_sys::Win32::System::SystemInformation::GetSystemDirectoryW;
use windows_sys::Win32::System::Threading::GetCurrentProcess;
use windows_sys::core::BOOL;

/// The result of a call that gives zero on failure and leaves the reason in `GetLastError`.
pub(super) fn check(result: BOOL) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes over a handle that a call has just made; null means that it failed.
///
/// # Safety
/// Nobody else owns the handle.
pub(super) unsafe fn own(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: by the contract of this function.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Text as a NUL-terminated string of Windows.
///
/// # Errors
/// `InvalidInput` if there is a NUL in it, where the system would cut it off.
pub(super) fn wide(text: &OsStr) -> io::Result<Vec<u16>> {
    let mut units: Vec<u16> = text.encode_wide().collect();
    if units.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a NUL character in a text"));
    }
    units.push(0);
    Ok(units)
}

/// The folder of the system's own programs, as the system says and not a variable.
pub(super) fn system_directory() -> io::Result<std::path::PathBuf> {
    use std::os::windows::ffi::OsStringExt;
    let mut buffer = [0; 260];
    let size = u32::try_from(buffer.len()).unwrap_or(0);
    // SAFETY: the pointer is to a buffer of `size` characters.
    let length = unsafe { GetSystemDirectoryW(buffer.as_mut_ptr(), size) } as usize;
    match buffer.get(..length) {
        Some([]) | None => Err(io::Error::last_os_error()),
        Some(path) => Ok(std::ffi::OsString::from_wide(path).into()),
    }
}

/// Sets whether programs may inherit the handle.
pub(super) fn set_inheritable(handle: HANDLE, inheritable: bool) -> io::Result<()> {
    let flags = if inheritable { HANDLE_FLAG_INHERIT } else { 0 };
    // SAFETY: changes a flag; an invalid handle is an error.
    check(unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, flags) })
}

/// Whether programs may inherit the handle.
pub(super) fn is_inheritable(handle: HANDLE) -> io::Result<bool> {
    let mut flags = 0;
    // SAFETY: the pointer is valid for the call; an invalid handle is an error.
    check(unsafe { GetHandleInformation(handle, &raw mut flags) })?;
    Ok(flags & HANDLE_FLAG_INHERIT != 0)
}

/// A second handle to the same object, one that programs may inherit.
pub(super) fn inheritable_copy(handle: BorrowedHandle<'_>) -> io::Result<OwnedHandle> {
    let mut copy: HANDLE = ptr::null_mut();
    // SAFETY: gives a constant that needs no closing.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the source is open, `copy` is valid for the call, and both processes are our own.
    check(unsafe {
        DuplicateHandle(
            process,
            handle.as_raw_handle(),
            process,
            &raw mut copy,
            0,
            1,
            DUPLICATE_SAME_ACCESS,
        )
    })?;
    // SAFETY: a new handle that nobody else owns.
    unsafe { own(copy) }
}

#[cfg(test)]
mod tests {
    use std::os::windows::io::AsHandle;

    use super::*;

    #[test]
    fn a_copy_can_be_inherited_and_the_original_cannot() {
        let file = std::fs::File::open("NUL").unwrap();
        let copy = inheritable_copy(file.as_handle()).unwrap();
        assert!(is_inheritable(copy.as_raw_handle()).unwrap());
        assert!(!is_inheritable(file.as_raw_handle()).unwrap());
    }

    #[test]
    fn a_text_with_a_nul_is_refused() {
        assert_eq!(wide(OsStr::new("ab")).unwrap(), [97, 98, 0]);
        assert_eq!(wide(OsStr::new("a\0b")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn the_system_directory_holds_cmd() {
        assert!(system_directory().unwrap().join("cmd.exe").is_file());
    }
}
