//! Who can change a file that has to be trusted: a configuration, a program.

use std::collections::HashSet;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::identity::{self, Identity};
use crate::sys::{Outsider, Use};

const WRITABLE_BY_OTHERS: u32 = 0o002;
const WRITABLE_BY_GROUP: u32 = 0o020;
const STICKY: u32 = 0o1000;
const READ: u32 = 0o4;
const EXECUTE: u32 = 0o1;
/// The most symbolic links that the system follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// A command that takes this right away.
pub fn remedy(outsider: &Outsider) -> String {
    let path = outsider.path.display();
    if outsider.everybody {
        format!("chmod o-w {path}")
    } else if outsider.owner {
        format!("chown root {path}")
    } else {
        format!("chmod g-w {path}")
    }
}

/// Who can change `path`, or replace it in one of the folders above it, besides root, our own user
/// and `trusted`. The nearest place first, one line for each.
///
/// # Errors
/// The file, or a folder above it, cannot be looked at.
pub fn outsiders(path: &Path, trusted: Option<&Identity>) -> io::Result<Vec<Outsider>> {
    let trusted = Trusted {
        users: [0, rustix::process::geteuid().as_raw()]
            .into_iter()
            .chain(trusted.map(|identity| identity.user))
            .collect(),
    };
    let mut found = Vec::new();
    for place in places(path)? {
        let file = std::fs::metadata(&place)?;
        if let Some((who, everybody)) = trusted.outsider(&file) {
            let owner = !everybody && !trusted.users.contains(&file.uid());
            found.push(Outsider { path: place, who, everybody, owner });
        }
    }
    Ok(found)
}

