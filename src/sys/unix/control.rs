//! The stream under the control protocol: a Unix socket that only its owner (and root) may use.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Listens for control connections; its socket file is removed on drop.
#[derive(Debug)]
pub struct ControlListener {
    listener: UnixListener,
    path: PathBuf,
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
        let listener = match UnixListener::bind(&path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                super::socket::remove_dead(&path)?;
                UnixListener::bind(&path)?
            }
            other => other?,
        };
        // Nobody who connects before this line gets anywhere: `accept` checks the peer.
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
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

impl Drop for ControlListener {
    fn drop(&mut self) {
        // Nothing can be done about a failure; a dead file is replaced at the next start.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Connects to the daemon at `name`.
///
/// # Errors
/// `NotFound` or `ConnectionRefused` if there is none.
pub async fn connect(name: &str) -> io::Result<ClientStream> {
    UnixStream::connect(Path::new(name)).await
}
