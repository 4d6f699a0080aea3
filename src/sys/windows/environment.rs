//! Environment blocks: `NAME=value` strings, each with a NUL, sorted by name without regard to
//! case, and one more NUL at the end (CreateProcessW).

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::OsStrExt;

use windows_sys::Win32::Globalization::{CSTR_GREATER_THAN, CSTR_LESS_THAN, CompareStringOrdinal};

use crate::launch::variables::Variables;

/// The variables that are the same for every start of a service, sorted.
#[derive(Debug)]
pub(super) struct Environment {
    entries: Vec<Entry>,
}

/// `NAME=value` without a NUL.
#[derive(Debug)]
struct Entry {
    text: Vec<u16>,
    name: usize,
}

impl Environment {
    /// Of variables with the same name, the first one counts.
    ///
    /// # Errors
    /// `InvalidInput` for a name that is empty or has a `=` in it, and for a NUL.
    pub(super) fn new(variables: &[&(OsString, OsString)]) -> io::Result<Self> {
        let mut entries = variables
            .iter()
            .map(|(name, value)| Entry::new(name, value))
            .collect::<io::Result<Vec<_>>>()?;
        // Stable, so that the first of equal names stays first.
        entries.sort_by(Entry::compare);
        entries.dedup_by(|later, earlier| later.compare(earlier).is_eq());
        Ok(Self { entries })
    }

    /// The block with the facts of one connection and its socket, if there is one. A variable that
    /// the service sets itself wins over a fact of the same name, unless that is there to replace it.
    pub(super) fn block(&self, variables: &Variables, socket: Option<u64>) -> Vec<u16> {
        let mut facts: Vec<Entry> =
            variables.iter().filter_map(|text| Entry::split(&text.to_string_lossy())).collect();
        let replacing = variables.replacing();
        let replacing: Vec<Entry> =
            replacing.filter_map(|text| Entry::split(&text.to_string_lossy())).collect();
        facts.extend(socket.and_then(|value| Entry::split(&format!("Inetd_SOCK={value}"))));
        facts.sort_by(Entry::compare);
        facts.dedup_by(|later, earlier| later.compare(earlier).is_eq());

        let mut block = Vec::new();
        let is_kept = |entry: &&Entry| !replacing.iter().any(|name| name.compare(entry).is_eq());
        let mut own = self.entries.iter().filter(is_kept).peekable();
        for fact in &facts {
            let mut is_set = false;
            while let Some(entry) = own.next_if(|entry| entry.compare(fact).is_le()) {
                is_set |= entry.compare(fact).is_eq();
                entry.append_to(&mut block);
            }
            if !is_set {
                fact.append_to(&mut block);
            }
        }
        for entry in own {
            entry.append_to(&mut block);
        }
        if block.is_empty() {
            // A block of nothing is two NULs.
            block.push(0);
        }
        block.push(0);
        block
    }
}

impl Entry {
    fn new(name: &OsStr, value: &OsStr) -> io::Result<Self> {
        let mut text: Vec<u16> = name.encode_wide().collect();
        if text.is_empty() || text.contains(&u16::from(b'=')) {
            let text = "the name of a variable is empty or has a `=` in it";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let length = text.len();
        text.push(u16::from(b'='));
        text.extend(value.encode_wide());
        if text.contains(&0) {
            let text = "a NUL character in a variable";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Self { text, name: length })
    }

    /// Takes `NAME=value` apart; `Variables` gives nothing else.
    fn split(text: &str) -> Option<Self> {
        let (name, value) = text.split_once('=')?;
        Self::new(OsStr::new(name), OsStr::new(value)).ok()
    }

    /// The order that the system wants: by upper-case characters, without a language.
    fn compare(&self, other: &Self) -> Ordering {
        let (a, b) = (&self.text[..self.name], &other.text[..other.name]);
        let length = |text: &[u16]| i32::try_from(text.len()).unwrap_or(i32::MAX);
        // SAFETY: pointers and lengths are those of two slices.
        let order =
            unsafe { CompareStringOrdinal(a.as_ptr(), length(a), b.as_ptr(), length(b), 1) };
        match order {
            CSTR_LESS_THAN => Ordering::Less,
            CSTR_GREATER_THAN => Ordering::Greater,
            _ => Ordering::Equal,
        }
    }

    fn append_to(&self, block: &mut Vec<u16>) {
        block.extend_from_slice(&self.text);
        block.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(block: &[u16]) -> Vec<String> {
        let block = String::from_utf16(block).unwrap();
        let block = block.strip_suffix("\0\0").expect("two NULs at the end").to_owned();
        block.split('\0').map(str::to_owned).collect()
    }

    fn environment(variables: &[(&str, &str)]) -> io::Result<Environment> {
        let owned = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
        let owned: Vec<_> = variables.iter().map(owned).collect();
        Environment::new(&owned.iter().collect::<Vec<_>>())
    }

    #[test]
    fn names_are_sorted_without_regard_to_case() {
        let own = environment(&[("path", "p"), ("_x", "1"), ("ComSpec", "c"), ("Ö", "o")]).unwrap();
        let mut facts = Variables::default();
        facts.push("PROTO", "TCP");
        facts.push("comment", "first");
        let block = strings(&own.block(&facts, Some(312)));
        // `_` comes behind `Z`: names are compared in upper case.
        let expected =
            ["comment=first", "ComSpec=c", "Inetd_SOCK=312", "path=p", "PROTO=TCP", "_x=1", "Ö=o"];
        assert_eq!(block, expected);
    }

    #[test]
    fn what_the_service_sets_wins_over_facts() {
        let own = environment(&[("Proto", "mine"), ("INETD_SOCK", "7"), ("PROTO", "2")]).unwrap();
        let mut facts = Variables::default();
        facts.push("PROTO", "TCP");
        facts.push("A", "=x=");
        let block = strings(&own.block(&facts, Some(312)));
        assert_eq!(block, ["A==x=", "INETD_SOCK=7", "Proto=mine"]);
    }

    #[test]
    fn a_rule_may_take_away_what_the_service_sets() {
        let own = environment(&[("Lang", "C"), ("PATH", "p"), ("ZONE", "z")]).unwrap();
        let mut facts = Variables::default();
        facts.remove("LANG");
        facts.remove("zone");
        facts.replace("A", "1");
        assert_eq!(strings(&own.block(&facts, None)), ["A=1", "PATH=p"]);
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        for (name, value) in [("", "x"), ("a=b", "x"), ("=C:", "x"), ("a\0", "x"), ("a", "x\0")] {
            assert!(environment(&[(name, value)]).is_err(), "{name:?}");
        }
    }
}
