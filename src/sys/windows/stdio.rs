//! Files and pipes for a program's standard error.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle, FromRawHandle, IntoRawHandle, OwnedHandle};
use std::path::Path;
use std::pin::Pin;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::windows::named_pipe::NamedPipeServer;
use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_INBOUND,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_WAIT,
};

use super::handle::wide;

/// Bytes that the system keeps for a pipe.
const PIPE_BUFFER: u32 = 4096;

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
        let name = pipe_name();
        let server = create_pipe(&name)?;
        // The program's end is synchronous, as the C library expects of its files. Its opening is
        // what connects the two: ConnectNamedPipe would only say that this has happened.
        let client: OwnedHandle = File::options().write(true).open(&name)?.into();
        Ok((PipeReader { handle: server }, Self { handle: client }))
    }
}

impl AsHandle for Output {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.handle.as_handle()
    }
}

/// The reading end of [`Output::pipe`].
#[derive(Debug)]
pub struct PipeReader {
    handle: OwnedHandle,
}

impl PipeReader {
    /// For use inside the tokio runtime.
    pub fn into_async(self) -> io::Result<AsyncPipe> {
        let handle = self.handle.into_raw_handle();
        // SAFETY: the server end of a named pipe, open for overlapped calls, and nobody else's.
        let pipe = unsafe { NamedPipeServer::from_raw_handle(handle) }?;
        Ok(AsyncPipe { pipe })
    }
}

/// A reading end that tokio watches. When every writing end is closed, it is at its end.
#[derive(Debug)]
pub struct AsyncPipe {
    pipe: NamedPipeServer,
}

impl AsyncRead for AsyncPipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.pipe).poll_read(context, buffer) {
            // Windows calls the end of a pipe broken.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}

/// A name that nobody has. Anonymous pipes have no overlapped reading, so pipes need names.
fn pipe_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    format!(r"\\.\pipe\inetd-stderr-{}-{count}-{time:x}", std::process::id())
}

fn create_pipe(name: &str) -> io::Result<OwnedHandle> {
    let name = wide(OsStr::new(name))?;
    // A name that somebody guessed and holds is an error. The default rights let the
    // administrators and our own user write, and nobody else.
    // SAFETY: the name ends with a NUL; null stands for default security (not inheritable).
    let handle = unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
            PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
            1,
            0,
            PIPE_BUFFER,
            0,
            ptr::null(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new handle that nobody else owns.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}
