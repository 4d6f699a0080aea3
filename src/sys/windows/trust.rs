//! Who can change a file that has to be trusted: a configuration, a program.

use std::io;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::ptr;

use windows_sys::Win32::Foundation::{
    ERROR_SUCCESS, GENERIC_ALL, GENERIC_EXECUTE, GENERIC_READ, GENERIC_WRITE,
};
use windows_sys::Win32::Security::Authorization::{
    GetNamedSecurityInfoW, GetSecurityInfo, SE_FILE_OBJECT, SE_KERNEL_OBJECT,
};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACE_HEADER, ACL, DACL_SECURITY_INFORMATION, GetAce, INHERIT_ONLY_ACE,
    OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID,
};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_ADD_FILE, FILE_APPEND_DATA, FILE_DELETE_CHILD, FILE_EXECUTE, FILE_READ_DATA,
    FILE_WRITE_DATA, WRITE_DAC, WRITE_OWNER,
};
use windows_sys::Win32::System::SystemServices::{
    ACCESS_ALLOWED_ACE_TYPE, ACCESS_ALLOWED_CALLBACK_ACE_TYPE,
};

use super::account::{self, ADMINISTRATORS, Kind, SYSTEM};
use super::handle::{check, wide};
use super::identity::Identity;
use super::machine;
use super::security::{Local, own_user, text_of};
use super::service::SERVICE_SID;
use crate::sys::{Outsider, Use};

/// The system, the administrators, and Windows' own installer, who owns what belongs to Windows.
/// Then the two that stand for whoever owns a file, who is looked at anyway.
const TRUSTED: [&str; 5] = [
    SYSTEM,
    ADMINISTRATORS,
    "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
    "S-1-3-0",
    "S-1-3-4",
];
/// Everyone, anonymous, everybody who is logged on, authenticated users, the local users, guests.
const EVERYBODY: [&str; 6] =
    ["S-1-1-0", "S-1-5-7", "S-1-5-4", "S-1-5-11", "S-1-5-32-545", "S-1-5-32-546"];

/// Everyone, authenticated users, the local users, whoever is on this machine, services.
const GROUPS: [&str; 6] =
    ["S-1-1-0", "S-1-5-11", "S-1-5-32-545", "S-1-2-0", "S-1-5-6", "S-1-5-80-0"];

/// To change a file, in any way in which that can be done.
const CHANGE_FILE: u32 = FILE_WRITE_DATA
    | FILE_APPEND_DATA
    | DELETE
    | WRITE_DAC
    | WRITE_OWNER
    | GENERIC_WRITE
    | GENERIC_ALL;
/// To put another file or folder in the place of one in a folder.
const CHANGE_FOLDER: u32 =
    FILE_DELETE_CHILD | DELETE | WRITE_DAC | WRITE_OWNER | GENERIC_WRITE | GENERIC_ALL;

/// A command that takes this right away.
pub fn remedy(outsider: &Outsider) -> String {
    let Outsider { path, who, .. } = outsider;
    let path = path.display();
    if outsider.owner {
        return format!("icacls \"{path}\" /setowner *{ADMINISTRATORS}");
    }
    format!("icacls \"{path}\" /inheritance:d /remove:g \"{who}\"")
}

/// Who can change `path`, or replace it in one of the folders above it, besides the system, the
/// administrators, our service, our own user and `trusted`. The nearest place first, one line for
/// each. Entries that deny something are not weighed against those that allow it.
///
/// # Errors
/// The file, or a folder above it, cannot be looked at.
pub fn outsiders(path: &Path, trusted: Option<&Identity>) -> io::Result<Vec<Outsider>> {
    let mut known = known()?;
    known.extend(trusted.map(|identity| identity.account.sid.clone()));
    outsiders_besides(path, &known)
}

/// As [`outsiders`], as our service sees it: our own user is not trusted, who may be an
/// administrator that installs it.
pub fn outsiders_to_service(path: &Path) -> io::Result<Vec<Outsider>> {
    outsiders_besides(path, &known_to_service())
}

