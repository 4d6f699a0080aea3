//! Finding an executable by name.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::ERROR_CANT_ACCESS_FILE;

use super::quote::is_batch;
use crate::sys::search::first_passing;

/// The extensions that are tried if `PATHEXT` is not set.
const DEFAULT_PATHEXT: &str = ".COM;.EXE;.BAT;.CMD";

/// Finds the executable `name` as the command line does, but once, at load, and never in the
/// current directory: a name with a backslash, a slash or a drive is taken from `base`, any other
/// is looked for in the directories of `search` (a PATH). The extensions of `PATHEXT` are tried
/// in their order; a name that has an extension is tried as it is first.
///
/// # Errors
/// `NotFound`, `PermissionDenied` (Windows cannot start such a file), `IsADirectory`, or
/// `InvalidInput` for a name that means something else than it seems to.
pub fn find(name: &Path, base: &Path, search: Option<&OsStr>) -> io::Result<PathBuf> {
    let extensions = std::env::var("PATHEXT").unwrap_or_else(|_| DEFAULT_PATHEXT.into());
    find_with(name, base, search, &extensions)
}

fn find_with(
    name: &Path,
    base: &Path,
    search: Option<&OsStr>,
    extensions: &str,
) -> io::Result<PathBuf> {
    let text = name.as_os_str().as_encoded_bytes();
    if text.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "an empty name"));
    }
    if text.ends_with(b".") || text.ends_with(b" ") {
        // It would be one file to us and another to the system (CVE-2024-43402).
        let text = "Windows ignores dots and spaces at the end of a name: leave them out";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let names = candidates(name, extensions);
    if text.iter().any(|byte| matches!(byte, b'\\' | b'/' | b':')) {
        let folder = base.join(name);
        let folder = folder.parent().unwrap_or(base);
        if !folder.is_absolute() {
            let text = "a path with a drive but no backslash after it: write it whole";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        return first_of([folder.to_owned()], &names);
    }
    // Not from wherever the daemon happens to run.
    let folders = std::env::split_paths(search.unwrap_or_default()).filter(|p| p.is_absolute());
    first_of(folders, &names)
}

/// The file names that `name` may stand for, in the order in which they are tried.
fn candidates(name: &Path, extensions: &str) -> Vec<OsString> {
    let Some(file) = name.file_name() else { return Vec::new() };
    let has_extension = name.extension().is_some();
    let with = extensions.split(';').filter(|e| e.len() > 1 && e.starts_with('.')).map(|e| {
        let mut file = file.to_owned();
        file.push(e);
        file
    });
    let mut names: Vec<OsString> = with.collect();
    // Without an extension, the name itself is the least likely; but it may be a folder, which
    // is worth telling, and an executable may have such a name.
    let own = if has_extension { 0 } else { names.len() };
    names.insert(own, file.to_owned());
    names
}

fn first_of(folders: impl IntoIterator<Item = PathBuf>, names: &[OsString]) -> io::Result<PathBuf> {
    let places = folders.into_iter().flat_map(|folder| {
        let path = move |name| folder.join(name);
        names.iter().map(path)
    });
    first_passing(places, check)
}

/// Whether CreateProcessW, or `cmd.exe` for a batch file, can start this file.
fn check(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(file) if file.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => {}
        // An alias of a packaged app: nobody can look into it, but it can be started.
        Err(error) if error.raw_os_error() == Some(ERROR_CANT_ACCESS_FILE.cast_signed()) => {
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    if is_batch(path) {
        return Ok(());
    }
    let mut start = [0; 2];
    match File::open(path).and_then(|mut file| file.read_exact(&mut start)) {
        // Every executable begins like this, whatever its name is.
        Ok(()) if start == *b"MZ" => Ok(()),
        Ok(()) => Err(not_startable(path)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(not_startable(path)),
        // One may be allowed to execute a file and not to read it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

fn not_startable(path: &Path) -> io::Error {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let interpreter = match extension.as_deref() {
        Some("ps1") => r#""powershell.exe", "-File""#,
        Some("py" | "pyw") => r#""python.exe""#,
        Some("js" | "mjs" | "cjs") => r#""node.exe""#,
        Some("jar") => r#""java.exe", "-jar""#,
        Some("vbs" | "wsf") => r#""cscript.exe", "//nologo""#,
        Some("pl") => r#""perl.exe""#,
        Some("rb") => r#""ruby.exe""#,
        Some("php") => r#""php.exe""#,
        Some("sh") => r#""bash.exe""#,
        Some("exe" | "com") => {
            let text = format!("{} is not an executable of Windows", path.display());
            return io::Error::new(io::ErrorKind::PermissionDenied, text);
        }
        _ => r#""INTERPRETER""#,
    };
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let text = format!(
        "Windows cannot start {} directly: name its interpreter, run = [{interpreter}, \"{file}\"]",
        path.display()
    );
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            std::fs::write(folder.path().join(name), content).unwrap();
        };
        file("hello.exe", "MZ...");
        file("hello.bat", "@echo hello");
        file("python3.11.exe", "MZ...");
        file("script.ps1", "Write-Host");
        file("tool.cmd", "");
        file("odd.exe", "#!/bin/sh");
        file("saver.scr", "MZ...");
        std::fs::create_dir(folder.path().join("dir")).unwrap();
        folder
    }

    fn found(name: &str) -> Result<String, ErrorKind> {
        let folder = folder();
        let base = Path::new(r"C:\elsewhere");
        let search = Some(folder.path().as_os_str());
        let searched = find_with(Path::new(name), base, search, ".COM;.EXE;.BAT;.CMD;.PS1");
        let relative = Path::new(".").join(name);
        let relative = find_with(&relative, folder.path(), None, ".COM;.EXE;.BAT;.CMD;.PS1");
        let result = |found: io::Result<PathBuf>| match found {
            Ok(path) => Ok(path.file_name().unwrap().to_str().unwrap().to_ascii_lowercase()),
            Err(error) => Err(error.kind()),
        };
        let searched = result(searched);
        assert_eq!(searched, result(relative));
        searched
    }

    #[test]
    fn extensions_are_tried_in_order() {
        assert_eq!(found("hello").unwrap(), "hello.exe");
        assert_eq!(found("HELLO.bat").unwrap(), "hello.bat");
        assert_eq!(found("python3.11").unwrap(), "python3.11.exe");
        assert_eq!(found("tool").unwrap(), "tool.cmd");
        assert_eq!(found("saver.scr").unwrap(), "saver.scr");
    }

    #[test]
    fn what_cannot_be_started_is_told() {
        assert_eq!(found("missing"), Err(ErrorKind::NotFound));
        assert_eq!(found("dir"), Err(ErrorKind::IsADirectory));
        assert_eq!(found("script"), Err(ErrorKind::PermissionDenied));
        assert_eq!(found("script.ps1"), Err(ErrorKind::PermissionDenied));
        assert_eq!(found("odd"), Err(ErrorKind::PermissionDenied));
        assert_eq!(found("hello.exe."), Err(ErrorKind::InvalidInput));
        assert_eq!(found("hello.bat "), Err(ErrorKind::InvalidInput));
        let folder = folder();
        let error = find(Path::new(r".\script.ps1"), folder.path(), None).unwrap_err().to_string();
        assert!(error.contains(r#"run = ["powershell.exe", "-File", "script.ps1"]"#), "{error}");
    }

    #[test]
    fn relative_directories_are_never_searched() {
        let error = find(Path::new("cmd"), Path::new(r"C:\"), Some(OsStr::new(r".;C:")));
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
        let error = find(Path::new("C:cmd.exe"), Path::new(r"C:\windows"), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn cmd_is_found_on_the_path() {
        let system = super::super::handle::system_directory().unwrap();
        let cmd = find(Path::new("cmd"), Path::new(r"C:\"), Some(system.as_os_str())).unwrap();
        assert_eq!(cmd.file_name().unwrap().to_ascii_lowercase(), "cmd.exe");
    }
}
