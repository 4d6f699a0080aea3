//! Files that are read while the daemon runs.

use std::fs::{File, Metadata};
use std::io;
use std::os::windows::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// What two versions of a file differ in, besides its size and when it was written: when it was
/// made, and its attributes.
pub type Version = [u64; 4];

/// Opens a file, and nothing else.
///
/// # Errors
/// It cannot be opened, or is no file: a device, or a named pipe.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok(file)
}

/// Opens a file that can be read at once. A named pipe of Windows that can be opened has somebody at its
/// other end.
pub fn open_ready(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Which version of a file this is.
pub fn version(file: &Metadata) -> Version {
    [file.creation_time(), file.file_attributes().into(), file.last_write_time(), 0]
}

/// When something about a file has changed last, if the system knows it.
pub fn changed(file: &Metadata) -> Option<SystemTime> {
    file.modified().ok()
}
