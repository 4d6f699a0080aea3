//! The stream under the control protocol: a Unix socket that only its owner (and root) may use.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::net::{UnixListener, UnixStream};

use super::socket::SocketFile;
use super::{identity, service};

/// Listens for control connections.
#[derive(Debug)]
pub struct ControlListener {
    listener: UnixListener,
    /// Removes the socket file, if it is still ours.
    _file: SocketFile,
    /// Locked as long as we live: of two daemons that start at once, one gets it.
    _lock: File,
}

/// The daemon's end of a control connection.
pub type ServerStream = UnixStream;
/// The other end.
pub type ClientStream = UnixStream;

impl ControlListener {
    /// Creates the endpoint `name`, a path. Its folder is made if it is not there.
    ///
    /// # Errors
    /// `AddrInUse` if somebody serves it already.
    pub fn bind(name: &str) -> io::Result<Self> {
        let path = PathBuf::from(name);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        }
        let lock = lock(&path)?;
        let listener = match UnixListener::bind(&path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                super::socket::remove_dead(&path)?;
                UnixListener::bind(&path)?
            }
            other => other?,
        };
        // Nobody who connects before this line gets anywhere: `accept` checks the peer.
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self { listener, _file: SocketFile::new(&path)?, _lock: lock })
    }

    /// The next connection of somebody who may control us: root, or our own user. Cancel safe.
    pub async fn accept(&mut self) -> io::Result<ServerStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let peer = stream.peer_cred()?.uid();
            if peer == 0 || peer == rustix::process::geteuid().as_raw() {
                return Ok(stream);
            }
        }
    }
}

/// Locks `PATH.lock`, which stays there for ever: a file that comes and goes cannot be locked
/// without a race.
fn lock(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).append(true).mode(0o600).open(name)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => {
            Err(io::Error::new(io::ErrorKind::AddrInUse, "another inetd has locked it"))
        }
        Err(error) => Err(error.into()),
    }
}

/// The process id of whoever serves the endpoint `name`, without a word from him.
pub async fn server_id(name: &str) -> io::Result<u32> {
    let stream = UnixStream::connect(Path::new(name)).await?;
    let id = stream.peer_cred()?.pid().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Connects to the daemon at `name`, and to nobody else: whoever can make a socket there could
/// tell us what he likes.
///
/// # Errors
/// `NotFound` or `ConnectionRefused` if there is none. Somebody serves it who is not trusted.
pub async fn connect(name: &str) -> io::Result<ClientStream> {
    let stream = UnixStream::connect(Path::new(name)).await?;
    // Whose process listens there (unix(7), SO_PEERCRED).
    let server = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    if server == 0 || server == own || service::account() == Some(server) {
        return Ok(stream);
    }
    let server = identity::user_name(server);
    Err(io::Error::other(format!(
        "it belongs to `{server}`, and you trust only root, yourself and the account of the \
         installed service: if it is your daemon, ask as `{server}`"
    )))
}

/// The process of a daemon, to wait for its end.
#[derive(Debug)]
pub struct DaemonProcess(OwnedFd);

impl DaemonProcess {
    /// The process at the other end.
    ///
    /// # Errors
    /// It cannot be seen from here: it is in another PID namespace.
    pub fn of(stream: &ClientStream) -> io::Result<Self> {
        let id = stream.peer_cred()?.pid().and_then(Pid::from_raw);
        Ok(Self(pidfd_open(id.ok_or(io::ErrorKind::NotFound)?, PidfdFlags::empty())?))
    }

    /// Waits for its end, that long at the most. Whether it has ended.
    pub fn ends_within(&self, time: Duration) -> io::Result<bool> {
        let time = Timespec::try_from(time).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&time)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn one_endpoint_has_one_server_and_a_dead_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/control.sock");
        let name = path.to_str().unwrap();
        runtime().block_on(async {
            assert_eq!(server_id(name).await.unwrap_err().kind(), io::ErrorKind::NotFound);
            let first = ControlListener::bind(name).unwrap();
            let second = ControlListener::bind(name).unwrap_err();
            assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
            assert_eq!(server_id(name).await.unwrap(), std::process::id());
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            drop(first);
            assert!(!path.exists());
            // What a killed daemon leaves behind.
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            drop(ControlListener::bind(name).unwrap());
        });
    }

    #[test]
    fn the_end_of_a_daemon_can_be_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        runtime().block_on(async {
            let _listener = ControlListener::bind(path.to_str().unwrap()).unwrap();
            let client = connect(path.to_str().unwrap()).await.unwrap();
            // That is us, so only that it has not ended can be seen here.
            let process = DaemonProcess::of(&client).unwrap();
            assert!(!process.ends_within(Duration::ZERO).unwrap());
        });
    }

    #[test]
    fn a_socket_of_somebody_else_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        runtime().block_on(async {
            let first = ControlListener::bind(path.to_str().unwrap()).unwrap();
            std::fs::remove_file(&path).unwrap();
            let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
            drop(first);
            assert!(path.exists());
        });
    }
}
