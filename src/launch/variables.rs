//! The variables that differ from connection to connection, as a block of NUL-terminated
//! `NAME=value` strings that is filled anew for each start without allocating.

use std::ffi::CStr;
use std::fmt;
use std::io::Write;

/// A block of variables.
#[derive(Debug, Default)]
pub struct Variables {
    block: Vec<u8>,
    /// Where each string ends, behind its NUL.
    ends: Vec<usize>,
}

impl Variables {
    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.block.clear();
        self.ends.clear();
    }

    /// Adds `name=value`. Control characters in the value are left out: programs, and the shells
    /// and logs behind them, must never see a line break that a peer chose.
    pub fn push(&mut self, name: &str, value: impl fmt::Display) {
        self.block.extend_from_slice(name.as_bytes());
        self.block.push(b'=');
        let start = self.block.len();
        // Writing to memory cannot fail.
        drop(write!(self.block, "{value}"));
        if self.block[start..].iter().any(u8::is_ascii_control) {
            let clean: Vec<u8> =
                self.block[start..].iter().copied().filter(|b| !b.is_ascii_control()).collect();
            self.block.truncate(start);
            self.block.extend(clean);
        }
        self.block.push(0);
        self.ends.push(self.block.len());
    }

    /// The strings, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &CStr> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, end)| {
            // Never an error: `push` puts one NUL at the end and none before it.
            CStr::from_bytes_with_nul(&self.block[start..*end]).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_never_reach_a_variable() {
        let mut variables = Variables::default();
        variables.push("A", "one\r\ntwo\0\x1b[31m");
        variables.push("B", "");
        let all: Vec<_> = variables.iter().map(|v| v.to_str().unwrap().to_owned()).collect();
        assert_eq!(all, ["A=onetwo[31m", "B="]);
        variables.clear();
        assert_eq!(variables.iter().count(), 0);
    }
}
