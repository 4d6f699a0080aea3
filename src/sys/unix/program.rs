//! Finding an executable by name.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::sys::search::first_passing;

/// Finds the executable `name` as execvp(3) does, but once, at load: a name with a slash is taken
/// from `base`, any other is looked for in the directories of `search` (a PATH).
///
/// # Errors
/// `NotFound`, `PermissionDenied` (it cannot be executed) or `IsADirectory`.
pub fn find(name: &Path, base: &Path, search: Option<&OsStr>) -> io::Result<PathBuf> {
    if name.as_os_str().is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "an empty name"));
    }
    if name.as_os_str().as_encoded_bytes().contains(&b'/') {
        let path = base.join(name);
        return check(&path).map(|()| path);
    }
    // Not from wherever the daemon happens to run.
    let folders = std::env::split_paths(search.unwrap_or_default()).filter(|p| p.is_absolute());
    first_passing(folders.map(|folder| folder.join(name)), check)
}

fn check(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(access(path, Access::EXEC_OK)?)
}
