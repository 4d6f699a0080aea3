//! The patterns of hosts_access(5): which hosts and daemons a rule is about. They are compared as
//! libwrap does it, text with text, so that a pattern means here what it has always meant.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::admission::rules::PeerName;
use crate::config::glob;

/// What is said of a pattern that libwrap never finds.
pub(super) const NEVER: &str = "this is never about anybody";

/// One end of a connection as a pattern sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host<'a> {
    /// The address.
    pub(super) address: IpAddr,
    /// Its name.
    pub(super) name: PeerName<'a>,
}

/// It depends on the name, and nobody has asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AskName;

/// A list of patterns, `A B EXCEPT C EXCEPT D`, cut at each EXCEPT. It is about whom the first part
/// is about, except for whom the second one is about, except for ...
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List<T> {
    pub(super) parts: Vec<Vec<T>>,
}

/// A pattern for text: an address, a name, a daemon, a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text {
    All,
    /// Whatever is not `unknown`.
    Known,
    /// With `*` and `?`.
    Glob(String),
    /// `.example.org`, `.1`: what it ends with.
    Suffix(String),
    /// `192.0.2.`, `www.`: what it begins with.
    Prefix(String),
    /// `[2001:db8::1]`.
    V6(Ipv6Addr),
    Exact(String),
}

/// Which hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostPattern {
    Known,
    /// A name without a dot.
    Local,
    /// Addresses that are `base` after `mask`.
    V4 {
        base: u32,
        mask: u32,
    },
    /// Addresses that have their first bits from `base`.
    V6 {
        base: Ipv6Addr,
        bits: u32,
    },
    /// The address, and if so the name, as text.
    Text {
        text: Text,
        names: bool,
    },
    /// What a file of patterns says.
    File(Vec<Self>),
    /// It is never about anybody, as in libwrap.
    Never,
    /// libwrap is at fault: it never finds what is plainly meant. A rule that lets somebody in is
    /// about nobody, as there; a rule that does not is about whom it means.
    Meant(Box<Self>),
    /// It cannot be looked at here. A rule that lets somebody in is not about anybody then, and a
    /// rule that does not is about everybody.
    Closed,
}

/// Who: a host, and a user there whom nobody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// Nobody's user is known: only what `unknown` matches is about such a one.
    pub(super) any_user: bool,
    pub(super) host: HostPattern,
}

/// Which daemon, and at which of our addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Daemon {
    pub(super) name: Text,
    pub(super) at: Option<HostPattern>,
}

/// A pattern, or what is wrong with it and what to do.
type Read = Result<HostPattern, (&'static str, String)>;

impl<T> List<T> {
    /// Whether it is about somebody. `closed` is what an item does that cannot be looked at; behind
    /// EXCEPT it is the opposite.
    pub(super) fn matches(
        &self,
        closed: bool,
        item: &impl Fn(&T, bool) -> Result<bool, AskName>,
    ) -> Result<bool, AskName> {
        for (depth, part) in self.parts.iter().enumerate() {
            let is_except = depth % 2 == 1;
            let mut found = false;
            for one in part {
                found = item(one, closed != is_except)?;
                if found {
                    break;
                }
            }
            if !found {
                return Ok(is_except);
            }
        }
        Ok(self.parts.len() % 2 == 1)
    }
}

impl Text {
    pub(super) fn read(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        let v6 = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
        if text.contains(['*', '?']) {
            Self::Glob(lower)
        } else if text.starts_with('.') {
            Self::Suffix(lower)
        } else if lower == "all" {
            Self::All
        } else if lower == "known" {
            Self::Known
        } else if text.ends_with('.') {
            Self::Prefix(lower)
        } else {
            v6().map_or(Self::Exact(lower), Self::V6)
        }
    }

    /// Whether it is about a text, which is in lower case.
    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::All => true,
            Self::Known => text != "unknown",
            Self::Glob(pattern) => glob::matches(pattern, text),
            Self::Suffix(suffix) => text.len() > suffix.len() && text.ends_with(suffix),
            Self::Prefix(prefix) => text.starts_with(prefix),
            Self::V6(address) => text.parse() == Ok(*address),
            Self::Exact(exact) => text == exact,
        }
    }
}

