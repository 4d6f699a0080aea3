//! Starting a program. The connection itself is its standard input, output and error: a
//! synchronous socket is a file to a program that knows nothing of networks. Or they are pipes,
//! whose other ends are relayed; or there is a console.
//!
//! A socket, or an end of a pipe, is inheritable only from the moment on when its program is made,
//! and its program gets it by an explicit list, as no other process does. Any number of threads may
//! start programs at a time.

use std::ffi::OsString;
use std::io;
use std::marker::PhantomData;
use std::os::windows::io::{
    AsHandle, AsRawHandle, AsRawSocket, BorrowedHandle, BorrowedSocket, OwnedHandle,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windows_sys::Win32::Foundation::{
    ERROR_COMMITMENT_LIMIT, ERROR_DIRECTORY, ERROR_INTERNAL_ERROR, ERROR_NO_SYSTEM_RESOURCES,
    ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_ENOUGH_QUOTA, ERROR_OUTOFMEMORY, HANDLE,
};
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW};

use super::create::{Order, create};
use super::environment::Environment;
use super::handle::{inheritable_copy, set_inheritable, system_directory, wide};
use super::job::{Job, JobLimits};
use super::pipe;
use super::process::Child;
use super::quote;
use super::socket::{Connection, End, ListenSocket};
use super::stdio::Output;
use super::terminal;
use super::token::Token;
use crate::config::Program;
use crate::launch::environment::is_fact;
use crate::launch::variables::Variables;
use crate::sys::{PrepareError, SpawnError, SpawnStage};

/// A program in the system's form: all that is the same for every start of a service.
#[derive(Debug)]
pub struct Prepared {
    path: PathBuf,
    /// `path`, or `cmd.exe` for a batch file.
    application: Vec<u16>,
    command_line: Vec<u16>,
    environment: Environment,
    directory: Vec<u16>,
    limits: JobLimits,
    token: Option<Arc<Token>>,
}

impl Prepared {
    /// # Errors
    /// A NUL character in a name, an argument or a variable, arguments that a batch file cannot
    /// get, limits out of range, and what this system cannot do.
    pub fn new(program: &Program) -> Result<Self, PrepareError> {
        if program.nice.is_some() {
            let text = "nice values are not available on Windows";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text).into());
        }
        let (application, command_line) = command(&program.path, &program.argv)?;
        let token = Token::new(program)?;
        let theirs = token.as_ref().map(Token::variables).transpose()?.unwrap_or_default();
        // What the service sets itself, or passes on, wins.
        let own = program.environment.iter();
        let variables: Vec<_> =
            own.chain(theirs.iter().filter(|(name, _)| !is_fact(name))).collect();
        Ok(Self {
            path: program.path.clone(),
            application,
            command_line,
            environment: Environment::new(&variables)?,
            directory: wide(program.cwd.as_os_str())?,
            limits: JobLimits::new(program.tree, &program.limits, program.restrict)?,
            token: token.map(Arc::new),
        })
    }

    /// The executable.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn command(path: &Path, argv: &[OsString]) -> io::Result<(Vec<u16>, Vec<u16>)> {
    if quote::is_batch(path) {
        let cmd = system_directory()?.join("cmd.exe");
        return Ok((wide(cmd.as_os_str())?, quote::batch(path, argv)?));
    }
    Ok((wide(path.as_os_str())?, quote::program(argv)?))
}

