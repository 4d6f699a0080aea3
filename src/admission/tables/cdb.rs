//! What tcprules(1) compiles: a constant database (cdb, <https://cr.yp.to/cdb/cdb.txt>) whose keys
//! are addresses as in its text, and whose data are `D` for deny and `+NAME=value` for each
//! variable, with a NUL behind each. All of it is read once; nothing in it is believed before it is checked.

use std::path::Path;
use std::sync::Arc;

use super::files::Files;
use super::tcprules::key;
use super::{Key, Loaded, Order, Place, Remark, Table, TableRule, Variable, needed, set, variable};
use crate::admission::rules::Effect;

/// 256 pairs of where a hash table is and how long; the records are behind.
const HEADER: usize = 2048;

/// Reads the file.
pub(super) fn read(path: &Path, files: &mut Files) -> Loaded<Table> {
    let mut found = Vec::new();
    let read = needed(path, files).and_then(|bytes| {
        records(&bytes, &path.into(), &mut found)
            .map_err(|why| format!("{} is no table of tcprules: {why}", path.display()))
    });
    let remarks = match read {
        Err(message) => vec![Remark::nowhere(message)],
        Ok(()) if found.is_empty() => vec![Remark::empty()],
        Ok(()) => Vec::new(),
    };
    Loaded::new(Table::new(found, Order::Tcprules), remarks, Vec::new())
}

fn records(
    bytes: &[u8],
    path: &Arc<Path>,
    found: &mut Vec<(Key, TableRule)>,
) -> Result<(), &'static str> {
    const SHORT: &str = "it ends too early";
    let end = end_of_records(bytes)?;
    let mut at = HEADER;
    while at < end {
        let key_length = number(bytes, at).ok_or(SHORT)?;
        let data_length = number(bytes, at + 4).ok_or(SHORT)?;
        let key_end = (at + 8).checked_add(key_length).ok_or(SHORT)?;
        let data_end = key_end.checked_add(data_length).filter(|to| *to <= end).ok_or(SHORT)?;
        let text = |range| {
            let bytes = bytes.get(range).ok_or(SHORT)?;
            std::str::from_utf8(bytes).map_err(|_| "it has no text in it")
        };
        let key = key(text(at + 8..key_end)?);
        let (effect, variables) = instruction(text(key_end..data_end)?)?;
        if let Some(key) = key {
            let place = Place { path: Arc::clone(path), line: 0 };
            found.push((key, TableRule { is_single: false, effect, place, variables }));
        }
        at = data_end;
    }
    Ok(())
}

/// Where the records end: there the first hash table begins. Those without slots may be anywhere.
fn end_of_records(bytes: &[u8]) -> Result<usize, &'static str> {
    let mut end = None;
    for table in 0..256 {
        let at = number(bytes, table * 8).ok_or("it ends too early")?;
        let slots = number(bytes, table * 8 + 4).ok_or("it ends too early")?;
        if slots == 0 {
            continue;
        }
        let behind = slots.checked_mul(8).and_then(|length| at.checked_add(length));
        if at < HEADER || behind.is_none_or(|behind| behind > bytes.len()) {
            return Err("its header is wrong");
        }
        end = Some(end.map_or(at, |end: usize| end.min(at)));
    }
    // Without a hash table nothing is ever found.
    Ok(end.unwrap_or(HEADER))
}

type Instruction = (Effect, Vec<Variable>);

