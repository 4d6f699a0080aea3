//! The few messages of RPC (RFC 5531) and XDR (RFC 4506) that rpcbind (RFC 1833) needs. Pure: bytes in,
//! bytes out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::listener::endpoint::Endpoint;

/// rpcbind itself: its program and the version that is spoken here.
const RPCBIND: u32 = 100_000;
const VERSION: u32 = 3;
/// RFC 5531, section 9.
const CALL: u32 = 0;
const REPLY: u32 = 1;
const RPC_VERSION: u32 = 2;
const ACCEPTED: u32 = 0;
const SUCCESS: u32 = 0;
const AUTH_NONE: u32 = 0;
/// RFC 5531, section 11: the bit of the last fragment of a record; the rest is its length.
const LAST_FRAGMENT: u32 = 1 << 31;
/// An answer is a number or two; this many bytes are none.
pub const LONGEST_ANSWER: usize = 1024;

/// What is asked of rpcbind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Procedure {
    /// RPCBPROC_SET.
    Set = 1,
    /// RPCBPROC_UNSET.
    Unset = 2,
}

/// That a version of a program can be reached somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The program.
    pub program: u32,
    /// The version.
    pub version: u32,
    /// How (RFC 5665): `tcp`, `tcp6`, `udp`, `udp6`.
    pub network: &'static str,
    /// Where.
    pub address: SocketAddr,
}

impl Registration {
    /// Those of an address that a service listens on; none of one that rpcbind does not know.
    pub fn of(
        endpoint: &Endpoint,
        program: u32,
        version: u32,
    ) -> impl Iterator<Item = Self> + use<> {
        let (address, names, only_v6) = match endpoint {
            Endpoint::Tcp { address, only_v6 } => (Some(*address), ["tcp", "tcp6"], *only_v6),
            Endpoint::Udp { address, only_v6 } => (Some(*address), ["udp", "udp6"], *only_v6),
            Endpoint::Unix(_) | Endpoint::Abstract(_) | Endpoint::Pipe(_) => (None, [""; 2], false),
        };
        let addresses = address.into_iter().flat_map(move |address| {
            // One socket for both protocols is two ways to the program.
            let is_both = address.ip() == IpAddr::from(Ipv6Addr::UNSPECIFIED) && !only_v6;
            let v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
            std::iter::once(address).chain(is_both.then_some(v4))
        });
        addresses.map(move |address| {
            let network = names[usize::from(address.is_ipv6())];
            Self { program, version, network, address }
        })
    }

    /// RFC 5665, section 5.2.3: the address, and the two bytes of the port behind it.
    fn universal_address(&self) -> String {
        let [high, low] = self.address.port().to_be_bytes();
        format!("{}.{high}.{low}", self.address.ip())
    }

    /// The call as a record for a stream.
    pub(super) fn call(&self, procedure: Procedure, id: u32) -> Vec<u8> {
        let mut call = Vec::new();
        let head = [id, CALL, RPC_VERSION, RPCBIND, VERSION, procedure as u32];
        let nobody = [AUTH_NONE, 0];
        for number in head.into_iter().chain(nobody).chain(nobody) {
            put(&mut call, number);
        }
        // struct rpcb: program, version, network, address, owner.
        put(&mut call, self.program);
        put(&mut call, self.version);
        put_text(&mut call, self.network);
        put_text(&mut call, &self.universal_address());
        put_text(&mut call, "");
        let length = u32::try_from(call.len()).unwrap_or(0);
        [&(LAST_FRAGMENT | length).to_be_bytes()[..], &call].concat()
    }
}

fn put(call: &mut Vec<u8>, number: u32) {
    call.extend(number.to_be_bytes());
}

/// Length and bytes, filled up to a multiple of four.
fn put_text(call: &mut Vec<u8>, text: &str) {
    put(call, u32::try_from(text.len()).unwrap_or(0));
    call.extend(text.bytes());
    call.resize(call.len().next_multiple_of(4), 0);
}

/// The length of an answer, from the four bytes in front of it.
///
/// # Errors
/// It is no answer to such a question.
pub fn length(mark: [u8; 4]) -> io::Result<usize> {
    let mark = u32::from_be_bytes(mark);
    let length = usize::try_from(mark & !LAST_FRAGMENT).unwrap_or(usize::MAX);
    if mark & LAST_FRAGMENT == 0 || length > LONGEST_ANSWER {
        return Err(strange("it is not in one piece"));
    }
    Ok(length)
}

