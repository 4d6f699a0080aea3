//! The stream under the control protocol: a named pipe that only administrators, the system and
//! our own user may open.

use std::io;
use std::mem;
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::time::Duration;

use tokio::net::windows::named_pipe::{
    ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions,
};
use windows_sys::Win32::Foundation::{ERROR_NO_DATA, ERROR_PIPE_BUSY, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::Pipes::GetNamedPipeServerProcessId;
use windows_sys::Win32::System::Threading::{
    OpenProcess, PROCESS_SYNCHRONIZE, WaitForSingleObject,
};

use super::handle::{check, own};
use super::pipe_name::{claim, full_name, in_use, is};
use super::security::Descriptor;
use super::{account, security, service, token};

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

/// Connects to the daemon at `name`, and to nobody else: whoever makes a pipe of that name first,
/// while no daemon runs, could tell us what he likes.
///
/// # Errors
/// `NotFound` if there is none. Somebody serves it who is not trusted.
pub async fn connect(name: &str) -> io::Result<ClientStream> {
    let stream = open(name).await?;
    // The owner is whoever made the first instance, and only he lets others make further ones.
    // The process behind the pipe tells less: its id may be that of another one by now, and
    // administrators may not look at every token.
    let owner = security::owner_of(stream.as_handle())?;
    let trusted = [account::SYSTEM, account::ADMINISTRATORS, service::SERVICE_SID];
    let is_trusted = trusted.contains(&owner.as_str())
        || owner == security::own_user()?
        || owner == token::own_owner()?
        || service::account().is_some_and(|account| account == owner);
    if is_trusted {
        return Ok(stream);
    }
    let owner = account::name_of(&owner);
    Err(io::Error::other(format!(
        "it belongs to `{owner}`, and you trust only the system, administrators, yourself and the \
         account of the installed service: if it is your daemon, ask as `{owner}`"
    )))
}

/// Opens the pipe `name`, whoever serves it.
async fn open(name: &str) -> io::Result<ClientStream> {
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

/// The process id of whoever serves `name`. He sees a connection that comes and goes.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn server_id(name: &str) -> io::Result<u32> {
    process_id(&open(name).await?)
}

/// The process of a daemon, to wait for its end.
#[derive(Debug)]
pub struct DaemonProcess(OwnedHandle);

impl DaemonProcess {
    /// The process at the other end.
    ///
    /// # Errors
    /// It may not be opened: administrators may not open the processes of every account.
    pub fn of(stream: &ClientStream) -> io::Result<Self> {
        let id = process_id(stream)?;
        // SAFETY: gives a new handle or null.
        let process = unsafe { OpenProcess(PROCESS_SYNCHRONIZE, 0, id) };
        // SAFETY: a new handle that nobody else owns.
        Ok(Self(unsafe { own(process) }?))
    }

    /// Waits for its end, that long at the most. Whether it has ended.
    pub fn ends_within(&self, time: Duration) -> io::Result<bool> {
        let time = time.as_millis().try_into().unwrap_or(u32::MAX - 1);
        // SAFETY: an open handle.
        match unsafe { WaitForSingleObject(self.0.as_raw_handle(), time) } {
            WAIT_OBJECT_0 => Ok(true),
            WAIT_TIMEOUT => Ok(false),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn process_id(client: &ClientStream) -> io::Result<u32> {
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
    fn the_end_of_a_daemon_can_be_waited_for() {
        run(async {
            let name = name("end");
            let _listener = ControlListener::bind(&name).unwrap();
            let client = connect(&name).await.unwrap();
            // That is us, so only that it has not ended can be seen here.
            let process = DaemonProcess::of(&client).unwrap();
            assert!(!process.ends_within(Duration::ZERO).unwrap());
        });
    }

    #[test]
    fn a_pipe_belongs_to_whoever_made_it() {
        run(async {
            let name = name("owner");
            let _listener = ControlListener::bind(&name).unwrap();
            let client = open(&name).await.unwrap();
            let owner = security::owner_of(client.as_handle()).unwrap();
            assert_eq!(owner, token::own_owner().unwrap());
        });
    }

    #[test]
    fn without_a_daemon_there_is_nobody() {
        let error = run(connect(&name("nobody"))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
