//! The names of accounts: the many ways to write one, and what kind of account it is.

use std::ffi::OsStr;
use std::io;
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, ERROR_NONE_MAPPED};
use windows_sys::Win32::NetworkManagement::NetManagement::{
    FILTER_NORMAL_ACCOUNT, LOCALGROUP_MEMBERS_INFO_3, NERR_Success, NetApiBufferFree,
    NetLocalGroupGetMembers, NetUserEnum, USER_INFO_0,
};
use windows_sys::Win32::Security::{
    LookupAccountNameW, LookupAccountSidW, SID_NAME_USE, SidTypeAlias, SidTypeDomain, SidTypeGroup,
    SidTypeUser, SidTypeWellKnownGroup,
};

use super::handle::{check, wide};
use super::security::{Sid, text_of};
use crate::sys::IdentityError;

pub(super) const SYSTEM: &str = "S-1-5-18";
pub(super) const ADMINISTRATORS: &str = "S-1-5-32-544";
pub(super) const LOCAL_SERVICE: &str = "S-1-5-19";
pub(super) const NETWORK_SERVICE: &str = "S-1-5-20";
/// Accounts of services, the virtual ones, begin like this.
const SERVICES: &str = "S-1-5-80-";

/// Bytes of names. A domain controller has more accounts than anybody wants to compare with.
const ENOUGH_NAMES: u32 = 1 << 16;

/// An account of this machine or its domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    /// The name that people know: `LocalService`, `NT SERVICE\NAME`, `DOMAIN\name`.
    pub(super) name: String,
    /// Its SID, which has one spelling.
    pub(super) sid: String,
    /// How it is logged on.
    pub(super) kind: Kind,
}

/// How an account is logged on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// LocalSystem: nobody but the system itself can log it on.
    System,
    /// LocalService, NetworkService, `NT SERVICE\NAME`: there is no password.
    Service,
    /// `DOMAIN\name$`: the domain has the password, and tells it to this machine alone.
    Managed,
    /// Everybody else has one.
    Person,
}

/// A built-in account: what the Service Control Manager calls it, and its SID.
pub(super) struct BuiltIn {
    pub(super) name: &'static str,
    pub(super) sid: &'static str,
}

const BUILT_IN: [BuiltIn; 3] = [
    BuiltIn { name: "LocalSystem", sid: SYSTEM },
    BuiltIn { name: r"NT AUTHORITY\LocalService", sid: LOCAL_SERVICE },
    BuiltIn { name: r"NT AUTHORITY\NetworkService", sid: NETWORK_SERVICE },
];

/// A built-in account by any of its English spellings: `LocalService`, `local-service`, `NT
/// AUTHORITY\Local Service`. They are known in every language of Windows, unlike to LookupAccountName.
pub(super) fn built_in(name: &str) -> Option<&'static BuiltIn> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix(r"nt authority\").unwrap_or(&name);
    let name: String = name.chars().filter(|c| !matches!(c, ' ' | '-' | '_')).collect();
    let index = match name.as_str() {
        "localsystem" | "system" => 0,
        "localservice" => 1,
        "networkservice" => 2,
        _ => return None,
    };
    BUILT_IN.get(index)
}

impl Account {
    /// The account that `name` means.
    pub(super) fn find(name: &str) -> Result<Self, IdentityError> {
        if let Some(BuiltIn { name, sid }) = built_in(name) {
            let kind = if *sid == SYSTEM { Kind::System } else { Kind::Service };
            return Ok(Self { name: (*name).into(), sid: (*sid).into(), kind });
        }
        let unknown = || IdentityError::UnknownUser(name.to_owned());
        // Without these LookupAccountName would find a domain, or the account that it likes best.
        if name.is_empty() || name.ends_with('\\') || name.contains('\0') {
            return Err(unknown());
        }
        let Found { sid, domain, kind } = match look_up(name) {
            Err(error) if error.raw_os_error() == Some(ERROR_NONE_MAPPED.cast_signed()) => {
                return Err(unknown());
            }
            found => found?,
        };
        let is_service = sid.starts_with(SERVICES);
        let no_user = [SidTypeGroup, SidTypeAlias, SidTypeDomain, SidTypeWellKnownGroup];
        if !is_service && no_user.contains(&kind) {
            return Err(IdentityError::NotAUser(name.to_owned()));
        }
        // In a name with an `@` the domain is at the end, and LogonUser wants it there.
        let plain = name.rsplit('\\').next().unwrap_or(name);
        let full = if name.contains('@') && !name.contains('\\') {
            name.to_owned()
        } else {
            format!(r"{domain}\{plain}")
        };
        let kind = if is_service {
            Kind::Service
        } else if plain.ends_with('$') {
            Kind::Managed
        } else {
            Kind::Person
        };
        Ok(Self { name: full, sid, kind })
    }

