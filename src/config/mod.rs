//! The configuration: every format is read into one checked [`Config`].
//!
//! ```text
//! files --> toml_file | inetd_conf | xinetd_conf | systemd | wininetd --> raw --> resolve --> Config
//!                                       \________________> Report
//! ```
//!
//! [`load`] reads a file or a folder, [`from_command_line`] the options of `inetd serve`. Both find
//! every problem in one run and show it as a compiler does. Nothing outside of this module knows
//! a file format, and this module never opens a socket or starts a program.

pub mod keys;
pub mod names_file;

mod classic;
mod command_line;
mod convert;
mod exposed;
mod files;
pub(crate) mod glob;
mod inetd_conf;
mod model;
mod raw;
mod report;
mod resolve;
mod source;
pub mod suggest;
mod systemd;
mod toml_file;
mod toml_syntax;
mod toml_text;
mod value;
mod wininetd;
mod xinetd_conf;

use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;

pub use classic::{ClassicFlags, ClassicSetting};
pub use command_line::{CommandLine, from_command_line, to_toml};
pub use convert::convert;
pub use model::*;
use raw::{Origin, Raw, RawService};
use report::Problem;
pub use report::{Report, Severity, Told};
pub use resolve::Transport;
use source::{Span, Spanned};

/// What a configuration file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Its name tells.
    Auto,
    /// `inetd.toml`.
    Toml,
    /// A classic `inetd.conf` whose dialect is guessed; the guess is in the report.
    Inetd,
    /// FreeBSD's `inetd.conf`.
    Freebsd,
    /// NetBSD's positional `inetd.conf`.
    Netbsd,
    /// The `inetd.conf` of OpenBSD and Debian's openbsd-inetd.
    Openbsd,
    /// The `inetd.conf` of GNU inetutils.
    Inetutils,
    /// The `inetd.conf` of busybox.
    Busybox,
    /// `xinetd.conf`.
    Xinetd,
    /// A `.socket` unit of systemd, with the `.service` unit beside it.
    Systemd,
    /// The file of WinInetd.
    Wininetd,
}

impl FileFormat {
    const NAMES: [(&str, Self); 11] = [
        ("auto", Self::Auto),
        ("toml", Self::Toml),
        ("inetd", Self::Inetd),
        ("freebsd", Self::Freebsd),
        ("netbsd", Self::Netbsd),
        ("openbsd", Self::Openbsd),
        ("inetutils", Self::Inetutils),
        ("busybox", Self::Busybox),
        ("xinetd", Self::Xinetd),
        ("systemd", Self::Systemd),
        ("wininetd", Self::Wininetd),
    ];

    /// The names of all formats, as options and messages have them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().map(|(name, _)| name)
    }
}

/// A format has another name.
#[derive(Clone, Debug, thiserror::Error)]
#[error("unknown format `{name}`: use {}", suggest::enumerate(FileFormat::names()))]
pub struct UnknownFormat {
    name: String,
}

impl FromStr for FileFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = Self::NAMES.iter().find(|(other, _)| *other == name);
        found.map(|(_, format)| *format).ok_or_else(|| UnknownFormat { name: name.to_owned() })
    }
}

/// What a configuration is loaded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To look at it: a user that this process cannot become is a warning.
    Check,
    /// To run it: such a user is an error.
    Run,
    /// To look at it together with everything else.
    Doctor,
    /// To install a service of the system that runs it, as another user perhaps.
    Install {
        /// It will have the rights of the system.
        privileged: bool,
    },
    /// To run it as a service of the system: it may have no services yet and wait for a reload,
    /// since an installer starts it before anybody has written one.
    Service {
        /// It runs already.
        reload: bool,
    },
}

/// Reads a configuration file, or all of a folder, with everything that it includes.
///
/// # Errors
/// All problems, if one of them is an error. Warnings and notes alone come with the result.
pub fn load(path: &Path, format: FileFormat, purpose: Purpose) -> Result<(Config, Report), Report> {
    load_classic(path, format, purpose, &ClassicFlags::default())
}

/// As [`load`], with what the flags of an old inetd say.
///
/// # Errors
/// As of [`load`].
pub fn load_classic(
    path: &Path,
    format: FileFormat,
    purpose: Purpose,
    flags: &ClassicFlags,
) -> Result<(Config, Report), Report> {
    let (mut raw, origin) = files::read(path, format, flags.hosts());
    raw.problems.extend(without_service(&raw, origin, path, purpose));
    raw.problems.extend(same_names(&raw.services));
    flags.apply(&mut raw, origin);
    raw.problems.extend(exposed::problems(&raw.sources.paths(), purpose));
    resolve::resolve(raw, origin, purpose, None)
}

/// What a configuration says about the control endpoint of its daemon. Looks at nothing else: a
/// client has to find a daemon that runs even while somebody is editing its configuration. What
/// cannot be read says nothing.
pub fn control_of(path: &Path, format: FileFormat) -> Control {
    let (raw, _) = files::read(path, format, Vec::new());
    let sources = &raw.sources;
    raw.daemon.map_or(Control::Default, |daemon| resolve::control(&daemon.value, sources))
}

/// A configuration without services, which is one that nobody wants to run. If something in it
/// could not be read, that may be where they are.
fn without_service(raw: &Raw, origin: Origin, path: &Path, purpose: Purpose) -> Option<Problem> {
    if !raw.services.is_empty() || raw.problems.iter().any(Problem::is_error) {
        return None;
    }
    let message = format!("there is no service in {}", path.display());
    if purpose == (Purpose::Service { reload: false }) {
        let problem = Problem::note_nowhere(message);
        return Some(problem.help("write one, then use `inetd reload`"));
    }
    let problem = Problem::error_nowhere(message);
    Some(problem.help(match origin {
        Origin::Classic => "a service is a line: 7000 stream tcp nowait nobody /bin/cat cat",
        _ => "a service is a table [service.NAME] with the keys `listen` and `run`",
    }))
}

/// Services that have the name of another one.
fn same_names(services: &[RawService]) -> Vec<Problem> {
    let mut seen = HashMap::new();
    let named = services.iter().map(|service| &service.name);
    let again = named.filter_map(|name| {
        let first = *seen.entry(name.value.as_str()).or_insert(name.span);
        (first != name.span).then_some((name, first))
    });
    let problem = |(name, first): (&Spanned<String>, Span)| {
        let message = format!("there are two services named `{}`", name.value);
        Problem::error(name.span, message).label("again here").related(first, "the first is here")
    };
    again.map(problem).collect()
}

#[cfg(test)]
mod tests;
