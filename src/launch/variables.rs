//! The variables that differ from connection to connection, as a block of NUL-terminated
//! `NAME=value` strings that is filled anew for each start without allocating.

use std::ffi::CStr;
use std::fmt;
use std::io::Write;
use std::ops::Range;

/// A block of variables.
#[derive(Debug, Default)]
pub struct Variables {
    block: Vec<u8>,
    /// Where each string ends, behind its NUL.
    ends: Vec<usize>,
    /// How many, from the first on, stand in for a variable of the same name that the service has.
    replacing: usize,
    /// Which of these stand there for nothing: programs do not get them.
    removed: Vec<usize>,
}

impl Variables {
    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.block.clear();
        self.ends.clear();
        self.replacing = 0;
        self.removed.clear();
    }

    /// Adds `name=value`. Control characters in the value are left out: programs, and the shells
    /// and logs behind them, must never see a line break that a peer chose. Gives where the value is.
    pub fn push(&mut self, name: &str, value: impl fmt::Display) -> Range<usize> {
        let start = self.begin(name);
        // Writing to memory cannot fail.
        drop(write!(self.block, "{value}"));
        if self.block[start..].iter().any(u8::is_ascii_control) {
            let clean: Vec<u8> =
                self.block[start..].iter().copied().filter(|b| !b.is_ascii_control()).collect();
            self.block.truncate(start);
            self.block.extend(clean);
        }
        self.finish(start)
    }

    /// Adds `name` with what [`Variables::push`] has put there, with a colon between two values: to
    /// format an address takes longer than all else here.
    pub fn repeat(&mut self, name: &str, values: &[&Range<usize>]) {
        let start = self.begin(name);
        for (number, value) in values.iter().enumerate() {
            if number > 0 {
                self.block.push(b':');
            }
            self.block.extend_from_within((*value).clone());
        }
        self.finish(start);
    }

    fn begin(&mut self, name: &str) -> usize {
        self.block.extend_from_slice(name.as_bytes());
        self.block.push(b'=');
        self.block.len()
    }

    /// Ends a variable whose value begins there.
    fn finish(&mut self, start: usize) -> Range<usize> {
        let end = self.block.len();
        self.block.push(0);
        self.ends.push(end + 1);
        start..end
    }

    /// As [`Variables::push`], in place of a variable of the same name that the service has. Before
    /// all that are pushed.
    pub fn replace(&mut self, name: &str, value: impl fmt::Display) {
        self.push(name, value);
        self.replacing = self.ends.len();
    }

    /// Takes a variable away that the service has. Before all that are pushed.
    pub fn remove(&mut self, name: &str) {
        self.removed.push(self.ends.len());
        self.replace(name, "");
    }

    /// Those that were added by [`Variables::replace`] and [`Variables::remove`].
    pub fn replacing(&self) -> impl Iterator<Item = &CStr> {
        self.all().take(self.replacing)
    }

    /// Whether one of those has the same name as `NAME=value`.
    pub fn replaces(&self, variable: &CStr) -> bool {
        if self.replacing == 0 {
            return false;
        }
        let name = |text: &CStr| {
            let bytes = text.to_bytes();
            bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len())
        };
        let length = name(variable);
        self.replacing().any(|own| {
            name(own) == length && own.to_bytes()[..length] == variable.to_bytes()[..length]
        })
    }

    /// What a program gets, in the order in which it was added.
    pub fn iter(&self) -> impl Iterator<Item = &CStr> {
        let kept = |(at, text)| (!self.removed.contains(&at)).then_some(text);
        self.all().enumerate().filter_map(kept)
    }

    fn all(&self) -> impl Iterator<Item = &CStr> {
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
    fn a_rule_may_stand_in_for_a_variable_of_the_service() {
        let mut variables = Variables::default();
        variables.replace("PATH", "/rule");
        variables.push("PROTO", "TCP");
        assert!(variables.replaces(c"PATH=/usr/bin") && variables.replaces(c"PATH="));
        assert!(!variables.replaces(c"PATHS=/usr/bin") && !variables.replaces(c"PAT=x"));
        assert!(!variables.replaces(c"PROTO=mine"));
        variables.clear();
        assert!(!variables.replaces(c"PATH=/usr/bin"));
    }

    #[test]
    fn a_rule_may_take_a_variable_away() {
        let mut variables = Variables::default();
        variables.replace("A", "1");
        variables.remove("LANG");
        variables.replace("B", "2");
        variables.push("PROTO", "TCP");
        assert!(variables.replaces(c"LANG=C") && variables.replaces(c"B="));
        assert_eq!(variables.iter().collect::<Vec<_>>(), [c"A=1", c"B=2", c"PROTO=TCP"]);
        variables.clear();
        variables.push("LANG", "C");
        assert_eq!(variables.iter().collect::<Vec<_>>(), [c"LANG=C"]);
    }

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
