//! An access directory of s6 (s6-accessrules): `ip4/10.20.0.0_16/allow`, `ip6/::_0/deny`,
//! `reversedns/example.org/allow`, with `env/NAME` beside `allow`. Whom no rule is about may not
//! come in.

use std::net::IpAddr;
use std::path::Path;

use super::files::Files;
use super::{Key, Loaded, Order, Place, Remark, Table, TableRule, Variable, set, variable};
use crate::admission::names::host_name;
use crate::admission::rules::{Block, Effect};

/// More rules than this are none that somebody keeps in folders.
const MOST: usize = 100_000;
/// What the original reads of the file of a variable, in bytes.
const LONGEST: u64 = 4095;

/// Reads the directory.
pub(super) fn read(path: &Path, files: &mut Files) -> Loaded<Table> {
    let mut reader = Reader { found: Vec::new(), remarks: Vec::new(), files };
    let mut any = false;
    for name in ["ip4", "ip6"] {
        any |= reader.folder(&path.join(name), address);
    }
    any |= reader.folder(&path.join("reversedns"), names);
    if !any {
        let message = format!("{} is no access directory of s6", path.display());
        let help = "it has at least one of the folders ip4, ip6 and reversedns";
        reader.remarks.push(Remark::nowhere(message).help(help));
    }
    let Reader { found, remarks, .. } = reader;
    Loaded::new(Table::new(found, Order::S6), remarks, Vec::new())
}

struct Reader<'a> {
    found: Vec<(Key, TableRule)>,
    remarks: Vec<Remark>,
    files: &'a mut Files,
}

impl Reader<'_> {
    /// Whether there is such a folder, readable or not.
    fn folder(&mut self, folder: &Path, keys: fn(&str) -> Option<Vec<Key>>) -> bool {
        let paths = match self.files.folder(folder) {
            Ok(Some(paths)) => paths,
            Ok(None) => return false,
            Err(message) => {
                self.error(message);
                return true;
            }
        };
        for path in paths {
            if self.found.len() > MOST {
                self.error(format!("{} has too many rules", folder.display()));
                break;
            }
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            match keys(name) {
                Some(keys) => match self.rule(&path) {
                    Ok(Some(rule)) => {
                        self.found.extend(keys.into_iter().map(|key| (key, rule.clone())));
                    }
                    Ok(None) => {}
                    Err(message) => self.error(message),
                },
                None => self.error(format!(
                    "{} is no rule: names are like ip4/10.20.0.0_16, ip6/2001:db8::_32, \
                     reversedns/example.org",
                    path.display()
                )),
            }
        }
        true
    }

    fn rule(&mut self, path: &Path) -> Result<Option<TableRule>, String> {
        // s6_accessrules_backend_fs: `allow` is looked for first, then `deny`; with neither there
        // is no rule.
        let effect = if self.files.exists(&path.join("allow"))? {
            Effect::Allow
        } else if self.files.exists(&path.join("deny"))? {
            Effect::Deny
        } else {
            return Ok(None);
        };
        if effect == Effect::Allow && self.files.exists(&path.join("exec"))? {
            return Err(format!(
                "{} runs another program for some peers, which inetd does not do",
                path.join("exec").display()
            ));
        }
        let variables = self.environment(&path.join("env"))?;
        let place = Place { path: path.into(), line: 0 };
        Ok(Some(TableRule { is_single: false, effect, place, variables }))
    }

    /// s6-envdir: "For every file f in dir, that does not begin with a dot and does not contain the
    /// '=' character: If f is empty, remove a variable named f from the environment, if any. Else
    /// add a variable named f [...] with the first line of the contents of file f as value. Spaces
    /// and tabs at the end of this line are removed".
    fn environment(&mut self, folder: &Path) -> Result<Vec<Variable>, String> {
        let mut variables = Vec::new();
        for path in self.files.folder(folder)?.unwrap_or_default() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.contains('=') {
                continue;
            }
            // Gone since the folder was read: the next look finds that.
            let Some(bytes) = self.files.start_of(&path, LONGEST)? else { continue };
            let wrong = |why: &str| format!("{}: {why}", path.display());
            let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let line = str::from_utf8(line).map_err(|_| wrong("the value is no text"))?;
            let value = line.trim_end_matches([' ', '\t']);
            let value = Some(value).filter(|_| !bytes.is_empty());
            set(&mut variables, variable(&name, value).map_err(|why| wrong(&why))?);
        }
        Ok(variables)
    }

    fn error(&mut self, message: String) {
        self.remarks.push(Remark::nowhere(message));
    }
}

/// `10.20.0.0_16`, `2001:db8::_32`.
fn address(name: &str) -> Option<Vec<Key>> {
    let (base, prefix) = name.split_once('_')?;
    let base: IpAddr = base.parse().ok()?;
    Some(vec![Key::Block(Block::network(base, prefix.parse().ok()?).ok()?)])
}

