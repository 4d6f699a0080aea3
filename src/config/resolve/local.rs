//! Addresses that only this machine has: Unix sockets and named pipes.

use std::path::{Path, PathBuf};

use super::complaint::{Complaint, complain};
use crate::listener::endpoint::Endpoint;
use crate::sys::{FAMILY, Family};

/// The longest path of a Unix socket: `sun_path` has 108 bytes with the NUL (unix(7), afunix.h).
const UNIX_PATH: usize = 107;

/// The longest name of a pipe: 256 characters with `\\.\pipe\` ("Pipe Names").
const PIPE_NAME: usize = 247;

/// What is behind `unix:`.
pub(super) fn unix(rest: &str) -> Result<Endpoint, Complaint> {
    let endpoint = match (rest.strip_prefix('@'), FAMILY) {
        (Some(_), Family::Windows) => {
            return complain(
                "abstract Unix sockets are available on Linux only",
                "write a path: unix:///C:/ProgramData/NAME.sock",
            );
        }
        (Some(""), _) => {
            return complain("the abstract Unix socket has no name", "write unix:@NAME");
        }
        (Some(name), Family::Unix) => Endpoint::Abstract(name.to_owned()),
        (None, Family::Unix) => Endpoint::Unix(path(rest.strip_prefix("//").unwrap_or(rest))?),
        (None, Family::Windows) => Endpoint::Unix(windows_path(rest)?),
    };
    // The names of Windows are UTF-8 in an address, as ours are.
    let length = match &endpoint {
        Endpoint::Unix(path) => path.as_os_str().len(),
        _ => rest.len() - "@".len(),
    };
    if length > UNIX_PATH {
        return complain(
            format!("the path of the Unix socket has {length} bytes"),
            format!("the system allows at most {UNIX_PATH}"),
        );
    }
    Ok(endpoint)
}

fn path(path: &str) -> Result<PathBuf, Complaint> {
    if !path.starts_with('/') {
        let help = format!("write an absolute path: unix:///run/{}", path.trim_start_matches("./"));
        return complain(format!("the path `{path}` of the Unix socket is not absolute"), help);
    }
    if path.ends_with('/') || Path::new(path).file_name().is_none() {
        return complain(format!("`{path}` does not name a file"), "write unix:///run/NAME.sock");
    }
    Ok(path.into())
}

/// The path in `///C:/ProgramData/x.sock`, with either kind of slash, as Windows spells it. There
/// is no such socket on a share of the network, so a drive comes first.
fn windows_path(rest: &str) -> Result<PathBuf, Complaint> {
    const HELP: &str = "write unix:///C:/ProgramData/NAME.sock";
    let path = rest.strip_prefix("///").unwrap_or(rest).replace('/', "\\");
    let mut parts = path.split('\\');
    let drive = parts.next().unwrap_or_default();
    if !matches!(drive.as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic()) {
        return complain(format!("`unix:{rest}` has not got the absolute path of a socket"), HELP);
    }
    // The system cuts blanks and dots off the end, and a colon would name a stream of a file.
    let forbidden = |c: char| c.is_control() || ":*?\"<>|".contains(c);
    let is_name =
        |part: &str| !part.is_empty() && !part.contains(forbidden) && !part.ends_with(['.', ' ']);
    if path.len() <= drive.len() + 1 || !parts.all(is_name) {
        return complain(format!("`unix:{rest}` does not name a file"), HELP);
    }
    Ok(path.into())
}

