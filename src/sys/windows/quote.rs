//! Command lines. Windows passes one string to a program, and each program cuts it into arguments
//! by itself: this module writes strings that come apart as they were meant.
//!
//! Two readers matter: the C run-time library (`CommandLineToArgvW` follows the same rules), and
//! `cmd.exe`, which runs `.bat` and `.cmd` files and treats much more as special. An argument that
//! could come out as something else is refused.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::path::Path;

/// Longest command line of CreateProcessW, in UTF-16 units with the NUL at the end.
const LONGEST: usize = 32_767;
/// Longest command line that `cmd.exe` reads whole.
const LONGEST_BATCH: usize = 8_191;

const QUOTE: u16 = b'"' as u16;
const BACKSLASH: u16 = b'\\' as u16;
const SPACE: u16 = b' ' as u16;
const PERCENT: u16 = b'%' as u16;

/// Whether `cmd.exe` has to run this file.
///
/// Windows ignores dots and spaces at the end of a name, so they do not hide the extension
/// (CVE-2024-43402).
pub(super) fn is_batch(path: &Path) -> bool {
    let name = path.as_os_str().to_string_lossy();
    let name = name.trim_end_matches(['.', ' ']).to_ascii_lowercase();
    name.ends_with(".bat") || name.ends_with(".cmd")
}

/// The command line of an executable, with a NUL at the end.
///
/// # Errors
/// `InvalidInput`: a NUL, a quotation mark in the first argument, which no rule can protect, or
/// too long.
pub(super) fn program(argv: &[OsString]) -> io::Result<Vec<u16>> {
    let mut line = Vec::new();
    for (index, argument) in argv.iter().enumerate() {
        if index == 0 {
            if argument.encode_wide().any(|unit| unit == QUOTE) {
                return Err(refuse("a quotation mark in the program's name for itself"));
            }
            line.push(QUOTE);
            line.extend(argument.encode_wide());
            line.push(QUOTE);
        } else {
            line.push(SPACE);
            append(&mut line, argument);
        }
    }
    finish(line, LONGEST)
}

/// The command line with which `cmd.exe` runs a batch file, with a NUL at the end. The first
/// argument is left out: a batch file always sees its own path there.
///
/// # Errors
/// `InvalidInput`: a NUL, a line break, a quotation mark in the path, or too long.
pub(super) fn batch(script: &Path, argv: &[OsString]) -> io::Result<Vec<u16>> {
    // Extensions on, for the trick with `%` below; delayed expansion (`!NAME!`) off; no AutoRun
    // command of the registry. With /c, cmd.exe removes the outer pair of quotation marks.
    let mut line: Vec<u16> = "cmd.exe /e:ON /v:OFF /d /c \"".encode_utf16().collect();
    let path = script.as_os_str();
    if path.encode_wide().any(|unit| unit == QUOTE) || path.as_encoded_bytes().ends_with(b"\\") {
        return Err(refuse("a quotation mark in, or a backslash after, the path of a batch file"));
    }
    append_for_batch(&mut line, path, true)?;
    for argument in argv.iter().skip(1) {
        line.push(SPACE);
        append_for_batch(&mut line, argument, false)?;
    }
    line.push(QUOTE);
    finish(line, LONGEST_BATCH)
}

/// One argument by the rules of the C run-time library: quotation marks around what has blanks,
/// a backslash before a quotation mark, and twice as many of the backslashes that come before
/// one.
fn append(line: &mut Vec<u16>, argument: &OsStr) {
    let is_blank = |unit: u16| unit == SPACE || unit == u16::from(b'\t');
    let quoted = argument.is_empty() || argument.encode_wide().any(is_blank);
    if quoted {
        line.push(QUOTE);
    }
    let mut backslashes = 0;
    for unit in argument.encode_wide() {
        if unit == BACKSLASH {
            backslashes += 1;
        } else {
            if unit == QUOTE {
                line.extend(std::iter::repeat_n(BACKSLASH, backslashes + 1));
            }
            backslashes = 0;
        }
        line.push(unit);
    }
    if quoted {
        line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
        line.push(QUOTE);
    }
}

/// One argument that first `cmd.exe` reads, when it runs the batch file, and then perhaps a
/// program that the batch file gives `%1` to.
fn append_for_batch(line: &mut Vec<u16>, argument: &OsStr, always: bool) -> io::Result<()> {
    // cmd.exe ends the command at a line break, whatever the quotation marks say.
    if argument.encode_wide().any(|unit| unit == u16::from(b'\r') || unit == u16::from(b'\n')) {
        return Err(refuse("a line break in an argument of a batch file"));
    }
    let quoted = always || needs_quotes(argument);
    if quoted {
        line.push(QUOTE);
    }
    let mut backslashes = 0;
    for unit in argument.encode_wide() {
        if unit == BACKSLASH {
            backslashes += 1;
        } else {
            if unit == QUOTE {
                // Two quotation marks are one in a quoted text for both readers. A backslash
                // would not be enough: cmd.exe does not know that it protects.
                line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
                line.push(QUOTE);
            } else if unit == PERCENT {
                // Nothing protects `%` from cmd.exe. But `%cd:~,%`, the empty part of a variable
                // that always exists, right behind a `%` keeps that one from beginning a name.
                line.extend("%%cd:~,".encode_utf16());
            }
            backslashes = 0;
        }
        line.push(unit);
    }
    if quoted {
        line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
        line.push(QUOTE);
    }
    Ok(())
}

