//! What kind of file a program is: an ELF or PE executable and for which processor, or a script and
//! its interpreter. Reads only its beginning.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// The longest `#!` line that Linux reads (BINPRM_BUF_SIZE).
const SCRIPT_LINE: usize = 256;
/// Larger tables of an ELF file are not looked at.
const MOST_HEADERS: u16 = 128;
/// The longest name of an ELF interpreter (PATH_MAX).
const LONGEST_NAME: u64 = 4096;
/// The entry of an ELF file that names its interpreter (elf(5)).
const PT_INTERP: u32 = 3;

/// A kind of program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file for Linux and the like.
    Elf {
        /// The processor, `e_machine`.
        processor: u16,
        /// What the kernel runs to load it, if anything.
        interpreter: Option<String>,
    },
    /// A file for Windows.
    Pe {
        /// The processor, `Machine`.
        processor: u16,
        /// Whether it is a program with windows (IMAGE_SUBSYSTEM_WINDOWS_GUI).
        has_windows: bool,
    },
    /// A script with a `#!` line.
    Script {
        /// The interpreter, as it is written.
        interpreter: String,
        /// The rest of the line, which is one argument.
        argument: String,
    },
    /// Nothing is in it.
    Empty,
    /// Anything else.
    Other,
}

/// Looks into a program.
///
/// # Errors
/// It cannot be read.
pub fn kind(path: &Path) -> io::Result<Kind> {
    let mut file = File::open(path)?;
    let mut start = Vec::new();
    (&mut file).take(SCRIPT_LINE as u64).read_to_end(&mut start)?;
    if start.is_empty() {
        return Ok(Kind::Empty);
    }
    if let Some(line) = start.strip_prefix(b"#!") {
        return Ok(script(line));
    }
    let kind = match &start[..] {
        [0x7f, b'E', b'L', b'F', ..] => elf(&mut file, &start),
        [b'M', b'Z', ..] => pe(&mut file, &start),
        _ => Some(Kind::Other),
    };
    Ok(kind.unwrap_or(Kind::Other))
}

