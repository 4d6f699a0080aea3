//! The stream under the control protocol: a named pipe that only administrators, the system and
//! our own user may write to (the default rights of a pipe).

use std::ffi::OsStr;
use std::io;
use std::mem;
use std::os::windows::io::OwnedHandle;
use std::ptr;
use std::time::Duration;

use tokio::net::windows::named_pipe::{
    ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions,
};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_NO_DATA, ERROR_PIPE_BUSY, GetLastError,
    SetLastError,
};
use windows_sys::Win32::System::Threading::CreateMutexW;

use super::handle::{own, wide};

/// Where names of pipes live.
const PIPES: &str = r"\\.\pipe\";
/// How often, and how long apart, a client asks again while all instances of the pipe are taken.
const BUSY_TRIES: u32 = 100;
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Listens for control connections.
#[derive(Debug)]
pub struct ControlListener {
    name: String,
    /// The instance that the next client gets. There is always one, so a client never finds
    /// no pipe while we live.
    next: NamedPipeServer,
    /// Held for the sake of its name.
    _single: OwnedHandle,
}

/// The daemon's end of a control connection.
pub type ServerStream = NamedPipeServer;
/// The other end.
pub type ClientStream = NamedPipeClient;

impl ControlListener {
    /// Creates the endpoint `name`: a pipe name, with or without `\\.\pipe\`.
    ///
    /// # Errors
    /// `AddrInUse` if somebody serves it already.
    pub fn bind(name: &str) -> io::Result<Self> {
        let name = full_name(name);
        let single = claim(&name)?;
        let next = options().first_pipe_instance(true).create(&name).map_err(in_use)?;
        Ok(Self { name, next, _single: single })
    }

    /// The next connection of somebody who may control us. Cancel safe.
    pub async fn accept(&mut self) -> io::Result<ServerStream> {
        loop {
            match self.next.connect().await {
                Ok(()) => break,
                // A client that came and went before we looked.
                Err(error) if is(&error, ERROR_NO_DATA) => self.next.disconnect()?,
                Err(error) => return Err(error),
            }
        }
        // If this fails, `next` stays connected, and the next call hands it out.
        let fresh = options().create(&self.name)?;
        Ok(mem::replace(&mut self.next, fresh))
    }
}

/// Connects to the daemon at `name`.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn connect(name: &str) -> io::Result<ClientStream> {
    let name = full_name(name);
    let mut tries = 0;
    loop {
        // tokio lets the server identify us, but not act in our name.
        match ClientOptions::new().open(&name) {
            Err(error) if is(&error, ERROR_PIPE_BUSY) && tries < BUSY_TRIES => tries += 1,
            other => return other,
        }
        tokio::time::sleep(BUSY_PAUSE).await;
    }
}

fn options() -> ServerOptions {
    let mut options = ServerOptions::new();
    options.reject_remote_clients(true);
    options
}

fn full_name(name: &str) -> String {
    if name.starts_with(PIPES) { name.to_owned() } else { format!("{PIPES}{name}") }
}

fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code.cast_signed())
}

/// What the system says if the first instance of a pipe is not the first.
fn in_use(error: io::Error) -> io::Error {
    if is(&error, ERROR_ACCESS_DENIED) || is(&error, ERROR_PIPE_BUSY) {
        return io::Error::new(io::ErrorKind::AddrInUse, "another program serves this pipe");
    }
    error
}

/// A mutex with a name that stands for the pipe, seen from every session of the machine. It tells
/// of another daemon where the pipe alone does not (Wine lets anybody add an instance).
fn claim(pipe: &str) -> io::Result<OwnedHandle> {
    // Names of pipes do not regard case; names of mutexes do, and cannot have a backslash.
    let name = pipe.trim_start_matches(PIPES).to_lowercase().replace('\\', "/");
    let name = wide(OsStr::new(&format!(r"Global\inetd-control-{name}")))?;
    // SAFETY: sets a number of this thread: success leaves the old one as it is.
    unsafe { SetLastError(0) };
    // SAFETY: the name ends with a NUL; null stands for default security (not inheritable).
    let mutex = unsafe { CreateMutexW(ptr::null(), 0, name.as_ptr()) };
    // SAFETY: reads a number of this thread.
    let code = unsafe { GetLastError() };
    // SAFETY: a new handle that nobody else owns.
    let mutex = unsafe { own(mutex) }.map_err(in_use)?;
    if code == ERROR_ALREADY_EXISTS {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another inetd serves this pipe"));
    }
    Ok(mutex)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn name(test: &str) -> String {
        format!("inetd-test-{test}-{}", std::process::id())
    }

    #[test]
    fn several_clients_are_served_one_after_the_other_and_at_once() {
        runtime().block_on(async {
            let name = name("clients");
            let mut listener = ControlListener::bind(&name).unwrap();
            let server = tokio::spawn(async move {
                let mut open = Vec::new();
                for _ in 0..4 {
                    let mut stream = listener.accept().await.unwrap();
                    let byte = stream.read_u8().await.unwrap();
                    stream.write_u8(byte + 1).await.unwrap();
                    open.push(stream);
                }
            });
            let mut clients = Vec::new();
            for i in 0..4 {
                let mut client = connect(&name).await.unwrap();
                client.write_u8(i).await.unwrap();
                assert_eq!(client.read_u8().await.unwrap(), i + 1);
                clients.push(client);
            }
            server.await.unwrap();
        });
    }

    #[test]
    fn a_second_listener_is_told() {
        runtime().block_on(async {
            let name = name("second");
            let first = ControlListener::bind(&name).unwrap();
            let again = format!(r"\\.\pipe\{}", name.to_uppercase());
            let error = ControlListener::bind(&again).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            drop(first);
            ControlListener::bind(&name).unwrap();
        });
    }

    #[test]
    fn without_a_daemon_there_is_nobody() {
        let error = runtime().block_on(connect(&name("nobody"))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
