//! The system's resolver.

use std::net::{IpAddr, SocketAddr};

use socket2::SockAddr;
use windows_sys::Win32::Networking::WinSock::{GetNameInfoW, NI_MAXHOST, NI_NAMEREQD};

/// The name of an address. Waits for the network.
pub fn name_of(address: IpAddr) -> Option<String> {
    let address = SockAddr::from(SocketAddr::new(address, 0));
    let mut name = [0u16; NI_MAXHOST as usize];
    // SAFETY: the address is one, as long as it says; the buffer is as long as we say; null asks
    // for no service.
    let result = unsafe {
        GetNameInfoW(
            address.as_ptr().cast(),
            address.len(),
            name.as_mut_ptr(),
            NI_MAXHOST,
            std::ptr::null_mut(),
            0,
            NI_NAMEREQD.cast_signed(),
        )
    };
    let end = name.iter().position(|unit| *unit == 0)?;
    (result == 0).then(|| String::from_utf16(&name[..end]).ok())?
}
