//! Reads the files of a table, and remembers which version of each it has seen. Whatever it has to
//! wait for, it is never waited for on the way of a connection; see [`super::watched`].

use std::fs::Metadata;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::sys::files::{Version, changed, open_regular, version};

/// A larger file is no table.
const LARGEST: u64 = 16 << 20;
/// Clocks of file systems are coarse: what has changed so recently may change again and look the
/// same.
const COARSE: Duration = Duration::from_secs(2);

/// What was looked at to read a table.
#[derive(Debug, Default)]
pub struct Files {
    seen: Vec<(PathBuf, Stamp)>,
    /// Something could not be read, or may have changed while it was.
    again: bool,
}

/// What tells one version of a file or folder from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stamp {
    Absent,
    Hidden(io::ErrorKind),
    There { version: Version, written: Option<SystemTime>, size: u64 },
}

impl Files {
    /// A file as a whole; `None` if there is none of this name.
    ///
    /// # Errors
    /// It cannot be read, or is larger than 16 MiB.
    pub fn read(&mut self, path: &Path) -> Result<Option<Vec<u8>>, String> {
        let bytes = self.start_of(path, LARGEST + 1)?;
        let size = bytes.as_ref().map_or(0, Vec::len);
        if u64::try_from(size).is_ok_and(|size| size > LARGEST) {
            return Err(format!("{} is larger than 16 MiB", path.display()));
        }
        Ok(bytes)
    }

    /// The first `most` bytes of a file; `None` if there is none of this name.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn start_of(&mut self, path: &Path, most: u64) -> Result<Option<Vec<u8>>, String> {
        self.stamp(path);
        let mut bytes = Vec::new();
        let read = open_regular(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
        self.found(path, read).map(|read| read.map(|_| bytes))
    }

    /// What is in a folder, sorted, without the names that begin with a dot; `None` if there is no
    /// such folder.
    ///
    /// # Errors
    /// It cannot be read to its end.
    pub fn folder(&mut self, path: &Path) -> Result<Option<Vec<PathBuf>>, String> {
        self.stamp(path);
        let read = std::fs::read_dir(path).and_then(|entries| {
            let paths = entries.map(|entry| entry.map(|entry| entry.path()));
            paths.collect::<io::Result<Vec<_>>>()
        });
        let is_hidden = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        };
        let mut paths = self.found(path, read)?;
        if let Some(paths) = &mut paths {
            paths.retain(|path| !is_hidden(path));
            paths.sort();
        }
        Ok(paths)
    }

    /// Whether there is something of this name.
    ///
    /// # Errors
    /// That cannot be known.
    pub fn exists(&mut self, path: &Path) -> Result<bool, String> {
        self.stamp(path);
        self.found(path, std::fs::metadata(path)).map(|found| found.is_some())
    }

    /// Whether all of it is still as it was.
    pub(super) fn is_current(&self) -> bool {
        !self.again && self.seen.iter().all(|(path, seen)| stamp(path).0 == *seen)
    }

    /// Makes the next look read all of it again.
    pub(super) fn look_again(&mut self) {
        self.again = true;
    }

    fn found<T>(&mut self, path: &Path, read: io::Result<T>) -> Result<Option<T>, String> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                self.again = true;
                Err(format!("cannot read {}: {error}", path.display()))
            }
        }
    }

    /// Before it is read: a change in between is found by the next look.
    fn stamp(&mut self, path: &Path) {
        let (stamp, changed) = stamp(path);
        let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
        self.again |= age.is_some_and(|age| age < COARSE);
        self.seen.push((path.to_owned(), stamp));
    }
}

fn stamp(path: &Path) -> (Stamp, Option<SystemTime>) {
    let there = |found: &Metadata| Stamp::There {
        version: version(found),
        written: found.modified().ok(),
        size: found.len(),
    };
    match std::fs::metadata(path) {
        Ok(found) => (there(&found), changed(&found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Stamp::Absent, None),
        Err(error) => (Stamp::Hidden(error.kind()), None),
    }
}
