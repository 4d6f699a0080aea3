//! Users and groups. They are looked up once, when the configuration is loaded.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;

use crate::sys::IdentityError;

/// How an account is written, for an error message.
pub const SPELLINGS: &str = "write the name or the number of an account of this machine";

/// Who a program runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub user: u32,
    /// Group id.
    pub group: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// The user's name, for records.
    pub name: String,
}

/// Looks up who a program shall run as. Without `group` it is the user's own group, without
/// `groups` the groups that the user is a member of (getgrouplist(3)). `None` if that is exactly
/// who the daemon is.
pub fn resolve(
    user: Option<&str>,
    group: Option<&str>,
    groups: Option<&[String]>,
) -> Result<Option<Identity>, IdentityError> {
    if user.is_none() && group.is_none() && groups.is_none() {
        return Ok(None);
    }
    let user = match user {
        Some(name) => find_user(name)?,
        None => current_user(),
    };
    let group = match group {
        Some(name) => group_id(name)?,
        None => user.group,
    };
    let mut groups = match groups {
        Some(names) => names.iter().map(|name| group_id(name)).collect::<Result<_, _>>()?,
        None => member_of(&user.name, group),
    };
    groups.sort_unstable();
    groups.dedup();
    let identity = Identity { user: user.id, group, groups, name: user.name };
    Ok(if is_own(&identity) { None } else { Some(identity) })
}

/// A user or a group: its number.
pub type AccountId = u32;

/// The user id of a name or a number.
pub fn user_id(name: &str) -> Result<AccountId, IdentityError> {
    Ok(find_user(name)?.id)
}

/// The group id of a name or a number.
pub fn group_id(name: &str) -> Result<AccountId, IdentityError> {
    let text = CString::new(name).map_err(io::Error::from)?;
    let found = lookup(|buffer| {
        let mut entry = MaybeUninit::<libc::group>::uninit();
        let mut result = ptr::null_mut();
        // SAFETY: all pointers are valid for the call; the length is that of the buffer.
        let error = unsafe {
            libc::getgrnam_r(
                text.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &raw mut result,
            )
        };
        // SAFETY: a result that is not null points to the entry, which is filled then.
        found(error, result.is_null(), || unsafe { entry.assume_init() }.gr_gid)
    })?;
    match found {
        Some(id) => Ok(id),
        None => number(name).ok_or_else(|| IdentityError::UnknownGroup(name.to_owned())),
    }
}

/// The name of a user id, or its number if nobody has it.
pub(super) fn user_name(id: u32) -> String {
    user_by_id(id).ok().flatten().map_or_else(|| id.to_string(), |user| user.name)
}

/// The name of a group id, or its number if nobody has it.
pub(super) fn group_name(id: u32) -> String {
    let found = lookup(|buffer| {
        let mut entry = MaybeUninit::<libc::group>::uninit();
        let mut result = ptr::null_mut();
        // SAFETY: all pointers are valid for the call; the length is that of the buffer.
        let error = unsafe {
            libc::getgrgid_r(
                id,
                entry.as_mut_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &raw mut result,
            )
        };
        found(error, result.is_null(), || {
            // SAFETY: a result that is not null points to the entry, which is filled then.
            let entry = unsafe { entry.assume_init() };
            // SAFETY: a NUL-terminated string in `buffer`, which outlives this use.
            unsafe { CStr::from_ptr(entry.gr_name) }.to_string_lossy().into_owned()
        })
    });
    found.ok().flatten().unwrap_or_else(|| id.to_string())
}

/// Whether this process can do what ordinary users cannot: it is root.
pub fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
}

/// Names of users that somebody may have meant: those of this machine.
pub fn known_users() -> Vec<String> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    users.lines().filter_map(|line| line.split(':').next()).map(str::to_owned).collect()
}

/// Why this process cannot start programs as `identity`, and what to do about it; `None` if it can.
pub fn obstacle(_identity: &Identity) -> Option<String> {
    // The capabilities that count are CAP_SETUID and CAP_SETGID; as root one has them.
    let sets = rustix::thread::capabilities(None);
    let may = sets.is_ok_and(|sets| {
        use rustix::thread::CapabilitySet;
        sets.effective.contains(CapabilitySet::SETUID | CapabilitySet::SETGID)
    });
    let help =
        "run inetd as root (or with CAP_SETUID and CAP_SETGID), or run the program as yourself";
    (!may).then(|| help.to_owned())
}

/// An id that is written as a number. The largest one means "leave it as it is" to setresuid(2),
/// setresgid(2) and chown(2): whoever wrote it would get root.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id != u32::MAX)
}

struct User {
    id: u32,
    group: u32,
    name: String,
    home: Option<PathBuf>,
}

/// The name and the home directory of a user id, if somebody has it.
pub(super) fn entry(id: u32) -> io::Result<Option<(String, Option<PathBuf>)>> {
    Ok(user_by_id(id)?.map(|user| (user.name, user.home)))
}

