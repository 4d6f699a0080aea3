//! The first line of a peer, read byte by byte: what comes behind it belongs to somebody else.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// Why there is no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The peer has ended before its end, or is gone.
    Ended,
    /// It has no end.
    TooLong,
    /// It does not come.
    TooLate,
}

/// Reads a line, and no byte more. It has at most `longest` bytes with its end, which is CRLF or LF
/// and left out.
pub(super) async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    longest: usize,
    patience: Duration,
) -> Result<Vec<u8>, Broken> {
    timeout(patience, to_its_end(stream, longest)).await.unwrap_or(Err(Broken::TooLate))
}

async fn to_its_end<S: AsyncRead + Unpin>(
    stream: &mut S,
    longest: usize,
) -> Result<Vec<u8>, Broken> {
    let mut line = Vec::new();
    while line.len() < longest {
        match stream.read_u8().await.map_err(|_| Broken::Ended)? {
            b'\n' => {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            byte => line.push(byte),
        }
    }
    Err(Broken::TooLong)
}
