//! Who makes our sockets: the system, or something that was put in front of it (a layered service
//! provider).

use std::io;

use socket2::Socket;
use windows_sys::Win32::Networking::WinSock::{
    SO_PROTOCOL_INFOW, SOL_SOCKET, WSAPROTOCOL_INFOW, XP1_IFS_HANDLES, getsockopt,
};

/// Whether a socket is a file: `ReadFile` and `WriteFile` work on it, and a program that inherits
/// it can use it as its standard input.
pub(super) fn gives_files(socket: &Socket) -> bool {
    // Without an answer it is the system's own, as nearly always; each connection is checked.
    information(socket).map_or(true, |information| flags_say_so(information.dwServiceFlags1))
}

/// "If this bit is set, the handles that a provider gives are IFS handles" (WSAPROTOCOL_INFOW).
fn flags_say_so(flags: u32) -> bool {
    flags & XP1_IFS_HANDLES != 0
}

fn information(socket: &Socket) -> io::Result<WSAPROTOCOL_INFOW> {
    let mut information = WSAPROTOCOL_INFOW::default();
    let mut size = i32::try_from(size_of_val(&information)).map_err(io::Error::other)?;
    // SAFETY: the option gives such a structure, and pointer and size are those of one.
    let result = unsafe {
        getsockopt(
            super::raw(socket),
            SOL_SOCKET,
            SO_PROTOCOL_INFOW,
            (&raw mut information).cast(),
            &raw mut size,
        )
    };
    if result == 0 { Ok(information) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Networking::WinSock::{
        AF_INET, XP1_CONNECTIONLESS, XP1_GUARANTEED_DELIVERY, XP1_GUARANTEED_ORDER,
    };

    use super::*;
    use crate::config::SocketOptions;
    use crate::listener::endpoint::Endpoint;
    use crate::sys::platform::startup::start_sockets;

    #[test]
    fn sockets_of_the_system_are_files() {
        start_sockets().unwrap();
        let endpoint = Endpoint::Tcp { address: "127.0.0.1:0".parse().unwrap(), only_v6: false };
        let listener =
            super::super::SocketListener::bind(&endpoint, &SocketOptions::default()).unwrap();
        assert!(listener.gives_files());
        let information = information(&listener.socket).unwrap();
        assert_eq!(information.iAddressFamily, i32::from(AF_INET));
        assert_eq!(information.dwServiceFlags1 & XP1_CONNECTIONLESS, 0);
    }

    #[test]
    fn only_the_flag_makes_a_file() {
        let tcp = XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER;
        assert!(!flags_say_so(tcp));
        assert!(flags_say_so(tcp | XP1_IFS_HANDLES));
    }
}