impl HostPattern {
    /// Reads a pattern that is neither a netgroup nor a file; what is wrong with it and what to do,
    /// if libwrap never finds it.
    pub(super) fn read(text: &str) -> Read {
        if text.eq_ignore_ascii_case("known") {
            return Ok(Self::Known);
        }
        if text.eq_ignore_ascii_case("local") {
            return Ok(Self::Local);
        }
        if let Some((net, mask)) = split_at(text, '/') {
            return if net.starts_with('[') { masked_v6(net, mask) } else { masked_v4(net, mask) };
        }
        let pattern = Text::read(text);
        let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        match &pattern {
            Text::Exact(_) if text.starts_with('[') => {
                return match zoned(text.trim_start_matches('[').trim_end_matches(']')) {
                    Some(address) => Ok(Self::v6_in_a_zone(address, 128)),
                    None => Err((
                        "this is no address",
                        "an IPv6 address is written [2001:db8::1], a network [2001:db8::]/32"
                            .to_owned(),
                    )),
                };
            }
            Text::Exact(_) if numeric && text.parse::<Ipv4Addr>().is_err() => {
                let help = format!("write `{text}.` for every address that begins so");
                return Err((NEVER, help));
            }
            Text::Suffix(suffix) if suffix.len() == 1 => {
                return Err((NEVER, "write a domain: .example.org".to_owned()));
            }
            _ => {}
        }
        // As there: what has only digits and dots is not looked for in names.
        let names = !numeric && !matches!(pattern, Text::V6(_));
        Ok(Self::Text { text: pattern, names })
    }

    /// libwrap compares the zone (`%eth0`), too, which is not known here.
    fn v6_in_a_zone(base: Ipv6Addr, bits: u32) -> Self {
        Self::Meant(Box::new(Self::V6 { base, bits }))
    }

    /// Whether it is about a host.
    pub(super) fn matches(&self, host: Host<'_>, closed: bool) -> Result<bool, AskName> {
        let address = host.address.to_canonical();
        let name = || match host.name {
            PeerName::NotAsked => Err(AskName),
            PeerName::Known(name) => Ok(name),
            PeerName::Unknown => Ok("unknown"),
            PeerName::Mismatch => Ok("paranoid"),
        };
        let known = || name().map(|name| !matches!(name, "unknown" | "paranoid"));
        Ok(match self {
            Self::Never => false,
            Self::Closed => closed,
            Self::Meant(pattern) => closed && pattern.matches(host, closed)?,
            Self::Known => known()?,
            Self::Local => known()? && !name()?.contains('.'),
            Self::V4 { base, mask } => match address {
                IpAddr::V4(address) => address.to_bits() & mask == *base,
                IpAddr::V6(_) => false,
            },
            Self::V6 { base, bits } => match address {
                IpAddr::V4(_) => false,
                IpAddr::V6(address) => {
                    let differ = address.to_bits() ^ base.to_bits();
                    differ.leading_zeros() >= *bits
                }
            },
            Self::Text { text, names } => {
                text.matches(&address.to_string()) || (*names && text.matches(name()?))
            }
            Self::File(patterns) => {
                for pattern in patterns {
                    if pattern.matches(host, closed)? {
                        return Ok(true);
                    }
                }
                false
            }
        })
    }
}

impl Client {
    pub(super) fn matches(&self, host: Host<'_>, closed: bool) -> Result<bool, AskName> {
        Ok(self.any_user && self.host.matches(host, closed)?)
    }
}

impl Daemon {
    /// Whether it is this daemon, at this one of our addresses.
    pub(super) fn matches(
        &self,
        daemon: &str,
        local: Host<'_>,
        closed: bool,
    ) -> Result<bool, AskName> {
        match &self.at {
            Some(pattern) if self.name.matches(daemon) => pattern.matches(local, closed),
            _ => Ok(self.name.matches(daemon)),
        }
    }
}

