//! What the fuzz targets have in common: bytes become a file, the file is read, and every problem
//! has to be at a place that the file has.

use std::path::{Path, PathBuf};

use inetd::config::{self, FileFormat, Purpose, Report};
use tempfile::TempDir;

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
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads a file without looking anything up: neither programs nor users nor names of hosts.
pub fn read(path: &Path, format: FileFormat) {
    match config::convert(path, format) {
        Ok((text, report)) => {
            assert!(!text.is_empty());
            has_places(path, &report);
        }
        Err(report) => {
            assert!(report.errors() > 0);
            has_places(path, &report);
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

/// # Panics
/// If a problem is at a place that the file does not have.
pub fn has_places(path: &Path, report: &Report) {
    let bytes = std::fs::read(path).expect("the file is still there");
    let text = String::from_utf8_lossy(&bytes);
    let prefix = format!("{}:", path.display());
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
