//! The file of a Unix socket: whose it is, who may connect, and its end.
//!
//! `bind` makes a file in the file system, a reparse point of a kind of its own, and nothing removes
//! it by itself ("AF_UNIX comes to Windows"). To connect takes the right to write to it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, AsRawSocket};
use std::path::{Path, PathBuf};
use std::ptr;
use std::time::Duration;

use socket2::{SockAddr, Socket};
use windows_sys::Win32::Networking::WinSock::{
    AF_UNIX, FD_SET, SOCKET_ERROR, TIMEVAL, WSAEACCES, WSAEADDRINUSE, WSAECONNREFUSED, WSAEINVAL,
    WSAENETDOWN, WSAEOPNOTSUPP, WSAETIMEDOUT, WSAEWOULDBLOCK, select,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION, SetKernelObjectSecurity,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, DELETE, FILE_ATTRIBUTE_REPARSE_POINT, FILE_ATTRIBUTE_TAG_INFO,
    FILE_DISPOSITION_INFO, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_READ_ATTRIBUTES, FileAttributeTagInfo, FileDispositionInfo, GetFileInformationByHandle,
    GetFileInformationByHandleEx, SetFileInformationByHandle, WRITE_DAC,
};
use windows_sys::Win32::System::SystemServices::IO_REPARSE_TAG_AF_UNIX;

use super::listener::create;
use crate::config::SocketOptions;
use crate::sys::platform::handle::check;
use crate::sys::platform::security::Descriptor;

/// How long a server may take until it is clear that it does not refuse.
const ANSWER: Duration = Duration::from_secs(1);

/// The file of a Unix socket that we made, removed on drop if nobody replaced it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// What tells a file from another one that has its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    volume: u32,
    index: (u32, u32),
    created: (u32, u32),
}

impl SocketFile {
    /// Binds a socket that does not listen yet to `path`, and says who may connect.
    ///
    /// # Errors
    /// Those of `bind`, in words where its codes are about a network; `AddrInUse` if somebody
    /// serves the socket, `AlreadyExists` if the file is something else.
    pub(super) fn bind(socket: &Socket, path: &Path, options: &SocketOptions) -> io::Result<Self> {
        let address = SockAddr::unix(path)?;
        if let Err(error) = socket.bind(&address) {
            if error.raw_os_error() != Some(WSAEADDRINUSE) {
                return Err(in_words(error, path));
            }
            remove_dead(path)?;
            socket.bind(&address).map_err(|error| in_words(error, path))?;
        }
        let identity = Identity::of(&open(path, FILE_READ_ATTRIBUTES)?)?;
        let file = Self { path: path.to_owned(), identity };
        // Before it listens, so nobody can connect in between.
        file.allow(options)?;
        Ok(file)
    }

    /// Lets the system, the administrators, ourselves, `socket_user` and `socket_group` connect,
    /// and nobody else.
    ///
    /// # Errors
    /// Those of `CreateFile` and `SetKernelObjectSecurity`; `AlreadyExists` if it was replaced.
    pub(super) fn allow(&self, options: &SocketOptions) -> io::Result<()> {
        let others = options.user.iter().chain(&options.group);
        let rights = Descriptor::file_of_ours_and(others)?;
        let file = self.identity.open(&self.path, WRITE_DAC)?;
        // SAFETY: the handle is open, and the descriptor is valid and only read.
        check(unsafe {
            SetKernelObjectSecurity(
                file.as_raw_handle(),
                DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
                rights.pointer(),
            )
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nothing can be done about a failure, and a stale file is replaced at the next bind.
        drop(self.identity.remove(&self.path));
    }
}

impl Identity {
    fn of(file: &File) -> io::Result<Self> {
        let mut information = BY_HANDLE_FILE_INFORMATION::default();
        // SAFETY: the handle is open, and the pointer is valid for the call.
        check(unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut information) })?;
        let created = information.ftCreationTime;
        Ok(Self {
            volume: information.dwVolumeSerialNumber,
            index: (information.nFileIndexHigh, information.nFileIndexLow),
            created: (created.dwHighDateTime, created.dwLowDateTime),
        })
    }

    /// Opens the file, if it is still this one.
    fn open(self, path: &Path, access: u32) -> io::Result<File> {
        let file = open(path, access | FILE_READ_ATTRIBUTES)?;
        if Self::of(&file)? == self {
            return Ok(file);
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "somebody replaced the socket file"))
    }

    /// Removes the file, if it is still this one.
    fn remove(self, path: &Path) -> io::Result<()> {
        let file = self.open(path, DELETE)?;
        let wanted = FILE_DISPOSITION_INFO { DeleteFile: true };
        // SAFETY: the handle is open, and pointer and size are those of the structure.
        check(unsafe {
            SetFileInformationByHandle(
                file.as_raw_handle(),
                FileDispositionInfo,
                (&raw const wanted).cast(),
                size_of_val(&wanted).try_into().unwrap_or(0),
            )
        })
    }
}

