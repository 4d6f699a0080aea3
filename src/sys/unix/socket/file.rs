//! The file of a Unix socket: whose it is, who may connect, and its end.

use std::fs::Permissions;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::SocketOptions;

/// The file of a Unix socket, removed on drop if nobody replaced it.
#[derive(Debug)]
pub(in crate::sys::platform) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// As bind(2) made it, which holds without other wishes.
    owner: u32,
    group: u32,
    mode: u32,
}

impl SocketFile {
    /// The file that was just bound at `path`.
    pub(in crate::sys::platform) fn new(path: &Path) -> io::Result<Self> {
        let file = std::fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            device: file.dev(),
            inode: file.ino(),
            owner: file.uid(),
            group: file.gid(),
            mode: file.mode(),
        })
    }

    /// Binds a socket that does not listen yet to `path`; a file that nobody serves is replaced.
    ///
    /// # Errors
    /// Those of bind(2); `AddrInUse` if somebody serves the socket, `AlreadyExists` if the file is
    /// something else.
    pub(super) fn bind(socket: &Socket, path: &Path, options: &SocketOptions) -> io::Result<Self> {
        let address = SockAddr::unix(path)?;
        if let Err(error) = socket.bind(&address) {
            if error.kind() != io::ErrorKind::AddrInUse {
                return Err(error);
            }
            remove_dead(path)?;
            socket.bind(&address)?;
        }
        let file = Self::new(path)?;
        // Before listen(2), so nobody can connect in between.
        file.set_owner_and_mode(options)?;
        Ok(file)
    }

    pub(super) fn set_owner_and_mode(&self, options: &SocketOptions) -> io::Result<()> {
        let now = std::fs::symlink_metadata(&self.path)?;
        let owner = options.user.unwrap_or(self.owner);
        let group = options.group.unwrap_or(self.group);
        if (now.uid(), now.gid()) != (owner, group) {
            std::os::unix::fs::lchown(&self.path, Some(owner), Some(group))?;
        }
        let mode = options.mode.unwrap_or(self.mode) & 0o7777;
        if now.mode() & 0o7777 == mode { Ok(()) } else { set_mode(&self.path, mode) }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == (self.device, self.inode))
        {
            // Nothing can be done about a failure, and a stale file is replaced at the next bind.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// chmod(2) for a socket, and never for what a symbolic link in its place points to.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    if !FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode).is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "somebody replaced the socket file",
        ));
    }
    // fchmod(2) does not work on such a descriptor, but its name does.
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::set_permissions(name, Permissions::from_mode(mode))
}

/// Removes the socket file of a dead server; anything else that is in the way stays.
pub(in crate::sys::platform) fn remove_dead(path: &Path) -> io::Result<()> {
    let in_the_way = |what| io::Error::new(io::ErrorKind::AddrInUse, what);
    if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
        let text = "a file that is not a socket is in the way: remove it or choose another path";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Where the backlog is full, a blocking connect waits until somebody accepts.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Ok(()) => Err(in_the_way("another program serves this socket")),
        // A full backlog or no permission: somebody may be there.
        Err(_) => Err(in_the_way("another program may serve this socket")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::endpoint::Endpoint;
    use crate::sys::BindFailure;
    use crate::sys::socket::{ListenSocket, bind_failure};

    #[test]
    fn a_live_socket_stays_even_if_its_backlog_is_full_and_a_dead_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        let endpoint = Endpoint::Unix(path.clone());
        let options = SocketOptions { backlog: 0, mode: Some(0o600), ..SocketOptions::default() };
        let first = ListenSocket::bind(&endpoint, &options).unwrap();
        let fill = || {
            let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            client.connect(&SockAddr::unix(&path).unwrap()).map(|()| client)
        };
        let _waiting: Vec<_> = std::iter::from_fn(|| fill().ok()).take(100).collect();
        let second = ListenSocket::bind(&endpoint, &options).unwrap_err();
        assert_eq!(bind_failure(&second), BindFailure::Later, "{second}");
        first.retune(&SocketOptions { mode: Some(0o640), ..options }).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        drop(first);
        assert!(!path.exists());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        ListenSocket::bind(&endpoint, &SocketOptions::default()).unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_final_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        std::fs::write(&path, "precious").unwrap();
        let endpoint = Endpoint::Unix(path.clone());
        let error = ListenSocket::bind(&endpoint, &SocketOptions::default()).unwrap_err();
        assert_eq!(bind_failure(&error), BindFailure::Final, "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        std::os::unix::fs::symlink(&path, folder.path().join("link")).unwrap();
        assert!(set_mode(&folder.path().join("link"), 0o777).is_err());
    }
}