fn instruction(text: &str) -> Result<Instruction, &'static str> {
    const WRONG: &str = "it has an instruction that is none";
    let (mut effect, mut variables, mut rest) = (Effect::Allow, Vec::new(), text);
    while !rest.is_empty() {
        let (entry, behind) = rest.split_once('\0').ok_or(WRONG)?;
        if entry == "D" {
            effect = Effect::Deny;
        } else {
            let (name, value) =
                entry.strip_prefix('+').and_then(|rest| rest.split_once('=')).ok_or(WRONG)?;
            let wrong = "it sets what cannot be a variable, or is a fact of the connection";
            set(&mut variables, variable(name, Some(value)).map_err(|_| wrong)?);
        }
        rest = behind;
    }
    Ok((effect, variables))
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes(four.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::admission::rules::PeerName;
    use crate::admission::tables::Answer;

    /// A database with these records. Its one hash table, behind them, has a slot for each.
    fn database(records: &[(&str, &str)]) -> Vec<u8> {
        let mut body = Vec::new();
        for (key, data) in records {
            for length in [key.len(), data.len()] {
                body.extend(u32::try_from(length).unwrap().to_le_bytes());
            }
            body.extend(key.as_bytes());
            body.extend(data.as_bytes());
        }
        let slots = u32::try_from(records.len()).unwrap();
        let end = u32::try_from(HEADER + body.len()).unwrap();
        let mut header = [[0; 4], [0; 4]].concat().repeat(255);
        header.extend([end.to_le_bytes(), slots.to_le_bytes()].concat());
        [header, body, vec![0; 8 * records.len()]].concat()
    }

    fn read(bytes: &[u8]) -> Result<Table, &'static str> {
        let mut found = Vec::new();
        records(bytes, &Path::new("x.cdb").into(), &mut found)?;
        Ok(Table::new(found, Order::Tcprules))
    }

    fn effect(table: &Table, address: &str, name: PeerName<'_>) -> (Effect, usize) {
        match table.decide(address.parse().unwrap(), name) {
            Answer::Decided(effect, _, extras) => (effect, extras.variables.len()),
            Answer::AskName => panic!("{address}"),
        }
    }

    #[test]
    fn records_are_rules() {
        let table = read(&database(&[
            ("127.0.0.1", "+RELAY=\0+WHO=me\0"),
            ("10.", "D\0"),
            ("10.", ""),
            ("10.20", ""),
            ("010.", "D\0"),
            ("1.2.3.4.5.", ""),
            ("joe@10.1.1.1", ""),
            ("=.example.net", ""),
            ("", "D\0"),
        ]));
        let table = table.unwrap();
        assert_eq!(effect(&table, "127.0.0.1", PeerName::NotAsked), (Effect::Allow, 2));
        assert_eq!(effect(&table, "10.20.1.1", PeerName::Unknown), (Effect::Deny, 0));
        assert_eq!(
            effect(&table, "192.0.2.1", PeerName::Known("a.example.net")),
            (Effect::Allow, 0)
        );
        assert_eq!(effect(&table, "192.0.2.1", PeerName::Unknown), (Effect::Deny, 0));
    }

    #[test]
    fn an_empty_one_lets_everybody_in_and_is_told() {
        let empty = database(&[]);
        assert_eq!(effect(&read(&empty).unwrap(), "::1", PeerName::Unknown).0, Effect::Allow);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.cdb");
        // Tables without slots may be anywhere, even where there is nothing.
        let nowhere = [u32::MAX.to_le_bytes(), [0; 4]].concat().repeat(256);
        for bytes in [&empty, &nowhere] {
            std::fs::write(&path, bytes).unwrap();
            let Loaded { remarks, .. } = super::read(&path, &mut Files::default());
            assert_eq!(remarks, [Remark::empty()]);
        }
    }

    /// The file was made of the text by tcprules of ucspi-tcp 0.88.
    #[test]
    fn what_tcprules_makes_of_a_text_says_the_same_as_the_text() {
        let folder = Path::new("tests/data/tables");
        let files = &mut Files::default();
        let text = super::super::tcprules::read(&folder.join("rules.txt"), files);
        let made = super::read(&folder.join("rules.cdb"), files);
        assert_eq!((&text.remarks, &made.remarks), (&vec![], &vec![]));
        for address in ["127.0.0.1", "10.20.1.1", "10.20.9.1", "10.20.9.2", "192.0.2.1", "::1"] {
            for name in [PeerName::Unknown, PeerName::Known("a.example.net"), PeerName::Known("b")]
            {
                let said = |table: &Table| match table.decide(address.parse().unwrap(), name) {
                    Answer::Decided(effect, _, extras) => (effect, extras),
                    Answer::AskName => panic!("{address}"),
                };
                assert_eq!(said(&text.table), said(&made.table), "{address} {name:?}");
            }
        }
        assert_eq!(effect(&made.table, "10.20.9.1", PeerName::Unknown), (Effect::Deny, 0));
        assert_eq!(effect(&made.table, "192.0.2.1", PeerName::Unknown), (Effect::Deny, 1));
    }

    #[test]
    fn what_is_broken_is_refused() {
        let good = database(&[("127.0.0.1", "D\0"), ("10.", "+A=b\0")]);
        for length in 0..good.len() {
            assert!(read(&good[..length]).is_err(), "{length} bytes of it");
        }
        let mut record = good.clone();
        record[HEADER..HEADER + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(read(&record).is_err());
        let mut header = good;
        header[..8].copy_from_slice(&[7u32.to_le_bytes(), 1u32.to_le_bytes()].concat());
        assert_eq!(read(&header).unwrap_err(), "its header is wrong");
        header[..8].copy_from_slice(&[2048u32.to_le_bytes(), u32::MAX.to_le_bytes()].concat());
        assert_eq!(read(&header).unwrap_err(), "its header is wrong");
        for (key, data) in [
            ("10.", "X\0"),
            ("10.", "+A"),
            ("10.", "+A=b"),
            ("10.", "D"),
            ("10.", "A=b\0"),
            ("10.", "+PROTO=x\0"),
        ] {
            assert!(read(&database(&[(key, data)])).is_err(), "{key} {data}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(
            bytes in prop::collection::vec(any::<u8>(), 0..3000),
            at in any::<prop::sample::Index>(),
            byte: u8,
        ) {
            let _ = read(&bytes);
            let mut good = database(&[("127.0.0.1", "D\0"), ("10.", "+A=b\0"), ("=", "")]);
            let at = at.index(good.len());
            good[at] = byte;
            let _ = read(&good);
        }
    }
}
