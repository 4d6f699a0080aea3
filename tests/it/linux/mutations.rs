//! Damaged configurations: every sample of the repository is changed at random, many times, and
//! read. Nothing panics or hangs, and every problem is at a place that the file has.
//! `INETD_MUTATIONS` is how often each sample is changed: hundreds of times in `ci/test`. `fuzz/`
//! has the same for hours.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use inetd::config::{self, FileFormat, Purpose, Report};

use crate::harness::deadline;

/// How often a sample is changed, and read.
const MUTATIONS: u64 = 100;

/// Samples larger than this are about size, and would only take long.
const LARGE: u64 = 20_000;

/// What is put in by a mutation, besides single bytes.
const PIECES: [&str; 24] = [
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    "=",
    ",",
    ";",
    "#",
    "\\",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "\u{feff}",
    "é",
    "\u{1f600}",
    "0",
    "-1",
    "99999999999999999999",
    "service x\n{\n",
    "[service.x]\n",
    "/",
];

/// xorshift64 (Marsaglia).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// Changes a text at one to four places.
    fn damaged(&mut self, original: &[u8]) -> Vec<u8> {
        let mut bytes = original.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(20)).min(bytes.len());
            match self.below(7) {
                0 => drop(bytes.drain(at..end)),
                1 => bytes.truncate(at),
                2 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                3 if at < bytes.len() => bytes[at] = self.next().to_le_bytes()[0],
                4 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                5 => {
                    // A line to another place.
                    let lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
                    let line = lines.get(self.below(lines.len().max(1))).map(|line| line.to_vec());
                    bytes.splice(at..at, line.unwrap_or_default());
                }
                _ => {
                    let piece = PIECES[self.below(PIECES.len())];
                    bytes.splice(at..at, piece.bytes());
                }
            }
        }
        bytes
    }
}

/// All files below a folder that are configurations.
fn samples(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            samples(&path, found);
            continue;
        }
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_configuration =
            matches!(extension, Some("toml" | "conf" | "socket" | "service" | "inc"))
                || path.parent().is_some_and(|parent| parent.ends_with("xinetd.d"));
        if is_configuration && path.metadata().unwrap().len() < LARGE {
            found.push(path);
        }
    }
}

/// The formats that a file is read as; none if only another file reads it.
fn formats(path: &Path) -> Vec<FileFormat> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let text = std::fs::read(path).unwrap();
    let text = String::from_utf8_lossy(&text);
    let named = text.lines().find_map(|line| line.strip_prefix("# format: "));
    match name.rsplit('.').next().unwrap_or_default() {
        "toml" => vec![FileFormat::Toml],
        "socket" | "service" => vec![FileFormat::Systemd],
        _ if path.parent().is_some_and(|parent| parent.ends_with("xinetd.d")) => {
            vec![FileFormat::Xinetd]
        }
        _ => vec![FileFormat::Auto, named.map_or(FileFormat::Inetd, |name| name.parse().unwrap())],
    }
}

/// A damaged file is read as what it was. Without looking anything up, since a damaged name of a
/// host would be asked of a name server; a TOML file is also checked if its addresses are whole.
/// Gives how many places it had problems at.
fn read(path: &Path, format: FileFormat, original: &[u8], bytes: &[u8]) -> usize {
    std::fs::write(path, bytes).unwrap();
    // A service unit is read through its socket.
    let top = path.with_extension("socket");
    let is_service = path.extension().is_some_and(|extension| extension == "service");
    let top = if is_service {
        let stem = path.file_stem().unwrap().to_str().unwrap().trim_end_matches('@');
        top.with_file_name(format!("{stem}.socket"))
    } else {
        path.to_owned()
    };
    let mut places = match config::convert(&top, format) {
        Ok((_, report)) | Err(report) => has_places(path, bytes, &report),
    };
    if format == FileFormat::Toml && addresses(original) == addresses(bytes) {
        places += match config::load(path, format, Purpose::Check) {
            Ok((_, report)) | Err(report) => has_places(path, bytes, &report),
        };
    }
    places
}

/// The lines that may name a host, or a file of the system.
fn addresses(bytes: &[u8]) -> Vec<&[u8]> {
    let has = |line: &&[u8]| {
        [&b"listen"[..], b"forward", b"://", b"file"]
            .iter()
            .any(|word| line.windows(word.len()).any(|window| window == *word))
    };
    bytes.split(|byte| *byte == b'\n').filter(has).collect()
}

fn has_places(path: &Path, bytes: &[u8], report: &Report) -> usize {
    let mut count = 0;
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.split('\n').collect();
    let prefix = format!("{}:", path.display());
    for told in report.told() {
        let place = told.place.as_deref().and_then(|place| place.strip_prefix(&prefix));
        let Some((line, column)) = place.and_then(|place| place.split_once(':')) else { continue };
        let (line, column): (usize, usize) = (line.parse().unwrap(), column.parse().unwrap());
        let length = lines.get(line.wrapping_sub(1)).map(|line| line.chars().count());
        // The place behind the last character is that of what is missing there.
        let is_there = length.is_some_and(|length| (1..=length + 1).contains(&column));
        assert!(is_there, "{place:?} of {length:?}: {}\n{text}", told.message);
        count += 1;
    }
    drop(report.render());
    count
}

/// A copy of a tree, whose files are then damaged one at a time.
fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copied(&path, &copy);
        } else {
            std::fs::copy(&path, copy).unwrap();
        }
    }
}

#[test]
fn no_damage_to_a_sample_is_too_much() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    for name in ["tests/data/good", "tests/data/bad", "examples"] {
        copied(&root.join(name), &folder.path().join(name));
    }
    let mut found = Vec::new();
    samples(folder.path(), &mut found);
    found.sort();
    assert!(found.len() >= 90, "{} samples", found.len());
    let wanted = std::env::var("INETD_MUTATIONS").ok();
    let count = wanted.map_or(MUTATIONS, |count| count.parse().unwrap());

    let (sender, receiver) = channel();
    let work = std::thread::spawn(move || {
        let mut places = 0;
        for (number, path) in found.iter().enumerate() {
            let original = std::fs::read(path).unwrap();
            let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (u64::try_from(number).unwrap() + 1));
            for format in formats(path) {
                for round in 0..count {
                    let bytes = random.damaged(&original);
                    // Whoever waits knows what was read last.
                    let _ = sender.send((path.clone(), round));
                    places += read(path, format, &original, &bytes);
                }
            }
            std::fs::write(path, original).unwrap();
        }
        places
    });
    let patience = deadline().max(Duration::from_secs(60));
    let mut last = None;
    loop {
        match receiver.recv_timeout(patience) {
            Ok(what) => last = Some(what),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("it hangs: {last:?}"),
        }
    }
    let places = work.join().unwrap_or_else(|_| panic!("after {last:?}"));
    assert!(places > 10_000, "only {places} problems had a place");
}
