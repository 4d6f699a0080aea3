//! Who may use an object that has a name: a security descriptor of our own instead of the system's
//! default, which differs from one kind of object to the next. And the names that the system has
//! for everybody in them, SIDs.

use std::ffi::{OsStr, c_void};
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW,
    ConvertStringSidToSidW, GetSecurityInfo, SDDL_REVISION_1, SE_KERNEL_OBJECT,
};
use windows_sys::Win32::Security::{
    ACL, GetSecurityDescriptorDacl, GetSecurityDescriptorOwner, OWNER_SECURITY_INFORMATION,
    PSECURITY_DESCRIPTOR, PSID, SECURITY_ATTRIBUTES, TOKEN_QUERY,
};

use super::handle::{check, wide};
use super::identity::AccountId;
use super::token;

/// Reading and writing, FILE_GENERIC_READ and FILE_GENERIC_WRITE, but without
/// FILE_CREATE_PIPE_INSTANCE: whoever had that could serve the pipe in our place ("Named Pipe
/// Security and Access Rights").
const CONNECT: &str = "0x12019b";

/// The same for the file of a Unix socket, FILE_GENERIC_READ and FILE_GENERIC_WRITE: whoever connects
/// needs the right to write to it. None of these rights is to remove or replace it.
const CONNECT_TO_FILE: &str = "0x12019f";

/// A security descriptor in one piece (self-relative), aligned as the system's own ones are.
#[derive(Debug)]
pub(super) struct Descriptor {
    memory: Vec<u64>,
}

impl Descriptor {
    /// All rights for the system, the administrators and ourselves, and none for anybody else;
    /// nothing is inherited from anywhere.
    pub(super) fn ours_alone() -> io::Result<Self> {
        Self::ours_and(std::iter::empty())
    }

    /// As [`Descriptor::ours_alone`], and `others` may connect to the pipe.
    pub(super) fn ours_and<'a>(others: impl Iterator<Item = &'a AccountId>) -> io::Result<Self> {
        Self::of("GA", &token::ourselves()?, CONNECT, others)
    }

    /// The same for the file of a Unix socket. A file system does not know generic rights.
    pub(super) fn file_of_ours_and<'a>(
        others: impl Iterator<Item = &'a AccountId>,
    ) -> io::Result<Self> {
        Self::of("FA", &token::ourselves()?, CONNECT_TO_FILE, others)
    }

    fn of<'a>(
        all: &str,
        ourselves: &str,
        connect: &str,
        others: impl Iterator<Item = &'a AccountId>,
    ) -> io::Result<Self> {
        let ours = format!("D:P(A;;{all};;;SY)(A;;{all};;;BA)(A;;{all};;;{ourselves})");
        Self::parse(&others.fold(ours, |text, other| text + &format!("(A;;{connect};;;{other})")))
    }

    /// The descriptor that `text` describes, see "Security Descriptor String Format".
    pub(super) fn parse(text: &str) -> io::Result<Self> {
        let text = wide(OsStr::new(text))?;
        let mut descriptor = ptr::null_mut();
        let mut size = 0;
        // SAFETY: the text ends with a NUL, and the other pointers are valid for the call.
        check(unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                &raw mut size,
            )
        })?;
        let descriptor = Local(descriptor);
        let size = size as usize;
        let mut memory = vec![0u64; size.div_ceil(size_of::<u64>())];
        // SAFETY: the source has `size` bytes, the copy has at least as many, and it is new.
        unsafe {
            ptr::copy_nonoverlapping(descriptor.0.cast::<u8>(), memory.as_mut_ptr().cast(), size);
        }
        Ok(Self { memory })
    }

    /// For a call that makes an object, one that programs do not inherit. Points to `self`, which
    /// the call only reads.
    pub(super) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>().try_into().unwrap_or(0),
            lpSecurityDescriptor: self.pointer(),
            bInheritHandle: 0,
        }
    }

    /// For a call that only reads it. Points to `self`.
    pub(super) fn pointer(&self) -> PSECURITY_DESCRIPTOR {
        self.memory.as_ptr().cast_mut().cast()
    }

    /// Who owns the object; null if it does not say. Points to `self`.
    pub(super) fn owner(&self) -> io::Result<PSID> {
        let (mut owner, mut defaulted) = (ptr::null_mut(), 0);
        // SAFETY: a valid descriptor; the pointers are valid for the call.
        check(unsafe {
            GetSecurityDescriptorOwner(self.pointer(), &raw mut owner, &raw mut defaulted)
        })?;
        Ok(owner)
    }

    /// Who may do what; null if it does not say. Points to `self`.
    pub(super) fn list(&self) -> io::Result<*const ACL> {
        let (mut present, mut list, mut defaulted) = (0, ptr::null_mut(), 0);
        // SAFETY: a valid descriptor; the pointers are valid for the call.
        check(unsafe {
            GetSecurityDescriptorDacl(
                self.pointer(),
                &raw mut present,
                &raw mut list,
                &raw mut defaulted,
            )
        })?;
        Ok(list)
    }
}

