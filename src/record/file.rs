//! A log file. It is rotated by size: `FILE` becomes `FILE.1`, `FILE.1` becomes `FILE.2` and so on.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::sys::stdio;

/// When a log file is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The largest size in bytes; `None` is any.
    pub size: Option<u64>,
    /// How many old files are kept.
    pub keep: u32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { size: Some(10 << 20), keep: 5 }
    }
}

/// A file that lines are appended to.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    /// None after a failure; then the next write opens it again.
    file: Option<File>,
    size: u64,
    /// It ends with a part of a line, because the disk was full.
    torn: bool,
}

impl LogFile {
    /// Opens the file, and makes it if there is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        let mut log = Self { path: path.to_owned(), rotation, file: None, size: 0, torn: false };
        log.open_again()?;
        Ok(log)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends lines, and rotates before a line that would make the file too large.
    ///
    /// # Errors
    /// Why not everything was written, and how many bytes of whole lines were.
    pub fn append(&mut self, lines: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut done = 0;
        while done < lines.len() {
            let rest = &lines[done..];
            let mut length = fitting(rest, self.room());
            if length == 0 {
                if self.size > 0 && self.rotate().is_ok() && self.size == 0 {
                    continue;
                }
                // It is longer than a file may be, or somebody holds the file so that it has to
                // grow on until that has an end.
                length = first_line(rest);
            }
            self.write(&rest[..length]).map_err(|(written, error)| (done + written, error))?;
            done += length;
        }
        Ok(())
    }

    fn room(&self) -> usize {
        let room = self.rotation.size.map_or(u64::MAX, |size| size.saturating_sub(self.size));
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut written = 0;
        let result = self.try_write(lines, &mut written);
        self.size += written as u64;
        result.map_err(|error| {
            self.file = None;
            let whole = lines[..written].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            self.torn |= written > whole;
            (whole, error)
        })
    }

    fn try_write(&mut self, lines: &[u8], written: &mut usize) -> io::Result<()> {
        let torn = self.torn;
        let mut file = self.open_again()?;
        if torn {
            file.write_all(b"\n")?;
        }
        while *written < lines.len() {
            match file.write(&lines[*written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => *written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.torn = false;
        Ok(())
    }

    fn open_again(&mut self) -> io::Result<&File> {
        // Not `get_or_insert_with`, because opening can fail.
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let file = stdio::append(&self.path)?;
                self.size = file.metadata()?.len();
                file
            }
        };
        Ok(self.file.insert(file))
    }

    /// Gives way to a new file. On Windows that needs nobody to have the file open without the
    /// right for others to rename it.
    fn rotate(&mut self) -> io::Result<()> {
        let keep = self.rotation.keep;
        // A name is only free when the last handle to a deleted file is closed.
        self.file = None;
        if keep == 0 {
            fs::remove_file(&self.path)?;
        } else {
            // The others move up to the first gap only. There is one if the last attempt has come
            // this far and no further, and then it must not cost another old file.
            let gap = (1..keep).find(|number| !self.old(*number).exists()).unwrap_or(keep);
            for number in (1..gap).rev() {
                fs::rename(self.old(number), self.old(number + 1))?;
            }
            match fs::rename(&self.path, self.old(1)) {
                // Somebody has taken it away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        // There are more of them if more were kept before.
        for number in keep + 1.. {
            if fs::remove_file(self.old(number)).is_err() {
                break;
            }
        }
        self.open_again().map(drop)
    }

    fn old(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

/// How many bytes of whole lines there are room for.
fn fitting(lines: &[u8], room: usize) -> usize {
    if lines.len() <= room {
        return lines.len();
    }
    lines[..room].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)
}

fn first_line(lines: &[u8]) -> usize {
    lines.iter().position(|b| *b == b'\n').map_or(lines.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, size: u64, keep: u32) -> LogFile {
        LogFile::open(path, Rotation { size: Some(size), keep }).unwrap()
    }

    /// The names and contents of all files, sorted.
    fn files(folder: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
        let mut files: Vec<_> = entries
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect()
    }

    #[test]
    fn a_file_is_never_larger_than_it_may_be_and_old_ones_move_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        fs::write(&path, "from before\n").unwrap();
        let mut log = open(&path, 12, 2);
        log.append(b"one\ntwo\nthree\n").unwrap();
        assert_eq!(
            files(folder.path()),
            pairs(&[("x.log", "three\n"), ("x.log.1", "one\ntwo\n"), ("x.log.2", "from before\n")])
        );
        log.append(b"four\nfive\nlonger than a file may be\nsix\n").unwrap();
        assert_eq!(
            files(folder.path()),
            pairs(&[
                ("x.log", "six\n"),
                ("x.log.1", "longer than a file may be\n"),
                ("x.log.2", "five\n")
            ])
        );
    }

    #[test]
    fn a_gap_is_filled_and_what_is_too_many_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        for (name, text) in [("x.log.1", "a"), ("x.log.3", "c"), ("x.log.4", "d"), ("x.log.5", "e")]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let mut log = open(&path, 5, 3);
        log.append(b"old\nnew\n").unwrap();
        let expected =
            [("x.log", "new\n"), ("x.log.1", "old\n"), ("x.log.2", "a"), ("x.log.3", "c")];
        assert_eq!(files(folder.path()), pairs(&expected));
        drop(log);
        let mut log = open(&path, 5, 0);
        log.append(b"newer\n").unwrap();
        assert_eq!(files(folder.path()), pairs(&[("x.log", "newer\n")]));
    }

    #[test]
    fn without_a_limit_the_file_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let mut log = LogFile::open(&path, Rotation { size: None, keep: 1 }).unwrap();
        for _ in 0..1000 {
            log.append(b"line\n").unwrap();
        }
        assert_eq!(fs::metadata(&path).unwrap().len(), 5000);
        assert_eq!(files(folder.path()).len(), 1);
    }

    #[test]
    fn a_file_that_was_taken_away_comes_back_with_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let mut log = open(&path, 10, 3);
        log.append(b"12345678\n").unwrap();
        fs::remove_file(&path).unwrap();
        log.append(b"again\n").unwrap();
        assert_eq!(files(folder.path()), pairs(&[("x.log", "again\n")]));
        let missing = folder.path().join("no/folder");
        assert!(LogFile::open(&missing, Rotation::default()).is_err());
    }

    #[test]
    fn what_cannot_be_rotated_grows_on_and_costs_no_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        // A folder with something in it cannot be replaced.
        fs::create_dir(folder.path().join("x.log.2")).unwrap();
        fs::write(folder.path().join("x.log.2/y"), "").unwrap();
        fs::write(folder.path().join("x.log.1"), "first\n").unwrap();
        let mut log = open(&path, 5, 2);
        for line in ["one\n", "two\n", "three\n"] {
            log.append(line.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
        assert_eq!(fs::read_to_string(folder.path().join("x.log.1")).unwrap(), "first\n");
        fs::remove_dir_all(folder.path().join("x.log.2")).unwrap();
        log.append(b"four\n").unwrap();
        assert_eq!(
            files(folder.path()),
            pairs(&[("x.log", "four\n"), ("x.log.1", "one\ntwo\nthree\n"), ("x.log.2", "first\n")])
        );
    }
}