/// How far a connection has come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    Connected,
    /// The socket is writable when it is connected or refused.
    Waiting,
}

/// A non-blocking socket that connects to `path`.
pub(super) fn begin_to_connect(path: &Path) -> io::Result<(Socket, Begun)> {
    let socket = create(AF_UNIX, false)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok((socket, Begun::Connected)),
        Err(error) if error.raw_os_error() == Some(WSAEWOULDBLOCK) => Ok((socket, Begun::Waiting)),
        Err(error) => Err(error),
    }
}

/// Removes the socket file of a dead server; anything else that is in the way stays.
fn remove_dead(path: &Path) -> io::Result<()> {
    let file = open(path, FILE_READ_ATTRIBUTES)?;
    if !is_socket(&file)? {
        let text = "a file that is not a socket is in the way: remove it or choose another path";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    let identity = Identity::of(&file)?;
    drop(file);
    let answer = begin_to_connect(path).and_then(|(socket, begun)| match begun {
        Begun::Connected => Ok(()),
        Begun::Waiting => wait(&socket),
    });
    let in_the_way = |what| io::Error::new(io::ErrorKind::AddrInUse, what);
    match answer {
        Err(error) if error.raw_os_error() == Some(WSAECONNREFUSED) => identity.remove(path),
        Ok(()) => Err(in_the_way("another program serves this socket")),
        // No permission, or no answer: somebody may be there.
        Err(_) => Err(in_the_way("another program may serve this socket")),
    }
}

/// Waits for the end of a `connect`. Before Windows 10 2004 `WSAPoll` does not tell of a refusal.
fn wait(socket: &Socket) -> io::Result<()> {
    let set = || {
        let mut set = FD_SET { fd_count: 1, ..FD_SET::default() };
        // Never fails: a SOCKET is as wide as a pointer, and pointers have 64 bits here.
        set.fd_array[0] = usize::try_from(socket.as_raw_socket()).unwrap_or(usize::MAX);
        set
    };
    let (mut connected, mut refused) = (set(), set());
    let seconds = i32::try_from(ANSWER.as_secs()).unwrap_or(i32::MAX);
    let time = TIMEVAL { tv_sec: seconds, tv_usec: 0 };
    // SAFETY: the sets hold one open socket each, and all pointers are valid for the call.
    let count = unsafe {
        select(0, ptr::null_mut(), &raw mut connected, &raw mut refused, &raw const time)
    };
    match count {
        SOCKET_ERROR => Err(io::Error::last_os_error()),
        0 => Err(io::Error::from_raw_os_error(WSAETIMEDOUT)),
        _ => socket.take_error()?.map_or(Ok(()), Err),
    }
}

/// Opens a file itself, and never what a link in its place points to.
fn open(path: &Path, access: u32) -> io::Result<File> {
    OpenOptions::new()
        .access_mode(access)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS)
        .open(path)
}

fn is_socket(file: &File) -> io::Result<bool> {
    let mut information = FILE_ATTRIBUTE_TAG_INFO::default();
    // SAFETY: the handle is open, and pointer and size are those of the structure.
    check(unsafe {
        GetFileInformationByHandleEx(
            file.as_raw_handle(),
            FileAttributeTagInfo,
            (&raw mut information).cast(),
            size_of_val(&information).try_into().unwrap_or(0),
        )
    })?;
    Ok(says_socket(&information))
}

fn says_socket(information: &FILE_ATTRIBUTE_TAG_INFO) -> bool {
    information.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT != 0
        && information.ReparseTag == IO_REPARSE_TAG_AF_UNIX
}