/// What is in front of the first such character outside of brackets, and what is behind it.
pub(super) fn split_at(text: &str, delimiter: char) -> Option<(&str, &str)> {
    let mut depth = 0i32;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ if depth == 0 && c == delimiter => {
                return Some((&text[..at], &text[at + delimiter.len_utf8()..]));
            }
            _ => {}
        }
    }
    None
}

/// `[2001:db8::]/32`.
fn masked_v6(net: &str, mask: &str) -> Read {
    let inner = net.strip_prefix('[').and_then(|net| net.strip_suffix(']'));
    let address = inner.and_then(|net| Some((net.parse().ok().or_else(|| zoned(net))?, net)));
    let Some((base, net)) = address else {
        return Err(("this is no address", "a network is written [2001:db8::]/32".to_owned()));
    };
    let is_zoned = net.contains('%');
    match leading_number(mask) {
        Some(bits @ 0..=128) if is_zoned => Ok(HostPattern::v6_in_a_zone(base, bits)),
        Some(bits @ 0..=128) => Ok(HostPattern::V6 { base, bits }),
        Some(_) => Err(("this is no mask", "write a number of bits: /64".to_owned())),
        // To libwrap this is /0: everybody. It shall not be a way in.
        None => Ok(HostPattern::Meant(Box::new(HostPattern::V6 { base, bits: 0 }))),
    }
}

/// `192.0.2.0/255.255.255.0`, `192.0.2.0/24`. hosts_access(5): "An IPv4 host address is matched if
/// `net' is equal to the bitwise AND of the address and the `mask'".
fn masked_v4(net: &str, mask: &str) -> Read {
    const HELP: &str = "write 192.0.2.0/255.255.255.0 or 192.0.2.0/24";
    let Some(base) = quad(net) else {
        return Err(("this is no address", HELP.to_owned()));
    };
    let meant = |base, mask| Ok(HostPattern::Meant(Box::new(HostPattern::V4 { base, mask })));
    let mask = match (quad(mask), leading_number(mask)) {
        // libwrap takes this one for an error.
        (Some(u32::MAX), _) => return meant(base, u32::MAX),
        (Some(mask), _) => mask,
        // And this one.
        (None, Some(0)) if mask.bytes().all(|byte| byte == b'0') => return meant(0, 0),
        (None, Some(bits @ 1..=32)) => u32::MAX << (32 - bits),
        (None, _) => {
            let help = "write 255.255.255.0, or a number of bits: /24";
            return Err(("this is no mask", help.to_owned()));
        }
    };
    if base & !mask != 0 {
        let message = "no address is in this: it has bits outside of the mask";
        let bits = mask.count_ones();
        let text = format!("{}/{bits}", Ipv4Addr::from_bits(base & mask));
        let help = match mask.leading_ones() == bits {
            true => format!("write {text} for `{net}/{bits}`"),
            false => HELP.to_owned(),
        };
        return Err((message, help));
    }
    Ok(HostPattern::V4 { base, mask })
}

/// Four numbers as inet_addr(3) reads them: 0x1f is hexadecimal, 010 octal.
fn quad(text: &str) -> Option<u32> {
    let number = |text: &str| {
        let lower = text.to_ascii_lowercase();
        let (digits, radix) = match lower.strip_prefix("0x") {
            Some(digits) => (digits, 16),
            None if lower.len() > 1 && lower.starts_with('0') => (&lower[1..], 8),
            None => (lower.as_str(), 10),
        };
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| u8::from_str_radix(digits, radix).ok())?
    };
    let mut numbers = text.split('.').map(number);
    let mut octets = [0; 4];
    for octet in &mut octets {
        *octet = numbers.next()??;
    }
    numbers.next().is_none().then(|| u32::from_be_bytes(octets))
}

/// The number that a text begins with, as atoi(3) finds it. `None` if it begins with none.
fn leading_number(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    (length > 0).then(|| digits[..length].parse().unwrap_or(u32::MAX))
}

/// An address with a zone.
fn zoned(text: &str) -> Option<Ipv6Addr> {
    text.split_once('%')?.0.parse().ok()
}
