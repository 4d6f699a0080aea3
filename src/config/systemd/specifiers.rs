//! `%` in values (systemd.unit(5), "Specifiers").

use std::path::{Path, PathBuf};

use super::name::{UnitName, unescape};
use crate::sys::machine;

/// What the specifiers of a unit stand for.
#[derive(Debug)]
pub(crate) struct Specifiers {
    name: UnitName,
    /// The file of the unit, absolute.
    path: PathBuf,
}

/// Why a specifier cannot be replaced: a message and a help.
#[derive(Debug, PartialEq)]
pub(super) struct Unknown {
    pub(super) message: String,
    pub(super) help: &'static str,
}

impl Specifiers {
    /// Of the unit in file `path`.
    pub(crate) fn new(name: UnitName, path: &Path) -> Self {
        Self { name, path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()) }
    }

    /// `text` with everything in its place. "Specifiers must be known and resolvable for the setting
    /// to be valid."
    pub(super) fn expanded(&self, text: &str) -> Result<String, Unknown> {
        let mut result = String::with_capacity(text.len());
        let mut characters = text.chars();
        while let Some(c) = characters.next() {
            if c == '%' {
                result.push_str(&self.value(characters.next())?);
            } else {
                result.push(c);
            }
        }
        Ok(result)
    }

    fn value(&self, letter: Option<char>) -> Result<String, Unknown> {
        let name = &self.name;
        let prefix = name.prefix();
        let last = prefix.rsplit('-').next().unwrap_or(prefix);
        let found = match letter {
            Some('%') => Some("%".to_owned()),
            Some('p') => Some(prefix.to_owned()),
            Some('P') => unescape(prefix),
            Some('j') => Some(last.to_owned()),
            Some('J') => unescape(last),
            Some(letter @ ('n' | 'N' | 'i' | 'I' | 'f')) => {
                let Some(instance) = name.instance() else { return Err(of_connection(letter)) };
                match letter {
                    'n' => name.full(),
                    'N' => name.stem(),
                    'i' => Some(instance.to_owned()),
                    'I' => unescape(instance),
                    _ => {
                        let path = unescape(if instance.is_empty() { prefix } else { instance });
                        path.map(|path| format!("/{}", path.trim_start_matches('/')))
                    }
                }
            }
            Some('y') => Some(self.path.display().to_string()),
            Some('Y') => self.path.parent().map(|folder| folder.display().to_string()),
            Some('H') => machine::host_name(),
            Some('l') => machine::host_name()
                .map(|name| name.split('.').next().unwrap_or_default().to_owned()),
            // Units that are read here are of the system's manager, or mean the same, unless their
            // folder is one of the users' managers.
            Some(letter) if !self.path.parent().is_some_and(|f| f.ends_with("systemd/user")) => {
                of_system(letter).map(str::to_owned)
            }
            _ => None,
        };
        found.ok_or_else(|| Unknown {
            message: match letter {
                Some(letter) => format!("`%{letter}` stands for something that only systemd knows"),
                None => "`%` at the end stands for nothing".to_owned(),
            },
            help: "write what it stands for; `%%` is %",
        })
    }
}

/// Of the instances of `Accept=yes`, whose name is a counter and both addresses.
fn of_connection(letter: char) -> Unknown {
    Unknown {
        message: format!("`%{letter}` is different for each connection"),
        help: "the program finds its peer in the variables REMOTE_ADDR and REMOTE_PORT, and what is \
               different for each connection in INETD_SESSION",
    }
}

/// What a specifier is "in case of the system manager".
fn of_system(letter: char) -> Option<&'static str> {
    Some(match letter {
        'u' | 'g' => "root",
        'U' | 'G' => "0",
        'h' => "/root",
        't' => "/run",
        'S' => "/var/lib",
        'C' => "/var/cache",
        'L' => "/var/log",
        'E' => "/etc",
        'T' => "/tmp",
        'V' => "/var/tmp",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: UnitName, path: &str) -> impl Fn(&str) -> Result<String, String> {
        let specifiers = Specifiers::new(name, Path::new(path));
        move |text| specifiers.expanded(text).map_err(|unknown| unknown.message)
    }

    // systemd.unit(5), table 4.
    #[test]
    fn a_unit_knows_its_names() {
        let service = UnitName::new("foo-bar", "socket").service(false);
        let plain = of(service, "/etc/systemd/system/foo-bar.service");
        let all = "%n %N %p %P %j %i. %I. %f 50%%";
        let expected = "foo-bar.service foo-bar foo-bar foo/bar bar . . /foo/bar 50%";
        assert_eq!(plain(all).as_deref(), Ok(expected));
        let named = of(UnitName::new(r"a@x-y\x2dz", "service"), "/x/a@.service");
        let all = "%n %p %i %I %f";
        assert_eq!(named(all).as_deref(), Ok(r"a@x-y\x2dz.service a x-y\x2dz x/y-z /x/y-z"));
        assert_eq!(plain("a%").unwrap_err(), "`%` at the end stands for nothing");
        assert!(plain("%m").unwrap_err().contains("only systemd knows"));
    }

    #[test]
    fn an_instance_of_a_connection_has_no_name_yet() {
        let each = of(UnitName::new("foo", "socket").service(true), "/x/foo@.service");
        assert_eq!(each("%p").as_deref(), Ok("foo"));
        for specifier in ["%i", "%I", "%n", "%N", "%f"] {
            let expected = format!("`{specifier}` is different for each connection");
            assert_eq!(each(specifier).unwrap_err(), expected);
        }
    }

    #[test]
    fn what_the_manager_of_the_system_has() {
        let system = of(UnitName::new("a", "service"), "/etc/systemd/system/a.service");
        let all = "%u %U %g %G %h %t %S %C %L %E %T %V";
        let expected = "root 0 root 0 /root /run /var/lib /var/cache /var/log /etc /tmp /var/tmp";
        assert_eq!(system(all).as_deref(), Ok(expected));
        let user = of(UnitName::new("a", "service"), "/etc/systemd/user/a.service");
        assert!(user("%h").unwrap_err().contains("only systemd knows"));
        if let Ok(host) = system("%H") {
            assert!(!host.is_empty());
            assert_eq!(system("%l").as_deref(), Ok(host.split('.').next().unwrap()));
        }
    }
}
