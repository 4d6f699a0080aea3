//! Connecting to another server. Its name is looked up anew each time, and each of its addresses is
//! tried in turn.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};

use crate::aside::aside;
use crate::config::Target;
use crate::sys::socket::Stream;

/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(10);

/// Connects to `target`.
///
/// # Errors
/// Nobody is there, or the name is unknown: what the last address said.
pub(in crate::relay) async fn connect(target: &Target, nodelay: bool) -> io::Result<Stream> {
    let (host, port) = match target {
        Target::Inet { host, port } => (host.as_str(), *port),
        Target::Unix(path) => {
            let connected = tokio::time::timeout(CONNECT, Stream::connect_unix(path)).await;
            return connected.map_err(|_| io::ErrorKind::TimedOut)?;
        }
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses(host, port).await? {
        match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Only makes it quicker.
                stream.set_nodelay(nodelay).ok();
                return Ok(Stream::Tcp(stream));
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// A socket of its own for the datagrams of one peer, connected to the first address of `target`.
///
/// # Errors
/// The name is unknown, or no datagrams can be sent there.
pub(in crate::relay) async fn connect_datagrams(target: &Target) -> io::Result<UdpSocket> {
    let Target::Inet { host, port } = target else {
        let text = "datagrams of a Unix socket are not available";
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses(host, *port).await? {
        let own: SocketAddr = if address.is_ipv6() {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(own).await?;
        match socket.connect(address).await {
            Ok(()) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The addresses of a host, which is one itself, or has a name.
async fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    let host = host.to_owned();
    aside("names", move || Ok((host, port).to_socket_addrs()?.collect())).await?
}