fn script(line: &[u8]) -> Kind {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    // Only blanks: a carriage return at the end is part of the name.
    let line = line.trim_matches([' ', '\t']);
    let (interpreter, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let argument = argument.trim_start_matches([' ', '\t']);
    Kind::Script { interpreter: interpreter.into(), argument: argument.into() }
}

/// `None` if the file is cut off or odd.
fn elf(file: &mut File, start: &[u8]) -> Option<Kind> {
    let (wide, little) = (*start.get(4)? == 2, *start.get(5)? == 1);
    let number = |bytes: &[u8], at: usize, size: usize| -> Option<u64> {
        let bytes = bytes.get(at..at + size)?;
        let digits: Box<dyn Iterator<Item = &u8>> =
            if little { Box::new(bytes.iter().rev()) } else { Box::new(bytes.iter()) };
        Some(digits.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    let processor = u16::try_from(number(start, 18, 2)?).ok()?;
    let (table, size, count) = if wide {
        (number(start, 32, 8)?, number(start, 54, 2)?, number(start, 56, 2)?)
    } else {
        (number(start, 28, 4)?, number(start, 42, 2)?, number(start, 44, 2)?)
    };
    let mut interpreter = None;
    for index in 0..count.min(MOST_HEADERS.into()) {
        let header = read(file, table.checked_add(index * size)?, size)?;
        if number(&header, 0, 4)? != u64::from(PT_INTERP) {
            continue;
        }
        let (offset, length) = if wide {
            (number(&header, 8, 8)?, number(&header, 32, 8)?)
        } else {
            (number(&header, 4, 4)?, number(&header, 16, 4)?)
        };
        let name = read(file, offset, length)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        interpreter = Some(String::from_utf8_lossy(name).into_owned());
    }
    Some(Kind::Elf { processor, interpreter })
}

/// `None` if the file is cut off, or a program of DOS.
fn pe(file: &mut File, start: &[u8]) -> Option<Kind> {
    let at = u32::from_le_bytes(start.get(0x3c..0x40)?.try_into().ok()?);
    // The signature, the file header (20 bytes), and the optional header up to `Subsystem`.
    let header = read(file, at.into(), 4 + 20 + 70)?;
    if !header.starts_with(b"PE\0\0") {
        return None;
    }
    let number = |at: usize| Some(u16::from_le_bytes(header.get(at..at + 2)?.try_into().ok()?));
    Some(Kind::Pe { processor: number(4)?, has_windows: number(24 + 68)? == 2 })
}

fn read(file: &mut File, at: u64, size: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size.min(LONGEST_NAME)).ok()?];
    file.seek(SeekFrom::Start(at)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// What the processor of an ELF file is called, and whether this machine can run it.
pub(super) fn elf_processor(number: u16) -> (String, bool) {
    let (name, here): (&str, &[&str]) = match number {
        3 => ("x86", &["x86", "x86_64"]),
        20 => ("powerpc", &["powerpc", "powerpc64"]),
        21 => ("powerpc64", &["powerpc64"]),
        22 => ("s390x", &["s390x"]),
        40 => ("arm", &["arm", "aarch64"]),
        62 => ("x86_64", &["x86_64"]),
        183 => ("aarch64", &["aarch64"]),
        243 => ("riscv", &["riscv32", "riscv64"]),
        258 => ("loongarch", &["loongarch64"]),
        _ => return (format!("processor {number}"), false),
    };
    (name.into(), here.contains(&std::env::consts::ARCH))
}

/// The same for a PE file. Windows on ARM runs programs of x86 and x64 as well.
pub(super) fn pe_processor(number: u16) -> (String, bool) {
    let (name, here): (&str, &[&str]) = match number {
        0x014c => ("x86", &["x86", "x86_64", "aarch64"]),
        0x8664 => ("x64", &["x86_64", "aarch64"]),
        0x01c4 => ("ARM", &["arm", "aarch64"]),
        0xaa64 => ("ARM64", &["aarch64"]),
        _ => return (format!("processor {number:#06x}"), false),
    };
    (name.into(), here.contains(&std::env::consts::ARCH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{FAMILY, Family};

    fn of(bytes: &[u8]) -> Kind {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, bytes).unwrap();
        kind(&path).unwrap()
    }

    #[test]
    fn our_own_executable_runs_here() {
        match kind(&std::env::current_exe().unwrap()).unwrap() {
            Kind::Elf { processor, interpreter } => {
                assert_eq!(FAMILY, Family::Unix);
                assert!(elf_processor(processor).1);
                assert!(Path::new(&interpreter.unwrap()).exists());
            }
            Kind::Pe { processor, has_windows } => {
                assert_eq!(FAMILY, Family::Windows);
                assert!(pe_processor(processor).1);
                assert!(!has_windows);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_script_has_an_interpreter_and_one_argument() {
        let script = |interpreter: &str, argument: &str| Kind::Script {
            interpreter: interpreter.into(),
            argument: argument.into(),
        };
        assert_eq!(of(b"#!/bin/sh\necho"), script("/bin/sh", ""));
        assert_eq!(of(b"#! /usr/bin/env  python3 -u\n"), script("/usr/bin/env", "python3 -u"));
        assert_eq!(of(b"#!/bin/sh\r\necho\r\n"), script("/bin/sh\r", ""));
        assert_eq!(of(b"#!"), script("", ""));
    }

    #[test]
    fn anything_else_is_told_apart_and_never_a_panic() {
        assert_eq!(of(b""), Kind::Empty);
        assert_eq!(of(b"echo hello\n"), Kind::Other);
        assert_eq!(of(b"MZ"), Kind::Other);
        assert_eq!(of(b"\x7fELF\x02\x01"), Kind::Other);
        assert!(kind(Path::new("no such file")).is_err());
    }

    #[test]
    fn the_processor_of_an_old_elf_file_is_found() {
        let mut file = vec![0; 52];
        file[..6].copy_from_slice(b"\x7fELF\x01\x02");
        file[19] = 8; // MIPS, which has its largest digit first.
        assert_eq!(of(&file), Kind::Elf { processor: 8, interpreter: None });
        assert_eq!(elf_processor(8), ("processor 8".into(), false));
    }

    proptest::proptest! {
        #[test]
        fn any_file_has_a_kind(head in 0usize..4, bytes in proptest::collection::vec(0u8.., 0..400)) {
            let head = [b"".as_slice(), b"\x7fELF", b"MZ", b"#!"][head];
            of(&[head, &bytes].concat());
        }
    }
}
