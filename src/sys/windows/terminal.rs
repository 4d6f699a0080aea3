//! `io = "pty"`: a program gets a console of its own that is drawn as text, a pseudo console
//! (ConPTY, Windows 10 1809 or Server 2019), and whoever is connected sits at it.

use std::io;
use std::mem::ManuallyDrop;
use std::os::windows::io::AsRawHandle;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::NamedPipeServer;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Console::{COORD, HPCON};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};
use windows_sys::core::{HRESULT, s};

use super::pipe::{self, AsyncReader, Reader, Writer};
use super::spawn::Prepared;

/// The size of a new terminal: columns and rows.
const SIZE: (u16, u16) = (80, 25);
/// Ctrl-Z and Enter: the end of input at the beginning of a line.
const END_OF_INPUT: &[u8] = b"\x1a\r";
/// Enter, if it is not the beginning of a line.
const END_OF_LINE: &[u8] = b"\r";
/// Stack of the thread that waits for a console to close.
const STACK: usize = 64 * 1024;

/// The program's end.
#[derive(Debug)]
pub struct ProgramEnd {
    terminal: Terminal,
}

/// Our end.
#[derive(Debug)]
pub struct OurEnd {
    input: Writer,
    output: Reader,
    terminal: Terminal,
}

/// Why this system has no terminals for programs; `None` if it has them.
pub fn obstacle() -> Option<&'static str> {
    calls().is_none().then_some("needs Windows 10 version 1809 or Windows Server 2019")
}

/// Makes a terminal for a program.
pub fn open(_program: &Prepared) -> io::Result<(ProgramEnd, OurEnd)> {
    let calls = calls().ok_or(io::ErrorKind::Unsupported)?;
    let (input, their_input) = pipe::to_program(pipe::Mode::Bytes)?;
    let (output, their_output) = pipe::from_program(pipe::Mode::Bytes)?;
    let (size, mut console) = (coordinates(SIZE)?, 0);
    // SAFETY: both handles are open, and synchronous; the console makes copies of its own. The
    // pointer is valid for the call.
    let result = unsafe {
        (calls.create)(
            size,
            their_input.as_raw_handle(),
            their_output.as_raw_handle(),
            0,
            &raw mut console,
        )
    };
    succeeded(result)?;
    let console = Console { handle: console, calls };
    let terminal = Terminal { console: Arc::new(Mutex::new(Some(console))) };
    Ok((ProgramEnd { terminal: terminal.clone() }, OurEnd { input, output, terminal }))
}

