//! Finds and reads the files of a configuration: one file, a folder of files, and what they
//! include. Says which format a file has. Never looks into a service.

mod units;

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::inetd_conf::Dialect;
use super::raw::{Layer, Origin, Raw, RawService};
use super::report::Problem;
use super::source::{Source, Span, Spanned};
use super::xinetd_conf::{self, Item};
use super::{FileFormat, glob, inetd_conf, systemd, toml_file, wininetd};
use crate::sys::files::open_ready;

/// A larger file is not a configuration.
const MAX_SIZE: u64 = 16 << 20;
/// Files that are being read at a time, each included by the one before it: each takes some of the
/// stack.
const DEEPEST: usize = 32;

/// Reads `path` and everything that it includes. The second value is what the configuration is
/// written in as a whole. `hosts` are those of services of a classic file that name none; empty for
/// every address.
pub(crate) fn read(path: &Path, format: FileFormat, hosts: Vec<String>) -> (Raw, Origin) {
    let mut files = Files {
        raw: Raw::default(),
        format,
        is_folder: path.is_dir(),
        seen: HashMap::new(),
        open: Vec::new(),
        xinetd: xinetd_conf::Entries::default(),
        hosts,
    };
    let origin = files.top(path);
    files.xinetd.finish(&mut files.raw);
    (files.raw, origin)
}

struct Files {
    raw: Raw,
    format: FileFormat,
    /// The configuration is a folder: the format that was asked for holds for its classic files.
    is_folder: bool,
    /// Every file that was read, and where it was included.
    seen: HashMap<PathBuf, Option<Span>>,
    /// The files that are being read, from the outermost.
    open: Vec<PathBuf>,
    /// What was read of xinetd's format.
    xinetd: xinetd_conf::Entries,
    /// The hosts for services of a classic file that name none, until it says otherwise.
    hosts: Vec<String>,
}

/// How a file came to be read.
#[derive(Clone)]
enum Role {
    /// It is the configuration, or in its folder.
    Main,
    /// A file includes it, here, and has these defaults.
    Included(Span, Arc<Layer>),
}

impl Files {
    fn top(&mut self, path: &Path) -> Origin {
        if !self.is_folder {
            return self.file(path, &Role::Main);
        }
        if self.format == FileFormat::Xinetd || is_xinetd(path) {
            self.format = FileFormat::Xinetd;
            self.xinetd_folder(path, None);
            return Origin::Classic;
        }
        let files = match folder(path) {
            Ok(files) => files,
            Err(error) => {
                let message = format!("cannot read the folder {}: {error}", path.display());
                self.raw.problems.push(Problem::error_nowhere(message));
                return Origin::Toml;
            }
        };
        if files.is_empty() {
            let message = format!("there is no configuration in the folder {}", path.display());
            self.raw.problems.push(
                Problem::error_nowhere(message)
                    .help("files whose names end in .toml, .conf or .socket are read"),
            );
        }
        for file in files {
            self.file(&file, &Role::Main);
        }
        Origin::Toml
    }

    fn file(&mut self, path: &Path, role: &Role) -> Origin {
        let (text, invalid) = match self.text(path, role) {
            Ok(text) => text,
            Err(problem) => {
                self.raw.problems.push(*problem);
                return Origin::Toml;
            }
        };
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let base = absolute.parent().unwrap_or(&absolute);
        let format = self.format_of(path, &text);
        let text = match format {
            FileFormat::Wininetd => wininetd::without_passwords(&text),
            _ => text,
        };
        let source = Source::new(path.into(), base.into(), text.into());
        let Some(file) = self.raw.sources.add(source) else {
            self.too_many(path);
            return Origin::Toml;
        };
        match format {
            FileFormat::Xinetd => self.xinetd(path, file),
            FileFormat::Systemd => self.systemd(path, file),
            FileFormat::Wininetd => wininetd::read(&mut self.raw, file),
            FileFormat::Auto | FileFormat::Toml => self.toml(path, file, invalid, role),
            FileFormat::Inetd => self.classic(path, file, None),
            FileFormat::Freebsd => self.classic(path, file, Some(Dialect::Freebsd)),
            FileFormat::Netbsd => self.classic(path, file, Some(Dialect::Netbsd)),
            FileFormat::Openbsd => self.classic(path, file, Some(Dialect::Openbsd)),
            FileFormat::Inetutils => self.classic(path, file, Some(Dialect::Inetutils)),
            FileFormat::Busybox => self.classic(path, file, Some(Dialect::Busybox)),
        }
        match format {
            FileFormat::Auto | FileFormat::Toml => Origin::Toml,
            _ => Origin::Classic,
        }
    }