/// Those who can do everything anyway, and our service.
fn known_to_service() -> Vec<String> {
    let trusted = TRUSTED.iter().chain(&[SERVICE_SID]).map(|sid| (*sid).to_owned());
    // A file that an administrator has written without raised rights belongs to that person.
    trusted.chain(account::members_of(ADMINISTRATORS)).collect()
}

fn outsiders_besides(path: &Path, known: &[String]) -> io::Result<Vec<Outsider>> {
    let path = std::path::absolute(path)?;
    // Wine makes rights out of modes, without the bit that keeps others' files in /tmp safe.
    let looked_at = if machine::emulator().is_some() { 2 } else { usize::MAX };
    let mut found = Vec::new();
    for (depth, place) in path.ancestors().take(looked_at).enumerate() {
        let dangerous = match depth {
            0 => CHANGE_FILE,
            // A program loads libraries from its folder, a configuration includes files of it.
            1 => CHANGE_FOLDER | FILE_ADD_FILE,
            _ => CHANGE_FOLDER,
        };
        let rights = rights(place)?;
        if let Some((sid, everybody)) = rights.outsider(dangerous, known) {
            let (path, who) = (place.to_owned(), account::name_of(&sid));
            found.push(Outsider { path, who, everybody, owner: sid == rights.owner });
        }
    }
    Ok(found)
}

/// Those whom we trust whatever it is about.
fn known() -> io::Result<Vec<String>> {
    let mut known = known_to_service();
    known.push(own_user()?);
    Ok(known)
}

/// What keeps `identity` from using the file `path`: the file. Folders do not count: everybody may
/// pass through them (SeChangeNotifyPrivilege). Of the groups that `identity` is a member of, those
/// count that services are in; those of people are not known here, so nothing is said about them.
///
/// # Errors
/// The file cannot be looked at.
pub fn obstacle(path: &Path, identity: &Identity, purpose: Use) -> io::Result<Option<PathBuf>> {
    if matches!(identity.account.kind, Kind::Person | Kind::System) {
        return Ok(None);
    }
    let needed = match purpose {
        Use::Read => FILE_READ_DATA,
        Use::Run => FILE_EXECUTE,
        Use::Interpret => FILE_READ_DATA | FILE_EXECUTE,
    };
    let mut own: Vec<String> = GROUPS.map(str::to_owned).into();
    own.extend([SERVICE_SID.to_owned(), identity.account.sid.clone()]);
    Ok((!rights(path)?.allow(&own, needed)).then(|| path.to_owned()))
}

/// Who may do what with a file.
#[derive(Debug, Default)]
struct Rights {
    owner: String,
    /// What is allowed to whom; `None` means everything to everybody.
    entries: Option<Vec<(u32, String)>>,
}

impl Rights {
    /// Whether somebody with these identities has all of these rights.
    fn allow(&self, own: &[String], needed: u32) -> bool {
        let Some(entries) = &self.entries else { return true };
        let own = entries.iter().filter(|(_, sid)| own.contains(sid));
        let allowed = own.fold(0, |all, (mask, _)| {
            let generic = |right, means| if mask & right != 0 { means } else { 0 };
            all | mask
                | generic(GENERIC_ALL, FILE_READ_DATA | FILE_EXECUTE)
                | generic(GENERIC_READ, FILE_READ_DATA)
                | generic(GENERIC_EXECUTE, FILE_EXECUTE)
        });
        allowed & needed == needed
    }

    /// The first one with a right of `dangerous` who is not among the `known`, and whether that is
    /// everybody.
    fn outsider(&self, dangerous: u32, known: &[String]) -> Option<(String, bool)> {
        let Some(entries) = &self.entries else { return Some((EVERYBODY[0].into(), true)) };
        // Whoever owns a file can change its rights.
        let owner = std::iter::once(&self.owner);
        let allowed = entries.iter().filter(|(mask, _)| mask & dangerous != 0).map(|(_, sid)| sid);
        let mut outsiders: Vec<_> =
            owner.chain(allowed).filter(|sid| !known.contains(sid)).collect();
        let is_everybody = |sid: &str| EVERYBODY.contains(&sid);
        outsiders.sort_by_key(|sid| !is_everybody(sid));
        outsiders.first().map(|sid| ((*sid).clone(), is_everybody(sid)))
    }
}

