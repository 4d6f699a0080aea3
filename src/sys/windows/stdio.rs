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

    /// A file to append to; made if it is not there. Others may read, rename and delete it.
    pub fn append(path: &Path) -> io::Result<Self> {
        // The standard library asks for FILE_APPEND_DATA without FILE_WRITE_DATA: every write goes
        // to the end, whoever else writes.
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self { handle: file.into() })
    }

    /// A pipe, and its reading end.
    pub fn pipe() -> io::Result<(PipeReader, Self)> {
        let (ours, theirs) = pipe::from_program()?;
        Ok((ours, Self { handle: theirs }))
    }
}

impl AsHandle for Output {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.handle.as_handle()
    }
}
