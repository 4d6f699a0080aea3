//! Logging an account on, which gives a token for its programs.

use std::ffi::OsStr;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::ptr;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ACCOUNT_DISABLED, ERROR_ACCOUNT_EXPIRED, ERROR_ACCOUNT_LOCKED_OUT,
    ERROR_ACCOUNT_RESTRICTION, ERROR_LOGON_FAILURE, ERROR_LOGON_NOT_GRANTED,
    ERROR_LOGON_TYPE_NOT_GRANTED, ERROR_NO_LOGON_SERVERS, ERROR_PASSWORD_EXPIRED,
    ERROR_PASSWORD_MUST_CHANGE, ERROR_PRIVILEGE_NOT_HELD,
};
use windows_sys::Win32::NetworkManagement::NetManagement::SERVICE_ACCOUNT_PASSWORD;
use windows_sys::Win32::Security::{LOGON32_LOGON_SERVICE, LOGON32_PROVIDER_DEFAULT, LogonUserW};
use zeroize::Zeroizing;

use super::account::{Account, Kind};
use super::handle::{check, own, wide};
use super::identity::needed;
use super::secret;
use super::{privileges, token};

/// A token for the programs of `account`.
///
/// # Errors
/// The account cannot be logged on; the text says what to do.
pub(super) fn log_on(account: &Account) -> io::Result<OwnedHandle> {
    let password = match account.kind {
        Kind::Person => Some(secret::password(account)?),
        Kind::System | Kind::Service | Kind::Managed => None,
    };
    privileges::enable(needed(account.kind))?;
    let token = log_on_with(account, password).map_err(|error| explain(account, &error))?;
    // A token that is somebody else's would be worse than none.
    if token::user_of(&token)? != account.sid {
        return Err(io::Error::other(format!("the system has not logged `{}` on", account.name)));
    }
    Ok(token)
}

/// Logs `account` on with this password, which has no NUL at its end.
///
/// # Errors
/// What the system says.
pub(super) fn log_on_with(
    account: &Account,
    password: Option<Zeroizing<Vec<u16>>>,
) -> io::Result<OwnedHandle> {
    let (name, domain) = account.parts();
    let name = wide(OsStr::new(name))?;
    let domain = domain.map(|domain| wide(OsStr::new(domain))).transpose()?;
    // Grown in one step, so that no part of it stays anywhere.
    let password = password.map(|password| {
        let mut ended = Zeroizing::new(Vec::with_capacity(password.len() + 1));
        ended.extend_from_slice(&password);
        ended.push(0);
        ended
    });
    let password = match (&password, account.kind) {
        (Some(password), _) => password.as_ptr(),
        // The machine asks the domain for the true one.
        (None, Kind::Managed) => SERVICE_ACCOUNT_PASSWORD,
        (None, _) => ptr::null(),
    };
    let mut token = ptr::null_mut();
    // SAFETY: the texts end with a NUL, null stands for no domain and no password, and the pointer
    // is valid for the call.
    check(unsafe {
        LogonUserW(
            name.as_ptr(),
            domain.as_ref().map_or(ptr::null(), Vec::as_ptr),
            password,
            LOGON32_LOGON_SERVICE,
            LOGON32_PROVIDER_DEFAULT,
            &raw mut token,
        )
    })?;
    // SAFETY: a new handle that nobody else owns.
    unsafe { own(token) }
}

/// What the system said, and what to do.
fn explain(account: &Account, error: &io::Error) -> io::Error {
    let help = advice(account, error.raw_os_error().map_or(0, i32::cast_unsigned));
    let text = format!("cannot log `{}` on: {error}: {help}", account.name);
    io::Error::new(error.kind(), text)
}

fn advice(account: &Account, code: u32) -> String {
    let Account { name, kind, .. } = account;
    match code {
        ERROR_LOGON_FAILURE if *kind == Kind::Person => {
            format!("its password has changed: `inetd secret set {name}`")
        }
        ERROR_LOGON_FAILURE if *kind == Kind::Managed => {
            "the domain does not give this machine its password: see \
             PrincipalsAllowedToRetrieveManagedPassword and Test-ADServiceAccount"
                .into()
        }
        ERROR_LOGON_TYPE_NOT_GRANTED | ERROR_LOGON_NOT_GRANTED => {
            "give it the right \"Log on as a service\" (secpol.msc, Local Policies, User Rights \
             Assignment), and take it out of \"Deny log on as a service\""
                .into()
        }
        ERROR_PASSWORD_EXPIRED | ERROR_PASSWORD_MUST_CHANGE => {
            format!("change it, then `inetd secret set {name}`")
        }
        ERROR_ACCOUNT_RESTRICTION => {
            "Windows lets nobody without a password, or outside of the allowed hours, log on: give \
             the account a password"
                .into()
        }
        ERROR_ACCOUNT_DISABLED | ERROR_ACCOUNT_EXPIRED | ERROR_ACCOUNT_LOCKED_OUT => {
            "enable the account again (lusrmgr.msc, or whoever administers the domain)".into()
        }
        ERROR_NO_LOGON_SERVERS => {
            "no domain controller can be reached: reload when one can (`inetd reload`)".into()
        }
        ERROR_PRIVILEGE_NOT_HELD | ERROR_ACCESS_DENIED | ERROR_LOGON_FAILURE => {
            "inetd has no right to that: run it as LocalSystem (`inetd service install --account \
             LocalSystem`)"
                .into()
        }
        _ => format!("can it log on otherwise, for example with `runas /user:{name} cmd`?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(kind: Kind) -> Account {
        Account { name: r"PC\alice".into(), sid: "S-1-5-21-1-2-3-1001".into(), kind }
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        let advice = |kind, code| advice(&account(kind), code);
        assert!(advice(Kind::Person, ERROR_LOGON_FAILURE).contains(r"inetd secret set PC\alice"));
        assert!(advice(Kind::Managed, ERROR_LOGON_FAILURE).contains("Test-ADServiceAccount"));
        assert!(advice(Kind::Service, ERROR_LOGON_FAILURE).contains("--account LocalSystem"));
        let right = advice(Kind::Person, ERROR_LOGON_TYPE_NOT_GRANTED);
        assert!(right.contains("Log on as a service"), "{right}");
        assert!(advice(Kind::Person, ERROR_PASSWORD_EXPIRED).contains("inetd secret set"));
        assert!(advice(Kind::Person, ERROR_NO_LOGON_SERVERS).contains("inetd reload"));
        assert!(advice(Kind::Person, 12_345).contains("runas"));
    }

    #[test]
    fn the_text_names_the_account_and_the_reason() {
        let error = io::Error::from_raw_os_error(ERROR_ACCOUNT_DISABLED.cast_signed());
        let text = explain(&account(Kind::Person), &error).to_string();
        assert!(text.starts_with(r"cannot log `PC\alice` on: "), "{text}");
        assert!(text.contains("1331"), "{text}");
    }
}