fn rights(path: &Path) -> io::Result<Rights> {
    let name = wide(path.as_os_str())?;
    read(|owner, list, memory| {
        // SAFETY: the name ends with a NUL, and the pointers are valid for the call.
        unsafe {
            GetNamedSecurityInfoW(
                name.as_ptr(),
                SE_FILE_OBJECT,
                OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                owner,
                ptr::null_mut(),
                list,
                ptr::null_mut(),
                memory,
            )
        }
    })
}

/// Who can use a pipe besides the system, the administrators, our service and our own user.
pub(super) fn outsider_of(pipe: &impl AsRawHandle) -> io::Result<Option<String>> {
    let rights = read(|owner, list, memory| {
        // SAFETY: the handle is open, and the pointers are valid for the call.
        unsafe {
            GetSecurityInfo(
                pipe.as_raw_handle(),
                SE_KERNEL_OBJECT,
                OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                owner,
                ptr::null_mut(),
                list,
                ptr::null_mut(),
                memory,
            )
        }
    })?;
    Ok(rights.outsider(u32::MAX, &known()?).map(|(sid, _)| account::name_of(&sid)))
}

/// What `call` tells about owner and list of an object, which are parts of the memory that it
/// allocates.
fn read(
    call: impl FnOnce(*mut PSID, *mut *mut ACL, *mut PSECURITY_DESCRIPTOR) -> u32,
) -> io::Result<Rights> {
    let (mut owner, mut list, mut memory) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let code = call(&raw mut owner, &raw mut list, &raw mut memory);
    if code != ERROR_SUCCESS {
        return Err(io::Error::from_raw_os_error(code.cast_signed()));
    }
    let _memory = Local(memory);
    let owner = if owner.is_null() { String::new() } else { text_of(owner)? };
    if list.is_null() {
        return Ok(Rights { owner, entries: None });
    }
    // SAFETY: a valid list that lives as long as its memory.
    let count = unsafe { list.read() }.AceCount;
    let mut entries = Vec::new();
    for index in 0..u32::from(count) {
        entries.extend(allowed(list, index)?);
    }
    Ok(Rights { owner, entries: Some(entries) })
}

/// What entry `index` of a valid list allows, and to whom; `None` if it is not such an entry, or
/// is only there for others to inherit.
fn allowed(list: *const ACL, index: u32) -> io::Result<Option<(u32, String)>> {
    let mut entry = ptr::null_mut();
    // SAFETY: a valid list; the pointer is valid for the call.
    check(unsafe { GetAce(list, index, &raw mut entry) })?;
    // SAFETY: every entry begins with such a header.
    let header = unsafe { entry.cast::<ACE_HEADER>().read() };
    let kind = u32::from(header.AceType);
    if kind != ACCESS_ALLOWED_ACE_TYPE && kind != ACCESS_ALLOWED_CALLBACK_ACE_TYPE
        || u32::from(header.AceFlags) & INHERIT_ONLY_ACE != 0
    {
        return Ok(None);
    }
    let entry = entry.cast::<ACCESS_ALLOWED_ACE>();
    // SAFETY: entries of these two types begin with such a structure.
    let mask = unsafe { entry.read() }.Mask;
    // SAFETY: stays within the entry: its SID begins there.
    let sid: PSID = unsafe { (&raw mut (*entry).SidStart).cast() };
    Ok(Some((mask, text_of(sid)?)))
}

