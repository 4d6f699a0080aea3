//! The options of hosts_options(5), as far as they are obeyed. What libwrap takes for an error
//! refuses whoever the rule is about, there and here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::Request;
use crate::admission::rules::{Effect, PeerName};
use crate::admission::tables::files::Files;
use crate::admission::tables::{Extras, Variable, set, variable};

/// Banners of a folder; more are left out.
const MOST_BANNERS: usize = 256;
/// A longer text may not fit into the buffer of a new connection.
const LONGEST_BANNER: usize = 4096;

/// What becomes of whom a rule is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) effect: Effect,
    /// `setenv`: name and value, before `%` is expanded.
    variables: Vec<Variable>,
    /// `banners`: a text for each daemon.
    banners: HashMap<String, String>,
}

/// How an option is met.
enum Meaning {
    Allow,
    Deny,
    Setenv,
    Banners,
    /// Nothing of it matters here, if its value is one.
    Ignored(fn(&str) -> bool, &'static str),
    /// Whoever it is about must not come in.
    Refused(&'static str),
}

/// Whether an option has a value.
#[derive(PartialEq, Eq)]
enum Wants {
    Nothing,
    Anything,
    Something,
}

struct Known {
    name: &'static str,
    wants: Wants,
    is_last: bool,
    meaning: Meaning,
}

const OPTIONS: [Known; 15] = {
    use Meaning::{Allow, Banners, Deny, Ignored, Refused, Setenv};
    use Wants::{Anything, Nothing, Something};
    const fn known(name: &'static str, wants: Wants, meaning: Meaning) -> Known {
        Known { name, wants, is_last: false, meaning }
    }
    const NO_COMMAND: &str = "commands are never run: nobody comes in here";
    const NO_USER: &str = "programs run as the `user` of their service: nobody comes in here";
    const NO_UMASK: &str = "programs run with the `umask` of their service: nobody comes in here";
    [
        Known { is_last: true, ..known("allow", Nothing, Allow) },
        Known { is_last: true, ..known("deny", Nothing, Deny) },
        known("setenv", Something, Setenv),
        known("banners", Something, Banners),
        known(
            "severity",
            Something,
            Ignored(is_severity, "records go to the log of inetd, with its levels"),
        ),
        known("keepalive", Nothing, Ignored(|_| true, "that is the key `keepalive` of a service")),
        known(
            "linger",
            Something,
            Ignored(|value| is_number(value, 0), "the system sends what is left by itself"),
        ),
        known(
            "rfc931",
            Anything,
            Ignored(
                |value| value.is_empty() || is_number(value, 1),
                "nobody is asked for the name of a peer's user",
            ),
        ),
        known(
            "nice",
            Anything,
            Ignored(
                |value| value.is_empty() || is_number(value, i32::MIN),
                "that is the key `nice` of a service",
            ),
        ),
        known("spawn", Something, Ignored(|_| true, "commands are never run")),
        Known { is_last: true, ..known("twist", Something, Refused(NO_COMMAND)) },
        known("aclexec", Something, Refused(NO_COMMAND)),
        known("user", Something, Refused(NO_USER)),
        known("group", Something, Refused(NO_USER)),
        known("umask", Something, Refused(NO_UMASK)),
    ]
};

/// Reads the options behind daemons and clients.
pub(super) fn read(
    effect: Effect,
    options: &[Range<usize>],
    text: &str,
    files: &mut Files,
    mut remark: impl FnMut(Range<usize>, &str, &str),
) -> Outcome {
    let mut outcome = Outcome::of(effect);
    for (number, range) in options.iter().enumerate() {
        let raw = &text[range.clone()];
        let from = range.start + raw.len() - raw.trim_start_matches(is_space).len();
        let written = raw.trim_matches(is_space);
        let at = from..from + written.len();
        let option = written.replace("\\:", ":");
        let end = option.find(|c: char| is_space(c) || c == '=');
        let (name, value) = option.split_at(end.unwrap_or(option.len()));
        let value = value.trim_start_matches(is_space);
        let value = value.strip_prefix('=').unwrap_or(value).trim_matches(is_space);
        let is_last = number + 1 == options.len();
        let lower = name.to_ascii_lowercase();
        let refused = match OPTIONS.iter().find(|option| option.name == lower) {
            None if name.is_empty() => Some("there is no option between two colons".to_owned()),
            None => Some("there is no such option".to_owned()),
            Some(known) => outcome.obey(known, value, is_last, files, |message, help| {
                remark(at.clone(), message, help);
            }),
        };
        if let Some(why) = refused {
            let name = if name.is_empty() { ":" } else { name };
            let help = match why.ends_with("nobody comes in here") {
                true => why,
                false => format!("{why}: nobody comes in here, as in the original"),
            };
            remark(at, &format!("`{name}` cannot be obeyed"), &help);
            outcome.effect = Effect::Deny;
            break;
        }
    }
    outcome
}

/// isspace(3).
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// What `%d` of scanf(3) takes, and nothing behind it.
fn is_number(text: &str, least: i32) -> bool {
    text.parse().is_ok_and(|number: i32| number >= least)
}

/// `local0.info`, `info`: the names that libwrap knows.
fn is_severity(text: &str) -> bool {
    const FACILITIES: [&str; 17] = [
        "kern", "user", "mail", "daemon", "auth", "lpr", "news", "uucp", "cron", "local0",
        "local1", "local2", "local3", "local4", "local5", "local6", "local7",
    ];
    const LEVELS: [&str; 8] =
        ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
    let is_one = |names: &[&str], text: &str| names.iter().any(|n| n.eq_ignore_ascii_case(text));
    match text.split_once('.') {
        Some((facility, level)) => is_one(&FACILITIES, facility) && is_one(&LEVELS, level),
        None => is_one(&LEVELS, text),
    }
}

/// `NAME value`, where the value may be empty.
fn setting(text: &str) -> Result<Variable, String> {
    let (name, value) = text.split_once(is_space).unwrap_or((text, ""));
    if name.contains('%') {
        return Err(format!("`{name}` is a name that only a connection would give"));
    }
    variable(name, Some(value.trim_start_matches(is_space)))
}

/// The files of a folder, by their names in lower case.
fn banners(
    folder: &Path,
    files: &mut Files,
    mut remark: impl FnMut(&str, &str),
) -> HashMap<String, String> {
    const NONE: &str = "there are no banners";
    let mut texts = HashMap::new();
    let paths = match files.folder(folder) {
        Ok(Some(paths)) => paths,
        Ok(None) => {
            remark(NONE, &format!("there is no folder {}", folder.display()));
            return texts;
        }
        Err(why) => {
            remark(NONE, &why);
            return texts;
        }
    };
    for path in paths.into_iter().filter(|path| !path.is_dir()) {
        if texts.len() == MOST_BANNERS {
            remark("there are too many banners", "only the first 256 of the folder are sent");
            break;
        }
        let missing = match files.start_of(&path, LONGEST_BANNER as u64 + 1) {
            Ok(Some(bytes)) if bytes.len() <= LONGEST_BANNER => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                // hosts_options(5): "Newline characters are replaced by carriage-return newline".
                let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
                texts.insert(name.to_ascii_lowercase(), text.replace('\n', "\r\n"));
                continue;
            }
            Ok(Some(_)) => format!("{} is longer than 4096 bytes", path.display()),
            Ok(None) => continue,
            Err(why) => why,
        };
        remark("a banner is missing", &missing);
    }
    texts
}

impl Outcome {
    /// One without options.
    pub(super) fn of(effect: Effect) -> Self {
        Self { effect, variables: Vec::new(), banners: HashMap::new() }
    }

