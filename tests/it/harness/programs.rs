//! Programs to serve, built by the system's C compiler: those of `examples/`, as a user would
//! build them, and `tests/programs/`, which can misbehave.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use super::{native, on_windows};

/// The probe (`tests/programs/probe.c`) with these arguments.
pub fn probe(arguments: &[&str]) -> Vec<String> {
    let folder = root().join("tests/programs");
    let system = if on_windows() { "windows.c" } else { "unix.c" };
    let path = build(
        "probe",
        &[folder.join("probe.c"), folder.join(system)],
        &[folder.join("probe.h")],
        &[],
    );
    [native(&path)].into_iter().chain(arguments.iter().map(ToString::to_string)).collect()
}

/// A program of `examples/`: a script as it is, C compiled.
pub fn example(name: &str) -> Vec<String> {
    let path = root().join("examples").join(name);
    if path.extension().is_some_and(|extension| extension != "c") {
        return vec![native(&path)];
    }
    compiled(&path)
}

/// A file of `tests/programs/` as a library that LD_PRELOAD takes.
#[cfg(unix)]
pub fn preload(name: &str) -> String {
    let flags = ["-shared", "-fPIC"];
    let path = build(name, &[root().join("tests/programs").join(name)], &[], &flags);
    path.display().to_string()
}

/// A program of `tests/programs/` that is one file.
pub fn tool(name: &str) -> Vec<String> {
    compiled(&root().join("tests/programs").join(name))
}

fn compiled(path: &PathBuf) -> Vec<String> {
    let stem = path.file_stem().unwrap().to_string_lossy();
    vec![native(&build(&stem, std::slice::from_ref(path), &[], &[]))]
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where programs are built: a folder that other users can enter, because some programs run as others.
/// One of this process if the checkout is in a private folder.
fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let usual = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        if usual.ancestors().all(everybody_may_enter) {
            return usual;
        }
        let own = tempfile::Builder::new().prefix("inetd-it-programs-").tempdir().unwrap().keep();
        open_folder(&own);
        own
    })
}

#[cfg(unix)]
fn everybody_may_enter(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(folder).is_ok_and(|folder| folder.permissions().mode() & 1 == 1)
}

#[cfg(unix)]
fn open_folder(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[cfg(windows)]
fn everybody_may_enter(_: &Path) -> bool {
    true
}

#[cfg(windows)]
fn open_folder(_: &Path) {}

/// Compiles `sources` once for each content: the name of the folder is made of it.
fn build(name: &str, sources: &[PathBuf], headers: &[PathBuf], flags: &[&str]) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    let (compiler, suffix) =
        if on_windows() { ("x86_64-w64-mingw32-gcc", ".exe") } else { ("cc", "") };
    let mut hasher = DefaultHasher::new();
    for source in sources.iter().chain(headers) {
        let text = std::fs::read(source);
        text.unwrap_or_else(|error| panic!("{}: {error}", source.display())).hash(&mut hasher);
    }
    let folder = format!("programs-{:016x}", hasher.finish());
    let folder = programs().join(folder);
    let path = folder.join(format!("{name}{suffix}"));

    let guard = ONE_AT_A_TIME.lock();
    if !path.exists() {
        std::fs::create_dir_all(&folder).unwrap();
        // Renamed into its place, so that nobody ever runs half a program.
        let new = folder.join(format!("{name}-{}{suffix}", std::process::id()));
        let mut command = Command::new(compiler);
        command.args(["-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]);
        command.arg(&new).args(flags).args(sources);
        if on_windows() {
            command.arg("-lws2_32");
        }
        let output = command.output().unwrap_or_else(|error| panic!("{compiler}: {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::rename(&new, &path).unwrap();
    }
    drop(guard);
    path
}
