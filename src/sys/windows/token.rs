//! Tokens: who a process is and what it may do.

use std::ffi::OsString;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Security::{
    CheckTokenMembership, CreateRestrictedToken, DISABLE_MAX_PRIVILEGE, GetLengthSid,
    GetTokenInformation, LUID_AND_ATTRIBUTES, SID_AND_ATTRIBUTES, SetTokenInformation,
    TOKEN_ACCESS_MASK, TOKEN_ADJUST_DEFAULT, TOKEN_ASSIGN_PRIMARY, TOKEN_DUPLICATE,
    TOKEN_INFORMATION_CLASS, TOKEN_MANDATORY_LABEL, TOKEN_OWNER, TOKEN_QUERY, TOKEN_USER,
    TokenIntegrityLevel, TokenOwner, TokenUser,
};
use windows_sys::Win32::System::SystemServices::SE_GROUP_INTEGRITY;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::account::{ADMINISTRATORS, SYSTEM};
use super::handle::{check, own as owned};
use super::identity::Identity;
use super::logon::log_on;
use super::privileges::{self, Privilege};
use super::profile::{self, Profile};
use super::security::{Sid, own_user, text_of};
use super::service::SERVICE_SID;
use crate::config::Program;
use crate::config::keys::Key;
use crate::sys::PrepareError;

/// The integrity level of programs that can change almost nothing.
const LOW: &str = "S-1-16-4096";

/// What an account needs to start programs as somebody else. Whoever has that can be anybody.
pub(super) const POWERS: [Privilege; 2] = [Privilege::Tcb, Privilege::AssignPrimaryToken];

/// What programs of a service are started with, instead of our own token.
#[derive(Debug)]
pub(super) struct Token {
    /// Before the token, because it has to end first.
    _profile: Option<Profile>,
    handle: OwnedHandle,
    /// It belongs to a logon of its own, of another user than ours.
    own_logon: bool,
}

impl Token {
    /// The token for the programs of a service; `None` is our own, with all that we may do.
    ///
    /// # Errors
    /// The account cannot be logged on, or its profile cannot be loaded.
    pub(super) fn new(program: &Program) -> Result<Option<Self>, PrepareError> {
        let of = |key| move |error| PrepareError { key: Some(key), error };
        let Some(Identity { account, .. }) = &program.identity else {
            let handle = if program.restrict {
                Some(restricted(&own(FOR_PROGRAMS)?).map_err(of(Key::Restrict))?)
            } else {
                without_powers()?
            };
            return Ok(handle.map(|handle| Self { _profile: None, handle, own_logon: false }));
        };
        let user = log_on(account).map_err(of(Key::User))?;
        let profile = if program.profile {
            Some(Profile::load(&user, account).map_err(of(Key::Profile))?)
        } else {
            None
        };
        let handle =
            if program.restrict { restricted(&user).map_err(of(Key::Restrict))? } else { user };
        Ok(Some(Self { _profile: profile, handle, own_logon: true }))
    }

    /// What its user finds in the environment, if it is not ours.
    pub(super) fn variables(&self) -> io::Result<Vec<(OsString, OsString)>> {
        if self.own_logon { profile::variables(&self.handle) } else { Ok(Vec::new()) }
    }

    /// Whether it belongs to a logon of its own, which has a desktop of its own.
    pub(super) fn has_own_logon(&self) -> bool {
        self.own_logon
    }

    /// For a call.
    pub(super) fn as_raw(&self) -> HANDLE {
        self.handle.as_raw_handle()
    }
}

/// To look at a token.
pub(super) const QUERY: TOKEN_ACCESS_MASK = TOKEN_QUERY;
/// What CreateProcessAsUserW needs of a token, and we to change it before.
pub(super) const FOR_PROGRAMS: TOKEN_ACCESS_MASK =
    TOKEN_QUERY | TOKEN_DUPLICATE | TOKEN_ASSIGN_PRIMARY | TOKEN_ADJUST_DEFAULT;

/// The token of this process.
pub(super) fn own(access: TOKEN_ACCESS_MASK) -> io::Result<OwnedHandle> {
    let mut token = ptr::null_mut();
    // SAFETY: gives a constant that needs no closing.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the pointer is valid for the call.
    check(unsafe { OpenProcessToken(process, access, &raw mut token) })?;
    // SAFETY: a new handle that nobody else owns.
    unsafe { owned(token) }
}

/// Who our objects are for, as an SID: our service, if this process is it, or else our user. The
/// account of a service may be that of other services too.
pub(super) fn ourselves() -> io::Result<String> {
    if own_has(SERVICE_SID)? { Ok(SERVICE_SID.into()) } else { own_user() }
}

/// Who owns what this process makes, as an SID: its user or, if it is an administrator's, they all.
pub(super) fn own_owner() -> io::Result<String> {
    let memory = information(&own(TOKEN_QUERY)?, TokenOwner, size_of::<TOKEN_OWNER>())?;
    // SAFETY: the memory is aligned for it, large enough, and filled by the call for this class.
    let owner = unsafe { memory.as_ptr().cast::<TOKEN_OWNER>().read() };
    text_of(owner.Owner)
}

/// Whether this process has the rights of `sid`.
fn own_has(sid: &str) -> io::Result<bool> {
    let sid = Sid::parse(sid)?;
    let mut has = 0;
    // SAFETY: null is the token of this process; the SID is valid, the pointer too for the call.
    check(unsafe { CheckTokenMembership(ptr::null_mut(), sid.pointer(), &raw mut has) })?;
    Ok(has != 0)
}

