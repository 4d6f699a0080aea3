//! The `[daemon]` table.

use std::path::PathBuf;

use super::check::Check;
use super::draft::MOST_SESSIONS;
use super::log;
use crate::config::keys::{DAEMON, SERVICE, SubKey};
use crate::config::raw::{Field, Origin};
use crate::config::report::Problem;
use crate::config::source::{Sources, Spanned};
use crate::config::suggest::{did_you_mean, enumerate};
use crate::config::{Control, Daemon, Log};

/// What holds without a `[daemon]` table.
pub(super) fn default(origin: Origin) -> Daemon {
    Daemon {
        control: if origin == Origin::CommandLine { Control::Off } else { Control::Default },
        max_sessions: (origin != Origin::Classic).then_some(4096),
        hosts_allow: None,
        hosts_deny: None,
        log: Log::default(),
    }
}

/// Reads the table over the defaults.
pub(super) fn read(
    daemon: &mut Daemon,
    fields: &[Field],
    sources: &Sources,
    problems: &mut Vec<Problem>,
) {
    for (name, value) in fields {
        if !known(name, DAEMON, "[daemon]", problems) {
            continue;
        }
        let mut check = Check::new(&name.value, value, problems);
        match name.value.as_str() {
            "control" => {
                if let Some(text) = check.text() {
                    daemon.control = match text.value {
                        empty if empty.is_empty() => Control::Off,
                        endpoint => Control::At(endpoint),
                    };
                }
            }
            "max_sessions" => {
                if let Some(max) = check.count(0..=MOST_SESSIONS) {
                    daemon.max_sessions = Some(max).filter(|max| *max > 0);
                }
            }
            "hosts_allow" => daemon.hosts_allow = path(&mut check, sources),
            "hosts_deny" => daemon.hosts_deny = path(&mut check, sources),
            _ => log::read(&mut daemon.log, sources, &mut check),
        }
    }
}

fn path(check: &mut Check<'_>, sources: &Sources) -> Option<PathBuf> {
    let text = check.text()?;
    Some(sources.get(text.span.file).base.join(text.value))
}

/// What the table says about the control endpoint, whatever is wrong with the rest.
pub(crate) fn control(fields: &[Field], sources: &Sources) -> Control {
    let mut daemon = default(Origin::Toml);
    read(&mut daemon, fields, sources, &mut Vec::new());
    daemon.control
}

/// Whether a key can be used; if not, that is a problem.
pub(super) fn known(
    name: &Spanned<String>,
    keys: &[SubKey],
    table: &str,
    problems: &mut Vec<Problem>,
) -> bool {
    if let Some(key) = keys.iter().find(|key| key.name == name.value) {
        let Some(obstacle) = key.availability.obstacle() else { return true };
        let message = format!("`{}` {obstacle}", name.value);
        problems.push(Problem::error(name.span, message).help("remove it"));
        return false;
    }
    let names = || keys.iter().map(|key| key.name);
    let help = did_you_mean(&name.value, names()).unwrap_or_else(|| {
        if SERVICE.iter().any(|info| info.name == name.value) {
            "it is a key of a service: put it below [service.NAME] or [defaults]".to_owned()
        } else {
            format!("there are {}", enumerate(names()).replace(" or ", " and "))
        }
    });
    let message = format!("unknown key `{}` in {table}", name.value);
    problems.push(Problem::error(name.span, message).help(help));
    false
}
