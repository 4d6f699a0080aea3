//! Files and pipes for a program's standard error.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::pipe::PipeFlags;
use tokio::net::unix::pipe::Receiver;

/// Something open for writing that a program can inherit.
#[derive(Debug)]
pub struct Output {
    fd: OwnedFd,
}

impl Output {
    /// A place where everything disappears.
    pub fn null() -> io::Result<Self> {
        Ok(Self { fd: File::options().write(true).open("/dev/null")?.into() })
    }

    /// A file to append to, see [`append`].
    pub fn append(path: &Path) -> io::Result<Self> {
        Ok(Self { fd: append(path)?.into() })
    }

    /// A pipe, and its reading end.
    pub fn pipe() -> io::Result<(PipeReader, Self)> {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&read, true)?;
        Ok((PipeReader { fd: read }, Self { fd: write }))
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Opens a file to append to; made with mode 0640 if it is not there. A terminal does not become
/// ours.
pub fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o640).custom_flags(libc::O_NOCTTY).open(path)
}

/// The reading end of [`Output::pipe`].
#[derive(Debug)]
pub struct PipeReader {
    fd: OwnedFd,
}

/// A reading end that tokio watches.
pub type AsyncPipe = Receiver;

impl PipeReader {
    #[cfg(test)]
    pub(super) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// For use inside the tokio runtime.
    pub fn into_async(self) -> io::Result<AsyncPipe> {
        Receiver::from_owned_fd(self.fd)
    }
}
