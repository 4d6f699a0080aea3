//! Privileges: what a token allows besides access to objects.

use std::ffi::OsStr;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::LUID;
use windows_sys::Win32::Security::{
    AdjustTokenPrivileges, LUID_AND_ATTRIBUTES, LookupPrivilegeValueW, SE_PRIVILEGE_ENABLED,
    TOKEN_ADJUST_PRIVILEGES, TOKEN_PRIVILEGES, TOKEN_QUERY, TokenPrivileges,
};

use super::handle::{check, wide};
use super::token;

/// A privilege that inetd needs for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Privilege {
    /// To start a program with a token that is not made of our own.
    AssignPrimaryToken,
    /// To give a program the memory that its user may have.
    IncreaseQuota,
    /// To log an account on that has no password.
    Tcb,
    /// To read a profile.
    Backup,
    /// To load a profile.
    Restore,
}

impl Privilege {
    /// Its name in programs and in `whoami /priv`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AssignPrimaryToken => "SeAssignPrimaryTokenPrivilege",
            Self::IncreaseQuota => "SeIncreaseQuotaPrivilege",
            Self::Tcb => "SeTcbPrivilege",
            Self::Backup => "SeBackupPrivilege",
            Self::Restore => "SeRestorePrivilege",
        }
    }

    /// Its name in "User Rights Assignment" (secpol.msc).
    pub(super) fn policy(self) -> &'static str {
        match self {
            Self::AssignPrimaryToken => "Replace a process level token",
            Self::IncreaseQuota => "Adjust memory quotas for a process",
            Self::Tcb => "Act as part of the operating system",
            Self::Backup => "Back up files and directories",
            Self::Restore => "Restore files and directories",
        }
    }

    fn luid(self) -> io::Result<LUID> {
        let name = wide(OsStr::new(self.name()))?;
        let mut luid = LUID::default();
        // SAFETY: the name ends with a NUL, and the pointer is valid for the call.
        check(unsafe { LookupPrivilegeValueW(ptr::null(), name.as_ptr(), &raw mut luid) })?;
        Ok(luid)
    }
}

/// Those of `wanted` that a token has, enabled or not.
pub(super) fn held(token: &OwnedHandle, wanted: &[Privilege]) -> io::Result<Vec<Privilege>> {
    let memory = token::information(token, TokenPrivileges, size_of::<TOKEN_PRIVILEGES>())?;
    let all = memory.as_ptr().cast::<TOKEN_PRIVILEGES>();
    // SAFETY: the memory is aligned for it, large enough, and filled by the call for this class.
    let count = unsafe { (*all).PrivilegeCount } as usize;
    // SAFETY: stays within the memory: the array is part of the structure.
    let first = unsafe { (&raw const (*all).Privileges).cast::<LUID_AND_ATTRIBUTES>() };
    // SAFETY: the call has written as many entries as it says, and nobody changes them.
    let all = unsafe { std::slice::from_raw_parts(first, count) };
    let mut held = Vec::new();
    for privilege in wanted {
        let LUID { LowPart, HighPart } = privilege.luid()?;
        if all.iter().any(|one| one.Luid.LowPart == LowPart && one.Luid.HighPart == HighPart) {
            held.push(*privilege);
        }
    }
    Ok(held)
}

/// Enables those that this process has: most calls use no other ones.
pub(super) fn enable(privileges: &[Privilege]) -> io::Result<()> {
    let token = token::own(TOKEN_QUERY | TOKEN_ADJUST_PRIVILEGES)?;
    for entry in luids(&held(&token, privileges)?)? {
        let entry = LUID_AND_ATTRIBUTES { Attributes: SE_PRIVILEGE_ENABLED, ..entry };
        let enabled = TOKEN_PRIVILEGES { PrivilegeCount: 1, Privileges: [entry] };
        // SAFETY: an open handle and a structure with one entry; null is no wish to know what was
        // before.
        check(unsafe {
            AdjustTokenPrivileges(
                token.as_raw_handle(),
                0,
                &raw const enabled,
                0,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        })?;
    }
    Ok(())
}

/// Privileges for a call that takes a list of them.
pub(super) fn luids(privileges: &[Privilege]) -> io::Result<Vec<LUID_AND_ATTRIBUTES>> {
    let entry =
        |privilege: &Privilege| Ok(LUID_AND_ATTRIBUTES { Luid: privilege.luid()?, Attributes: 0 });
    privileges.iter().map(entry).collect()
}
