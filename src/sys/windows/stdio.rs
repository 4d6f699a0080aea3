//! Files and pipes for a program's standard error.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};
use std::path::Path;

use super::pipe;

/// The reading end of [`Output::pipe`].
pub type PipeReader = pipe::Reader;

/// Something open for writing that a program can inherit.
#[derive(Debug)]
pub struct Output {
    handle: OwnedHandle,
}

impl Output {
    /// A place where everything disappears.
    pub fn null() -> io::Result<Self> {
        Ok(Self { handle: File::options().write(true).open("NUL")?.into() })
    }

    /// A file to append to, see [`append`].
    pub fn append(path: &Path) -> io::Result<Self> {
        Ok(Self { handle: append(path)?.into() })
    }

    /// A pipe, and its reading end.
    pub fn pipe() -> io::Result<(PipeReader, Self)> {
        let (ours, theirs) = pipe::from_program(pipe::Mode::Bytes)?;
        Ok((ours, Self { handle: theirs }))
    }
}

impl AsHandle for Output {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.handle.as_handle()
    }
}

/// Opens a file to append to; made if it is not there. Others may read, rename and delete it.
pub fn append(path: &Path) -> io::Result<File> {
    // The standard library asks for FILE_APPEND_DATA without FILE_WRITE_DATA: every write goes to
    // the end, whoever else writes.
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::windows::fs::OpenOptionsExt;

    use windows_sys::Win32::Storage::FileSystem::{FILE_SHARE_READ, FILE_SHARE_WRITE};

    use super::*;
    use crate::record::file::{LogFile, Rotation};

    #[test]
    fn a_log_file_is_rotated_while_others_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let mut log = LogFile::open(&path, Rotation { size: Some(8), keep: 2 }).unwrap();
        log.append(b"one\n").unwrap();
        let fair = File::open(&path).unwrap();
        log.append(b"two\nthree\n").unwrap();
        assert_eq!((read("x.log"), read("x.log.1")), ("three\n".into(), "one\ntwo\n".into()));
        drop(fair);

        // As programs open it that do not think of others: nothing is lost, and it is done later.
        let mut options = OpenOptions::new();
        options.read(true).share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE);
        let unfair = options.open(&path).unwrap();
        log.append(b"four\nfive\n").unwrap();
        assert_eq!(read("x.log"), "three\nfour\nfive\n");
        drop(unfair);
        log.append(b"six\n").unwrap();
        assert_eq!(read("x.log"), "six\n");
        assert_eq!(read("x.log.1"), "three\nfour\nfive\n");
        assert_eq!(read("x.log.2"), "one\ntwo\n");
    }
}
