//! The stream under the control protocol: a Unix socket that only its owner (and root) may use.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use tokio::net::{UnixListener, UnixStream};

use super::socket::SocketFile;

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

/// The process id of the daemon that serves the endpoint `name`, without a word from it.
pub async fn server_id(name: &str) -> io::Result<u32> {
    let stream = connect(name).await?;
    let id = stream.peer_cred()?.pid().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Connects to the daemon at `name`.
///
/// # Errors
/// `NotFound` or `ConnectionRefused` if there is none.
pub async fn connect(name: &str) -> io::Result<ClientStream> {
    UnixStream::connect(Path::new(name)).await
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