/// Everything is special to `cmd.exe` unless it is known not to be. A backslash at the end gets
/// quotation marks, so that it cannot protect one that the batch file puts behind `%1`.
fn needs_quotes(argument: &OsStr) -> bool {
    let is_plain = |character: char| {
        if character.is_ascii() {
            character.is_ascii_alphanumeric() || r"#$*+-./:?@\_".contains(character)
        } else {
            !character.is_control()
        }
    };
    let text = argument.to_string_lossy();
    text.is_empty() || text.ends_with('\\') || !text.chars().all(is_plain)
}

fn finish(mut line: Vec<u16>, longest: usize) -> io::Result<Vec<u16>> {
    if line.contains(&0) {
        return Err(refuse("a NUL character in an argument"));
    }
    line.push(0);
    if line.len() > longest {
        return Err(refuse("the arguments are too long together"));
    }
    Ok(line)
}

fn refuse(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: io::Result<Vec<u16>>) -> String {
        let line = line.unwrap();
        String::from_utf16(line.strip_suffix(&[0]).unwrap()).unwrap()
    }

    fn argv(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(OsString::from).collect()
    }

    #[test]
    fn arguments_come_apart_as_they_were_meant() {
        // From "Everyone quotes command line arguments the wrong way" and the documentation of
        // CommandLineToArgvW.
        for (argument, expected) in [
            ("plain", "plain"),
            ("", r#""""#),
            ("two words", r#""two words""#),
            ("a\tb", "\"a\tb\""),
            (r#"say "hi""#, r#""say \"hi\"""#),
            (r"C:\dir\", r"C:\dir\"),
            (r"C:\my dir\", r#""C:\my dir\\""#),
            (r#"a\"b"#, r#"a\\\"b"#),
            (r#"a\\b c"#, r#""a\\b c""#),
            (r#"""#, r#"\""#),
            (r"\\server\share", r"\\server\share"),
            ("%PATH%&^|<>!", "%PATH%&^|<>!"),
        ] {
            let line = text(program(&argv(&["p", argument])));
            assert_eq!(line, format!(r#""p" {expected}"#), "{argument}");
        }
    }

    #[test]
    fn the_name_of_the_program_cannot_end_early() {
        assert_eq!(text(program(&argv(&[r"C:\a b\p.exe"]))), r#""C:\a b\p.exe""#);
        assert!(program(&argv(&["p\" & calc"])).is_err());
        assert!(program(&argv(&["p", "a\0b"])).is_err());
        assert!(program(&argv(&["p", &"x".repeat(LONGEST)])).is_err());
    }

    #[test]
    fn batch_files_are_known_by_their_names() {
        for name in ["a.bat", r"C:\x\A.CMD", "a.bat. .", "a.cmd ", r"dir.exe\a.Bat"] {
            assert!(is_batch(Path::new(name)), "{name}");
        }
        for name in ["a.exe", "bat", "a.bat.exe", r"a.bat\b.exe"] {
            assert!(!is_batch(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn batch_arguments_cannot_break_out() {
        // CVE-2024-24576 ("BatBadBut") and its variants.
        for (argument, expected) in [
            ("plain", "plain"),
            ("", r#""""#),
            ("two words", r#""two words""#),
            (r#""&calc.exe"#, r#""""&calc.exe""#),
            (r#"\"&calc.exe"#, r#""\\""&calc.exe""#),
            ("%PATH%", r#""%%cd:~,%PATH%%cd:~,%""#),
            ("%CMDCMDLINE:~-1%&calc.exe", r#""%%cd:~,%CMDCMDLINE:~-1%%cd:~,%&calc.exe""#),
            ("a^b", r#""a^b""#),
            ("!NAME!", r#""!NAME!""#),
            ("a|b>c<d", r#""a|b>c<d""#),
            ("a,b;c=d", r#""a,b;c=d""#),
            (r"C:\dir\", r#""C:\dir\\""#),
            (r"C:\dir", r"C:\dir"),
        ] {
            let line = text(batch(Path::new(r"C:\s.bat"), &argv(&["s", argument])));
            let expected = format!(r#"cmd.exe /e:ON /v:OFF /d /c ""C:\s.bat" {expected}""#);
            assert_eq!(line, expected, "{argument}");
        }
    }

    #[test]
    fn batch_arguments_that_nothing_protects_are_refused() {
        for argument in ["a\nb", "a\rb", "a\0b"] {
            assert!(batch(Path::new(r"C:\s.bat"), &argv(&["s", argument])).is_err());
        }
        assert!(batch(Path::new("C:\\s\".bat"), &argv(&["s"])).is_err());
        assert!(batch(Path::new(r"C:\s.bat"), &argv(&["s", &"x".repeat(LONGEST_BATCH)])).is_err());
        let line = text(batch(Path::new(r"C:\%A%\s.bat"), &argv(&["s"])));
        assert!(line.ends_with(r#" /c ""C:\%%cd:~,%A%%cd:~,%\s.bat"""#), "{line}");
    }
}
