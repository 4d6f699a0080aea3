//! What is recorded, and where: `log_type`, `log_on_success`, `log_on_failure`.

use super::service::Translation;
use crate::config::report::Problem;

/// Words of `log_type = SYSLOG` (xinetd.conf(5)).
const FACILITIES: [&str; 17] = [
    "daemon", "auth", "authpriv", "user", "mail", "lpr", "news", "uucp", "ftp", "local0", "local1",
    "local2", "local3", "local4", "local5", "local6", "local7",
];
const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

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
                let why = match word.value.to_ascii_uppercase().as_str() {
                    "USERID" => "nobody is asked for the name of a peer's user (RFC 1413)",
                    "TRAFFIC" => "inetd does not see the bytes of a program",
                    _ => continue,
                };
                let message = format!("`{}` is ignored", word.value);
                self.problems.push(Problem::warning(word.span, message).label(why));
            }
        }
    }

    /// `log_type = SYSLOG FACILITY [LEVEL]` or `FILE PATH [SOFT [HARD]]`.
    fn log_type(&mut self) {
        let Some(given) = self.settings.get("log_type").cloned() else { return };
        let is = |at: usize, names: &[&str]| {
            let word = given.values.get(at);
            word.is_some_and(|word| names.iter().any(|name| word.value.eq_ignore_ascii_case(name)))
        };
        let count = given.values.len();
        let is_syslog = is(0, &["SYSLOG"])
            && is(1, &FACILITIES)
            && (count == 2 || count == 3 && is(2, &LEVELS));
        if is_syslog && is(1, &["daemon"]) {
            return;
        }
        if is_syslog || is(0, &["FILE"]) && (2..=4).contains(&count) {
            self.problems.push(
                Problem::warning(given.at, "`log_type` is ignored")
                    .label("records of all services go to the log of inetd")
                    .help("`log` of [daemon] in an inetd.toml says where that is"),
            );
            return;
        }
        self.problems.push(
            Problem::error(given.at, "this is no value of `log_type`")
                .help("write SYSLOG, a facility and perhaps a level, or FILE and a path"),
        );
    }
}
