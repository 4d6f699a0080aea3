//! The stream under the control protocol: a named pipe that only administrators, the system and
//! our own user may open.

use std::io;
use std::mem;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::time::Duration;

use tokio::net::windows::named_pipe::{
    ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions,
};
use windows_sys::Win32::Foundation::{ERROR_NO_DATA, ERROR_PIPE_BUSY};
use windows_sys::Win32::System::Pipes::GetNamedPipeServerProcessId;

use super::handle::check;
use super::pipe_name::{claim, full_name, in_use, is};
use super::security::Descriptor;

/// How often, and how long apart, a client asks again while all instances of the pipe are taken.
const BUSY_TRIES: u32 = 100;
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Listens for control connections.
#[derive(Debug)]
pub struct ControlListener {
    name: String,
    /// Who may open it.
    rights: Descriptor,
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
        let rights = Descriptor::ours_alone()?;
        let next = create(&name, &rights, true).map_err(in_use)?;
        Ok(Self { name, rights, next, _single: single })
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
        let fresh = create(&self.name, &self.rights, false)?;
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

/// The process id of the daemon that serves `name`. It sees a connection that comes and goes.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn server_id(name: &str) -> io::Result<u32> {
    let client = connect(name).await?;
    let mut id = 0;
    // SAFETY: the pipe is open and the pointer is valid for the call.
    check(unsafe { GetNamedPipeServerProcessId(client.as_raw_handle(), &raw mut id) })?;
    Ok(id)
}

/// An instance of the pipe; the `first` one is an error if there is another.
fn create(name: &str, rights: &Descriptor, first: bool) -> io::Result<NamedPipeServer> {
    let mut options = ServerOptions::new();
    options.reject_remote_clients(true).first_pipe_instance(first);
    let mut attributes = rights.attributes();
    // SAFETY: a valid structure; it and the descriptor that it points to outlive the call.
    unsafe { options.create_with_security_attributes_raw(name, (&raw mut attributes).cast()) }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::sys::platform::testing::run;

    fn name(test: &str) -> String {
        format!("inetd-test-{test}-{}", std::process::id())
    }

    #[test]
    fn several_clients_are_served_one_after_the_other_and_at_once() {
        run(async {
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
        run(async {
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
    fn the_daemon_of_a_pipe_is_known() {
        run(async {
            let name = name("server");
            assert_eq!(server_id(&name).await.unwrap_err().kind(), io::ErrorKind::NotFound);
            let mut listener = ControlListener::bind(&name).unwrap();
            assert_eq!(server_id(&name).await.unwrap(), std::process::id());
            // Whoever asked is gone; the next one is served all the same.
            let server = tokio::spawn(async move {
                loop {
                    let mut stream = listener.accept().await.unwrap();
                    if let Ok(byte) = stream.read_u8().await {
                        break stream.write_u8(byte).await.unwrap();
                    }
                }
            });
            let mut client = connect(&name).await.unwrap();
            client.write_u8(7).await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), 7);
            server.await.unwrap();
        });
    }

    #[test]
    fn without_a_daemon_there_is_nobody() {
        let error = run(connect(&name("nobody"))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
