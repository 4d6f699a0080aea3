//! What a peer of the multiplexer says first (RFC 1078): the name of a service in a line of its own.

use std::time::Duration;

use tokio::io::AsyncRead;

use super::line::{self, Broken};

/// How long a peer may take for the line, as with FreeBSD's inetd.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The longest line with its end, as in the BSDs, in bytes.
pub const LONGEST: usize = 256 + 2;

/// The negative reply to a name that nobody has.
pub const UNKNOWN: &str = "-Service not available\r\n";
/// The negative reply to something that is no line.
pub const UNREADABLE: &str = "-Error reading service name\r\n";
/// The negative reply to a line that has no end.
pub const TOO_LONG: &str = "-Service name too long\r\n";
/// The negative reply to one that does not come.
const TOO_LATE: &str = "-Timed out reading service name\r\n";

/// Reads the line and no byte more: what comes behind it is the service's.
///
/// # Errors
/// The negative reply to what came instead.
pub async fn read_name<S: AsyncRead + Unpin>(
    stream: &mut S,
    patience: Duration,
) -> Result<String, &'static str> {
    let line = line::read(stream, LONGEST, patience).await.map_err(|broken| match broken {
        Broken::Ended => UNREADABLE,
        Broken::TooLong => TOO_LONG,
        Broken::TooLate => TOO_LATE,
    })?;
    String::from_utf8(line).map_err(|_| UNKNOWN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn run<T>(task: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap().block_on(task)
    }

    async fn heard(said: &[u8]) -> (Result<String, &'static str>, Vec<u8>) {
        let (mut peer, mut ours) = tokio::io::duplex(1024);
        peer.write_all(said).await.unwrap();
        drop(peer);
        let name = read_name(&mut ours, PATIENCE).await;
        let mut rest = Vec::new();
        ours.read_to_end(&mut rest).await.unwrap();
        (name, rest)
    }

    #[test]
    fn the_line_is_read_and_not_a_byte_more() {
        run(async {
            let name = |name: &str| Ok(name.to_owned());
            assert_eq!(heard(b"upper\r\nrest\r\n").await, (name("upper"), b"rest\r\n".to_vec()));
            assert_eq!(heard(b"upper\nrest").await, (name("upper"), b"rest".to_vec()));
            assert_eq!(heard(b"\r\n\r\n").await, (name(""), b"\r\n".to_vec()));
            assert_eq!(heard(b"a\rb\r\n").await, (name("a\rb"), Vec::new()));
        });
    }

    #[test]
    fn what_is_no_line_is_answered() {
        run(async {
            assert_eq!(heard(b"upper").await.0, Err(UNREADABLE));
            assert_eq!(heard(b"\xff\r\n").await.0, Err(UNKNOWN));
            let longest = [&[b'x'; 256][..], b"\r\n"].concat();
            assert_eq!(heard(&longest).await.0, Ok("x".repeat(256)));
            assert_eq!(heard(&[b'x'; 300]).await.0, Err(TOO_LONG));
            // Nothing comes: the clock of the test runs on at once.
            let (_peer, mut ours) = tokio::io::duplex(16);
            assert_eq!(read_name(&mut ours, PATIENCE).await, Err(TOO_LATE));
        });
    }

    proptest! {
        #[test]
        fn of_any_bytes_the_first_line_is_taken_or_answered(
            said in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..400),
                "[a-z]{0,300}\r?\n?[a-z\r\n]{0,20}".prop_map(String::into_bytes),
            ],
        ) {
            let (name, rest) = run(heard(&said));
            prop_assert!(said.ends_with(&rest), "it is the peer's, as it was");
            let taken = &said[..said.len() - rest.len()];
            match name {
                Ok(name) => {
                    let line = taken.strip_suffix(b"\n").unwrap();
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    prop_assert_eq!(name.as_bytes(), line);
                    prop_assert!(taken.len() <= LONGEST && !name.contains('\n'));
                }
                Err(UNKNOWN) => prop_assert!(std::str::from_utf8(taken).is_err()),
                Err(UNREADABLE) => prop_assert!(rest.is_empty() && !said.contains(&b'\n')),
                Err(reply) => {
                    prop_assert_eq!(reply, TOO_LONG);
                    prop_assert!(taken.len() == LONGEST && !taken.contains(&b'\n'));
                }
            }
        }
    }
}
