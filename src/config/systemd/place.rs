//! Where the files of a unit are (systemd.unit(5), "Unit file load path"): the unit itself, and the
//! drop-ins that change it. Reads none of them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::name::UnitName;
use crate::config::glob;

/// Where systemd looks for units of the system; the first has precedence.
const SEARCH: [&str; 13] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
];

/// The folders that units are looked for in.
#[derive(Clone, Debug)]
pub(crate) struct Folders(Vec<PathBuf>);

impl Folders {
    /// Of a unit that was named: if systemd reads its folder, everything that systemd reads.
    pub(crate) fn of(unit: &Path) -> Self {
        let search: Vec<PathBuf> = SEARCH.iter().map(PathBuf::from).collect();
        Self::among(&search, unit)
    }

    fn among(search: &[PathBuf], unit: &Path) -> Self {
        let own = unit.parent().unwrap_or(Path::new(""));
        let real = std::fs::canonicalize(own).ok();
        // Some are links to others.
        let is_own =
            |folder: &PathBuf| real.is_some() && std::fs::canonicalize(folder).ok() == real;
        if search.iter().any(is_own) {
            return Self(search.to_vec());
        }
        Self(vec![own.to_owned()])
    }

    /// The file of a unit; where it should be if there is none.
    pub(crate) fn find(&self, unit: &UnitName) -> PathBuf {
        let names = unit.files();
        let places = || names.iter().flat_map(|name| self.0.iter().map(move |f| f.join(name)));
        let found = places().find(|path| path.symlink_metadata().is_ok());
        // The template is what an administrator would write.
        let missing = || self.0[0].join(names.last().map_or("", String::as_str));
        found.unwrap_or_else(missing)
    }

    /// The drop-ins of the unit in file `path`, in the order in which they are applied: "Multiple
    /// drop-in files with different names are applied in lexicographic order, regardless of which
    /// of the directories they reside in". Of those with one name, the first counts.
    ///
    /// # Errors
    /// A folder that cannot be read, and why.
    pub(crate) fn drop_ins(
        &self,
        unit: &UnitName,
        path: &Path,
    ) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
        let mut names = unit.drop_in_folders();
        // "In cases of unit aliases [...], dropins for the aliased name and all aliases are loaded."
        names.extend(target(path, unit).into_iter().flat_map(|real| real.drop_in_folders()));
        let in_each = |name: String| self.0.iter().map(move |folder| folder.join(&name));
        let by_name = self.0.iter().flat_map(|folder| names.iter().map(|name| folder.join(name)));
        let mut found = BTreeMap::new();
        // "Files in type.d/ have lower precedence".
        for folder in by_name.chain(in_each(unit.folder_of_kind())) {
            for (name, path) in files(&folder).map_err(|error| (folder, error))? {
                found.entry(name).or_insert(path);
            }
        }
        Ok(found.into_values().collect())
    }
}

/// The name of the unit that a link names, if it is of the same kind.
fn target(path: &Path, unit: &UnitName) -> Option<UnitName> {
    let real = std::fs::canonicalize(path).ok()?;
    let kind = unit.folder_of_kind();
    let is_same = real.extension().and_then(OsStr::to_str) == kind.strip_suffix(".d");
    let stem = real.file_stem().and_then(OsStr::to_str).filter(|_| is_same)?;
    Some(unit.renamed(stem))
}

/// The names and paths of what can be a drop-in.
fn files(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if glob::matches("*.conf", &name) && !path.is_dir() {
            files.push((name, path));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_ins_of_all_folders_are_applied_by_name() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for file in [
            "lib/foo-bar@.service",
            "lib/foo-bar@.service.d/10-a.conf",
            "lib/foo-bar@.service.d/20-b.conf",
            "lib/service.d/05-all.conf",
            "lib/service.d/20-b.conf",
            "etc/foo-.service.d/10-a.conf",
            "etc/foo-.service.d/30-c.conf",
            "etc/foo-bar@.service.d/.hidden.conf",
            "etc/foo-bar@.service.d/readme.txt",
            "etc/foo-bar@.service.d/folder.conf/x",
            "etc/foo-bar.service.d/15-other.conf",
            "own/foo-bar@.service",
            "own/foo-bar@.service.d/10-a.conf",
        ] {
            std::fs::create_dir_all(at(file).parent().unwrap()).unwrap();
            std::fs::write(at(file), "").unwrap();
        }
        let search = [at("none"), at("etc"), at("lib")];
        let unit = UnitName::new("foo-bar", "socket").service(true);
        let folders = Folders::among(&search, &at("etc/foo-bar.socket"));
        let path = folders.find(&unit);
        assert_eq!(path, at("lib/foo-bar@.service"));
        assert_eq!(
            folders.drop_ins(&unit, &path).unwrap(),
            [
                at("lib/service.d/05-all.conf"),
                at("etc/foo-.service.d/10-a.conf"),
                at("lib/foo-bar@.service.d/20-b.conf"),
                at("etc/foo-.service.d/30-c.conf"),
            ]
        );
        // What systemd does not read is on its own.
        let folders = Folders::among(&search, &at("own/foo-bar.socket"));
        let path = folders.find(&unit);
        assert_eq!(path, at("own/foo-bar@.service"));
        let found = folders.drop_ins(&unit, &path).unwrap();
        assert_eq!(found, [at("own/foo-bar@.service.d/10-a.conf")]);
        let missing = UnitName::new("no", "socket").service(true);
        assert_eq!(folders.find(&missing), at("own/no@.service"));
    }
}