/// Who owns a pipe, as an SID: nobody can make one that belongs to somebody else.
pub(super) fn owner_of(pipe: BorrowedHandle<'_>) -> io::Result<String> {
    let (mut owner, mut memory) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: an open handle; the pointers are valid for the call.
    let code = unsafe {
        GetSecurityInfo(
            pipe.as_raw_handle(),
            SE_KERNEL_OBJECT,
            OWNER_SECURITY_INFORMATION,
            &raw mut owner,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut memory,
        )
    };
    if code != ERROR_SUCCESS {
        return Err(io::Error::from_raw_os_error(code.cast_signed()));
    }
    // The owner is a part of it.
    let _memory = Local(memory);
    text_of(owner)
}

/// Memory that a call has allocated for us.
pub(super) struct Local(pub(super) *mut c_void);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: allocated by LocalAlloc, and nobody uses it any more.
        unsafe { LocalFree(self.0) };
    }
}

/// A SID in the system's form.
pub(super) struct Sid(Local);

impl Sid {
    /// The SID that `text` ("S-1-5-18") is.
    pub(super) fn parse(text: &str) -> io::Result<Self> {
        let text = wide(OsStr::new(text))?;
        let mut sid = ptr::null_mut();
        // SAFETY: the text ends with a NUL, and the pointer is valid for the call.
        check(unsafe { ConvertStringSidToSidW(text.as_ptr(), &raw mut sid) })?;
        Ok(Self(Local(sid)))
    }

    /// For a call. Points to `self`.
    pub(super) fn pointer(&self) -> PSID {
        self.0.0
    }
}

/// The SID of the user of this process, as text.
pub(super) fn own_user() -> io::Result<String> {
    token::user_of(&token::own(TOKEN_QUERY)?)
}

/// `sid` has to be valid, as one that the system gave is.
pub(super) fn text_of(sid: PSID) -> io::Result<String> {
    let mut text = ptr::null_mut();
    // SAFETY: the SID is valid, and so is the pointer for the call.
    check(unsafe { ConvertSidToStringSidW(sid, &raw mut text) })?;
    let text = Local(text.cast());
    // SAFETY: the call gave a text that ends with a NUL.
    unsafe { text_at(text.0.cast()) }
}

/// # Safety
/// `start` is a text that ends with a NUL.
unsafe fn text_at(start: *const u16) -> io::Result<String> {
    // SAFETY: each character up to the NUL that ends the text can be read.
    let length = (0..).take_while(|i| unsafe { start.wrapping_add(*i).read() } != 0).count();
    // SAFETY: as many characters as were just read; nobody changes them.
    let units = unsafe { std::slice::from_raw_parts(start, length) };
    String::from_utf16(units).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Security::Authorization::ConvertSecurityDescriptorToStringSecurityDescriptorW;
    use windows_sys::Win32::Security::DACL_SECURITY_INFORMATION;
    use windows_sys::Win32::Storage::FileSystem::{
        DELETE, FILE_GENERIC_READ, FILE_GENERIC_WRITE, WRITE_DAC, WRITE_OWNER,
    };

    use super::super::service::SERVICE_SID;
    use super::*;

    #[test]
    fn our_user_has_a_sid() {
        let user = own_user().unwrap();
        assert!(user.starts_with("S-1-5-"), "{user}");
        assert_eq!(user, own_user().unwrap());
    }

    /// As the system writes it, which is how tools show it.
    fn text(descriptor: &Descriptor) -> String {
        let mut text = ptr::null_mut();
        // SAFETY: a valid descriptor; the pointer is valid for the call.
        check(unsafe {
            ConvertSecurityDescriptorToStringSecurityDescriptorW(
                descriptor.pointer(),
                SDDL_REVISION_1,
                DACL_SECURITY_INFORMATION,
                &raw mut text,
                ptr::null_mut(),
            )
        })
        .unwrap();
        let text = Local(text.cast());
        // SAFETY: the call gave a text that ends with a NUL.
        unsafe { text_at(text.0.cast()) }.unwrap()
    }

    #[test]
    fn a_descriptor_names_three_and_nobody_else() {
        let descriptor = Descriptor::ours_alone().unwrap();
        let attributes = descriptor.attributes();
        assert_eq!(attributes.lpSecurityDescriptor.addr(), descriptor.memory.as_ptr().addr());
        assert_eq!(attributes.bInheritHandle, 0);
        let own = own_user().unwrap();
        assert_eq!(text(&descriptor), format!("D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;{own})"));
        // As a service it names the service and not the account, which others may have too.
        let service = Descriptor::of("GA", SERVICE_SID, CONNECT, std::iter::empty()).unwrap();
        let expected = format!("D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;{SERVICE_SID})");
        assert_eq!(text(&service), expected);
    }

    #[test]
    fn whoever_may_connect_to_a_socket_may_write_to_its_file_and_not_replace_it() {
        let users: AccountId = super::super::identity::group_id("Users").unwrap();
        let descriptor = Descriptor::file_of_ours_and([&users].into_iter()).unwrap();
        let own = own_user().unwrap();
        let ours = format!("D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;{own})");
        assert_eq!(text(&descriptor), ours + "(A;;0x12019f;;;BU)");
        let mask = u32::from_str_radix(CONNECT_TO_FILE.trim_start_matches("0x"), 16).unwrap();
        assert_eq!(mask, FILE_GENERIC_READ | FILE_GENERIC_WRITE);
        assert_eq!(mask & (DELETE | WRITE_DAC | WRITE_OWNER), 0);
    }

    #[test]
    fn what_is_no_descriptor_is_an_error() {
        assert!(Descriptor::parse("D:P(A;;GA;;;nobody)").is_err());
    }
}
