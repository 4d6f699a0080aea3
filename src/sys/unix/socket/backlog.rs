//! How many connections wait to be accepted.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The connections in the queue of a listening TCP socket, which tcp(7) tells as `TCP_INFO`. `None`
/// for other sockets.
pub(super) fn waiting(socket: BorrowedFd<'_>) -> Option<usize> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut size = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).ok()?;
    // SAFETY: both pointers are valid for the call, and `size` says how much room there is.
    let told = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut size,
        )
    };
    // SAFETY: all zero is a valid tcp_info, and so is whatever part of it the kernel has written.
    let info = unsafe { info.assume_init() };
    // Of a listening socket the kernel tells its queue in this field.
    (told == 0).then_some(info.tcpi_unacked as usize)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn it_is_as_long_as_there_are_connections_that_nobody_has_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(waiting(listener.as_fd()), Some(0));
        let address = listener.local_addr().unwrap();
        let _clients: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert_eq!(waiting(listener.as_fd()), Some(3));
        listener.accept().unwrap();
        assert_eq!(waiting(listener.as_fd()), Some(2));
    }

    #[test]
    fn only_tcp_tells() {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        assert_eq!(waiting(listener.as_fd()), None);
    }
}
