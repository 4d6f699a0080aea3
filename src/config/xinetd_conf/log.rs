//! What is recorded, and where: `log_type`, `log_on_success`, `log_on_failure`.

use super::attributes::{Given, Settings};
use super::service::Translation;
use crate::config::raw::{Data, Field};
use crate::config::report::Problem;
use crate::config::source::{Span, Spanned};
use crate::record::facility::{self, Facility};
use crate::sys::{FAMILY, Family};

/// Words of `log_type = SYSLOG` (xinetd.conf(5)).
const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// Where records go.
enum LogType {
    Syslog(Facility),
    File,
}

/// `log_type = SYSLOG FACILITY [LEVEL]` or `FILE PATH [SOFT [HARD]]`, if it is one of them.
fn log_type(given: &Given) -> Option<LogType> {
    let words: Vec<_> = given.values.iter().map(|word| word.value.as_str()).collect();
    let (kind, rest) = words.split_first()?;
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    match rest {
        [_, level] if kind.eq_ignore_ascii_case("SYSLOG") && !is_level(level) => None,
        [name] | [name, _] if kind.eq_ignore_ascii_case("SYSLOG") => {
            facility::named(name).map(LogType::Syslog)
        }
        [_] | [_, _] | [_, _, _] if kind.eq_ignore_ascii_case("FILE") => Some(LogType::File),
        _ => None,
    }
}

/// The facility of the log, which all services share: that of `defaults`. What is wrong with it, the
/// services tell.
pub(super) fn of_defaults(defaults: &Settings) -> Option<(Facility, Span)> {
    let given = defaults.get("log_type")?;
    match log_type(given)? {
        LogType::Syslog(facility) => Some((facility, given.at)),
        LogType::File => None,
    }
}

/// `[daemon]` with this facility.
pub(super) fn daemon(facility: Facility, at: Span) -> Spanned<Vec<Field>> {
    let name = |name: &str| Spanned { value: name.to_owned(), span: at };
    let facility = Spanned { value: Data::Text(facility.name.to_owned()), span: at };
    let log = Data::Table(vec![(name("facility"), facility)]);
    Spanned { value: vec![(name("log"), Spanned { value: log, span: at })], span: at }
}

impl Translation<'_> {
    /// Everything is recorded in one log, with the peer, the pid, the status and the duration.
    pub(super) fn log(&mut self) {
        self.log_type();
        for (attribute, known) in [
            ("log_on_success", &["PID", "HOST", "USERID", "EXIT", "DURATION", "TRAFFIC"][..]),
            ("log_on_failure", &["HOST", "USERID", "ATTEMPT"][..]),
        ] {
            self.known_words(attribute, known);
            for word in self.words(attribute) {
                if word.value.eq_ignore_ascii_case("TRAFFIC") {
                    let message = format!("`{}` is ignored", word.value);
                    let problem = Problem::warning(word.span, message);
                    self.problems.push(problem.label("inetd does not see the bytes of a program"));
                }
            }
        }
        self.identify();
    }

    fn log_type(&mut self) {
        let Some(given) = self.settings.get("log_type") else { return };
        let problem =
            |label: &str| Problem::warning(given.at, "`log_type` is ignored").label(label);
        let problem = match log_type(given) {
            Some(LogType::Syslog(facility)) if facility == self.facility => return,
            Some(LogType::Syslog(_)) if FAMILY == Family::Windows => {
                problem("there is no syslog on Windows")
            }
            Some(LogType::Syslog(_)) => {
                let name = self.facility.name;
                let label = format!("records of all services have one facility, which is {name}");
                problem(&label).help("write it in `defaults`")
            }
            Some(LogType::File) => problem("records of all services go to the log of inetd")
                .help("`log` of [daemon] in an inetd.toml says where that is"),
            None => Problem::error(given.at, "this is no value of `log_type`")
                .help("write SYSLOG, a facility and perhaps a level, or FILE and a path"),
        };
        self.problems.push(problem);
    }
}