/// The SID of a token's user, as text.
pub(super) fn user_of(token: &OwnedHandle) -> io::Result<String> {
    let memory = information(token, TokenUser, size_of::<TOKEN_USER>())?;
    // SAFETY: the memory is aligned for it, large enough, and filled by the call for this class.
    let user = unsafe { memory.as_ptr().cast::<TOKEN_USER>().read() };
    text_of(user.User.Sid)
}

/// What the system knows about a token, in the structure that belongs to `class`, which has at
/// least this size. What it points to is behind it.
pub(super) fn information(
    token: &OwnedHandle,
    class: TOKEN_INFORMATION_CLASS,
    least: usize,
) -> io::Result<Vec<u64>> {
    let mut size = 0;
    // SAFETY: asks only how much memory is needed; this call always fails.
    unsafe { GetTokenInformation(token.as_raw_handle(), class, ptr::null_mut(), 0, &raw mut size) };
    let mut memory = vec![0u64; (size as usize).max(least).div_ceil(size_of::<u64>())];
    // SAFETY: the memory has at least `size` bytes.
    check(unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            class,
            memory.as_mut_ptr().cast(),
            size,
            &raw mut size,
        )
    })?;
    Ok(memory)
}

/// Our own token without the right to be anybody, if we have that. The system itself has all
/// rights anyway, and an administrator who makes inetd run as the system wants programs to as well.
fn without_powers() -> io::Result<Option<OwnedHandle>> {
    let token = own(FOR_PROGRAMS)?;
    let powers = privileges::held(&token, &POWERS)?;
    if powers.is_empty() || user_of(&token)? == SYSTEM {
        return Ok(None);
    }
    let powers = privileges::luids(&powers)?;
    filtered(&token, 0, &[], &powers).map(Some)
}

/// Whether this process can be anybody.
pub(super) fn has_powers() -> io::Result<bool> {
    Ok(!privileges::held(&own(QUERY)?, &POWERS)?.is_empty())
}

/// Whether this process has the rights of the administrators, as the system itself has.
pub(super) fn is_administrator() -> io::Result<bool> {
    own_has(ADMINISTRATORS)
}

/// A token that can do as little as possible with the same user.
fn restricted(token: &OwnedHandle) -> io::Result<OwnedHandle> {
    let administrators = Sid::parse(ADMINISTRATORS)?;
    let disabled = [SID_AND_ATTRIBUTES { Sid: administrators.pointer(), Attributes: 0 }];
    // Everything but the privilege to pass through folders goes.
    let token = filtered(token, DISABLE_MAX_PRIVILEGE, &disabled, &[])?;
    let low = Sid::parse(LOW)?;
    let label = TOKEN_MANDATORY_LABEL {
        Label: SID_AND_ATTRIBUTES {
            Sid: low.pointer(),
            Attributes: SE_GROUP_INTEGRITY.cast_unsigned(),
        },
    };
    // SAFETY: a valid SID.
    let length = unsafe { GetLengthSid(low.pointer()) };
    let size = u32::try_from(size_of_val(&label)).unwrap_or(0) + length;
    // SAFETY: the structure is the one that belongs to this class, and its SID lives until the end
    // of the call.
    check(unsafe {
        SetTokenInformation(
            token.as_raw_handle(),
            TokenIntegrityLevel,
            (&raw const label).cast(),
            size,
        )
    })?;
    Ok(token)
}

/// A copy of a token with less in it. The handle has the access of `token`'s.
fn filtered(
    token: &OwnedHandle,
    flags: u32,
    disabled: &[SID_AND_ATTRIBUTES],
    deleted: &[LUID_AND_ATTRIBUTES],
) -> io::Result<OwnedHandle> {
    let mut new = ptr::null_mut();
    let count = |length: usize| u32::try_from(length).unwrap_or(0);
    // SAFETY: an open handle; both arrays have these lengths, and the SIDs in them are valid.
    check(unsafe {
        CreateRestrictedToken(
            token.as_raw_handle(),
            flags,
            count(disabled.len()),
            disabled.as_ptr(),
            count(deleted.len()),
            deleted.as_ptr(),
            0,
            ptr::null(),
            &raw mut new,
        )
    })?;
    // SAFETY: a new handle that nobody else owns.
    unsafe { owned(new) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::program;
    use super::*;

    #[test]
    fn a_restricted_token_has_the_same_user() {
        let program = Program { restrict: true, ..program("echo", &[]) };
        let token = Token::new(&program).unwrap().unwrap();
        assert!(!token.has_own_logon());
        let own = own(QUERY).unwrap();
        assert_eq!(user_of(&token.handle).unwrap(), user_of(&own).unwrap());
    }

    #[test]
    fn outside_the_service_we_are_our_user() {
        assert!(!own_has(SERVICE_SID).unwrap());
        assert_eq!(ourselves().unwrap(), own_user().unwrap());
        let everyone = "S-1-1-0";
        assert!(own_has(everyone).unwrap());
    }

    #[test]
    fn powers_are_taken_from_programs() {
        let own = own(QUERY).unwrap();
        let powers = privileges::held(&own, &POWERS).unwrap();
        let token = Token::new(&program("echo", &[])).unwrap();
        assert_eq!(token.is_some(), !powers.is_empty() && user_of(&own).unwrap() != SYSTEM);
    }
}