fn find_user(name: &str) -> Result<User, IdentityError> {
    let text = CString::new(name).map_err(io::Error::from)?;
    let found = lookup_user(|entry, buffer, result| {
        // SAFETY: all pointers are valid for the call; the length is that of the buffer.
        unsafe {
            libc::getpwnam_r(text.as_ptr(), entry, buffer.as_mut_ptr().cast(), buffer.len(), result)
        }
    })?;
    if let Some(user) = found {
        return Ok(user);
    }
    let Some(id) = number(name) else { return Err(IdentityError::UnknownUser(name.to_owned())) };
    // A number without an entry is fine, as in chown(1); its group is the same number.
    Ok(user_by_id(id)?.unwrap_or_else(|| User { id, group: id, name: name.to_owned(), home: None }))
}

fn current_user() -> User {
    let id = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    User { id, group, name: user_name(id), home: None }
}

fn user_by_id(id: u32) -> io::Result<Option<User>> {
    lookup_user(|entry, buffer, result| {
        // SAFETY: all pointers are valid for the call; the length is that of the buffer.
        unsafe { libc::getpwuid_r(id, entry, buffer.as_mut_ptr().cast(), buffer.len(), result) }
    })
}

fn lookup_user(
    call: impl Fn(*mut libc::passwd, &mut [u8], *mut *mut libc::passwd) -> libc::c_int,
) -> io::Result<Option<User>> {
    lookup(|buffer| {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut result = ptr::null_mut();
        let error = call(entry.as_mut_ptr(), buffer, &raw mut result);
        found(error, result.is_null(), || {
            // SAFETY: a result that is not null points to the entry, which is filled then.
            let entry = unsafe { entry.assume_init() };
            // SAFETY: a NUL-terminated string in `buffer`, which outlives this use.
            let name = unsafe { CStr::from_ptr(entry.pw_name) };
            // SAFETY: as above.
            let home = unsafe { CStr::from_ptr(entry.pw_dir) };
            User {
                id: entry.pw_uid,
                group: entry.pw_gid,
                name: name.to_string_lossy().into_owned(),
                home: Some(OsStr::from_bytes(home.to_bytes()).into()),
            }
        })
    })
}

/// One outcome of a reentrant lookup.
enum Outcome<T> {
    Found(T),
    Nobody,
    BufferTooSmall,
    Failed(io::Error),
}

fn found<T>(error: libc::c_int, nobody: bool, value: impl FnOnce() -> T) -> Outcome<T> {
    match error {
        libc::ERANGE => Outcome::BufferTooSmall,
        // "0 or ENOENT or ESRCH or EBADF or EPERM": the name was not found (getpwnam(3)).
        0 | libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM if nobody => Outcome::Nobody,
        0 => Outcome::Found(value()),
        error => Outcome::Failed(io::Error::from_raw_os_error(error)),
    }
}

fn lookup<T>(mut call: impl FnMut(&mut [u8]) -> Outcome<T>) -> io::Result<Option<T>> {
    let mut buffer = vec![0; 1024];
    loop {
        match call(&mut buffer) {
            Outcome::Found(value) => return Ok(Some(value)),
            Outcome::Nobody => return Ok(None),
            Outcome::Failed(error) => return Err(error),
            Outcome::BufferTooSmall if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 4, 0),
            Outcome::BufferTooSmall => return Err(io::ErrorKind::OutOfMemory.into()),
        }
    }
}

/// The groups that a user is a member of, with its main group.
fn member_of(user: &str, main: u32) -> Vec<u32> {
    let Ok(user) = CString::new(user) else { return vec![main] };
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut count = libc::c_int::try_from(groups.len()).unwrap_or(libc::c_int::MAX);
        // SAFETY: `count` says how many groups fit into the array.
        let result =
            unsafe { libc::getgrouplist(user.as_ptr(), main, groups.as_mut_ptr(), &raw mut count) };
        let count = usize::try_from(count).unwrap_or(0);
        if result >= 0 {
            groups.truncate(count);
            return groups;
        }
        if count <= groups.len() {
            return vec![main];
        }
        groups.resize(count, 0);
    }
}

fn is_own(identity: &Identity) -> bool {
    let own = rustix::process::getgroups().unwrap_or_default();
    let mut own: Vec<u32> = own.into_iter().map(rustix::process::Gid::as_raw).collect();
    own.sort_unstable();
    own.dedup();
    identity.user == rustix::process::geteuid().as_raw()
        && identity.group == rustix::process::getegid().as_raw()
        && (own == identity.groups || own.is_empty() && identity.groups == [identity.group])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found_and_the_number_that_means_nobody_is_not() {
        assert_eq!(user_id("root").unwrap(), 0);
        assert_eq!(user_id("12345").unwrap(), 12345);
        assert_eq!(group_id("0").unwrap(), 0);
        for bad in ["4294967295", "-1", "no such name", ""] {
            assert!(matches!(user_id(bad), Err(IdentityError::UnknownUser(_))), "{bad}");
            assert!(matches!(group_id(bad), Err(IdentityError::UnknownGroup(_))), "{bad}");
        }
    }

    #[test]
    fn nobody_has_no_more_than_its_own_groups() {
        let Ok(Some(nobody)) = resolve(Some("nobody"), None, None) else {
            return assert!(!rustix::process::geteuid().is_root(), "we are nobody ourselves");
        };
        assert_eq!(nobody.groups, [nobody.group]);
    }
}
