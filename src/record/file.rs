//! A log file with a limited size: the sink of the log where nobody sees standard error.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that is appended to. When it has grown too large it becomes `FILE.old`, in place of the
/// one before, and a new one begins.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    /// None after a failure to open it again; each write tries anew.
    file: Option<File>,
    size: u64,
    largest: u64,
}

impl LogFile {
    /// Opens the file, and makes it if there is none. It is replaced after `largest` bytes.
    pub fn open(path: &Path, largest: u64) -> io::Result<Self> {
        let mut log = Self { path: path.to_owned(), file: None, size: 0, largest };
        log.reopen()?;
        Ok(log)
    }

    fn reopen(&mut self) -> io::Result<&mut File> {
        let file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        self.size = file.metadata()?.len();
        Ok(self.file.insert(file))
    }

    fn replace(&mut self) {
        let mut old = self.path.clone().into_os_string();
        old.push(".old");
        // Windows does not rename what is open.
        self.file = None;
        // If somebody holds the old one, this one grows on, and the next write tries again.
        drop(std::fs::rename(&self.path, old));
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let added = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.size > 0 && self.size.saturating_add(added) > self.largest {
            self.replace();
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.reopen()?,
        };
        let written = file.write(bytes)?;
        self.size += u64::try_from(written).unwrap_or(0);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), File::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_replaced_and_one_old_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inetd.log");
        std::fs::write(&path, "from before\n").unwrap();
        let mut log = LogFile::open(&path, 30).unwrap();
        for line in [
            "one\n",
            "two\n",
            "a line that is long\n",
            "three\n",
            "longer than a file may be by itself\n",
        ] {
            log.write_all(line.as_bytes()).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("inetd.log"), "longer than a file may be by itself\n");
        assert_eq!(read("inetd.log.old"), "a line that is long\nthree\n");
    }

    #[test]
    fn a_file_that_was_taken_away_comes_back_with_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inetd.log");
        let mut log = LogFile::open(&path, 10).unwrap();
        log.write_all(b"12345678\n").unwrap();
        log.replace();
        std::fs::remove_file(folder.path().join("inetd.log.old")).unwrap();
        log.write_all(b"again\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "again\n");
        assert!(LogFile::open(&folder.path().join("no/folder"), 10).is_err());
    }
}
