//! Who may use an object that has a name: a security descriptor of our own instead of the system's
//! default, which differs from one kind of object to the next. And the names that the system has
//! for everybody in them, SIDs.

use std::ffi::{OsStr, c_void};
use std::io;
use std::ptr;

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW,
    ConvertStringSidToSidW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    ACL, GetSecurityDescriptorDacl, GetSecurityDescriptorOwner, PSECURITY_DESCRIPTOR, PSID,
    SECURITY_ATTRIBUTES, TOKEN_QUERY,
};

use super::handle::{check, wide};
use super::identity::AccountId;
use super::token;

/// Reading and writing, FILE_GENERIC_READ and FILE_GENERIC_WRITE, but without
/// FILE_CREATE_PIPE_INSTANCE: whoever had that could serve the pipe in our place ("Named Pipe
/// Security and Access Rights").
const CONNECT: &str = "0x12019b";

/// A security descriptor in one piece (self-relative), aligned as the system's own ones are.
#[derive(Debug)]
pub(super) struct Descriptor {
    memory: Vec<u64>,
}

impl Descriptor {
    /// All rights for the system, the administrators and our own user, and none for anybody else;
    /// nothing is inherited from anywhere.
    pub(super) fn ours_alone() -> io::Result<Self> {
        Self::ours_and(std::iter::empty())
    }

    /// As [`Descriptor::ours_alone`], and `others` may connect: to a pipe, or to a socket by its
    /// file.
    pub(super) fn ours_and<'a>(others: impl Iterator<Item = &'a AccountId>) -> io::Result<Self> {
        let ours = format!("D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;{})", own_user()?);
        Self::parse(&others.fold(ours, |text, other| text + &format!("(A;;{CONNECT};;;{other})")))
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
    let start = text.0.cast::<u16>().cast_const();
    // SAFETY: each character up to the NUL that ends the text can be read.
    let length = (0..).take_while(|i| unsafe { start.wrapping_add(*i).read() } != 0).count();
    // SAFETY: as many characters as were just read; nobody changes them.
    let units = unsafe { std::slice::from_raw_parts(start, length) };
    String::from_utf16(units).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_user_has_a_sid() {
        let user = own_user().unwrap();
        assert!(user.starts_with("S-1-5-"), "{user}");
        assert_eq!(user, own_user().unwrap());
    }

    #[test]
    fn a_descriptor_names_three_and_nobody_else() {
        let descriptor = Descriptor::ours_alone().unwrap();
        let attributes = descriptor.attributes();
        assert_eq!(attributes.lpSecurityDescriptor.addr(), descriptor.memory.as_ptr().addr());
        assert_eq!(attributes.bInheritHandle, 0);
        // Byte 0 is the revision, 2 and 3 are flags: SE_DACL_PRESENT, SE_DACL_PROTECTED and
        // SE_SELF_RELATIVE; the offset of the list is at 16, its number of entries 4 bytes in.
        let bytes: Vec<u8> = descriptor.memory.iter().flat_map(|part| part.to_le_bytes()).collect();
        assert_eq!((bytes[0], u16::from_le_bytes([bytes[2], bytes[3]])), (1, 0x9004));
        let list = u32::from_le_bytes(bytes[16..20].try_into().unwrap()) as usize;
        assert_eq!(u16::from_le_bytes([bytes[list + 4], bytes[list + 5]]), 3);
    }

    #[test]
    fn what_is_no_descriptor_is_an_error() {
        assert!(Descriptor::parse("D:P(A;;GA;;;nobody)").is_err());
    }
}
