//! What belongs to a user besides its rights: its variables, and its part of the registry.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_PRIVILEGE_NOT_HELD, HANDLE};
use windows_sys::Win32::System::Environment::{CreateEnvironmentBlock, DestroyEnvironmentBlock};
use windows_sys::Win32::UI::Shell::{LoadUserProfileW, PROFILEINFOW, UnloadUserProfile};

use super::account::Account;
use super::handle::{check, wide};
use super::privileges::{self, Privilege};

/// "Prevents the display of profile error messages" (PI_NOUI in userenv.h).
const NO_MESSAGES: u32 = 1;

/// A loaded profile: `HKEY_CURRENT_USER` of its programs is the user's own. Unloaded on drop.
#[derive(Debug)]
pub(super) struct Profile {
    user: OwnedHandle,
    /// A key of the registry, which only UnloadUserProfile closes.
    hive: HANDLE,
}

// SAFETY: the key is used by `drop` alone, and the system allows it on any thread.
unsafe impl Send for Profile {}
// SAFETY: as above; a shared `Profile` gives access to nothing.
unsafe impl Sync for Profile {}

impl Profile {
    /// Loads the profile of `account`; makes it if the account has never logged on.
    ///
    /// # Errors
    /// The system has refused it; the text says what to do.
    pub(super) fn load(user: &OwnedHandle, account: &Account) -> io::Result<Self> {
        privileges::enable(&[Privilege::Backup, Privilege::Restore])?;
        let user = user.try_clone()?;
        let mut name = wide(OsStr::new(account.parts().0))?;
        let mut information = PROFILEINFOW {
            dwSize: u32::try_from(size_of::<PROFILEINFOW>()).unwrap_or(0),
            dwFlags: NO_MESSAGES,
            lpUserName: name.as_mut_ptr(),
            ..PROFILEINFOW::default()
        };
        // SAFETY: an open handle; the structure has its size in it, and a name that ends with a NUL.
        let loaded = check(unsafe { LoadUserProfileW(user.as_raw_handle(), &raw mut information) });
        loaded.map_err(|error| explain(account, &error))?;
        Ok(Self { user, hive: information.hProfile })
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        // It fails if somebody still has a key of it open; the system unloads it later then.
        // SAFETY: the two handles belong together, and the second is closed by this call only.
        unsafe { UnloadUserProfile(self.user.as_raw_handle(), self.hive) };
    }
}

fn explain(account: &Account, error: &io::Error) -> io::Error {
    let help = match error.raw_os_error().map_or(0, i32::cast_unsigned) {
        ERROR_ACCESS_DENIED | ERROR_PRIVILEGE_NOT_HELD => {
            ": only administrators and LocalSystem may: use `inetd service install --account \
             LocalSystem`"
        }
        _ => "",
    };
    let text = format!("cannot load the profile of `{}`: {error}{help}", account.name);
    io::Error::new(error.kind(), text)
}

/// The variables that a user finds after logging on. Without a loaded profile they are those of
/// the machine, and the default user's.
pub(super) fn variables(user: &OwnedHandle) -> io::Result<Vec<(OsString, OsString)>> {
    let mut block = ptr::null_mut();
    // SAFETY: an open handle and a valid pointer; nothing of our own environment goes into it.
    check(unsafe { CreateEnvironmentBlock(&raw mut block, user.as_raw_handle(), 0) })?;
    let start = block.cast::<u16>().cast_const();
    let mut variables = Vec::new();
    let mut at = 0;
    loop {
        let first = start.wrapping_add(at);
        // SAFETY: each text and its NUL can be read, up to the empty one at the end.
        let length = (0..).take_while(|i| unsafe { first.wrapping_add(*i).read() } != 0).count();
        if length == 0 {
            break;
        }
        // SAFETY: as many characters as were just read; nobody changes them.
        variables.extend(split(unsafe { std::slice::from_raw_parts(first, length) }));
        at += length + 1;
    }
    // SAFETY: memory of this kind that nobody uses any more.
    unsafe { DestroyEnvironmentBlock(block) };
    Ok(variables)
}

/// `NAME=value`. Names that begin with `=` are working directories of drives.
fn split(text: &[u16]) -> Option<(OsString, OsString)> {
    let at = text.iter().position(|unit| *unit == u16::from(b'=')).filter(|at| *at > 0)?;
    Some((OsString::from_wide(&text[..at]), OsString::from_wide(&text[at + 1..])))
}

#[cfg(test)]
mod tests {
    use super::super::token;
    use super::*;

    #[test]
    fn a_user_has_the_variables_of_the_machine() {
        let token = token::own(token::FOR_PROGRAMS).unwrap();
        let variables = variables(&token).unwrap();
        let root = variables.iter().find(|(name, _)| name.eq_ignore_ascii_case("SystemRoot"));
        let value = &root.unwrap_or_else(|| panic!("{variables:?}")).1;
        assert!(value.eq_ignore_ascii_case(std::env::var_os("SystemRoot").unwrap()), "{value:?}");
    }

    #[test]
    fn a_text_is_a_name_and_a_value() {
        let split = |text: &str| split(&text.encode_utf16().collect::<Vec<_>>());
        assert_eq!(split("A=b=c").unwrap(), ("A".into(), "b=c".into()));
        assert_eq!(split("A=").unwrap(), ("A".into(), "".into()));
        assert!(split("=C:=C:\\x").is_none());
        assert!(split("nothing").is_none());
    }
}