    /// The format of a file: the one that was asked for, or its name tells, or its first line.
    fn format_of(&self, path: &Path, text: &str) -> FileFormat {
        let is_toml = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
        if self.format != FileFormat::Auto && !(self.is_folder && is_toml) {
            return self.format;
        }
        if is_toml {
            return FileFormat::Toml;
        }
        if is_xinetd(path) || inetd_conf::is_xinetd(text) {
            return FileFormat::Xinetd;
        }
        if systemd::is_socket(path) {
            return FileFormat::Systemd;
        }
        let mut lines = text.lines().map(str::trim);
        let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        if first.is_some_and(wininetd::is_wininetd) {
            return FileFormat::Wininetd;
        }
        let code = first.and_then(|line| line.split('#').next()).unwrap_or_default().trim_end();
        // `[::1]:7000 stream ...` begins with a bracket, too, but does not end with one.
        let is_table = code.starts_with('[') && code.ends_with(']');
        if is_table || code.starts_with("include = ") {
            FileFormat::Toml
        } else {
            FileFormat::Inetd
        }
    }

    fn classic(&mut self, path: &Path, file: u16, dialect: Option<Dialect>) {
        let outer_hosts = self.hosts.clone();
        let included = inetd_conf::read(&mut self.raw, file, dialect, outer_hosts.clone());
        // Only one dialect includes files, and these are written in it, too.
        let outer = std::mem::replace(&mut self.format, FileFormat::Netbsd);
        self.open.push(canonical(path));
        for (pattern, hosts) in included {
            self.hosts = hosts;
            self.include(path, &pattern, &Arc::default());
        }
        self.open.pop();
        self.format = outer;
        self.hosts = outer_hosts;
    }

    /// A file of xinetd and, where it says so, what it includes.
    fn xinetd(&mut self, path: &Path, file: u16) {
        let text = Arc::clone(&self.raw.sources.get(file).text);
        let base = Arc::clone(&self.raw.sources.get(file).base);
        let outer = std::mem::replace(&mut self.format, FileFormat::Xinetd);
        self.open.push(canonical(path));
        let mut defaults = None;
        for item in xinetd_conf::parse(&text, file, &mut self.raw.problems) {
            match item {
                Item::Include(name) => {
                    let role = Role::Included(name.span, Arc::default());
                    self.file(&base.join(&name.value), &role);
                }
                Item::IncludeFolder(name) => {
                    self.xinetd_folder(&base.join(&name.value), Some(name.span));
                }
                item => self.xinetd.add(item, &mut defaults, &mut self.raw.problems),
            }
        }
        self.open.pop();
        self.format = outer;
    }

    fn too_many(&mut self, path: &Path) {
        let message = format!("cannot read {}: there are too many files", path.display());
        self.raw.problems.push(Problem::error_nowhere(message));
    }

