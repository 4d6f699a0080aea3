//! The services that need no program, as streams that the relay reads and writes like the pipe of
//! one: they have its rules for half-close, back-pressure and idle time.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Characters of a line of [`Chargen`] (RFC 864: "72 character lines").
const LINE: usize = 72;
/// The printing characters of ASCII.
const PRINTING: std::ops::Range<u8> = b' '..0x7f;
/// Seconds from 1900, where RFC 868 begins to count, to 1970.
const FROM_1900: u64 = 2_208_988_800;

/// Says something, takes what comes and throws it away.
#[derive(Debug)]
pub(in crate::relay) struct Speaker<S> {
    speech: S,
    ended: bool,
    waker: Option<Waker>,
}

impl<S: Speech> Speaker<S> {
    pub(in crate::relay) fn new(speech: S) -> Self {
        Self { speech, ended: false, waker: None }
    }
}

/// What a [`Speaker`] says.
pub(in crate::relay) trait Speech {
    /// Whether what is said ends with the peer's own end.
    const UNTIL_END: bool;

    /// Puts the next bytes into `buffer`; none if there are no more.
    fn speak(&mut self, buffer: &mut ReadBuf<'_>);
}

impl<S: Speech + Unpin> AsyncRead for Speaker<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let speaker = self.get_mut();
        if S::UNTIL_END && speaker.ended {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        speaker.speech.speak(buffer);
        if S::UNTIL_END && buffer.filled().len() == before {
            speaker.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Speech + Unpin> AsyncWrite for Speaker<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let speaker = self.get_mut();
        speaker.ended = true;
        if let Some(waker) = speaker.waker.take() {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }
}

/// RFC 863: "simply throws away any data it receives".
#[derive(Debug)]
pub(in crate::relay) struct Silence;

impl Speech for Silence {
    const UNTIL_END: bool = true;

    fn speak(&mut self, _: &mut ReadBuf<'_>) {}
}

/// RFC 864: a stream of lines, each of which begins one character further on, until the peer ends.
#[derive(Debug, Default)]
pub(in crate::relay) struct Chargen {
    /// Which line is next.
    line: usize,
    /// Bytes of it that were said.
    said: usize,
}

impl Speech for Chargen {
    const UNTIL_END: bool = true;

    fn speak(&mut self, buffer: &mut ReadBuf<'_>) {
        while buffer.remaining() > 0 {
            let line = chargen_line(self.line);
            let rest = &line[self.said..];
            let count = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..count]);
            self.said += count;
            if self.said == line.len() {
                (self.line, self.said) = (self.line + 1, 0);
            }
        }
    }
}

/// Line `number` of the pattern, with its line end.
fn chargen_line(number: usize) -> [u8; LINE + 2] {
    let mut line = *b"........................................................................\r\n";
    for (place, byte) in line[..LINE].iter_mut().enumerate() {
        let offset = (number + place) % PRINTING.len();
        *byte = PRINTING.start + u8::try_from(offset).unwrap_or_default();
    }
    line
}

/// RFC 864: the answer to one datagram. The RFC allows up to 512 characters; this is one line, as
/// with the inetds, so that a forged sender gets little more than was spent for it.
pub(crate) fn chargen_datagram(number: u64) -> Vec<u8> {
    chargen_line(usize::try_from(number % PRINTING.len() as u64).unwrap_or_default()).to_vec()
}

/// A text, or a few bytes, and then the end.
#[derive(Debug)]
pub(in crate::relay) struct Text {
    rest: io::Cursor<Vec<u8>>,
}

impl Text {
    pub(in crate::relay) fn new(text: impl Into<Vec<u8>>) -> Self {
        Self { rest: io::Cursor::new(text.into()) }
    }
}

impl Speech for Text {
    const UNTIL_END: bool = false;

    fn speak(&mut self, buffer: &mut ReadBuf<'_>) {
        let from = usize::try_from(self.rest.position()).unwrap_or(usize::MAX);
        let rest = self.rest.get_ref().get(from..).unwrap_or_default();
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..count]);
        self.rest.set_position(self.rest.position() + count as u64);
    }
}

/// RFC 868: seconds since the beginning of 1900, which begin anew in 2036.
pub(crate) fn time(now: SystemTime) -> [u8; 4] {
    let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let low = (since_1970 + FROM_1900) & u64::from(u32::MAX);
    u32::try_from(low).unwrap_or_default().to_be_bytes()
}

