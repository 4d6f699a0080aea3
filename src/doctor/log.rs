//! A log that cannot go where it should.

use super::{Finding, Findings, Machine};
use crate::config::Config;

pub(super) fn check(_: &Config, machine: &Machine, findings: &mut Findings) {
    if let Some(why) = &machine.log {
        findings.add(
            Finding::error("the log cannot go where `log` in [daemon] says")
                .why(why.clone())
                .help("do that, or choose another target: log = { target = \"file\", ... }"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{Case, healthy};
    use crate::sys::system_log::{self, KINDS};

    const SERVICE: &str = "[service.x]\nlisten = '0'\nrun = ['PROGRAM']\n";

    #[test]
    fn a_log_that_is_not_there_is_an_error() {
        let case = Case::new(SERVICE);
        assert_eq!(case.whats(check), [""; 0]);
        let machine = Machine { log: Some("it is not registered".into()), ..healthy() };
        let findings = case.findings(check, &machine);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].why, "it is not registered");
    }

    #[test]
    fn each_kind_of_log_works_or_says_why_not() {
        for kind in KINDS {
            let obstacle = system_log::obstacle(*kind);
            assert!(obstacle.is_none_or(|why| why.contains('(') || why.contains("run `inetd")));
        }
    }
}