impl ProgramEnd {
    /// Calls `create` with the console for an attribute of a new process.
    pub(super) fn with_console<T>(
        &self,
        create: impl FnOnce(HPCON) -> io::Result<T>,
    ) -> io::Result<T> {
        // Nobody closes it meanwhile.
        match &*self.terminal.lock() {
            Some(console) => create(console.handle),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// For those who only want to change or close it.
    pub(super) fn terminal(&self) -> Terminal {
        self.terminal.clone()
    }
}

impl OurEnd {
    /// For those who only want to change it.
    pub fn terminal(&self) -> Terminal {
        self.terminal.clone()
    }

    /// For use inside a tokio runtime.
    pub fn into_async(self) -> io::Result<Stream> {
        let Self { input, output, terminal } = self;
        let hang_up = HangUp { terminal };
        let (input, output) = (input.into_async()?, output.into_async()?);
        Ok(Stream { input, output, at_line_start: true, farewell: None, _hang_up: hang_up })
    }
}

/// A pseudo console that somebody else reads and writes.
#[derive(Clone, Debug)]
pub struct Terminal {
    console: Arc<Mutex<Option<Console>>>,
}

impl Terminal {
    /// Changes its size.
    ///
    /// # Errors
    /// It is closed, or the size is none.
    pub fn resize(&self, columns: u16, rows: u16) -> io::Result<()> {
        let size = coordinates((columns, rows))?;
        match &*self.lock() {
            // SAFETY: the console is open.
            Some(console) => succeeded(unsafe { (console.calls.resize)(console.handle, size) }),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The program has ended. Only now its output can end: the console outlives it.
    pub fn program_has_ended(&self) {
        self.close();
    }

    /// Closes the console, if it is still open: programs on it get CTRL_CLOSE_EVENT, what it has
    /// still to show comes, and then the end.
    pub(super) fn close(&self) {
        let Some(console) = self.lock().take() else { return };
        let mut console = ManuallyDrop::new(console);
        // It may wait until the output has been read, and for as long as programs take to end.
        let close = move || {
            // SAFETY: not used any more, and dropped once.
            unsafe { ManuallyDrop::drop(&mut console) };
        };
        let thread = std::thread::Builder::new().name("terminal".into()).stack_size(STACK);
        // Without memory for a thread the console stays until the daemon ends; the relay gives up
        // waiting for its end.
        drop(thread.spawn(close));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Console>> {
        self.console.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pseudo console, closed on drop, which may take its time.
#[derive(Debug)]
struct Console {
    handle: HPCON,
    calls: &'static Calls,
}

impl Drop for Console {
    fn drop(&mut self) {
        // SAFETY: an open console that nobody uses any more.
        unsafe { (self.calls.close)(self.handle) };
    }
}

/// Closes a console when the relay is over.
#[derive(Debug)]
struct HangUp {
    terminal: Terminal,
}

impl Drop for HangUp {
    fn drop(&mut self) {
        self.terminal.close();
    }
}

/// Our end: what is written is typed, what is read is on the screen. Its end is a hang-up.
///
/// A terminal has no end of input: `shutdown` types what stands for it.
#[derive(Debug)]
pub struct Stream {
    input: NamedPipeServer,
    output: AsyncReader,
    at_line_start: bool,
    /// What `shutdown` still has to type.
    farewell: Option<&'static [&'static [u8]]>,
    /// Behind the pipes: the console need not wait for somebody to read.
    _hang_up: HangUp,
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // An error means what the end means: nothing more will come.
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
        let data = &data[..data.len().min(pipe::LONGEST_WRITE)];
        let count = ready!(Pin::new(&mut self.input).poll_write(context, data))?;
        if let Some(last) = data[..count].last() {
            self.at_line_start = matches!(last, b'\r' | b'\n');
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The pipe stays open: its end would be the end of the console.
        let whole: &[&[u8]] =
            if self.at_line_start { &[END_OF_INPUT] } else { &[END_OF_LINE, END_OF_INPUT] };
        while let [next, rest @ ..] = *self.farewell.get_or_insert(whole) {
            // A pipe takes so few bytes as a whole.
            ready!(self.as_mut().poll_write(context, next))?;
            self.farewell = Some(rest);
        }
        Poll::Ready(Ok(()))
    }
}

/// The calls for pseudo consoles. A program that is linked with them does not start where they
/// are missing.
#[derive(Debug)]
struct Calls {
    create: CreateFunction,
    resize: ResizeFunction,
    close: CloseFunction,
}

type Function = unsafe extern "system" fn() -> isize;
type CreateFunction = unsafe extern "system" fn(COORD, HANDLE, HANDLE, u32, *mut HPCON) -> HRESULT;
type ResizeFunction = unsafe extern "system" fn(HPCON, COORD) -> HRESULT;
type CloseFunction = unsafe extern "system" fn(HPCON);

/// The calls, if this system has them.
fn calls() -> Option<&'static Calls> {
    static CALLS: OnceLock<Option<Calls>> = OnceLock::new();
    CALLS.get_or_init(find_calls).as_ref()
}

fn find_calls() -> Option<Calls> {
    // SAFETY: the name ends with a NUL. This library is in every process and never leaves it.
    let library = unsafe { GetModuleHandleA(s!("kernel32.dll")) };
    // SAFETY: the library is loaded; the name ends with a NUL.
    let create = unsafe { GetProcAddress(library, s!("CreatePseudoConsole")) }?;
    // SAFETY: as above.
    let resize = unsafe { GetProcAddress(library, s!("ResizePseudoConsole")) }?;
    // SAFETY: as above.
    let close = unsafe { GetProcAddress(library, s!("ClosePseudoConsole")) }?;
    Some(Calls {
        // SAFETY: the documented type of this function, for which the system gives one for all.
        create: unsafe { std::mem::transmute::<Function, CreateFunction>(create) },
        // SAFETY: as above.
        resize: unsafe { std::mem::transmute::<Function, ResizeFunction>(resize) },
        // SAFETY: as above.
        close: unsafe { std::mem::transmute::<Function, CloseFunction>(close) },
    })
}

fn coordinates((columns, rows): (u16, u16)) -> io::Result<COORD> {
    let number = |value: u16| i16::try_from(value).map_err(io::Error::other);
    Ok(COORD { X: number(columns)?, Y: number(rows)? })
}

/// The result of a call that gives an HRESULT.
fn succeeded(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::from_raw_os_error(result)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::platform::testing::{is_wine, program};

    #[test]
    fn a_closed_terminal_cannot_be_resized() {
        let (theirs, ours) = open(&Prepared::new(&program("echo", &[])).unwrap()).unwrap();
        let terminal = ours.terminal();
        let resized = terminal.resize(132, 50);
        // E_NOTIMPL
        assert!(resized.is_ok() || is_wine(), "{resized:?}");
        assert!(theirs.with_console(|console| Ok(console != 0)).unwrap());
        terminal.close();
        assert_eq!(terminal.resize(80, 25).unwrap_err().kind(), io::ErrorKind::NotConnected);
        theirs.with_console(|_| Ok(())).unwrap_err();
    }
}
