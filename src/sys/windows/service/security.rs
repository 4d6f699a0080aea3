//! Who the service runs as, what that account may do, and who may change the service or what it
//! reads.

use std::io;
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Foundation::ERROR_SUCCESS;
use windows_sys::Win32::Security::Authorization::{SE_FILE_OBJECT, SetNamedSecurityInfoW};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION,
};
use windows_sys::Win32::System::Services::{
    ChangeServiceConfig2W, SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO,
    SERVICE_REQUIRED_PRIVILEGES_INFOW, SetServiceObjectSecurity,
};

use super::super::account::{self, Account, Kind};
use super::super::handle::{check, wide};
use super::super::privileges::Privilege;
use super::super::security::Descriptor;
use crate::sys::{IdentityError, ServiceError};

/// The account that Windows makes for our service: it has the rights of an ordinary user, and no
/// password.
pub(super) const VIRTUAL_ACCOUNT: &str = r"NT SERVICE\Inetd";

/// The service itself (`sc.exe showsid inetd`), whatever its account is.
pub(in crate::sys::platform) const SERVICE_SID: &str =
    "S-1-5-80-3468253313-2780563791-383732653-4128839364-2763283016";

/// The system and administrators may do everything, people who are logged on and other services
/// may look: the letters are explained in "Service Security and Access Rights" and "Security
/// Descriptor String Format".
const SERVICE_RIGHTS: &str = "D:P(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;SY)\
                              (A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;BA)\
                              (A;;CCLCSWLOCRRC;;;IU)(A;;CCLCSWLOCRRC;;;SU)";

/// The system and administrators own the folder. The service may read all of it, and add files to
/// it (its log) that it then owns; it cannot change the configuration. Nobody else gets in: the
/// folder above lets every user add files, a `conf.d` for example. The long number is
/// [`SERVICE_SID`].
const FOLDER_RIGHTS: &str = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICIIO;FA;;;CO)\
                             (A;OICI;FRFX;;;S-1-5-80-3468253313-2780563791-383732653-4128839364-2763283016)\
                             (A;;0x2;;;S-1-5-80-3468253313-2780563791-383732653-4128839364-2763283016)";

/// The name by which the system knows the account that somebody asked for.
///
/// # Errors
/// There is no such account, or it has a password, which we do not want to know.
pub(super) fn account(asked: Option<&str>) -> Result<String, ServiceError> {
    let Some(asked) = asked else { return Ok(VIRTUAL_ACCOUNT.into()) };
    if let Some(account) = account::built_in(asked) {
        return Ok(account.name.into());
    }
    let ours = VIRTUAL_ACCOUNT.to_ascii_lowercase();
    if [&*ours, "inetd"].contains(&&*asked.to_ascii_lowercase()) {
        return Ok(VIRTUAL_ACCOUNT.into());
    }
    match Account::find(asked) {
        Ok(Account { kind: Kind::Managed, .. }) => Ok(asked.into()),
        Ok(Account { kind: Kind::Service | Kind::System, .. }) => Err(ServiceError::Refused(
            format!("the account `{asked}` belongs to another service: install without --account"),
        )),
        Ok(Account { kind: Kind::Person, .. }) => Err(ServiceError::Refused(format!(
            "the account `{asked}` has a password, which inetd does not ask for: use LocalService, \
             NetworkService or a group managed service account (DOMAIN\\name$), or install without \
             --account and set the account in services.msc"
        ))),
        Err(IdentityError::System(error)) => {
            Err(ServiceError::System("look the account up", error))
        }
        Err(_) => Err(ServiceError::UnknownAccount(asked.into())),
    }
}

/// Takes every privilege from the service but these, and the one to pass through folders, which
/// everybody has. Programs inherit what the daemon has.
pub(super) fn set_privileges(
    service: &windows_service::service::Service,
    privileges: &[Privilege],
) -> io::Result<()> {
    let mut list = String::from("SeChangeNotifyPrivilege");
    for privilege in privileges {
        list = format!("{list}\0{}", privilege.name());
    }
    // A list: it ends with one more NUL.
    let mut privileges: Vec<u16> = format!("{list}\0\0").encode_utf16().collect();
    let list =
        SERVICE_REQUIRED_PRIVILEGES_INFOW { pmszRequiredPrivileges: privileges.as_mut_ptr() };
    // SAFETY: an open handle; the structure is the one that belongs to this number, and its list
    // lives until the end of the call.
    check(unsafe {
        ChangeServiceConfig2W(
            service.raw_handle(),
            SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO,
            (&raw const list).cast(),
        )
    })
}

/// Lets nobody but the system and administrators change, start or stop the service.
pub(super) fn protect_service(service: &windows_service::service::Service) -> io::Result<()> {
    let rights = Descriptor::parse(SERVICE_RIGHTS)?;
    let what = DACL_SECURITY_INFORMATION;
    // SAFETY: an open handle and a valid descriptor.
    check(unsafe { SetServiceObjectSecurity(service.raw_handle(), what, rights.pointer()) })
}

/// Makes the folder if there is none, and lets nobody but the system, administrators and the
/// service in.
pub(super) fn protect_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let rights = Descriptor::parse(FOLDER_RIGHTS)?;
    let (owner, list) = (rights.owner()?, rights.list()?);
    let what = OWNER_SECURITY_INFORMATION
        | DACL_SECURITY_INFORMATION
        | PROTECTED_DACL_SECURITY_INFORMATION;
    let folder = wide(folder.as_os_str())?;
    // SAFETY: the name ends with a NUL; owner and list are parts of a descriptor that lives until
    // the end of this function.
    let code = unsafe {
        SetNamedSecurityInfoW(
            folder.as_ptr(),
            SE_FILE_OBJECT,
            what,
            owner,
            ptr::null_mut(),
            list,
            ptr::null(),
        )
    };
    if code == ERROR_SUCCESS {
        return Ok(());
    }
    Err(io::Error::from_raw_os_error(code.cast_signed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_accounts_have_many_spellings() {
        assert_eq!(account(None).unwrap(), VIRTUAL_ACCOUNT);
        for (asked, expected) in [
            ("LocalSystem", "LocalSystem"),
            (r"NT AUTHORITY\SYSTEM", "LocalSystem"),
            (r"nt authority\local service", r"NT AUTHORITY\LocalService"),
            ("NetworkService", r"NT AUTHORITY\NetworkService"),
            (r"NT SERVICE\inetd", VIRTUAL_ACCOUNT),
        ] {
            assert_eq!(account(Some(asked)).unwrap(), expected, "{asked}");
        }
    }

    #[test]
    fn an_account_that_does_not_exist_is_told() {
        let error = account(Some("no-such-account-anywhere")).unwrap_err();
        assert!(matches!(error, ServiceError::UnknownAccount(_)), "{error}");
        assert!(error.to_string().contains("`no-such-account-anywhere`"));
    }

    #[test]
    fn the_rights_are_well_formed() {
        assert!(!Descriptor::parse(SERVICE_RIGHTS).unwrap().list().unwrap().is_null());
        assert_eq!(FOLDER_RIGHTS.matches(SERVICE_SID).count(), 2);
        assert!(!Descriptor::parse(FOLDER_RIGHTS).unwrap().owner().unwrap().is_null());
    }

    #[test]
    fn a_protected_folder_can_still_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new").join("Inetd");
        protect_folder(&folder).unwrap();
        protect_folder(&folder).unwrap();
        std::fs::write(folder.join("inetd.toml"), "").unwrap();
    }
}
