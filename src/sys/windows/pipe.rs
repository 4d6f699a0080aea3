//! Pipes between a program and us. The program's ends are synchronous, as the C library expects
//! of its files; ours are not, so that no thread has to wait for them.
//!
//! `io = "pipe"` takes one pipe for each direction. Two files, so the system does not make a
//! program's reads and writes wait for each other, as it does with one synchronous socket.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{
    AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, IntoRawHandle, OwnedHandle,
};
use std::pin::Pin;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::NamedPipeServer;
use windows_sys::Win32::Foundation::{GENERIC_READ, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, FILE_WRITE_ATTRIBUTES,
    PIPE_ACCESS_INBOUND, PIPE_ACCESS_OUTBOUND,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_READMODE_BYTE, PIPE_READMODE_MESSAGE, PIPE_REJECT_REMOTE_CLIENTS,
    PIPE_TYPE_BYTE, PIPE_TYPE_MESSAGE, PIPE_WAIT, SetNamedPipeHandleState,
};

use super::handle::{check, wide};
use super::security::Descriptor;

/// Bytes that the system keeps for a pipe.
const BUFFER: u32 = 4096;
/// Bytes that are written to a pipe at a time: as many are copied, and kept for the next time.
pub(super) const LONGEST_WRITE: usize = 16 * 1024;

/// The program's end.
#[derive(Debug)]
pub struct ProgramEnd {
    input: OwnedHandle,
    output: OwnedHandle,
}

/// Our end.
#[derive(Debug)]
pub struct OurEnd {
    input: Writer,
    output: Reader,
}

/// Makes both.
pub fn pair() -> io::Result<(ProgramEnd, OurEnd)> {
    let (our_input, input) = to_program(Mode::Bytes)?;
    let (our_output, output) = from_program(Mode::Bytes)?;
    Ok((ProgramEnd { input, output }, OurEnd { input: our_input, output: our_output }))
}

/// Makes both, for datagrams: each read gives one, and each write is one. Larger ones than
/// [`BUFFER`] bytes do not fit.
pub fn messages() -> io::Result<(ProgramEnd, OurEnd)> {
    let (our_input, input) = to_program(Mode::Messages)?;
    let (our_output, output) = from_program(Mode::Messages)?;
    Ok((ProgramEnd { input, output }, OurEnd { input: our_input, output: our_output }))
}

impl ProgramEnd {
    /// Its standard input.
    pub(super) fn input(&self) -> BorrowedHandle<'_> {
        self.input.as_handle()
    }

    /// Its standard output.
    pub(super) fn output(&self) -> BorrowedHandle<'_> {
        self.output.as_handle()
    }
}

impl OurEnd {
    /// For use inside a tokio runtime.
    pub fn into_async(self) -> io::Result<Stream> {
        Ok(Stream { input: Some(self.input.into_async()?), output: self.output.into_async()? })
    }
}

/// Our end: what is written is the program's input, whose end is told by `shutdown`; what is read
/// is its output.
#[derive(Debug)]
pub struct Stream {
    input: Option<NamedPipeServer>,
    output: AsyncReader,
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // An error means what the end of the file means: nothing more will come.
        ready!(Pin::new(&mut self.output).poll_read(context, buffer)).ok();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(input) = &mut self.input else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        Pin::new(input).poll_write(context, &data[..data.len().min(LONGEST_WRITE)])
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The program reads what is in the pipe, and what is still being written to it: closing
        // does not stop a write that has begun.
        self.input = None;
        Poll::Ready(Ok(()))
    }
}

/// Our end of a pipe that a program reads.
#[derive(Debug)]
pub(super) struct Writer {
    handle: OwnedHandle,
}

impl Writer {
    /// For use inside a tokio runtime.
    pub(super) fn into_async(self) -> io::Result<NamedPipeServer> {
        // SAFETY: the server end of a named pipe, open for overlapped calls, and nobody else's.
        unsafe { NamedPipeServer::from_raw_handle(self.handle.into_raw_handle()) }
    }
}

/// Our end of a pipe that a program writes.
#[derive(Debug)]
pub struct Reader {
    handle: OwnedHandle,
}

impl Reader {
    /// For use inside a tokio runtime.
    pub fn into_async(self) -> io::Result<AsyncReader> {
        // SAFETY: the server end of a named pipe, open for overlapped calls, and nobody else's.
        let pipe = unsafe { NamedPipeServer::from_raw_handle(self.handle.into_raw_handle()) }?;
        Ok(AsyncReader { pipe })
    }
}

/// A reading end that tokio watches. When every writing end is closed, it is at its end.
#[derive(Debug)]
pub struct AsyncReader {
    pipe: NamedPipeServer,
}

impl AsyncRead for AsyncReader {
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

/// What a pipe carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A stream of bytes.
    Bytes,
    /// What was written with one call is read with one call.
    Messages,
}

