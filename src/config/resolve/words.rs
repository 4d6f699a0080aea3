//! Command lines that somebody wrote as one text, or took apart at the blanks of a path.

use std::path::Path;

use crate::sys::program;

/// The most words that a path is tried to be made of.
const MOST_WORDS: usize = 16;

/// The words of a command line, for a hint: what is in quotes is one, and so is a path with blanks
/// if it is that of a program.
pub(super) fn of_line(line: &str, base: &Path) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
            Some(quoted) => quoted,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    if let Some((program, count)) = program_with_blanks(&words, base) {
        words.splice(..count, [program]);
    }
    words
}

/// The path of a program that has blanks in it and of which `words` are the parts, and how many of
/// them. Of several it is the longest.
pub(super) fn program_with_blanks(
    words: &[impl AsRef<str>],
    base: &Path,
) -> Option<(String, usize)> {
    let mut path = words.first()?.as_ref().to_owned();
    let mut found = None;
    for (index, word) in words.iter().enumerate().take(MOST_WORDS).skip(1) {
        path = format!("{path} {}", word.as_ref());
        if path.contains(['/', '\\']) && program::find(Path::new(&path), base, None).is_ok() {
            found = Some((path.clone(), index + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{FAMILY, Family};

    /// A folder with `my tools/say hello`, and what that file is called here.
    fn folder() -> (tempfile::TempDir, &'static str) {
        let (name, file) = match FAMILY {
            Family::Unix => ("say hello", "hello"),
            Family::Windows => ("say hello.cmd", "hello.cmd"),
        };
        let folder = tempfile::tempdir().unwrap();
        let tools = folder.path().join("my tools");
        std::fs::create_dir(&tools).unwrap();
        std::fs::copy(Path::new("tests/data/bin").join(file), tools.join(name)).unwrap();
        (folder, name)
    }

    #[test]
    fn a_path_with_blanks_is_one_word() {
        let (folder, name) = folder();
        let words = |line: &str| of_line(line, folder.path());
        let program = format!("./my tools/{name}");
        assert_eq!(words(&format!("{program} -x  -y")), [&*program, "-x", "-y"]);
        assert_eq!(words(&format!("\"{program}\" -x")), [&*program, "-x"]);
        assert_eq!(words("hello -x"), ["hello", "-x"]);
        assert_eq!(words(" \"two words\" three "), ["two words", "three"]);
        assert_eq!(words("\"open"), ["\"open"]);
        assert_eq!(words(""), [""; 0]);
        assert!(program_with_blanks(&["my", "tools"], folder.path()).is_none());
    }
}