    /// The files that xinetd reads of a folder; `at` is where it is included.
    fn xinetd_folder(&mut self, path: &Path, at: Option<Span>) {
        let problem = |warn: bool, message: String| match (at, warn) {
            (Some(at), true) => Problem::warning(at, message),
            (Some(at), false) => Problem::error(at, message),
            (None, _) => Problem::error_nowhere(message),
        };
        let (included, skipped) = match xinetd_conf::folder(path) {
            Ok(files) => files,
            Err(error) => {
                let message = format!("cannot read the folder {}: {error}", path.display());
                self.raw.problems.push(problem(false, message));
                return;
            }
        };
        for file in skipped {
            let message = format!("{} is not read", file.display());
            self.raw.problems.push(
                problem(true, message)
                    .label("xinetd reads no file whose name has a dot in it")
                    .help("rename it if it should be read"),
            );
        }
        let role = at.map_or(Role::Main, |at| Role::Included(at, Arc::default()));
        for file in included {
            self.file(&file, &role);
        }
    }

    /// `invalid` is the first byte that is not UTF-8.
    fn toml(&mut self, path: &Path, file: u16, invalid: Option<usize>, role: &Role) {
        let text = Arc::clone(&self.raw.sources.get(file).text);
        if let Some(at) = text.find('\0') {
            let span = Span::new(file, at..at + 1);
            let problem = Problem::error(span, "this is not a text file in the encoding UTF-8")
                .label("a text has no NUL character");
            let help = "save it as UTF-8; PowerShell 5 writes UTF-16 without `-Encoding utf8`";
            self.raw.problems.push(problem.help(help));
            return;
        }
        if let Some(at) = invalid {
            let span = Span::new(file, at..at + '\u{fffd}'.len_utf8());
            let problem = Problem::error(span, "the file is not UTF-8 text")
                .label("this byte is not part of a character");
            self.raw.problems.push(problem.help("save the file in the encoding UTF-8"));
        }
        let document = toml_file::read(&text, file, &mut self.raw.problems);
        let parent = match role {
            Role::Main => None,
            Role::Included(_, layer) => Some(Arc::clone(layer)),
        };
        let layer = Arc::new(Layer { entries: document.defaults, parent });
        self.raw.layers.push(Arc::clone(&layer));
        if let Some(daemon) = document.daemon {
            self.daemon(daemon, role);
        }
        for (name, entries) in document.services {
            self.raw.services.push(RawService {
                name,
                origin: Origin::Toml,
                layer: Some(Arc::clone(&layer)),
                entries,
                incomplete: document.incomplete || invalid.is_some(),
            });
        }
        self.open.push(canonical(path));
        for pattern in document.include {
            self.include(path, &pattern, &layer);
        }
        self.open.pop();
    }

    fn daemon(&mut self, daemon: Spanned<Vec<super::raw::Field>>, role: &Role) {
        match (&self.raw.daemon, role) {
            (_, Role::Included(at, _)) => self.raw.problems.push(
                Problem::error(daemon.span, "an included file cannot have [daemon]")
                    .related(*at, "the file is included here")
                    .help("move it to the main file"),
            ),
            (Some(first), Role::Main) => self.raw.problems.push(
                Problem::error(daemon.span, "[daemon] is defined twice")
                    .label("again here")
                    .related(first.span, "[daemon] is defined here first"),
            ),
            (None, Role::Main) => self.raw.daemon = Some(daemon),
        }
    }

    fn include(&mut self, from: &Path, pattern: &Spanned<String>, layer: &Arc<Layer>) {
        let base = from.parent().unwrap_or(Path::new(""));
        // NetBSD includes all of a folder that is named.
        let is_whole = self.format == FileFormat::Netbsd && base.join(&pattern.value).is_dir();
        let all = if is_whole { "/*" } else { "" };
        let files = match glob::expand(base, &format!("{}{all}", pattern.value)) {
            Ok(files) => files,
            Err(error) => {
                let message = format!("cannot look for files `{}`: {error}", pattern.value);
                self.raw.problems.push(Problem::error(pattern.span, message));
                return;
            }
        };
        if files.is_empty() {
            let place = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
            self.raw.problems.push(if glob::is_pattern(&pattern.value) {
                Problem::warning(pattern.span, format!("no file matches `{}`", pattern.value))
                    .label("nothing is included")
            } else {
                Problem::error(pattern.span, format!("there is no file `{}`", pattern.value))
                    .help(format!("names are relative to the folder {}", place.display()))
            });
        }
        for path in files {
            if path.is_dir() {
                let message = format!("`{}` is a folder", path.display());
                self.raw.problems.push(
                    Problem::error(pattern.span, message)
                        .help("add /*.toml to include the files in it"),
                );
                continue;
            }
            self.file(&path, &Role::Included(pattern.span, Arc::clone(layer)));
        }
    }

