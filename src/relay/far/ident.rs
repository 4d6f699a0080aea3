//! The identification protocol (RFC 1413), as the service `auth` of FreeBSD's inetd speaks it: whose
//! is the connection between the asking host and this one that has these two ports? It says nothing
//! that its options do not allow, and nothing about connections of other hosts.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, SocketAddr};

use super::line;
use crate::aside::aside;
use crate::config::Ident;
use crate::listener::endpoint::Address;
use crate::sys::owner::{self, Owner};

use tokio::io::AsyncRead;

/// RFC 1413: "Clients should feel free to abort a connection if they receive 1000 characters without
/// receiving an <EOL>." So does this server.
const LONGEST: usize = 1000;
/// The file with which a user hides, in its home directory.
const HIDES: &str = ".noident";
/// Letters of a name that is made up.
const LETTERS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// How many of them it has.
const LENGTH: usize = 12;

/// RFC 1413, "error-type".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Complaint {
    /// "Either the local or foreign port was improperly specified."
    InvalidPort,
    /// "The connection specified by the port pair is not currently in use or currently not owned by
    /// an identifiable entity."
    NoUser,
    /// "The server was able to identify the user of this port, but the information was not
    /// returned at the request of the user."
    HiddenUser,
    /// "Can't determine connection owner; reason unknown."
    UnknownError,
}

/// Reads the question and gives the answer.
pub async fn answer<S: AsyncRead + Unpin>(
    stream: &mut S,
    ident: &Ident,
    ends: Option<(IpAddr, IpAddr)>,
) -> String {
    let question = line::read(stream, LONGEST, ident.timeout).await;
    let ports = question.ok().and_then(|question| ports(&question));
    let Some((ours, theirs)) = ports else { return complain((0, 0), Complaint::InvalidPort) };
    let settings = ident.clone();
    // The tables of the system are files, and can be long.
    let told = aside("ident", move || {
        reply(&settings, || {
            let (local, remote) = ends.ok_or(Complaint::UnknownError)?;
            let (local, remote) = (SocketAddr::new(local, ours), SocketAddr::new(remote, theirs));
            owner::of_connection(local, remote)
                .map_err(|_| Complaint::UnknownError)?
                .ok_or(Complaint::NoUser)
        })
    });
    match told.await.unwrap_or(Err(Complaint::UnknownError)) {
        Ok(name) => tell((ours, theirs), ident, &name),
        Err(complaint) => complain((ours, theirs), complaint),
    }
}

/// The addresses of both ends, if they have any.
pub(in crate::relay) fn ends(local: &Address, peer: Option<&Address>) -> Option<(IpAddr, IpAddr)> {
    Some((local.ip()?, peer?.ip()?))
}

/// `<port-on-server> , <port-on-client>`.
fn ports(question: &[u8]) -> Option<(u16, u16)> {
    let (ours, theirs) = std::str::from_utf8(question).ok()?.split_once(',')?;
    let port = |text: &str| {
        let text = text.trim_matches([' ', '\t']);
        let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|port| is_number && *port > 0)
    };
    Some((port(ours)?, port(theirs)?))
}

/// The name that is told.
fn reply(
    ident: &Ident,
    owner: impl FnOnce() -> Result<Owner, Complaint>,
) -> Result<String, Complaint> {
    if ident.random {
        return Ok(made_up());
    }
    let fallback = |complaint| ident.fallback.clone().ok_or(complaint);
    if !ident.real {
        return fallback(Complaint::HiddenUser);
    }
    let owner = match owner() {
        Ok(owner) => owner,
        Err(complaint) => return fallback(complaint),
    };
    if ident.noident && owner.has_file(HIDES) {
        return Err(Complaint::HiddenUser);
    }
    let name = if ident.numeric { owner.number } else { owner.name };
    // It would not be the end of the answer.
    if name.is_empty() || name.contains(|c: char| c.is_control()) {
        return Err(Complaint::UnknownError);
    }
    Ok(name)
}