/// One quote of a file that has them as fortune(6) does, with a line `%` between two, of those that
/// have at most `room` bytes with their line ends; nothing if there is none. RFC 865 asks for less
/// than 512 characters.
pub(crate) fn quote(file: &[u8], choice: u64, room: usize) -> Vec<u8> {
    let text = String::from_utf8_lossy(file);
    let text = text.replace("\r\n", "\n");
    // A line ends with two bytes, where the text has one, and the last one none.
    let length = |quote: &str| quote.len() + quote.lines().count() + 1;
    let quotes: Vec<&str> = text
        .split("\n%\n")
        .map(|quote| quote.trim_matches('\n'))
        .filter(|quote| !quote.is_empty() && length(quote) <= room)
        .collect();
    let count = u64::try_from(quotes.len()).unwrap_or(0);
    let chosen = choice.checked_rem(count).and_then(|index| usize::try_from(index).ok());
    let quote = chosen.and_then(|index| quotes.get(index)).copied().unwrap_or_default();
    let mut bytes = Vec::with_capacity(length(quote));
    for line in quote.lines() {
        // Writing to memory cannot fail.
        drop(write!(bytes, "{line}\r\n"));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn run<T>(task: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(task)
    }

    // RFC 864: "One popular pattern is 72 character lines of the ASCII printing characters".
    #[test]
    fn chargen_says_lines_that_move_on() {
        run(async {
            let mut chargen = Speaker::new(Chargen::default());
            let mut text = vec![0; 96 * (LINE + 2)];
            chargen.read_exact(&mut text).await.unwrap();
            let text = String::from_utf8(text).unwrap();
            let lines: Vec<&str> = text.split_terminator("\r\n").collect();
            assert!(lines.iter().all(|line| line.len() == LINE));
            assert!(lines[0].starts_with(" !\"#") && lines[1].starts_with("!\"#$"));
            assert!(
                lines[94].starts_with('~') && lines[94][1..].starts_with(" !"),
                "{}",
                lines[94]
            );
            assert_eq!(lines[95], lines[0]);
            chargen.shutdown().await.unwrap();
            assert_eq!(chargen.read(&mut [0]).await.unwrap(), 0);
        });
    }

    #[test]
    fn silence_ends_with_the_peer_and_a_text_by_itself() {
        run(async {
            let mut silence = Speaker::new(Silence);
            silence.write_all(b"x").await.unwrap();
            silence.shutdown().await.unwrap();
            assert_eq!(silence.read(&mut [0]).await.unwrap(), 0);
            let mut text = Speaker::new(Text::new("hello"));
            let mut all = String::new();
            text.read_to_string(&mut all).await.unwrap();
            assert_eq!(all, "hello");
        });
    }

    // RFC 868: "the time 2,208,988,800 corresponds to 00:00  1 Jan 1970 GMT".
    #[test]
    fn time_counts_from_1900() {
        assert_eq!(time(UNIX_EPOCH), 2_208_988_800u32.to_be_bytes());
        let wrapped = UNIX_EPOCH + Duration::from_secs((1 << 32) - FROM_1900 + 7);
        assert_eq!(time(wrapped), 7u32.to_be_bytes());
    }

    #[test]
    fn quotes_are_between_percent_signs() {
        let file = b"one\ntwo\n%\nthree\n%\n";
        assert_eq!(quote(file, 0, 100), b"one\r\ntwo\r\n");
        assert_eq!(quote(file, 1, 100), b"three\r\n");
        assert_eq!(quote(file, 2, 100), b"one\r\ntwo\r\n");
        assert_eq!(quote(b"a\r\n%\r\nb", 3, usize::MAX), b"b\r\n");
        assert_eq!(quote(b"", 3, 100), b"");
    }

    #[test]
    fn a_quote_that_does_not_fit_is_not_chosen() {
        let file = b"one\ntwo\n%\nthree\n%\n";
        assert_eq!(quote(file, 0, 10), b"one\r\ntwo\r\n");
        assert_eq!(quote(file, 0, 9), b"three\r\n");
        assert_eq!(quote(file, 1, 7), b"three\r\n");
        assert_eq!(quote(file, 0, 6), b"");
    }
}
