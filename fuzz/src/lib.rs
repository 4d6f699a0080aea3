//! What the fuzz targets have in common: bytes become a file, the file is read, and every problem
//! has to be at a place that the file has.

use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use inetd::admission::rules::PeerName;
use inetd::admission::tables::Answer;
use inetd::config::{self, Config, FileFormat, Purpose, Report};
use tempfile::TempDir;
use tokio::runtime::Builder;

/// A folder for the files of one target.
pub struct Folder {
    folder: TempDir,
}

impl Folder {
    /// A new one.
    ///
    /// # Panics
    /// If there is no room for temporary files.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder for temporary files") }
    }

    /// Writes a file.
    ///
    /// # Panics
    /// If there is no room for temporary files.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("a temporary file");
        path
    }

    /// Writes a file `path` of the folder `name`, in folders of its own. `None` if that is no path
    /// within the folder or the system does not let us: a name is too long, or that of a folder.
    pub fn write_below(&self, name: &str, path: &str, bytes: &[u8]) -> Option<PathBuf> {
        let is_inside = |component| matches!(component, Component::Normal(_));
        if path.is_empty() || !Path::new(path).components().all(is_inside) {
            return None;
        }
        let path = self.folder.path().join(name).join(path);
        std::fs::create_dir_all(path.parent()?).ok()?;
        std::fs::write(&path, bytes).ok()?;
        Some(path)
    }

    /// Removes a folder of this folder, if it is there.
    pub fn remove(&self, name: &str) {
        std::fs::remove_dir_all(self.folder.path().join(name)).ok();
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads a file without looking anything up: neither programs nor users nor names of hosts.
///
/// # Panics
/// If a problem is at a place that its file does not have, or what is written for it is no
/// `inetd.toml`.
pub fn read(path: &Path, format: FileFormat) {
    read_all(path, format, &[path]);
}

/// As [`read`], of a file that others belong to.
///
/// # Panics
/// As [`read`].
pub fn read_all(path: &Path, format: FileFormat, files: &[impl AsRef<Path>]) {
    let told = |report: &Report| files.iter().for_each(|file| has_places(file.as_ref(), report));
    match config::convert(path, format) {
        Ok((text, report)) => {
            told(&report);
            let converted = path.with_file_name("converted.toml");
            std::fs::write(&converted, &text).expect("a temporary file");
            let again = config::convert(&converted, FileFormat::Toml).expect_err("it is one");
            assert_eq!(again.errors(), 1, "{text}\n{}", again.render());
        }
        Err(report) => {
            assert!(report.errors() > 0);
            told(&report);
        }
    }
}

/// Reads and checks a file, unless a name server would be asked.
pub fn check(path: &Path, format: FileFormat, text: &[u8]) {
    let has = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    if has(b"listen") || has(b"forward") {
        return;
    }
    match config::load(path, format, Purpose::Check) {
        Ok((_, report)) | Err(report) => has_places(path, &report),
    }
}

/// Reads an `inetd.toml` with one service, and the files that this is about; nothing if a problem is
/// so bad that the daemon would not start.
///
/// # Panics
/// If a problem is at a place that its file does not have, or the daemon would start with an error.
pub fn load(folder: &Folder, toml: &str, files: &[PathBuf]) -> Option<Config> {
    let path = folder.write("inetd.toml", toml.as_bytes());
    let told = |report: &Report| {
        for path in files.iter().chain([&path]) {
            has_places(path, report);
        }
    };
    match config::load(&path, FileFormat::Toml, Purpose::Check) {
        Ok((config, report)) => {
            assert_eq!(report.errors(), 0, "{}", report.render());
            told(&report);
            Some(config)
        }
        Err(report) => {
            assert!(report.errors() > 0);
            told(&report);
            None
        }
    }
}

/// Reads a table for `access`, and asks it about each of [`peers`].
///
/// # Panics
/// As [`load`], or if the table has no answer.
pub fn ask_table(folder: &Folder, format: &str, bytes: &[u8]) {
    let file = folder.write("rules", bytes);
    ask(folder, format, &[file]);
}

/// As [`ask_table`], of the file or folder `rules` that is there.
///
/// # Panics
/// As [`ask_table`].
pub fn ask(folder: &Folder, format: &str, files: &[PathBuf]) {
    let toml = format!("{SERVICE}access = '{format}:rules'\n");
    let Some(config) = load(folder, &toml, files) else { return };
    let access = config.services[0].gate.access.as_ref().expect("`access` was read");
    let table = access.table();
    for (address, name) in peers() {
        let answer = table.decide(address, name);
        // Only a name that nobody has looked for yet can be missing.
        assert!(name == PeerName::NotAsked || answer != Answer::AskName, "{address} {name:?}");
    }
}

/// Two files in one, with a line `====` between them.
pub fn halves(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let line = b"\n====\n";
    match bytes.windows(line.len()).position(|window| window == line) {
        Some(at) => (&bytes[..at + 1], Some(&bytes[at + line.len()..])),
        None => (bytes, None),
    }
}

/// Runs something that talks. Its clock goes on by itself when everybody waits.
///
/// # Panics
/// If the system has no descriptors left.
pub fn run<T>(task: impl Future<Output = T>) -> T {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().expect("a runtime").block_on(task)
}

/// A service for [`load`], to which keys can be added. It needs no program.
pub const SERVICE: &str = "[service.x]\nlisten = '127.0.0.1:0'\nbuiltin = 'echo'\n";

/// Addresses with and without names.
pub fn peers() -> impl Iterator<Item = (IpAddr, PeerName<'static>)> {
    let addresses =
        ["127.0.0.1", "10.20.1.1", "192.0.2.1", "255.255.255.255", "::1", "2001:db8::1"];
    let names = [
        PeerName::NotAsked,
        PeerName::Unknown,
        PeerName::Mismatch,
        PeerName::Known("a.example.net"),
        PeerName::Known("localhost"),
    ];
    let addresses = addresses.map(|address| address.parse::<IpAddr>().expect("an address"));
    addresses.into_iter().flat_map(move |address| names.map(|name| (address, name)))
}

/// # Panics
/// If a problem is at a place that the file does not have.
pub fn has_places(path: &Path, report: &Report) {
    let bytes = std::fs::read(path).expect("the file is still there");
    has_places_in(&path.display().to_string(), &String::from_utf8_lossy(&bytes), report);
}

/// # Panics
/// If a problem is at a place of `source` that its text does not have.
pub fn has_places_in(source: &str, text: &str, report: &Report) {
    let prefix = format!("{source}:");
    let lines: Vec<_> = text.split('\n').collect();
    for told in report.told() {
        let Some(place) = told.place.as_deref().and_then(|place| place.strip_prefix(&prefix))
        else {
            continue;
        };
        let (line, column) = place.split_once(':').expect("a line and a column");
        let (line, column): (usize, usize) =
            (line.parse().expect("a line"), column.parse().expect("a column"));
        assert!((1..=lines.len()).contains(&line), "{place}: {}", told.message);
        // The place behind the last character is that of what is missing there.
        let length = lines[line - 1].chars().count();
        assert!((1..=length + 1).contains(&column), "{place}: {}", told.message);
    }
    // Every problem can be shown.
    drop(report.render());
}
