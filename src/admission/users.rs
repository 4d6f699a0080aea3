//! The users of peers, as the machine of the peer tells them (RFC 1413, `identify`). Asking waits for
//! the network, so it never happens on the way of other connections. How many questions are open
//! together, and how many of them for one source, is bounded: a peer whose machine does not answer
//! holds up nobody but itself. What is told is what that machine likes to tell, and proves nothing.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;

use super::source::{Source, SourcePrefix};
use crate::listener::endpoint::Address;

/// RFC 1413: "A server listens for TCP connections on TCP port 113 (decimal)."
pub const PORT: u16 = 113;
/// How long a peer waits for the answer, the wait for a turn included.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Questions that are open together.
const QUESTIONS: usize = 64;
/// Those of them that are about one source.
const OF_SOURCE: usize = 8;
/// What one source is.
const SOURCE: SourcePrefix = SourcePrefix { v4: 32, v6: 64 };
/// RFC 1413: "Clients should feel free to abort a connection if they receive 1000 characters without
/// receiving an <EOL>."
const LONGEST_LINE: u64 = 1000;
/// RFC 1413: "a server MUST return the most significant portion of the user ID in the first 512
/// octets." What is behind them is left out.
const LONGEST_USER: usize = 512;

/// What became of the question for the user of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    /// Nobody has answered, or not with a user, or not in time.
    Unknown,
    /// This was told. It can hold control characters, but no line break.
    Told(Arc<str>),
}

impl User {
    /// What was told, if anything was.
    pub fn told(&self) -> Option<&str> {
        match self {
            Self::Unknown => None,
            Self::Told(user) => Some(user),
        }
    }

    /// The same, to keep.
    pub fn into_told(self) -> Option<Arc<str>> {
        match self {
            Self::Unknown => None,
            Self::Told(user) => Some(user),
        }
    }
}

/// The questions that are open.
#[derive(Debug)]
pub struct Users {
    questions: Semaphore,
    sources: Mutex<HashMap<Source, Turn>>,
}

/// The turns of one source.
#[derive(Debug)]
struct Turn {
    places: Arc<Semaphore>,
    /// Who has a place or waits for one.
    askers: usize,
}

impl Users {
    /// Nobody is asked yet.
    pub fn new() -> Self {
        Self { questions: Semaphore::new(QUESTIONS), sources: Mutex::default() }
    }

    /// Asks the machine of the peer whose the connection is. Never longer than five seconds.
    pub async fn ask(&self, peer: &Address, local: &Address) -> User {
        let (Address::Inet(peer), Address::Inet(local)) = (peer, local) else {
            return User::Unknown;
        };
        let asked = tokio::time::timeout(TIMEOUT, self.in_turn(*peer, *local));
        asked.await.ok().flatten().map_or(User::Unknown, User::Told)
    }

    async fn in_turn(&self, peer: SocketAddr, local: SocketAddr) -> Option<Arc<str>> {
        let asker = Asker::new(self, SOURCE.source(peer.ip()));
        // First that of the source: only who has it waits among those of all others. None of them is
        // ever closed, so neither is an error.
        let _of_source = asker.places.acquire().await.ok()?;
        let _question = self.questions.acquire().await.ok()?;
        let line = question(peer, local).await.ok()?;
        user(&line, peer.port(), local.port()).map(Into::into)
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<Source, Turn>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Users {
    fn default() -> Self {
        Self::new()
    }
}

/// Somebody who asks about a source. The source is forgotten with the last of them.
struct Asker<'a> {
    users: &'a Users,
    source: Source,
    places: Arc<Semaphore>,
}

impl<'a> Asker<'a> {
    fn new(users: &'a Users, source: Source) -> Self {
        let mut sources = users.sources();
        let turn = sources
            .entry(source)
            .or_insert_with(|| Turn { places: Arc::new(Semaphore::new(OF_SOURCE)), askers: 0 });
        turn.askers += 1;
        let places = Arc::clone(&turn.places);
        Self { users, source, places }
    }
}

impl Drop for Asker<'_> {
    fn drop(&mut self) {
        let mut sources = self.users.sources();
        if let Some(turn) = sources.get_mut(&self.source) {
            turn.askers -= 1;
            if turn.askers == 0 {
                sources.remove(&self.source);
            }
        }
    }
}

/// Asks the question, and gives the line that comes back.
async fn question(peer: SocketAddr, local: SocketAddr) -> io::Result<Vec<u8>> {
    // As they are but for the ports: a link-local address is nothing without its scope.
    let (mut server, mut own) = (peer, local);
    server.set_port(PORT);
    own.set_port(0);
    let socket = if peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // The server looks for a connection between the two addresses of the question.
    socket.bind(own)?;
    let mut stream = socket.connect(server).await?;
    // "<port-on-server> , <port-on-client>", and the server is where the peer is.
    let text = format!("{},{}\r\n", peer.port(), local.port());
    stream.write_all(text.as_bytes()).await?;
    let mut line = Vec::new();
    BufReader::new(stream).take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
    Ok(line)
}

