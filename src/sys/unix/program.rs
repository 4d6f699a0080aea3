//! Finding an executable by name.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

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
    let mut first_error = None;
    for directory in std::env::split_paths(search.unwrap_or_default()) {
        if !directory.is_absolute() {
            continue; // Not from wherever the daemon happens to run.
        }
        let path = directory.join(name);
        match check(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| io::Error::from(io::ErrorKind::NotFound)))
}

fn check(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(access(path, Access::EXEC_OK)?)
}