/// `example.org`, which is about the host and about everything in the domain; `@` about every
/// name.
fn names(name: &str) -> Option<Vec<Key>> {
    if name == "@" {
        return Some(vec![Key::Named]);
    }
    let name = host_name(name)?;
    Some(vec![Key::Name(format!(".{name}")), Key::Name(name)])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::admission::rules::PeerName;
    use crate::admission::tables::Answer;

    fn make(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn told(table: &Table, address: &str, name: PeerName<'_>) -> String {
        match table.decide(address.parse().unwrap(), name) {
            Answer::AskName => "ask".into(),
            Answer::Decided(effect, place, extras) => {
                let rule = place
                    .map(|place| place.path.file_name().unwrap().to_string_lossy().into_owned());
                let variables = extras.variables.iter().map(|(name, value)| match value {
                    Some(value) => format!(" {name}={value}"),
                    None => format!(" -{name}"),
                });
                format!("{effect} {}{}", rule.unwrap_or_default(), variables.collect::<String>())
            }
        }
    }

    #[test]
    fn the_longest_prefix_then_the_name_then_nobody() {
        let folder = make(&[
            ("ip4/10.20.0.0_16/allow", ""),
            ("ip4/10.20.0.0_16/env/WHO", "lan \nmore\n"),
            ("ip4/10.20.9.0_24/deny", ""),
            ("ip4/10.20.9.7_32/allow", ""),
            ("ip4/10.20.9.7_32/deny", ""),
            ("ip4/192.0.2.0_24/neither", ""),
            ("ip6/2001:db8::_32/allow", ""),
            ("reversedns/example.org/allow", ""),
            ("reversedns/bad.example.org/deny", ""),
            ("reversedns/@/allow", ""),
        ]);
        let Loaded { table, remarks, .. } = read(folder.path(), &mut Files::default());
        assert_eq!(remarks, []);
        let told = |address, name| told(&table, address, name);
        assert_eq!(told("10.20.1.1", PeerName::NotAsked), "allow 10.20.0.0_16 WHO=lan");
        assert_eq!(told("10.20.9.1", PeerName::NotAsked), "deny 10.20.9.0_24");
        assert_eq!(told("10.20.9.7", PeerName::NotAsked), "allow 10.20.9.7_32", "allow is first");
        assert_eq!(told("2001:db8::1", PeerName::NotAsked), "allow 2001:db8::_32");
        assert_eq!(told("192.0.2.1", PeerName::NotAsked), "ask");
        assert_eq!(told("192.0.2.1", PeerName::Unknown), "deny ");
        let known = |name| told("192.0.2.1", PeerName::Known(name));
        assert_eq!(known("example.org"), "allow example.org");
        assert_eq!(known("a.example.org"), "allow example.org");
        assert_eq!(known("x.bad.example.org"), "deny bad.example.org");
        assert_eq!(known("example.net"), "allow @");
    }

    #[test]
    fn an_environment_is_that_of_s6_envdir() {
        let long = format!("{}tail", "x".repeat(4095));
        let folder = make(&[
            ("ip4/0.0.0.0_0/allow", ""),
            ("ip4/0.0.0.0_0/env/.hidden", "1"),
            ("ip4/0.0.0.0_0/env/A=B", "1"),
            ("ip4/0.0.0.0_0/env/BLANK", " \t\nmore"),
            ("ip4/0.0.0.0_0/env/CRLF", "one\r\ntwo\n"),
            ("ip4/0.0.0.0_0/env/GONE", ""),
            ("ip4/0.0.0.0_0/env/LONG", &long),
            ("ip4/.git/allow", ""),
        ]);
        let Loaded { table, remarks, .. } = read(folder.path(), &mut Files::default());
        assert_eq!(remarks, []);
        let long = &long[..4095];
        assert_eq!(
            told(&table, "10.1.1.1", PeerName::NotAsked),
            format!("allow 0.0.0.0_0 BLANK= CRLF=one\r -GONE LONG={long}")
        );
    }

    #[test]
    fn what_cannot_be_obeyed_is_an_error() {
        let errors = |files| {
            let folder = make(files);
            let loaded = read(folder.path(), &mut Files::default());
            let errors = loaded.remarks.iter().filter(|remark| remark.is_error).count();
            assert_eq!(errors, loaded.remarks.len());
            errors
        };
        assert_eq!(errors(&[("something", "")]), 1, "no such folder");
        assert_eq!(errors(&[("ip4/10.20.0.0_16/allow", ""), ("ip4/10.20.0.0_16/exec", "x")]), 1);
        assert_eq!(errors(&[("ip4/10.20.1.0_16/allow", "")]), 1, "not the beginning of a network");
        assert_eq!(errors(&[("ip4/x/allow", ""), ("reversedns/a b/allow", "")]), 2);
        assert_eq!(errors(&[("ip4/0.0.0.0_0/allow", ""), ("ip4/0.0.0.0_0/env/PROTO", "x")]), 1);
        let nul = [("ip4/0.0.0.0_0/allow", ""), ("ip4/0.0.0.0_0/env/A", "x\0y")];
        assert_eq!(errors(&nul), 1, "no value has a line break, which that would be");
        assert_eq!(errors(&[("ip4", "")]), 1, "a file is no folder");
        assert_eq!(errors(&[("ip4/0.0.0.0_0/allow", ""), ("ip4/0.0.0.0_0/env", "")]), 1);
        assert_eq!(errors(&[("ip4/0.0.0.0_0/allow", "")]), 0);
    }
}