/// The user that an answer to the question about these ports names:
/// `<port-pair> : USERID : <opsys-field> : <user-id>`. What is cut off, or about other ports, names
/// nobody, and neither does what is no user id: RFC 1413 has "any octet from 00 to 377 (octal) except
/// for ASCII NUL (000), CR (015) and LF (012)" in one.
pub fn user(line: &[u8], theirs: u16, ours: u16) -> Option<String> {
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // Only the last part can hold a colon.
    let mut parts = line.splitn(4, |byte| *byte == b':');
    let mut next = || parts.next().map(blanks_off);
    let (ports, kind, system, user) = (next()?, next()?, next()?, next()?);
    let mut pair = ports.splitn(2, |byte| *byte == b',').map(|text| port(blanks_off(text)));
    let is_asked = pair.next() == Some(Some(theirs)) && pair.next() == Some(Some(ours));
    let is_user = kind == b"USERID" && !system.is_empty();
    let is_sound = !user.is_empty() && !user.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'));
    let user = &user[..user.len().min(LONGEST_USER)];
    (is_asked && is_user && is_sound).then(|| String::from_utf8_lossy(user).into_owned())
}

fn port(text: &[u8]) -> Option<u16> {
    let is_number = text.len() <= 5 && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

/// RFC 1413: "In parsing responses, white space may occur anywhere, except within a token." A user id
/// begins right behind its colon there, but servers write a blank in front of it.
fn blanks_off(text: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(line: &str) -> Option<String> {
        user(line.as_bytes(), 6191, 23)
    }

    // RFC 1413: "6191, 23 : USERID : UNIX : stjohns", "6195, 23 : ERROR : NO-USER".
    #[test]
    fn an_answer_names_a_user_for_the_ports_that_were_asked_for() {
        for (line, expected) in [
            ("6191, 23 : USERID : UNIX : stjohns\r\n", Some("stjohns")),
            ("6191,23:USERID:UNIX,UTF-8:jürgen\r\n", Some("jürgen")),
            ("6191 , 23 : USERID : OTHER :\ta:b c \n", Some("a:b c")),
            ("6195, 23 : USERID : UNIX : stjohns\r\n", None),
            ("6191, 24 : USERID : UNIX : stjohns\r\n", None),
            ("23, 6191 : USERID : UNIX : stjohns\r\n", None),
            ("+6191, 23 : USERID : UNIX : stjohns\r\n", None),
            ("0006191, 23 : USERID : UNIX : stjohns\r\n", None),
            ("6191, 23 : ERROR : NO-USER\r\n", None),
            ("6191, 23 : ERROR : UNIX : stjohns\r\n", None),
            ("6191, 23 : USERID : UNIX : stjohns", None),
            ("6191, 23 : USERID : UNIX : \r\n", None),
            ("6191, 23 : USERID : : stjohns\r\n", None),
            ("6191, 23 : USERID\r\n", None),
            ("\r\n", None),
            ("", None),
        ] {
            assert_eq!(named(line).as_deref(), expected, "{line:?}");
        }
    }

    #[test]
    fn a_user_has_at_most_512_octets_of_any_kind() {
        let answer = |user: &str| named(&format!("6191,23:USERID:UNIX:{user}\r\n"));
        assert_eq!(answer(&"x".repeat(512)), Some("x".repeat(512)));
        assert_eq!(answer(&"x".repeat(513)), Some("x".repeat(512)));
        for byte in ["\0", "\r", "\n"] {
            assert_eq!(answer(&format!("x{byte}x")), None, "{byte:?}");
        }
        let bytes = b"6191,23:USERID:OTHER:\xff\x1b[2J\r\n";
        assert_eq!(user(bytes, 6191, 23).as_deref(), Some("\u{fffd}\u{1b}[2J"));
    }

    #[test]
    fn sources_are_forgotten_with_their_last_question() {
        let users = Users::new();
        let source = SOURCE.source([192, 0, 2, 1].into());
        let (first, second) = (Asker::new(&users, source), Asker::new(&users, source));
        let place = first.places.try_acquire_many(u32::try_from(OF_SOURCE).unwrap()).unwrap();
        assert!(second.places.try_acquire().is_err(), "both share the places");
        drop(place);
        drop(first);
        assert_eq!(users.sources().len(), 1);
        drop(second);
        assert!(users.sources().is_empty());
    }

    proptest! {
        #[test]
        fn any_answer_is_read(line: Vec<u8>) {
            if let Some(user) = user(&line, 6191, 23) {
                prop_assert!(!user.is_empty() && !user.contains(['\0', '\r', '\n']));
            }
        }
    }
}
