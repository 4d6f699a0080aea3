//! The system's resolver, as `/etc/nsswitch.conf` and `/etc/hosts` want it.

use std::net::{IpAddr, SocketAddr};

use socket2::SockAddr;

/// The name of an address (getnameinfo(3)). Waits for the network.
pub fn name_of(address: IpAddr) -> Option<String> {
    let address = SockAddr::from(SocketAddr::new(address, 0));
    let mut name = [0u8; libc::NI_MAXHOST as usize];
    // SAFETY: the address is one, as long as it says; the buffer is as long as we say; null asks
    // for no service.
    let result = unsafe {
        libc::getnameinfo(
            address.as_ptr().cast(),
            address.len(),
            name.as_mut_ptr().cast(),
            libc::NI_MAXHOST,
            std::ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    let end = name.iter().position(|byte| *byte == 0)?;
    (result == 0).then(|| String::from_utf8(name[..end].to_vec()).ok())?
}