/// A name that says nothing: FreeBSD's `-g`.
fn made_up() -> String {
    let mut number = RandomState::new().build_hasher().finish();
    let mut letter = || {
        let at = usize::try_from(number % LETTERS.len() as u64).unwrap_or_default();
        number /= LETTERS.len() as u64;
        char::from(LETTERS[at])
    };
    (0..LENGTH).map(|_| letter()).collect()
}

fn tell((ours, theirs): (u16, u16), ident: &Ident, name: &str) -> String {
    let system = ident.os.clone().unwrap_or_else(owner::system_name);
    // RFC 1413: the name is in US-ASCII unless the answer says otherwise.
    let charset = if name.is_ascii() { "" } else { " , UTF-8" };
    format!("{ours} , {theirs} : USERID : {system}{charset} : {name}\r\n")
}

fn complain((ours, theirs): (u16, u16), complaint: Complaint) -> String {
    let error = match complaint {
        Complaint::InvalidPort => "INVALID-PORT",
        Complaint::NoUser => "NO-USER",
        Complaint::HiddenUser => "HIDDEN-USER",
        Complaint::UnknownError => "UNKNOWN-ERROR",
    };
    format!("{ours} , {theirs} : ERROR : {error}\r\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // RFC 1413: "<port-pair> ::= <integer> "," <integer>", with white space around each.
    #[test]
    fn a_question_is_two_ports() {
        for (question, expected) in [
            ("6193, 23", Some((6193, 23))),
            ("6193,23", Some((6193, 23))),
            (" 65535\t ,  1 ", Some((65535, 1))),
            ("0, 23", None),
            ("23, 65536", None),
            ("23, 000022", None),
            ("+23, 22", None),
            ("23 22", None),
            ("1, 2, 3", None),
            ("", None),
        ] {
            assert_eq!(ports(question.as_bytes()), expected, "{question}");
        }
        assert_eq!(ports(b"\xff,1"), None);
    }

    #[test]
    fn nothing_is_told_that_the_options_do_not_allow() {
        let asked = || -> Result<Owner, Complaint> { panic!("nobody may look") };
        let nobody = || Err(Complaint::NoUser);
        let ident = Ident::default();
        assert_eq!(reply(&ident, asked), Err(Complaint::HiddenUser));
        let fallback = Ident { fallback: Some("someone".into()), ..Ident::default() };
        assert_eq!(reply(&fallback, asked), Ok("someone".into()));
        let random = Ident { random: true, real: true, ..fallback.clone() };
        let names = [reply(&random, asked).unwrap(), reply(&random, asked).unwrap()];
        assert!(names.iter().all(|name| name.len() == LENGTH) && names[0] != names[1]);
        let real = Ident { real: true, ..Ident::default() };
        assert_eq!(reply(&real, nobody), Err(Complaint::NoUser));
        let real = Ident { real: true, ..fallback };
        assert_eq!(reply(&real, nobody), Ok("someone".into()));
    }

    // RFC 1413: "6193, 23 : USERID : UNIX : stjohns", "6195, 23 : ERROR : NO-USER".
    #[test]
    fn answers_have_the_form_of_the_protocol() {
        let ident = Ident { os: Some("UNIX".into()), ..Ident::default() };
        assert_eq!(tell((6193, 23), &ident, "stjohns"), "6193 , 23 : USERID : UNIX : stjohns\r\n");
        let said = tell((6193, 23), &ident, "jürgen");
        assert_eq!(said, "6193 , 23 : USERID : UNIX , UTF-8 : jürgen\r\n");
        assert_eq!(complain((6195, 23), Complaint::NoUser), "6195 , 23 : ERROR : NO-USER\r\n");
    }

    proptest! {
        #[test]
        fn any_question_is_read(question: Vec<u8>) {
            if let Some((ours, theirs)) = ports(&question) {
                prop_assert!(ours > 0 && theirs > 0);
            }
        }
    }
}
