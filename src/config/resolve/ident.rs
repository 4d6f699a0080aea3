//! The options of `builtin = "ident:OPTION,OPTION"`.

use std::time::Duration;

use super::draft::DAY;
use crate::config::{Ident, value};
use crate::sys::owner;

pub(super) const HELP: &str = "there are real, numeric, random, noident, fallback=NAME, os=NAME \
                               and timeout=TIME, with commas between them";

/// RFC 1413: a user-id has at most 512 characters, an opsys at most 64.
const LONGEST_NAME: usize = 512;
const LONGEST_SYSTEM: usize = 64;

/// Reads the options; what is wrong with one of them is a sentence.
pub(super) fn options(text: &str) -> Result<Ident, String> {
    let mut ident = Ident::default();
    for option in text.split(',') {
        match option.split_once('=') {
            None => match option {
                "real" => ident.real = true,
                "numeric" => ident.numeric = true,
                "random" => ident.random = true,
                "noident" => match owner::no_files() {
                    None => ident.noident = true,
                    Some(why) => {
                        return Err(format!("`noident` is not available here: {why}"));
                    }
                },
                _ => return Err(format!("`ident` has no option `{option}`")),
            },
            Some(("fallback", name)) if is_name(name, LONGEST_NAME) => {
                ident.fallback = Some(name.to_owned());
            }
            Some(("os", name)) if is_name(name, LONGEST_SYSTEM) && !name.contains(':') => {
                ident.os = Some(name.to_owned());
            }
            Some(("timeout", time)) => match value::duration(time) {
                Some(time) if (Duration::from_millis(1)..=DAY).contains(&time) => {
                    ident.timeout = time;
                }
                _ => return Err(format!("`{time}` is not a time that `ident` can wait")),
            },
            Some((name @ ("fallback" | "os"), value)) => {
                return Err(format!("`{value}` cannot be the `{name}` of `ident`"));
            }
            Some(_) => return Err(format!("`ident` has no option `{option}`")),
        }
    }
    if !ident.real && (ident.numeric || ident.noident) {
        let option = if ident.numeric { "numeric" } else { "noident" };
        return Err(format!("`{option}` has no effect without `real`"));
    }
    Ok(ident)
}

fn is_name(name: &str, longest: usize) -> bool {
    (1..=longest).contains(&name.len()) && !name.contains(|c: char| c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_what_is_none_is_told() {
        let all = options("real,numeric,fallback=no one,os=UNIX,timeout=3s").unwrap();
        assert!(all.real && all.numeric && !all.random && !all.noident);
        assert_eq!(all.fallback.as_deref(), Some("no one"));
        assert_eq!(all.os.as_deref(), Some("UNIX"));
        assert_eq!(all.timeout, Duration::from_secs(3));
        assert_eq!(options("real").unwrap(), Ident { real: true, ..Ident::default() });
        for bad in
            ["", "real,", "rael", "numeric", "fallback=", "os=a:b", "timeout=", "timeout=0s", "x=1"]
        {
            assert!(options(bad).is_err(), "{bad}");
        }
        assert_eq!(options("real,noident").is_err(), owner::no_files().is_some());
    }
}
