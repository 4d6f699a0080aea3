//! Bytes of every value that take no room: made while they are read, and known by their checksum.

use std::fmt;
use std::io::{self, Read};

/// How many bytes there are, and their FNV-1a.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checksum {
    count: u64,
    hash: u64,
}

impl Checksum {
    /// Of the next `size` bytes.
    pub(super) fn exactly(source: &mut impl Read, size: u64) -> io::Result<Self> {
        Self::of(source.take(size))
    }

    /// Of all that there is to read.
    pub(super) fn of(mut source: impl Read) -> io::Result<Self> {
        let mut sum = Self { count: 0, hash: 0xcbf2_9ce4_8422_2325 };
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = source.read(&mut buffer)?;
            if count == 0 {
                return Ok(sum);
            }
            sum.count += count as u64;
            for byte in &buffer[..count] {
                sum.hash = (sum.hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes with checksum {:016x}", self.count, self.hash)
    }
}

/// `size` bytes, always the same.
pub(super) fn generate(size: u64) -> impl Read {
    Generator { state: 1 }.take(size)
}

struct Generator {
    state: u64,
}

impl Read for Generator {
    /// xorshift64 (Marsaglia), a byte a step.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for byte in &mut *buffer {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            *byte = self.state.to_le_bytes()[0];
        }
        Ok(buffer.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_always_the_same_and_its_checksum_tells_any_change() {
        let sum = Checksum::of(generate(100_000)).unwrap();
        assert_eq!(Checksum::of(generate(100_000)).unwrap(), sum);
        assert_ne!(Checksum::of(generate(99_999)).unwrap(), sum);
        assert!(sum.to_string().starts_with("100000 bytes with checksum "));
        let mut bytes = Vec::new();
        generate(4096).read_to_end(&mut bytes).unwrap();
        assert!((0..=255).all(|byte| bytes.contains(&byte)));
    }
}