/// A pipe that a program reads: our end and its.
pub(super) fn to_program(mode: Mode) -> io::Result<(Writer, OwnedHandle)> {
    let (ours, name) = create(PIPE_ACCESS_OUTBOUND, mode)?;
    let mut options = File::options();
    match mode {
        Mode::Bytes => options.read(true),
        // To change how it reads takes a right of its own (SetNamedPipeHandleState).
        Mode::Messages => options.access_mode(GENERIC_READ | FILE_WRITE_ATTRIBUTES),
    };
    let theirs = options.open(name)?;
    if mode == Mode::Messages {
        let messages = PIPE_READMODE_MESSAGE;
        // SAFETY: an open pipe, and a number that is valid for the call.
        check(unsafe {
            SetNamedPipeHandleState(
                theirs.as_raw_handle(),
                &raw const messages,
                ptr::null(),
                ptr::null(),
            )
        })?;
    }
    Ok((Writer { handle: ours }, theirs.into()))
}

/// A pipe that a program writes: our end and its.
pub(super) fn from_program(mode: Mode) -> io::Result<(Reader, OwnedHandle)> {
    let (ours, name) = create(PIPE_ACCESS_INBOUND, mode)?;
    let theirs = File::options().write(true).open(name)?;
    Ok((Reader { handle: ours }, theirs.into()))
}

/// Our end of a new pipe, and the name under which the other end is opened. That is what connects
/// the two: ConnectNamedPipe would only say that this has happened.
fn create(direction: u32, mode: Mode) -> io::Result<(OwnedHandle, String)> {
    let kind = match mode {
        Mode::Bytes => PIPE_TYPE_BYTE | PIPE_READMODE_BYTE,
        Mode::Messages => PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE,
    };
    let name = unused_name();
    let text = wide(OsStr::new(&name))?;
    let attributes = rights()?.attributes();
    // A name that somebody guessed and holds is an error.
    // SAFETY: the name ends with a NUL; the attributes, and the descriptor that they point to,
    // outlive the call.
    let handle = unsafe {
        CreateNamedPipeW(
            text.as_ptr(),
            direction | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
            kind | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
            1,
            BUFFER,
            BUFFER,
            0,
            &raw const attributes,
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new handle that nobody else owns.
    Ok((unsafe { OwnedHandle::from_raw_handle(handle) }, name))
}

/// A name that nobody has. Anonymous pipes have no overlapped calls, so pipes need names.
fn unused_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    format!(r"\\.\pipe\inetd-io-{}-{count}-{time:x}", std::process::id())
}

/// Who may open a pipe in the moment between its making and the opening of the other end.
fn rights() -> io::Result<&'static Descriptor> {
    static RIGHTS: OnceLock<Descriptor> = OnceLock::new();
    if let Some(rights) = RIGHTS.get() {
        return Ok(rights);
    }
    let rights = Descriptor::ours_alone()?;
    Ok(RIGHTS.get_or_init(|| rights))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::sys::platform::testing::run;

    #[test]
    fn what_was_written_arrives_although_the_end_was_told() {
        run(async {
            let (theirs, ours) = pair().unwrap();
            let mut stream = ours.into_async().unwrap();
            let data = vec![7; 10 * LONGEST_WRITE];
            let mut program = (File::from(theirs.input), File::from(theirs.output));
            let program = std::thread::spawn(move || {
                let mut all = Vec::new();
                program.0.read_to_end(&mut all).unwrap();
                program.1.write_all(b"done").unwrap();
                all
            });
            stream.write_all(&data).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer, b"done");
            assert!(program.join().unwrap() == data);
        });
    }

    #[test]
    fn messages_keep_their_borders() {
        run(async {
            let (theirs, ours) = messages().unwrap();
            let mut stream = ours.into_async().unwrap();
            let mut program = (File::from(theirs.input), File::from(theirs.output));
            stream.write_all(b"one").await.unwrap();
            stream.write_all(b"second").await.unwrap();
            let mut buffer = [0; 100];
            assert_eq!(program.0.read(&mut buffer).unwrap(), 3);
            assert_eq!(program.0.read(&mut buffer).unwrap(), 6);
            program.1.write_all(b"three").unwrap();
            program.1.write_all(b"four").unwrap();
            assert_eq!(stream.read(&mut buffer).await.unwrap(), 5);
            assert_eq!(stream.read(&mut buffer).await.unwrap(), 4);
            drop(program);
            assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
        });
    }

    #[test]
    fn a_program_that_has_closed_its_input_takes_nothing() {
        run(async {
            let (theirs, ours) = pair().unwrap();
            let mut stream = ours.into_async().unwrap();
            drop(theirs.input);
            // The first one may only find out.
            stream.write_all(b"x").await.ok();
            assert!(stream.write_all(b"x").await.is_err());
            drop(theirs.output);
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        });
    }
}