/// What keeps `identity` from using the file `path`: the file, or a folder on the way to it.
///
/// # Errors
/// The file, or a folder above it, cannot be looked at.
pub fn obstacle(path: &Path, identity: &Identity, purpose: Use) -> io::Result<Option<PathBuf>> {
    if identity.user == 0 {
        return Ok(None);
    }
    for place in places(path)? {
        let file = std::fs::metadata(&place)?;
        let needed = match purpose {
            _ if file.is_dir() => EXECUTE,
            Use::Read => READ,
            Use::Run => EXECUTE,
            Use::Interpret => READ | EXECUTE,
        };
        if rights(&file, identity) & needed != needed && !has_access_list(&place) {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// What `identity` may do with a file by its mode, as the last octal digit.
fn rights(file: &Metadata, identity: &Identity) -> u32 {
    let is_member = identity.group == file.gid() || identity.groups.contains(&file.gid());
    let shift = match file.uid() == identity.user {
        true => 6,
        false if is_member => 3,
        false => 0,
    };
    file.mode() >> shift & 0o7
}

/// With an access list (acl(5)) the mode does not tell everything.
fn has_access_list(path: &Path) -> bool {
    rustix::fs::getxattr(path, "system.posix_acl_access", &mut [0_u8; 0]).is_ok()
}

/// As [`outsiders`], as our service sees it: whoever can install it is root, as it is.
pub fn outsiders_to_service(path: &Path) -> io::Result<Vec<Outsider>> {
    outsiders(path, None)
}

/// The file and every folder on the way to it, also on the way that symbolic links lead.
fn places(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut places = Vec::new();
    let mut seen = HashSet::new();
    let mut add = |path: &Path| {
        places.extend(path.ancestors().filter(|p| seen.insert(p.to_path_buf())).map(Into::into));
    };
    let mut link = std::path::absolute(path)?;
    add(&std::fs::canonicalize(&link)?);
    for _ in 0..MOST_LINKS {
        add(link.parent().unwrap_or(&link));
        let Ok(target) = std::fs::read_link(&link) else { break };
        link = link.parent().unwrap_or(Path::new("/")).join(target);
    }
    Ok(places)
}

struct Trusted {
    users: Vec<u32>,
}

impl Trusted {
    /// Who can change this file, or what is in this folder; and whether that is everybody.
    fn outsider(&self, file: &Metadata) -> Option<(String, bool)> {
        let mode = file.mode();
        // In a folder with the sticky bit nobody can replace what belongs to others.
        let shared = FileType::from_raw_mode(mode) == FileType::Directory && mode & STICKY != 0;
        if mode & WRITABLE_BY_OTHERS != 0 && !shared {
            return Some(("everybody".into(), true));
        }
        if !self.users.contains(&file.uid()) {
            return Some((format!("the user `{}`", identity::user_name(file.uid())), false));
        }
        if mode & WRITABLE_BY_GROUP != 0 && !shared && !self.is_private(file) {
            return Some((format!("the group `{}`", identity::group_name(file.gid())), false));
        }
        None
    }

    /// Whether the group of a file is root's, or one that its owner has alone: by a custom of many
    /// systems it then has the name of the user.
    fn is_private(&self, file: &Metadata) -> bool {
        file.gid() == 0 || identity::group_name(file.gid()) == identity::user_name(file.uid())
    }
}

#[cfg(test)]
pub(crate) use tests::{close_to_others, open_to_everybody};

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// Lets everybody change `path`.
    pub(crate) fn open_to_everybody(path: &Path) {
        std::fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    }

    /// Lets nobody else use `path`.
    pub(crate) fn close_to_others(path: &Path) {
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
    }

    /// A file with this mode, in a folder with that one.
    fn file(mode: u32, folder_mode: u32) -> (tempfile::TempDir, PathBuf) {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("file");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        std::fs::set_permissions(&folder, Permissions::from_mode(folder_mode)).unwrap();
        (top, file)
    }

    #[test]
    fn a_file_of_our_own_has_no_outsiders() {
        let (_folder, path) = file(0o755, 0o755);
        assert_eq!(outsiders(&path, None).unwrap(), []);
        // Root may have put it there, and everybody may add files of their own.
        let (_folder, path) = file(0o755, 0o1777);
        assert_eq!(outsiders(&path, None).unwrap(), []);
        assert!(outsiders(Path::new("/no/such/file"), None).is_err());
    }

    #[test]
    fn everybody_is_found_at_the_file_and_at_the_folder() {
        let (_top, path) = file(0o757, 0o777);
        let folder = path.parent().unwrap().to_owned();
        let everybody =
            |path| Outsider { path, who: "everybody".into(), everybody: true, owner: false };
        assert_eq!(outsiders(&path, None).unwrap(), [everybody(path), everybody(folder)]);
    }

    #[test]
    fn the_folder_of_a_symbolic_link_counts() {
        let (_top, target) = file(0o755, 0o755);
        let (_other, beside) = file(0o755, 0o777);
        let link = beside.with_file_name("link");
        symlink(&target, &link).unwrap();
        let found = outsiders(&link, None).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, link.parent().unwrap());
    }

    #[test]
    fn a_group_and_an_owner_are_named_unless_they_are_trusted() {
        if !rustix::process::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "only root can give files away");
            return;
        }
        let (_top, path) = file(0o775, 0o755);
        std::os::unix::fs::chown(&path, Some(0), Some(12_345)).unwrap();
        assert_eq!(outsiders(&path, None).unwrap()[0].who, "the group `12345`");
        std::os::unix::fs::chown(&path, Some(12_345), Some(12_345)).unwrap();
        let found = outsiders(&path, None).unwrap();
        assert_eq!((&*found[0].who, found[0].everybody), ("the user `12345`", false));
        let owner = identity::resolve(Some("12345"), None, None).unwrap();
        assert_eq!(outsiders(&path, owner.as_ref()).unwrap(), []);
    }

    #[test]
    fn whoever_may_not_look_into_a_folder_cannot_run_a_program_in_it() {
        let user = |id| Identity { user: id, group: id, groups: vec![id], name: id.to_string() };
        let (top, path) = file(0o711, 0o755);
        let top = top.path();
        close_to_others(top);
        let obstacle = |id, purpose| obstacle(&path, &user(id), purpose).unwrap();
        if rustix::process::geteuid().is_root() {
            assert_eq!(obstacle(12_345, Use::Run).unwrap(), top);
            std::fs::set_permissions(top, Permissions::from_mode(0o755)).unwrap();
            assert_eq!(obstacle(12_345, Use::Run), None);
            assert_eq!(obstacle(12_345, Use::Interpret).unwrap(), path);
        }
        assert_eq!(obstacle(0, Use::Read), None);
    }
}