/// What a program gets as its standard input and output.
#[derive(Clone, Copy, Debug)]
pub enum Stdio<'a> {
    /// The connection (`Inetd_SOCK` is its SOCKET value; there is none for a named pipe). Close it
    /// once the program is started.
    Connection(&'a Connection),
    /// The listening socket (`Inetd_SOCK` is its SOCKET value).
    Listener(&'a ListenSocket),
    /// The ends of two pipes, whose other ends are relayed. Close them once the program is started.
    Pipe(&'a pipe::ProgramEnd),
    /// A console of its own, whose other end is relayed.
    Terminal(&'a terminal::ProgramEnd),
}

/// Starts a program. `stderr` is where its standard error goes; `None` is where standard output
/// goes.
///
/// # Errors
/// The step that failed, with the system's error. No process is left then.
pub fn spawn(
    program: &Prepared,
    stdio: Stdio<'_>,
    stderr: Option<&Output>,
    variables: &Variables,
) -> Result<Child, SpawnError> {
    let at = |stage| move |error| SpawnError { stage, error };
    let job = Job::new().map_err(at(SpawnStage::Process))?;
    job.set_limits(&program.limits).map_err(at(SpawnStage::Limits))?;

    // Several threads may start programs with the same output, so each makes its own copy; a
    // socket belongs to one program only, and copies of sockets are better not made.
    let stderr: Option<OwnedHandle> = stderr
        .map(|output| inheritable_copy(output.as_handle()))
        .transpose()
        .map_err(at(SpawnStage::Stdio))?;
    let standard = Standard::new(stdio).map_err(at(SpawnStage::Stdio))?;
    let (stdin, stdout) = standard.handles();
    let stderr = stderr.as_ref().map_or(stdout, AsRawHandle::as_raw_handle);

    let mut order = Order {
        application: &program.application,
        command_line: program.command_line.clone(),
        environment: Some(&program.environment.block(variables, standard.socket)),
        directory: Some(&program.directory),
        stdio: Some([stdin, stdout, stderr]),
        console: None,
        held: None,
        token: program.token.as_deref(),
        job: Some(&job),
        // A console of its own that nobody sees, so that it can get CTRL_BREAK, and alone.
        flags: CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP,
    };
    let process = match stdio {
        Stdio::Terminal(end) => end.with_console(|console| {
            order.console = Some(console);
            // The leader of a group of its own would take no notice of Ctrl-C.
            order.flags = 0;
            create(order)
        }),
        _ => create(order),
    };
    let process = process.map_err(|error| SpawnError { stage: stage_of(&error), error })?;
    if !matches!(stdio, Stdio::Listener(_)) {
        standard.leave();
    }
    let terminal = match stdio {
        Stdio::Terminal(end) => Some(end.terminal()),
        _ => None,
    };
    Ok(Child::new(process, job, program.token.clone(), terminal))
}

/// Whether an error says that the system has too little of something now.
pub fn is_temporary(error: &io::Error) -> bool {
    let short = [
        ERROR_NOT_ENOUGH_MEMORY,
        ERROR_OUTOFMEMORY,
        ERROR_NO_SYSTEM_RESOURCES,
        ERROR_NOT_ENOUGH_QUOTA,
        ERROR_COMMITMENT_LIMIT,
        // Not the program's fault either. Wine has it if many processes are made at a time.
        ERROR_INTERNAL_ERROR,
    ];
    error.raw_os_error().is_some_and(|code| short.contains(&code.cast_unsigned()))
}

/// CreateProcessW does several things; its error tells which one failed.
fn stage_of(error: &io::Error) -> SpawnStage {
    if is_temporary(error) {
        SpawnStage::Process
    } else if error.raw_os_error().map(i32::cast_unsigned) == Some(ERROR_DIRECTORY) {
        SpawnStage::Directory
    } else if error.raw_os_error().is_none() {
        SpawnStage::Stdio // Our own check of the handle list.
    } else {
        SpawnStage::Exec
    }
}

/// What becomes standard input and output.
struct Standard<'a> {
    /// Without one it is the console.
    input: Option<Lent<'a>>,
    /// If it is not the same as the input.
    output: Option<Lent<'a>>,
    /// The SOCKET value, if it is a socket.
    socket: Option<u64>,
}

impl<'a> Standard<'a> {
    fn new(stdio: Stdio<'a>) -> io::Result<Self> {
        let end = match stdio {
            Stdio::Connection(connection) => connection.end()?,
            Stdio::Listener(listener) => listener.end()?,
            Stdio::Pipe(end) => {
                let (input, output) = (Lent::file(end.input())?, Lent::file(end.output())?);
                return Ok(Self { input: Some(input), output: Some(output), socket: None });
            }
            Stdio::Terminal(_) => return Ok(Self { input: None, output: None, socket: None }),
        };
        let (input, socket) = match end {
            End::Socket(socket) => (Lent::socket(socket)?, Some(socket.as_raw_socket())),
            End::Pipe(pipe) => (Lent::file(pipe)?, None),
        };
        Ok(Self { input: Some(input), output: None, socket })
    }

    fn handles(&self) -> (HANDLE, HANDLE) {
        let raw = |lent: &Option<Lent<'_>>| lent.as_ref().map(|lent| lent.handle);
        let input = raw(&self.input).unwrap_or_default();
        (input, raw(&self.output).unwrap_or(input))
    }

    /// Leaves the handles as they are: they are closed next.
    fn leave(self) {
        [self.input, self.output].into_iter().flatten().for_each(std::mem::forget);
    }
}

/// A handle that can be inherited until this is dropped. It owns nothing.
struct Lent<'a> {
    handle: HANDLE,
    owner: PhantomData<&'a ()>,
}

impl<'a> Lent<'a> {
    /// The socket as a file.
    fn socket(socket: BorrowedSocket<'a>) -> io::Result<Self> {
        let value = usize::try_from(socket.as_raw_socket()).map_err(io::Error::other)?;
        Self::new(std::ptr::with_exposed_provenance_mut(value))
    }

    fn file(file: BorrowedHandle<'a>) -> io::Result<Self> {
        Self::new(file.as_raw_handle())
    }

    fn new(handle: HANDLE) -> io::Result<Self> {
        let lent = Self { handle, owner: PhantomData };
        set_inheritable(handle, true)?;
        Ok(lent)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // Nothing would leak even if this failed: every program has its own list.
        drop(set_inheritable(self.handle, false));
    }
}

#[cfg(test)]
mod tests;