/// What `bind` says of a path is written for networks: WSAENETDOWN if there is no such folder.
fn in_words(error: io::Error, path: &Path) -> io::Error {
    let folder = path.parent().unwrap_or(path);
    match error.raw_os_error() {
        Some(WSAENETDOWN | WSAEINVAL | WSAEOPNOTSUPP) if !folder.is_dir() => {
            let text = format!("there is no folder {}: make it", folder.display());
            io::Error::new(io::ErrorKind::NotFound, text)
        }
        Some(WSAENETDOWN | WSAEINVAL | WSAEOPNOTSUPP) => {
            let text = format!(
                "{error}: the system can make no socket in {}; it needs a folder on a local NTFS \
                 volume, and no links on the way",
                folder.display()
            );
            io::Error::other(text)
        }
        // Of an address this would mean that somebody has it, who may give it up.
        Some(WSAEACCES) => {
            let text = format!("inetd's account may not make files in {}", folder.display());
            io::Error::new(io::ErrorKind::PermissionDenied, text)
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Networking::WinSock::WSAEAFNOSUPPORT;
    use windows_sys::Win32::System::SystemServices::{
        IO_REPARSE_TAG_MOUNT_POINT, IO_REPARSE_TAG_SYMLINK,
    };

    use super::*;
    use crate::listener::endpoint::Endpoint;
    use crate::sys::BindFailure;
    use crate::sys::platform::socket::{ListenSocket, bind_failure, has_unix_sockets};
    use crate::sys::platform::startup::start_sockets;

    #[test]
    fn an_address_is_the_family_and_the_path_in_utf_8_with_its_nul() {
        let path = Path::new(r"C:\é\x.sock");
        let address = SockAddr::unix(path).unwrap();
        let text = path.to_str().unwrap().as_bytes();
        assert_eq!(usize::try_from(address.len()).unwrap(), 2 + text.len() + 1);
        // SAFETY: the address has as many bytes.
        let bytes = unsafe {
            std::slice::from_raw_parts(address.as_ptr().cast::<u8>(), 2 + text.len() + 1)
        };
        assert_eq!(bytes[..2], AF_UNIX.to_ne_bytes());
        assert_eq!(bytes[2..2 + text.len()], *text);
        assert_eq!(bytes[2 + text.len()], 0);
        assert!(SockAddr::unix("x".repeat(107)).is_ok());
        assert!(SockAddr::unix("x".repeat(108)).is_err());
    }

    #[test]
    fn only_a_reparse_point_of_that_kind_is_a_socket() {
        let information = |attributes, tag| FILE_ATTRIBUTE_TAG_INFO {
            FileAttributes: attributes,
            ReparseTag: tag,
        };
        let point = FILE_ATTRIBUTE_REPARSE_POINT;
        assert!(says_socket(&information(point | 0x20, IO_REPARSE_TAG_AF_UNIX)));
        assert!(!says_socket(&information(0x20, IO_REPARSE_TAG_AF_UNIX)));
        for tag in [IO_REPARSE_TAG_SYMLINK, IO_REPARSE_TAG_MOUNT_POINT, 0] {
            assert!(!says_socket(&information(point, tag)), "{tag:x}");
        }
    }

    #[test]
    fn a_file_in_the_way_is_final_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        std::fs::write(&path, "precious").unwrap();
        let error = remove_dead(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{error}");
        assert_eq!(bind_failure(&error), BindFailure::Final);
        assert!(error.to_string().contains("not a socket"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_file_is_removed_only_if_nobody_has_replaced_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        let made = || {
            std::fs::write(&path, "").unwrap();
            let identity = Identity::of(&open(&path, FILE_READ_ATTRIBUTES).unwrap()).unwrap();
            SocketFile { path: path.clone(), identity }
        };
        let file = made();
        file.allow(&SocketOptions::default()).unwrap();
        drop(file);
        assert!(!path.exists());
        let file = made();
        std::fs::rename(&path, folder.path().join("moved")).unwrap();
        std::fs::write(&path, "another").unwrap();
        let error = file.allow(&SocketOptions::default()).unwrap_err();
        assert!(error.to_string().contains("replaced"), "{error}");
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"another");
    }

    #[test]
    fn what_the_system_says_of_a_path_is_put_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no").join("x.sock");
        let said = |code, path: &Path| in_words(io::Error::from_raw_os_error(code), path);
        for code in [WSAENETDOWN, WSAEINVAL, WSAEOPNOTSUPP] {
            let error = said(code, &path);
            assert!(error.to_string().contains("there is no folder"), "{error}");
            // To try again, as after a failure of a network, makes no folder.
            assert_eq!(bind_failure(&error), BindFailure::Final, "{error}");
            let error = said(code, &folder.path().join("x.sock"));
            assert!(error.to_string().contains("NTFS"), "{error}");
            assert_eq!(bind_failure(&error), BindFailure::Final, "{error}");
        }
        let error = said(WSAEACCES, &path);
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
        assert_eq!(bind_failure(&error), BindFailure::Final, "{error}");
        let other = said(WSAETIMEDOUT, &path);
        assert_eq!(other.raw_os_error(), Some(WSAETIMEDOUT));
    }

    /// Where the system has them, a client is accepted and the file comes and goes; where it has
    /// none, it says so.
    #[test]
    fn a_socket_is_served_where_there_are_any() {
        start_sockets().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        let endpoint = Endpoint::Unix(path.clone());
        let bound = ListenSocket::bind(&endpoint, &SocketOptions::default());
        if !has_unix_sockets() {
            let error = bound.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(WSAEAFNOSUPPORT), "{error}");
            assert_eq!(bind_failure(&error), BindFailure::Final, "{error}");
            return;
        }
        let listener = bound.unwrap();
        assert!(is_socket(&open(&path, FILE_READ_ATTRIBUTES).unwrap()).unwrap());
        let second = ListenSocket::bind(&endpoint, &SocketOptions::default()).unwrap_err();
        assert_eq!(bind_failure(&second), BindFailure::Later, "{second}");
        drop(listener);
        assert!(!path.exists());
    }
}