    /// Name and domain as LogonUser wants them: a name with an `@` has its domain in it.
    pub(super) fn parts(&self) -> (&str, Option<&str>) {
        match self.name.split_once('\\') {
            Some((domain, name)) => (name, Some(domain)),
            None => (&self.name, None),
        }
    }
}

/// The SID of the group that `name` means.
pub(super) fn group(name: &str) -> Result<String, IdentityError> {
    let unknown = || IdentityError::UnknownGroup(name.to_owned());
    if name.is_empty() || name.ends_with('\\') || name.contains('\0') {
        return Err(unknown());
    }
    match look_up(name) {
        Ok(Found { sid, kind, .. })
            if [SidTypeGroup, SidTypeAlias, SidTypeWellKnownGroup].contains(&kind) =>
        {
            Ok(sid)
        }
        Ok(Found { kind, .. }) if kind == SidTypeUser => {
            Err(IdentityError::NotAGroup(name.to_owned()))
        }
        Err(error) if error.raw_os_error() != Some(ERROR_NONE_MAPPED.cast_signed()) => {
            Err(error.into())
        }
        _ => Err(unknown()),
    }
}

/// A SID as somebody has written it ("S-1-5-19"), in the system's own spelling.
pub(super) fn sid(text: &str) -> Option<String> {
    // The system also takes two letters that stand for a SID, and under Wine nothing at all.
    if !text.starts_with("S-1-") {
        return None;
    }
    let sid = Sid::parse(text).ok()?;
    text_of(sid.pointer()).ok()
}

/// What the system knows of a name.
struct Found {
    sid: String,
    domain: String,
    kind: SID_NAME_USE,
}

fn look_up(name: &str) -> io::Result<Found> {
    let name = wide(OsStr::new(name))?;
    // The longest SID has 68 bytes, the longest domain 255 characters.
    let (mut sid, mut domain) = ([0_u64; 16], [0_u16; 256]);
    let mut sid_size = u32::try_from(size_of_val(&sid)).unwrap_or(0);
    let mut domain_size = u32::try_from(domain.len()).unwrap_or(0);
    let mut kind = 0;
    // SAFETY: the name ends with a NUL, the buffers have these sizes (in bytes and in characters).
    check(unsafe {
        LookupAccountNameW(
            ptr::null(),
            name.as_ptr(),
            sid.as_mut_ptr().cast(),
            &raw mut sid_size,
            domain.as_mut_ptr(),
            &raw mut domain_size,
            &raw mut kind,
        )
    })?;
    let domain = domain.split(|unit| *unit == 0).next().unwrap_or_default();
    let domain = String::from_utf16_lossy(domain);
    Ok(Found { sid: text_of(sid.as_mut_ptr().cast())?, domain, kind })
}

/// The name of the account with this SID, or the SID if it has none here.
pub(super) fn name_of(sid: &str) -> String {
    full_name(sid).unwrap_or_else(|_| sid.to_owned())
}

fn full_name(text: &str) -> io::Result<String> {
    let sid = Sid::parse(text)?;
    let (mut name, mut domain) = ([0_u16; 256], [0_u16; 256]);
    let size = u32::try_from(name.len()).unwrap_or(0);
    let (mut name_size, mut domain_size, mut kind) = (size, size, 0);
    // SAFETY: a valid SID, and buffers of these sizes in characters.
    check(unsafe {
        LookupAccountSidW(
            ptr::null(),
            sid.pointer(),
            name.as_mut_ptr(),
            &raw mut name_size,
            domain.as_mut_ptr(),
            &raw mut domain_size,
            &raw mut kind,
        )
    })?;
    let text = |units: &[u16]| {
        String::from_utf16_lossy(units.split(|unit| *unit == 0).next().unwrap_or_default())
    };
    let (name, domain) = (text(&name), text(&domain));
    Ok(if domain.is_empty() { name } else { format!(r"{domain}\{name}") })
}

/// Names that somebody may have meant: the accounts of this machine, and those of every machine.
pub(super) fn names() -> Vec<String> {
    let mut names = vec!["LocalService".to_owned(), "NetworkService".to_owned()];
    let (mut memory, mut count, mut total) = (ptr::null_mut(), 0, 0);
    // SAFETY: null is this machine; the pointers are valid for the call.
    let code = unsafe {
        NetUserEnum(
            ptr::null(),
            0,
            FILTER_NORMAL_ACCOUNT,
            &raw mut memory,
            ENOUGH_NAMES,
            &raw mut count,
            &raw mut total,
            ptr::null_mut(),
        )
    };
    let list = NetList { memory, code, count };
    // SAFETY: the structure of level 0.
    let users = unsafe { list.entries::<USER_INFO_0>() };
    names.extend(users.iter().filter_map(|user| text(user.usri0_name)));
    names
}

