//! Sets of addresses: a single one, a network, a range.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses of one family from the first to the last. An IPv4-mapped IPv6 address
/// (`::ffff:192.0.2.7`) is an IPv4 address here as everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Block {
    /// IPv4.
    V4 {
        /// The lowest address.
        first: u32,
        /// The highest address.
        last: u32,
    },
    /// IPv6.
    V6 {
        /// The lowest address.
        first: u128,
        /// The highest address.
        last: u128,
    },
}

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockError {
    /// The prefix is longer than an address; this long one may be.
    Long(u8),
    /// The address has bits behind the prefix; this is the network that it is in.
    HostBits(Block),
    /// The range ends before it begins.
    Backwards,
    /// The ends of the range are of different families.
    Mixed,
}

impl Block {
    /// One address.
    pub fn single(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(ip) => Self::V4 { first: ip.into(), last: ip.into() },
            IpAddr::V6(ip) => Self::V6 { first: ip.into(), last: ip.into() },
        }
    }

    /// The network that an address is in.
    pub fn around(address: IpAddr, prefix: u8) -> Result<Self, BlockError> {
        match (address, address.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(ip)) if (96..=128).contains(&prefix) => {
                Self::around(ip.into(), prefix - 96)
            }
            // A mapped address with a prefix that covers more than the mapped ones.
            (IpAddr::V6(ip), _) => {
                let host = host_bits(128, prefix).ok_or(BlockError::Long(128))?;
                let ip = u128::from(ip);
                Ok(Self::V6 { first: ip & !host, last: ip | host })
            }
            (IpAddr::V4(ip), _) => {
                let host = host_bits(32, prefix).ok_or(BlockError::Long(32))?;
                let host = u32::try_from(host).unwrap_or(u32::MAX);
                let ip = u32::from(ip);
                Ok(Self::V4 { first: ip & !host, last: ip | host })
            }
        }
    }

    /// A network, written with its first address.
    ///
    /// # Errors
    /// The prefix is too long, or the address is not the first one.
    pub fn network(address: IpAddr, prefix: u8) -> Result<Self, BlockError> {
        let block = Self::around(address, prefix)?;
        let is_first = match (block, address.to_canonical()) {
            (Self::V4 { first, .. }, IpAddr::V4(ip)) => first == u32::from(ip),
            (Self::V6 { first, .. }, _) => IpAddr::V6(first.into()) == address,
            _ => false,
        };
        if is_first { Ok(block) } else { Err(BlockError::HostBits(block)) }
    }

    /// All addresses from one to another.
    ///
    /// # Errors
    /// They are in the wrong order or of different families.
    pub fn range(first: IpAddr, last: IpAddr) -> Result<Self, BlockError> {
        let block = match (first.to_canonical(), last.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                Self::V4 { first: first.into(), last: last.into() }
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                Self::V6 { first: first.into(), last: last.into() }
            }
            _ => return Err(BlockError::Mixed),
        };
        let (first, last) = block.ends();
        if first <= last { Ok(block) } else { Err(BlockError::Backwards) }
    }

    /// Whether an address is in it.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self, address.to_canonical()) {
            (Self::V4 { first, last }, IpAddr::V4(ip)) => (first..=last).contains(&ip.into()),
            (Self::V6 { first, last }, IpAddr::V6(ip)) => (first..=last).contains(&ip.into()),
            _ => false,
        }
    }

    /// Whether it is about IPv4.
    pub fn is_v4(self) -> bool {
        matches!(self, Self::V4 { .. })
    }

    /// Whether it is one address.
    pub fn is_single(self) -> bool {
        let (first, last) = self.ends();
        first == last
    }

    /// The first address.
    pub fn first(self) -> IpAddr {
        self.addresses().0
    }

    /// How many addresses there are beside the first.
    #[cfg(test)]
    pub(super) fn size(self) -> u128 {
        let (first, last) = self.ends();
        last - first
    }

    /// First and last as numbers.
    pub(super) fn ends(self) -> (u128, u128) {
        match self {
            Self::V4 { first, last } => (first.into(), last.into()),
            Self::V6 { first, last } => (first, last),
        }
    }

    fn addresses(self) -> (IpAddr, IpAddr) {
        match self {
            Self::V4 { first, last } => (Ipv4Addr::from(first).into(), Ipv4Addr::from(last).into()),
            Self::V6 { first, last } => (Ipv6Addr::from(first).into(), Ipv6Addr::from(last).into()),
        }
    }

    /// The length of the prefix, if it is a network.
    fn prefix(self) -> Option<u32> {
        let width = match self {
            Self::V4 { .. } => 32,
            Self::V6 { .. } => 128,
        };
        let (first, last) = self.ends();
        let host = first ^ last;
        let is_network = host & host.wrapping_add(1) == 0 && first & host == 0;
        is_network.then(|| width - host.count_ones())
    }
}

/// The bits behind a prefix; `None` if it is longer than an address.
fn host_bits(width: u8, prefix: u8) -> Option<u128> {
    let host = u32::from(width.checked_sub(prefix)?);
    Some(if host == 128 { u128::MAX } else { (1 << host) - 1 })
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.addresses();
        match self.prefix() {
            _ if first == last => write!(f, "{first}"),
            Some(prefix) => write!(f, "{first}/{prefix}"),
            None => write!(f, "{first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn network(address: &str, prefix: u8) -> Result<String, BlockError> {
        Block::network(ip(address), prefix).map(|block| block.to_string())
    }

    #[test]
    fn networks_begin_with_their_first_address() {
        assert_eq!(network("10.0.0.0", 8), Ok("10.0.0.0/8".into()));
        assert_eq!(network("0.0.0.0", 0), Ok("0.0.0.0/0".into()));
        assert_eq!(network("::", 0), Ok("::/0".into()));
        assert_eq!(network("2001:db8::", 32), Ok("2001:db8::/32".into()));
        assert_eq!(network("192.0.2.7", 32), Ok("192.0.2.7".into()));
        assert_eq!(network("10.0.0.0", 33), Err(BlockError::Long(32)));
        assert_eq!(network("::", 129), Err(BlockError::Long(128)));
        let around = Block::around(ip("10.1.2.3"), 8).unwrap();
        assert_eq!(network("10.1.2.3", 8), Err(BlockError::HostBits(around)));
    }

    #[test]
    fn a_mapped_address_is_an_ipv4_address() {
        assert_eq!(Block::single(ip("::ffff:192.0.2.7")).to_string(), "192.0.2.7");
        assert_eq!(network("::ffff:10.0.0.0", 104), Ok("10.0.0.0/8".into()));
        assert!(Block::single(ip("192.0.2.7")).contains(ip("::ffff:192.0.2.7")));
        assert_eq!(network("::ffff:0:0", 96), Ok("0.0.0.0/0".into()));
        assert!(!Block::network(ip("::"), 0).unwrap().contains(ip("192.0.2.7")));
    }

    #[test]
    fn ranges_need_an_order_and_a_family() {
        let range = |a, b| Block::range(ip(a), ip(b)).map(|block| block.to_string());
        assert_eq!(range("10.0.0.1", "10.0.0.9"), Ok("10.0.0.1-10.0.0.9".into()));
        assert_eq!(range("10.0.0.0", "10.0.0.255"), Ok("10.0.0.0/24".into()));
        assert_eq!(range("10.0.0.9", "10.0.0.1"), Err(BlockError::Backwards));
        assert_eq!(range("10.0.0.9", "::1"), Err(BlockError::Mixed));
    }
}