/// What an answer says: whether it was done.
///
/// # Errors
/// It is no answer to the call with this id, or says that the call cannot be understood.
pub fn answer(bytes: &[u8], id: u32) -> io::Result<bool> {
    let mut numbers = Numbers { bytes };
    if (numbers.next()?, numbers.next()?) != (id, REPLY) {
        return Err(strange("it is not for us"));
    }
    if numbers.next()? != ACCEPTED {
        return Err(strange("the call was denied"));
    }
    let (_flavour, length) = (numbers.next()?, numbers.next()?);
    numbers.skip(usize::try_from(length).unwrap_or(usize::MAX).next_multiple_of(4))?;
    match numbers.next()? {
        SUCCESS => Ok(numbers.next()? != 0),
        _ => Err(strange("the call was not understood")),
    }
}

struct Numbers<'a> {
    bytes: &'a [u8],
}

impl Numbers<'_> {
    fn next(&mut self) -> io::Result<u32> {
        let (number, rest) =
            self.bytes.split_first_chunk().ok_or_else(|| strange("it is cut off"))?;
        self.bytes = rest;
        Ok(u32::from_be_bytes(*number))
    }

    fn skip(&mut self, length: usize) -> io::Result<()> {
        self.bytes = self.bytes.get(length..).ok_or_else(|| strange("it is cut off"))?;
        Ok(())
    }
}

fn strange(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("rpcbind gives a strange answer: {what}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tcp(text: &str, only_v6: bool) -> Vec<Registration> {
        let endpoint = Endpoint::Tcp { address: text.parse().unwrap(), only_v6 };
        Registration::of(&endpoint, 100_002, 3).collect()
    }

    // RFC 5665: "h1.h2.h3.h4.p1.p2", "x1:x2:x3:x4:x5:x6:x7:x8.p1.p2".
    #[test]
    fn each_protocol_of_a_socket_is_registered() {
        let shown = |text, only_v6| -> Vec<String> {
            let all = tcp(text, only_v6);
            all.iter().map(|r| format!("{} {}", r.network, r.universal_address())).collect()
        };
        assert_eq!(shown("127.0.0.1:1025", false), ["tcp 127.0.0.1.4.1"]);
        assert_eq!(shown("[::1]:258", false), ["tcp6 ::1.1.2"]);
        assert_eq!(shown("[::]:258", true), ["tcp6 ::.1.2"]);
        assert_eq!(shown("[::]:258", false), ["tcp6 ::.1.2", "tcp 0.0.0.0.1.2"]);
        let unix = Endpoint::Unix("/x".into());
        assert_eq!(Registration::of(&unix, 1, 1).count(), 0);
    }

    // RFC 5531, section 9 and 11; RFC 1833, section 2.1: "struct rpcb".
    #[test]
    fn a_call_is_what_the_protocol_says() {
        let call = tcp("127.0.0.1:1025", false)[0].call(Procedure::Set, 7);
        let numbers: Vec<u32> =
            call.chunks(4).map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap())).collect();
        let text = |text: &[u8; 4]| u32::from_be_bytes(*text);
        let length = u32::try_from(call.len() - 4).unwrap();
        assert_eq!(numbers[..11], [LAST_FRAGMENT | length, 7, 0, 2, 100_000, 3, 1, 0, 0, 0, 0]);
        assert_eq!(numbers[11..15], [100_002, 3, 3, text(b"tcp\0")]);
        assert_eq!(
            numbers[15..20],
            [13, text(b"127."), text(b"0.0."), text(b"1.4."), text(b"1\0\0\0")]
        );
        assert_eq!(numbers[20..], [0]);
    }

    #[test]
    fn answers_are_read() {
        let bytes = |numbers: &[u32]| -> Vec<u8> {
            numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
        };
        assert!(answer(&bytes(&[7, 1, 0, 0, 0, 0, 1]), 7).unwrap());
        assert!(!answer(&bytes(&[7, 1, 0, 0, 0, 0, 0]), 7).unwrap());
        assert!(answer(&bytes(&[7, 1, 0, 0, 3, 0, 0, 1]), 7).unwrap(), "a verifier of 3 bytes");
        for bad in [
            &[8, 1, 0, 0, 0, 0, 1][..],
            &[7, 0, 0, 0, 0, 0, 1],
            &[7, 1, 1, 0, 0, 0, 1],
            &[7, 1, 0, 0, 0, 2, 1],
            &[7, 1, 0, 0, u32::MAX, 0, 1],
            &[7, 1],
            &[],
        ] {
            assert!(answer(&bytes(bad), 7).is_err(), "{bad:?}");
        }
        assert_eq!(length([0x80, 0, 0, 28]).unwrap(), 28);
        assert!(length([0, 0, 0, 28]).is_err() && length([0xff; 4]).is_err());
    }

    proptest! {
        #[test]
        fn any_answer_is_read(bytes: Vec<u8>, id: u32) {
            drop(answer(&bytes, id));
        }
    }
}