/// What is behind `npipe:`.
pub(super) fn pipe(name: &str) -> Result<Endpoint, Complaint> {
    if FAMILY == Family::Unix {
        return complain(
            "named pipes are available on Windows only",
            "use a Unix socket: unix:///run/NAME.sock",
        );
    }
    let plain = name.trim_start_matches(['/', '\\', '.']);
    let plain = plain.strip_prefix("pipe").and_then(|rest| rest.strip_prefix(['/', '\\']));
    if let Some(plain) = plain.filter(|plain| !plain.is_empty()) {
        let help = format!("write npipe:{plain}");
        return complain(format!("`{name}` has the folder of all pipes in front"), help);
    }
    let characters = name.encode_utf16().count();
    if characters > PIPE_NAME {
        return complain(
            format!("the name of the pipe has {characters} characters"),
            format!("the system allows at most {PIPE_NAME}"),
        );
    }
    // The system cuts blanks and dots off the end. Of the others it forbids only the backslash, but
    // it takes a slash for one, and the rest cannot be typed everywhere.
    let forbidden = |c: char| c.is_control() || "\\/:*?\"<>|".contains(c);
    if name.is_empty() || name.contains(forbidden) || name.ends_with(['.', ' ']) {
        return complain(
            format!("`{name}` cannot be the name of a pipe"),
            "write a name as a file could have, for example npipe:hello",
        );
    }
    Ok(Endpoint::Pipe(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_sockets_have_absolute_paths() {
        let (good, long) = match FAMILY {
            Family::Unix => ("///run/x.sock", "///"),
            Family::Windows => ("///C:/ProgramData/x.sock", "///C:/"),
        };
        assert_eq!(unix(good).unwrap().to_string(), format!("unix:{good}"));
        for bad in ["//x", "", "@", "///", "///x/", "//", "x.sock", "./x.sock"] {
            assert!(unix(bad).is_err(), "{bad}");
        }
        let fits = format!("{long}{}", "x".repeat(UNIX_PATH + "//".len() - long.len()));
        let fits = if FAMILY == Family::Windows { fits + "x" } else { fits };
        assert!(unix(&fits).is_ok(), "{fits}");
        let complaint = unix(&(fits + "x")).unwrap_err();
        assert_eq!(complaint.message, "the path of the Unix socket has 108 bytes");
        assert_eq!(complaint.help.unwrap(), "the system allows at most 107");
    }

    #[test]
    fn abstract_sockets_exist_on_linux() {
        let long = |size| format!("@{}", "x".repeat(size));
        match FAMILY {
            Family::Unix => {
                assert_eq!(unix("@x"), Ok(Endpoint::Abstract("x".into())));
                assert!(unix(&long(107)).is_ok() && unix(&long(108)).is_err());
            }
            Family::Windows => {
                let message = "abstract Unix sockets are available on Linux only";
                assert_eq!(unix("@x").unwrap_err().message, message);
            }
        }
    }

    #[test]
    fn a_path_of_windows_begins_with_a_drive() {
        for (text, expected) in [
            ("///C:/ProgramData/x.sock", r"C:\ProgramData\x.sock"),
            (r"///c:\a b\x", r"c:\a b\x"),
            ("D:/x", r"D:\x"),
            ("///C:/é/x", r"C:\é\x"),
        ] {
            assert_eq!(windows_path(text).unwrap().to_str(), Some(expected), "{text}");
        }
        for relative in ["/run/x", "///run/x", "x", "", "////server/x", r"\\?\C:\x", "//C:/x"] {
            let complaint = windows_path(relative).unwrap_err();
            assert!(complaint.message.contains("absolute"), "{relative}: {}", complaint.message);
            assert!(complaint.help.unwrap().contains("unix:///C:/"));
        }
        for nameless in
            ["C:", "C:/", "C:x", "C:/x/", "C:/x:y", "C:/x//y", "C:/../x", "C:/x.", "C:/a\tb"]
        {
            assert!(windows_path(nameless).is_err(), "{nameless}");
        }
    }

    #[test]
    fn pipes_have_names_where_they_exist() {
        if FAMILY == Family::Unix {
            let message = "named pipes are available on Windows only";
            assert_eq!(pipe("hello").unwrap_err().message, message);
            return;
        }
        assert_eq!(pipe("Hello world").unwrap().to_string(), "npipe:Hello world");
        for bad in ["", "a\\b", "a/b", "a.", "a ", "a\tb"] {
            assert!(pipe(bad).is_err(), "{bad:?}");
        }
        for full in [r"\\.\pipe\hello", "////./pipe/hello"] {
            assert_eq!(pipe(full).unwrap_err().help.unwrap(), "write npipe:hello");
        }
        assert!(pipe(&"x".repeat(248)).is_err());
        assert!(pipe(&"x".repeat(247)).is_ok());
    }
}
