//! The `log` table of `[daemon]`. What does not fit together or cannot work here is a problem.

use std::path::{Path, PathBuf};

use super::check::Check;
use super::daemon::known;
use crate::config::keys::LOG;
use crate::config::raw::Data;
use crate::config::report::Problem;
use crate::config::source::{Sources, Span, Spanned};
use crate::config::{Log, LogTarget};
use crate::record::event::Level;
use crate::record::facility;
use crate::record::format::Format;
use crate::sys::system_log::{self, Kind};
use crate::sys::{FAMILY, Family};

/// The smallest size that is worth a file.
const SMALLEST: u64 = 1 << 10;
const LARGEST: u64 = 1 << 40;
const MOST_FILES: u32 = 100;

/// The logs of all systems, and where each is.
const SYSTEM_LOGS: &[(&str, Family)] =
    &[("journald", Family::Unix), ("syslog", Family::Unix), ("eventlog", Family::Windows)];

/// What `target` can be.
#[derive(Clone, Copy)]
enum Target {
    Auto,
    Stderr,
    File,
    System(Kind),
}

/// What is written, until all of it is known.
#[derive(Default)]
struct Written {
    target: Option<Spanned<Target>>,
    file: Option<Spanned<PathBuf>>,
    json: Option<Span>,
    facility: Option<Span>,
    /// Keys that a log without a file has no use for.
    rotation: Vec<Spanned<String>>,
    /// `target` or `file` is wrong in itself: who knows what it was to be.
    uncertain: bool,
}

/// Reads the table over the defaults.
pub(super) fn read(log: &mut Log, sources: &Sources, check: &mut Check<'_>) {
    let Data::Table(fields) = &check.value.value else {
        let _: Option<()> =
            check.mistyped("a table", "write log = { format = \"json\", level = \"info\" }");
        return;
    };
    let mut written = Written::default();
    for (name, value) in fields {
        if !known(name, LOG, "`log`", check.problems) {
            continue;
        }
        let mut check = Check::new(&name.value, value, check.problems);
        match name.value.as_str() {
            "format" => {
                let choice = check.choice(&[("text", Format::Text), ("json", Format::Json)]);
                log.format = choice.unwrap_or(log.format);
                written.json = Some(value.span).filter(|_| log.format == Format::Json);
            }
            "level" => {
                let choice = check.choice(&[
                    ("error", Level::Error),
                    ("warn", Level::Warn),
                    ("info", Level::Info),
                    ("debug", Level::Debug),
                ]);
                log.level = choice.unwrap_or(log.level);
            }
            "target" => {
                let target = target(&mut check);
                written.uncertain |= target.is_none();
                written.target = target.map(|value| Spanned { value, span: name.span });
            }
            "facility" => {
                let choices = facility::ALL.map(|facility| (facility.name, facility));
                log.facility = check.choice(&choices).unwrap_or(log.facility);
                written.facility = Some(name.span);
            }
            "file" => {
                written.file = file(&mut check, sources);
                written.uncertain |= written.file.is_none();
            }
            "rotate_size" => {
                match &value.value {
                    Data::Integer { value: 0, .. } => log.rotation.size = None,
                    Data::Text(text) if text == "0" => log.rotation.size = None,
                    _ => {
                        let size = check.size(SMALLEST..=LARGEST);
                        log.rotation.size = size.or(log.rotation.size);
                    }
                }
                written.rotation.push(name.clone());
            }
            _ => {
                let keep = check.count(0..=MOST_FILES);
                log.rotation.keep = keep.unwrap_or(log.rotation.keep);
                written.rotation.push(name.clone());
            }
        }
    }
    log.target = fit_together(written, check.problems);
}

fn target(check: &mut Check<'_>) -> Option<Target> {
    if let Data::Text(text) = &check.value.value
        && let Some((_, family)) = SYSTEM_LOGS.iter().find(|(name, _)| name == text)
        && *family != FAMILY
    {
        let (system, instead) = match FAMILY {
            Family::Windows => ("Windows", "\"eventlog\", \"file\" or \"auto\""),
            Family::Unix => ("Linux", "\"journald\", \"syslog\", \"file\" or \"auto\""),
        };
        let message = format!("the log target `{text}` is not available on {system}");
        return check.wrong(&message, &format!("use {instead}"));
    }
    let mut choices = vec![("auto", Target::Auto), ("stderr", Target::Stderr)];
    choices.extend(system_log::KINDS.iter().map(|kind| (kind.name(), Target::System(*kind))));
    choices.push(("file", Target::File));
    check.choice(&choices)
}

/// A file in a folder that is there.
fn file(check: &mut Check<'_>, sources: &Sources) -> Option<Spanned<PathBuf>> {
    let text = check.text()?;
    let path = sources.get(text.span.file).base.join(&text.value);
    if text.value.is_empty() || path.is_dir() {
        let message = format!("`{}` is not a file", path.display());
        return check.wrong(&message, "name a file in that folder");
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    if !folder.is_dir() {
        let message = format!("the folder {} of the log file does not exist", folder.display());
        let help = "make it, and give the account of the daemon the right to add files to it";
        return check.wrong(&message, help);
    }
    Some(Spanned { value: path, span: text.span })
}

/// Where the log goes, and what is written in vain.
fn fit_together(written: Written, problems: &mut Vec<Problem>) -> LogTarget {
    let Written { target, file, json, facility, rotation, uncertain } = written;
    if uncertain {
        return LogTarget::Stderr;
    }
    let chosen = target.as_ref().map(|target| target.value);
    let file_span = file.as_ref().map(|file| file.span);
    let path = file.map(|file| file.value);
    let (target, uses_file) = match (chosen, path) {
        (None | Some(Target::File), Some(path)) => (LogTarget::File(path), true),
        // In a service of Windows there is a file.
        (None | Some(Target::Auto), file) => (LogTarget::Auto { file }, FAMILY == Family::Windows),
        (Some(Target::File), None) => {
            if let Some(target) = target {
                let example = match FAMILY {
                    Family::Windows => r"log = { file = 'D:\logs\inetd.log' }",
                    Family::Unix => r#"log = { file = "/var/log/inetd.log" }"#,
                };
                let problem = Problem::error(target.span, "the log target `file` needs a `file`");
                problems.push(problem.help(format!("write {example}")));
            }
            (LogTarget::Stderr, true)
        }
        (Some(Target::Stderr), _) => (LogTarget::Stderr, false),
        (Some(Target::System(kind)), _) => (LogTarget::System(kind), false),
    };
    if !uses_file {
        let useless = file_span.map(|span| ("file".to_owned(), span)).into_iter();
        let rotation = rotation.into_iter().map(|name| (name.value, name.span));
        for (name, span) in useless.chain(rotation) {
            let problem = Problem::warning(span, format!("`{name}` has no effect"));
            problems.push(problem.label("the log does not go to a file"));
        }
    }
    if let (LogTarget::Stderr | LogTarget::File(_), Some(span)) = (&target, facility) {
        let problem = Problem::warning(span, "`facility` has no effect");
        problems.push(problem.label("the log does not go to a log of the system"));
    }
    if let (LogTarget::System(kind), Some(span)) = (&target, json)
        && !kind.takes_json()
    {
        let message = format!("the log target `{}` takes no JSON lines", kind.name());
        let help = "remove `format`: it gets all fields in its own form";
        problems.push(Problem::error(span, message).help(help));
    }
    target
}
