//! Ports for what knows no port 0, or has to have the same one twice.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::{LazyLock, Mutex};

/// No system gives these to who asks for any (Linux begins at 32768, Windows at 49152). No part of one
/// looks like the ports 7000 to 8999 of examples, which are replaced one after the other.
const PORTS: Range<u16> = 20_000..25_000;
/// Whoever has a port listens on another one, this far behind it.
const LOCK: u16 = 6_000;

/// The locks of this process, and where it looks for the next port.
static OWN: LazyLock<Mutex<(Vec<TcpListener>, u16)>> = LazyLock::new(|| {
    let first = std::process::id() % u32::try_from(PORTS.len()).unwrap();
    Mutex::new((Vec::new(), PORTS.start + u16::try_from(first).unwrap()))
});

/// A port that nobody has at any address, and that no other test gets before this process ends.
pub fn own_port() -> u16 {
    let mut own = OWN.lock().unwrap();
    let (locks, next) = &mut *own;
    for _ in PORTS {
        let port = *next;
        *next = if port + 1 < PORTS.end { port + 1 } else { PORTS.start };
        let Ok(lock) = TcpListener::bind((Ipv4Addr::LOCALHOST, port + LOCK)) else { continue };
        let any = (Ipv4Addr::UNSPECIFIED, port);
        if TcpListener::bind(any).is_ok() && UdpSocket::bind(any).is_ok() {
            locks.push(lock);
            return port;
        }
    }
    panic!("all of {PORTS:?} are taken");
}
