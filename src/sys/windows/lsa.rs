//! The Local Security Authority: its store for passwords, and the rights of accounts.

use std::io;
use std::ptr;

use windows_sys::Win32::Foundation::{NTSTATUS, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS};
use windows_sys::Win32::Security::Authentication::Identity::{
    LSA_HANDLE, LSA_OBJECT_ATTRIBUTES, LSA_UNICODE_STRING, LsaAddAccountRights, LsaClose,
    LsaFreeMemory, LsaNtStatusToWinError, LsaOpenPolicy, LsaRemoveAccountRights,
    LsaRetrievePrivateData, LsaStorePrivateData, POLICY_CREATE_ACCOUNT, POLICY_CREATE_SECRET,
    POLICY_GET_PRIVATE_INFORMATION, POLICY_LOOKUP_NAMES,
};
use zeroize::{Zeroize, Zeroizing};

use super::security::Sid;

/// What one wants to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Access {
    /// Read what is in the store.
    Read,
    /// Read and change what is in the store.
    Write,
    /// Change the rights of accounts.
    Rights,
}

/// The policy of this machine, open.
#[derive(Debug)]
pub(super) struct Policy(LSA_HANDLE);

impl Policy {
    /// # Errors
    /// `PermissionDenied` to anybody but administrators and the system.
    pub(super) fn open(access: Access) -> io::Result<Self> {
        let access = match access {
            Access::Read => POLICY_GET_PRIVATE_INFORMATION,
            Access::Write => POLICY_GET_PRIVATE_INFORMATION | POLICY_CREATE_SECRET,
            Access::Rights => POLICY_CREATE_ACCOUNT | POLICY_LOOKUP_NAMES,
        };
        // "The members of this structure are not used."
        let attributes = LSA_OBJECT_ATTRIBUTES::default();
        let mut policy = 0;
        // SAFETY: null is this machine; the pointers are valid for the call.
        done(unsafe {
            LsaOpenPolicy(
                ptr::null(),
                &raw const attributes,
                access.cast_unsigned(),
                &raw mut policy,
            )
        })?;
        Ok(Self(policy))
    }

    /// Keeps `data` under `key`; `None` forgets it.
    ///
    /// # Errors
    /// `NotFound` for something to forget that is not there. `Unsupported` if the system has no
    /// store.
    pub(super) fn store(&self, key: &str, data: Option<&[u16]>) -> io::Result<()> {
        let key: Vec<u16> = key.encode_utf16().collect();
        let key = text(&key)?;
        let value = data.map(text).transpose()?;
        let value_pointer = value.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: an open handle, and texts that live until the end of the call.
        match unsafe { LsaStorePrivateData(self.0, &raw const key, value_pointer) } {
            // Wine's answer to everything; Windows has a place for everything that is new.
            STATUS_OBJECT_NAME_NOT_FOUND if data.is_some() => Err(no_store()),
            status => done(status),
        }
    }

    /// What is kept under `key`.
    pub(super) fn retrieve(&self, key: &str) -> io::Result<Option<Zeroizing<Vec<u16>>>> {
        let key: Vec<u16> = key.encode_utf16().collect();
        let key = text(&key)?;
        let mut data = ptr::null_mut();
        // SAFETY: an open handle, a text that lives until the end of the call, a valid pointer.
        match unsafe { LsaRetrievePrivateData(self.0, &raw const key, &raw mut data) } {
            STATUS_OBJECT_NAME_NOT_FOUND => return Ok(None),
            status => done(status)?,
        }
        if data.is_null() {
            return Ok(None);
        }
        // SAFETY: the call has filled it.
        let found = unsafe { data.read() };
        let mut value = Zeroizing::new(Vec::new());
        if !found.Buffer.is_null() {
            let length = usize::from(found.Length) / size_of::<u16>();
            // SAFETY: as many characters as the call says, and nobody else has them.
            let units = unsafe { std::slice::from_raw_parts_mut(found.Buffer, length) };
            *value = units.to_vec();
            units.zeroize();
        }
        // SAFETY: memory of this kind that nobody uses any more.
        unsafe { LsaFreeMemory(data.cast()) };
        Ok(Some(value))
    }

    /// Gives an account rights that it may have already.
    ///
    /// # Errors
    /// `Unsupported` if the system knows no rights.
    pub(super) fn add_rights(&self, account: &Sid, rights: &[&str]) -> io::Result<()> {
        for right in rights {
            let right: Vec<u16> = right.encode_utf16().collect();
            let right = text(&right)?;
            // SAFETY: an open handle, a valid SID, one text that lives until the end of the call.
            match unsafe { LsaAddAccountRights(self.0, account.pointer(), &raw const right, 1) } {
                // Wine's answer; Windows makes an entry for an account that has none.
                STATUS_OBJECT_NAME_NOT_FOUND => return Err(no_store()),
                status => done(status)?,
            }
        }
        Ok(())
    }

    /// Takes rights from an account that may not have them.
    pub(super) fn remove_rights(&self, account: &Sid, rights: &[&str]) -> io::Result<()> {
        for right in rights {
            let right: Vec<u16> = right.encode_utf16().collect();
            let right = text(&right)?;
            // SAFETY: an open handle, a valid SID, one text that lives until the end of the call.
            let status = unsafe {
                LsaRemoveAccountRights(self.0, account.pointer(), false, &raw const right, 1)
            };
            if status != STATUS_OBJECT_NAME_NOT_FOUND {
                done(status)?;
            }
        }
        Ok(())
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        // SAFETY: an open handle that nobody uses any more.
        unsafe { LsaClose(self.0) };
    }
}

/// `units` for a call that only reads it. Points to them.
fn text(units: &[u16]) -> io::Result<LSA_UNICODE_STRING> {
    let length = u16::try_from(size_of_val(units))
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the text is too long"))?;
    let buffer = units.as_ptr().cast_mut();
    Ok(LSA_UNICODE_STRING { Length: length, MaximumLength: length, Buffer: buffer })
}

fn done(status: NTSTATUS) -> io::Result<()> {
    if status == STATUS_SUCCESS {
        return Ok(());
    }
    // SAFETY: takes a number only.
    let code = unsafe { LsaNtStatusToWinError(status) };
    Err(io::Error::from_raw_os_error(code.cast_signed()))
}

fn no_store() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this system does not do that")
}

#[cfg(test)]
mod tests {
    use super::super::testing::is_wine;
    use super::*;

    #[test]
    fn what_is_kept_is_found_until_it_is_forgotten() {
        let key = format!("L$Inetd-test-{}", std::process::id());
        let policy = match Policy::open(Access::Write) {
            Ok(policy) => policy,
            // The tests of an ordinary user.
            Err(error) => return assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
        };
        assert!(policy.retrieve(&key).unwrap().is_none());
        let data: Vec<u16> = "a b\u{e4}\u{1f600}".encode_utf16().collect();
        if let Err(error) = policy.store(&key, Some(&data)) {
            assert!(is_wine() && error.kind() == io::ErrorKind::Unsupported, "{error}");
            return;
        }
        assert_eq!(*policy.retrieve(&key).unwrap().unwrap(), data);
        policy.store(&key, None).unwrap();
        assert!(policy.retrieve(&key).unwrap().is_none());
        assert_eq!(policy.store(&key, None).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_too_long_is_an_error() {
        assert!(text(&[0; 40_000]).is_err());
        assert_eq!(text(&[65, 66]).unwrap().Length, 4);
    }
}
