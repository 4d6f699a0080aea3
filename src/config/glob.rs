//! File name patterns of `include`: `*` and `?` within one name of a path.

use std::io;
use std::path::{Component, Path, PathBuf};

/// Whether there is anything to match in `pattern`.
pub(crate) fn is_pattern(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

/// The files that match `pattern`, which starts from `base`, sorted by name. A name that starts
/// with a dot matches only a pattern that does.
pub(crate) fn expand(base: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![base.to_owned()];
    for component in Path::new(pattern).components() {
        let name = component.as_os_str().to_string_lossy();
        if !matches!(component, Component::Normal(_)) || !is_pattern(&name) {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        }
        let mut next = Vec::new();
        for folder in found {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?.file_name();
                if matches(&name, &entry.to_string_lossy()) {
                    next.push(folder.join(entry));
                }
            }
        }
        found = next;
    }
    found.retain(|path| path.exists());
    found.sort();
    Ok(found)
}

/// Whether `name` matches `pattern`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where to go on if the last `*` has to take one more character.
    let mut retry = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, n + 1));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((after, next)) = retry else { return false };
                (p, n) = (after, next);
                retry = Some((after, next + 1));
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match() {
        for (pattern, name, expected) in [
            ("*.toml", "a.toml", true),
            ("*.toml", ".a.toml", false),
            (".*", ".a.toml", true),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("??", "é!", true),
            ("?", "", false),
            ("a", "a", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_match_in_every_part_of_a_path_and_are_sorted() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["b/x.toml", "a/y.toml", "a/x.conf", "a/.z.toml"] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = expand(folder.path(), "?/*.toml").unwrap();
        assert_eq!(found, [folder.path().join("a/y.toml"), folder.path().join("b/x.toml")]);
        assert_eq!(expand(folder.path(), "none/*").unwrap(), Vec::<PathBuf>::new());
        assert_eq!(expand(folder.path(), "b/x.toml").unwrap(), [folder.path().join("b/x.toml")]);
    }
}
