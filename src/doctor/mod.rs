//! `inetd doctor`: looks at a configuration and at this machine and says what would hurt.
//!
//! Each file here knows one subject. A check gets the checked configuration and the facts about the
//! machine ([`Machine`]), which are gathered before, and adds findings; it changes nothing and
//! starts nothing.

mod arguments;
mod buffering;
pub mod executable;
mod finding;
mod limits;
mod log;
mod machine;
mod ports;
mod programs;
mod runtimes;
pub mod selftest;
mod service;
#[cfg(test)]
mod testing;
mod writable;

use std::path::Path;

pub use self::finding::{Finding, Findings};
pub use self::machine::Machine;
use crate::config::{self, Config, FileFormat, Purpose, Report, Severity};

/// What every check of a configuration looks like.
type Check = fn(&Config, &Machine, &mut Findings);

/// All of them, in the order in which their findings are told.
const CHECKS: [Check; 9] = [
    programs::check,
    runtimes::check,
    arguments::check,
    writable::check,
    ports::check,
    limits::check,
    buffering::check,
    log::check,
    service::check,
];

/// What was found.
#[derive(Debug)]
pub struct Examination {
    /// The problems of the configuration itself, as `inetd check` shows them.
    pub report: Report,
    /// What would hurt although the configuration is right.
    pub findings: Vec<Finding>,
    /// How many services there are.
    pub services: usize,
}

/// A daemon that runs with the configuration.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// Its process id.
    pub id: u32,
    /// Where it listens, as it tells it itself.
    pub listens: Vec<String>,
    /// Where it could not listen yet.
    pub waits: Vec<String>,
}

impl Examination {
    /// How many findings and problems there are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        let problems = self.report.told().iter().filter(|told| told.severity == severity);
        let findings = self.findings.iter().filter(|finding| finding.severity == severity);
        problems.count() + findings.count()
    }
}

/// Looks at this machine and at the configuration in `path`. `daemon` is what runs with it, if
/// something does.
pub fn examine(path: &Path, format: FileFormat, daemon: Option<Running>) -> Examination {
    let (config, report) = match config::load(path, format, Purpose::Doctor) {
        Ok((config, report)) => (Some(config), report),
        Err(report) => (None, report),
    };
    let machine = Machine::look(config.as_ref(), daemon);
    let mut findings = Findings::default();
    match &config {
        Some(config) => {
            for check in CHECKS {
                check(config, &machine, &mut findings);
            }
        }
        None => findings.add(
            Finding::note("the services were not looked at")
                .why("the configuration has errors")
                .help("correct them first, then ask again"),
        ),
    }
    machine::check(&machine, &mut findings);
    let services = config.map_or(0, |config| config.services.len());
    Examination { report, findings: findings.into_list(), services }
}

/// Looks at this machine alone: there is no configuration in `path` yet.
pub fn examine_machine(path: &Path) -> Examination {
    let mut findings = Findings::default();
    findings.add(
        Finding::note(format!("there is no configuration {}", path.display()))
            .why("only the machine was looked at")
            .help("write one, or name another one with -c"),
    );
    machine::check(&Machine::look(None, None), &mut findings);
    Examination { report: Report::default(), findings: findings.into_list(), services: 0 }
}