#[cfg(test)]
pub(crate) use tests::{close_to_others, open_to_everybody};

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Security::Authorization::SetNamedSecurityInfoW;

    use super::super::account::Account;
    use super::*;
    use crate::sys::platform::security::Descriptor;

    const USERS: &str = "S-1-5-32-545";
    const BOB: &str = "S-1-5-21-1-2-3-1001";

    /// Lets everybody change `path`.
    pub(crate) fn open_to_everybody(path: &Path) {
        set(path, &Descriptor::parse("D:P(A;OICI;FA;;;WD)").unwrap());
    }

    /// Lets nobody else use `path`.
    pub(crate) fn close_to_others(path: &Path) {
        set(path, &Descriptor::ours_alone().unwrap());
    }

    fn set(path: &Path, rights: &Descriptor) {
        let name = wide(path.as_os_str()).unwrap();
        let list = rights.list().unwrap();
        // SAFETY: the name ends with a NUL; the list is a part of a descriptor that lives longer.
        let code = unsafe {
            SetNamedSecurityInfoW(
                name.as_ptr(),
                SE_FILE_OBJECT,
                DACL_SECURITY_INFORMATION,
                ptr::null_mut(),
                ptr::null_mut(),
                list,
                ptr::null(),
            )
        };
        assert_eq!(code, ERROR_SUCCESS);
    }

    fn rights(entries: &[(u32, &str)]) -> Rights {
        let entries = entries.iter().map(|(mask, sid)| (*mask, (*sid).to_owned())).collect();
        Rights { owner: TRUSTED[1].into(), entries: Some(entries) }
    }

    fn trusted() -> Vec<String> {
        TRUSTED.map(str::to_owned).into()
    }

    #[test]
    fn whoever_can_change_a_file_is_an_outsider_and_everybody_comes_first() {
        let all = rights(&[
            (GENERIC_ALL, TRUSTED[0]),
            (FILE_WRITE_DATA, BOB),
            (DELETE, USERS),
            (FILE_DELETE_CHILD, "S-1-5-11"),
        ]);
        assert_eq!(all.outsider(CHANGE_FILE, &trusted()), Some((USERS.into(), true)));
        assert_eq!(all.outsider(FILE_WRITE_DATA, &trusted()), Some((BOB.into(), false)));
        assert_eq!(all.outsider(WRITE_OWNER, &trusted()), None);
        let owned = Rights { owner: BOB.into(), entries: Some(Vec::new()) };
        assert_eq!(owned.outsider(CHANGE_FILE, &trusted()), Some((BOB.into(), false)));
        assert!(Rights::default().outsider(CHANGE_FILE, &trusted()).unwrap().1);
    }

    #[test]
    fn rights_of_groups_add_up() {
        let rights = rights(&[
            (FILE_READ_DATA, USERS),
            (GENERIC_EXECUTE, "S-1-5-6"),
            (GENERIC_ALL, TRUSTED[1]),
        ]);
        let own = GROUPS.map(str::to_owned);
        assert!(rights.allow(&own, FILE_READ_DATA | FILE_EXECUTE));
        assert!(!rights.allow(&own, FILE_WRITE_DATA));
        assert!(!rights.allow(&[BOB.to_owned()], FILE_READ_DATA));
        assert!(rights.allow(&trusted(), FILE_READ_DATA | FILE_EXECUTE));
    }

    #[test]
    fn what_windows_gives_its_own_folders_is_harmless() {
        // "NT AUTHORITY\Authenticated Users:(AD)" on C:\, "BUILTIN\Users:(RX)" on C:\Windows, and
        // "BUILTIN\Users:(WD,AD,WEA,WA)" on C:\ProgramData, where files of others cannot be deleted.
        let root = rights(&[(0x4, "S-1-5-11"), (0x0012_00a9, USERS)]);
        assert_eq!(root.outsider(CHANGE_FOLDER, &trusted()), None);
        let data = rights(&[(0x116, USERS)]);
        assert_eq!(data.outsider(CHANGE_FOLDER, &trusted()), None);
        assert!(data.outsider(CHANGE_FOLDER | FILE_ADD_FILE, &trusted()).is_some());
    }

    #[test]
    fn names_and_sids_belong_together() {
        let name = account::name_of(TRUSTED[0]);
        assert!(name.to_uppercase().ends_with("SYSTEM"), "{name}");
        assert_eq!(Account::find(&name).unwrap().sid, TRUSTED[0]);
        assert_eq!(account::name_of("S-1-5-21-9-9-9-9"), "S-1-5-21-9-9-9-9");
    }

    #[test]
    fn a_file_of_our_own_can_be_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "").unwrap();
        let rights = super::rights(&path).unwrap();
        assert!(rights.owner.starts_with("S-1-"), "{rights:?}");
        assert!(!rights.entries.unwrap().is_empty());
        outsiders(&path, None).unwrap();
        assert!(outsiders(&folder.path().join("no"), None).is_err());
    }
}