    /// The text of a file that was not read before, and its first byte that is not UTF-8.
    fn text(&mut self, path: &Path, role: &Role) -> Result<(String, Option<usize>), Box<Problem>> {
        let key = canonical(path);
        let at = match role {
            Role::Main => None,
            Role::Included(at, _) => Some(*at),
        };
        let problem = |message: String| {
            Box::new(match at {
                Some(at) => Problem::error(at, message),
                None => Problem::error_nowhere(message),
            })
        };
        if self.open.contains(&key) {
            let message = format!("`{}` includes itself", path.display());
            return Err(Box::new(problem(message).label("this closes the circle")));
        }
        if self.open.len() >= DEEPEST {
            let message = format!("`{}` is not read", path.display());
            let label = format!("it is {DEEPEST} files below the first");
            return Err(Box::new(problem(message).label(label).help("include it further up")));
        }
        if let Some(first) = self.seen.get(&key).copied() {
            let twice = problem(format!("`{}` is included twice", path.display()));
            return Err(match first {
                Some(first) if Some(first) != at => Box::new(twice.related(first, "first here")),
                _ => twice,
            });
        }
        let bytes = match role {
            // Whoever names it may mean a pipe of a shell: `-c <(...)`.
            Role::Main if !self.is_folder => {
                std::fs::File::open(path).and_then(|file| limited(file, MAX_SIZE))
            }
            _ => contents(path),
        };
        let bytes =
            bytes.map_err(|error| problem(format!("cannot read {}: {error}", path.display())))?;
        self.seen.insert(key, at);
        Ok(decode(bytes))
    }
}

/// A text without the byte order mark that editors on Windows write.
fn decode(mut bytes: Vec<u8>) -> (String, Option<usize>) {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let invalid = error.utf8_error().valid_up_to();
            (String::from_utf8_lossy(error.as_bytes()).into_owned(), Some(invalid))
        }
    }
}

/// A file that is not part of the configuration, only named in it; or what is wrong with it.
pub(super) fn named(path: &Path) -> Result<Vec<u8>, String> {
    contents(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no file {}", path.display()),
        _ => format!("cannot read {}: {error}", path.display()),
    })
}

/// As [`named`], a text.
pub(super) fn named_text(path: &Path) -> Result<String, String> {
    Ok(decode(named(path)?).0)
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    read_at_most(path, MAX_SIZE)
}

/// Reads a file that is named in the configuration and has no more than `most` bytes, a whole number of
/// mebibytes. Nobody is waited for.
pub(super) fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    open_ready(path).and_then(|file| limited(file, most))
}

fn limited(file: std::fs::File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
        return Err(io::Error::other(format!("it is larger than {} MiB", most >> 20)));
    }
    Ok(bytes)
}

/// The configuration files of a folder, sorted.
fn folder(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if ["*.toml", "*.conf", "*.socket"].iter().any(|pattern| glob::matches(pattern, &text)) {
            files.push(path.join(name));
        }
    }
    files.retain(|file| !file.is_dir());
    files.sort();
    Ok(files)
}

/// Whether the name of a file or folder says that xinetd reads it.
fn is_xinetd(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains("xinetd"))
}

fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