    /// Obeys one option; why it cannot.
    fn obey(
        &mut self,
        known: &Known,
        value: &str,
        is_last: bool,
        files: &mut Files,
        mut remark: impl FnMut(&str, &str),
    ) -> Option<String> {
        match known.wants {
            Wants::Something if value.is_empty() => return Some("it needs a value".to_owned()),
            Wants::Nothing if !value.is_empty() => return Some("it has no value".to_owned()),
            _ if known.is_last && !is_last => return Some("it must be the last option".to_owned()),
            _ => {}
        }
        match &known.meaning {
            Meaning::Allow => self.effect = Effect::Allow,
            Meaning::Deny => self.effect = Effect::Deny,
            Meaning::Setenv => match setting(value) {
                Ok(variable) => set(&mut self.variables, variable),
                Err(why) => return Some(format!("{why}: nobody comes in here")),
            },
            Meaning::Banners => {
                self.banners.extend(banners(Path::new(value), files, remark));
            }
            Meaning::Ignored(is_value, _) if !is_value(value) => {
                return Some(format!("`{value}` is not a value of it"));
            }
            Meaning::Ignored(_, why) => remark(&format!("`{}` has no effect", known.name), why),
            Meaning::Refused(why) => return Some((*why).to_owned()),
        }
        None
    }

    /// What the peer of a request gets.
    pub(super) fn extras(&self, request: &Request<'_>) -> Extras {
        let variables = self.variables.iter().map(|(name, value)| {
            let value = value.as_ref().map(|value| Arc::from(expand(value, request).as_ref()));
            (Arc::clone(name), value)
        });
        let banner = self.banners.get(request.daemon).map(|text| {
            let mut bytes = expand(text, request).into_owned().into_bytes();
            bytes.truncate(LONGEST_BANNER);
            Arc::from(bytes)
        });
        Extras { variables: variables.collect(), banner }
    }
}

/// Replaces `%a` and the like. hosts_access(5): "Characters in % expansions that may confuse the
/// shell are replaced by underscores."
fn expand<'a>(text: &'a str, request: &Request<'_>) -> Cow<'a, str> {
    if !text.contains('%') {
        return text.into();
    }
    let name = |name: PeerName<'_>| match name {
        PeerName::Known(name) => name.to_owned(),
        PeerName::Mismatch => "paranoid".to_owned(),
        PeerName::Unknown | PeerName::NotAsked => "unknown".to_owned(),
    };
    let name_or_address = |host: PeerName<'_>, address: std::net::IpAddr| match host {
        PeerName::Known(name) => name.to_owned(),
        _ => address.to_string(),
    };
    let mut expanded = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c != '%' {
            expanded.push(c);
            continue;
        }
        let value = match characters.next() {
            Some('a') => request.peer.to_string(),
            Some('A') => request.local.to_string(),
            Some('c' | 'h') => name_or_address(request.name, request.peer),
            Some('H') => name_or_address(request.local_name, request.local),
            Some('n') => name(request.name),
            Some('N') => name(request.local_name),
            Some('d') => request.daemon.to_owned(),
            Some('s') => {
                let host = name_or_address(request.local_name, request.local);
                format!("{}@{host}", request.daemon)
            }
            Some('p') => std::process::id().to_string(),
            Some('u') => "unknown".to_owned(),
            Some('%') => "%".to_owned(),
            other => format!("%{}", other.map(String::from).unwrap_or_default()),
        };
        let is_safe = |c: char| c.is_ascii_alphanumeric() || "@%-_./:".contains(c);
        expanded.extend(value.chars().map(|c| if is_safe(c) { c } else { '_' }));
    }
    expanded.into()
}