/// The SIDs of those who are in a group of this machine, as far as they can be found.
pub(super) fn members_of(group: &str) -> Vec<String> {
    // The group is called differently in every language, and the call wants no domain.
    let group = name_of(group);
    let group = group.rsplit('\\').next().unwrap_or(&group);
    let Ok(group) = wide(OsStr::new(group)) else { return Vec::new() };
    let (mut memory, mut count, mut total) = (ptr::null_mut(), 0, 0);
    // SAFETY: null is this machine, the name ends with a NUL, the pointers are valid for the call.
    let code = unsafe {
        NetLocalGroupGetMembers(
            ptr::null(),
            group.as_ptr(),
            3, // LOCALGROUP_MEMBERS_INFO_3
            &raw mut memory,
            ENOUGH_NAMES,
            &raw mut count,
            &raw mut total,
            ptr::null_mut(),
        )
    };
    let list = NetList { memory, code, count };
    // SAFETY: the structure of level 3.
    let members = unsafe { list.entries::<LOCALGROUP_MEMBERS_INFO_3>() };
    let names = members.iter().filter_map(|member| text(member.lgrmi3_domainandname));
    names.filter_map(|name| look_up(&name).ok()).map(|found| found.sid).collect()
}

/// What a call of the network management functions has given.
struct NetList {
    memory: *mut u8,
    code: u32,
    count: u32,
}

impl NetList {
    /// The entries.
    ///
    /// # Safety
    /// `T` is the structure that the call fills.
    unsafe fn entries<T>(&self) -> &[T] {
        if self.memory.is_null() || self.code != NERR_Success && self.code != ERROR_MORE_DATA {
            return &[];
        }
        let start = self.memory.cast::<T>().cast_const();
        // SAFETY: the call has written `count` of them, aligned by the system; they live as long
        // as the memory.
        unsafe { std::slice::from_raw_parts(start, self.count as usize) }
    }
}

impl Drop for NetList {
    fn drop(&mut self) {
        if !self.memory.is_null() {
            // SAFETY: memory of this kind that nobody uses any more.
            unsafe { NetApiBufferFree(self.memory.cast()) };
        }
    }
}

/// A text of the system, up to its NUL.
fn text(start: *const u16) -> Option<String> {
    if start.is_null() {
        return None;
    }
    // SAFETY: each character up to the NUL that ends the text can be read.
    let length = (0..).take_while(|i| unsafe { start.wrapping_add(*i).read() } != 0).count();
    // SAFETY: as many characters as were just read; nobody changes them.
    let units = unsafe { std::slice::from_raw_parts(start, length) };
    String::from_utf16(units).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_accounts_have_many_spellings() {
        for (spelling, sid) in [
            ("LocalService", LOCAL_SERVICE),
            ("local-service", LOCAL_SERVICE),
            (r"NT AUTHORITY\Local Service", LOCAL_SERVICE),
            (r"nt authority\NETWORK SERVICE", NETWORK_SERVICE),
            ("network_service", NETWORK_SERVICE),
        ] {
            let account = Account::find(spelling).unwrap();
            assert_eq!((&*account.sid, account.kind), (sid, Kind::Service), "{spelling}");
            assert_eq!(account.parts().1, Some("NT AUTHORITY"), "{spelling}");
        }
        assert_eq!(Account::find("SYSTEM").unwrap().kind, Kind::System);
        assert!(built_in(r".\LocalService").is_none());
    }

    #[test]
    fn our_own_account_is_found_by_every_name() {
        let own = super::super::security::own_user().unwrap();
        let user = std::env::var("USERNAME").unwrap();
        for spelling in [user.clone(), format!(r".\{user}")] {
            let account = Account::find(&spelling).unwrap();
            assert_eq!((account.sid, account.kind), (own.clone(), Kind::Person), "{spelling}");
        }
        assert!(names().contains(&user), "{:?}", names());
        let administrators = members_of(ADMINISTRATORS);
        assert!(!super::super::testing::is_wine() || administrators == [own], "{administrators:?}");
    }

    #[test]
    fn groups_domains_and_nobody_are_no_users() {
        for group in ["Administrators", "Everyone"] {
            let found = Account::find(group);
            assert!(matches!(found, Err(IdentityError::NotAUser(_))), "{group}: {found:?}");
        }
        for nobody in ["no such account", "", r"NT AUTHORITY\", r"NT SERVICE\no-such-service"] {
            let found = Account::find(nobody);
            assert!(matches!(found, Err(IdentityError::UnknownUser(_))), "{nobody}: {found:?}");
        }
    }

    #[test]
    fn a_name_with_an_at_keeps_its_domain() {
        let (sid, kind) = (String::new(), Kind::Person);
        let account = Account { name: "bob@example.com".into(), sid, kind };
        assert_eq!(account.parts(), ("bob@example.com", None));
        let account = Account { name: r"EXAMPLE\bob".into(), ..account };
        assert_eq!(account.parts(), ("bob", Some("EXAMPLE")));
    }
}
