//! Files that are read while the daemon runs.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What two versions of a file differ in, besides its size and when it was written: device, inode,
/// and when the inode has changed (seconds and nanoseconds).
pub type Version = [u64; 4];

/// Opens a file, and nothing else: opening a FIFO would wait for somebody who writes to it.
///
/// # Errors
/// It cannot be opened, or is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok(file)
}

/// Opens a file that can be read at once.
///
/// # Errors
/// It cannot be opened, or it is a FIFO: that would wait for somebody who writes to it.
pub fn open_ready(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.file_type().is_fifo() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a named pipe"));
    }
    Ok(file)
}

/// Which version of a file this is.
pub fn version(file: &Metadata) -> Version {
    [file.dev(), file.ino(), file.ctime().cast_unsigned(), file.ctime_nsec().cast_unsigned()]
}

/// When something about a file has changed last, if the system knows it.
pub fn changed(file: &Metadata) -> Option<SystemTime> {
    let seconds = u64::try_from(file.ctime()).ok()?;
    let inode = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    Some(file.modified().ok()?.max(inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_file_is_opened_and_nobody_is_waited_for() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};

        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
        for path in [fifo.as_path(), folder.path(), Path::new("/dev/null")] {
            let error = open_regular(path).unwrap_err();
            assert_eq!(error.to_string(), "it is not a regular file", "{}", path.display());
        }
        assert_eq!(open_ready(&fifo).unwrap_err().to_string(), "it is a named pipe");
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(open_regular(&file).is_ok());
        assert!(open_ready(&file).is_ok());
    }

    #[test]
    fn a_file_in_the_place_of_another_is_another_version() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| folder.path().join(name));
        for path in &paths {
            std::fs::write(path, "x").unwrap();
        }
        let [first, second] = paths.map(|path| version(&path.metadata().unwrap()));
        assert_ne!(first, second);
    }
}
