//! Connecting to another server. Its name is looked up anew each time, and each of its addresses is
//! tried in turn.

use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};

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
        Target::Tcp { host, port } => (host.as_str(), *port),
        Target::Unix(path) => return Stream::connect_unix(path).await,
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((host, port)).await? {
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
