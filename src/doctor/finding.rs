//! One thing that would hurt, and how it is shown.

use std::fmt;

use serde::Serialize;

use crate::config::keys::Key;
use crate::config::{Config, ServiceConfig, Severity};

/// More places than this are counted, not shown.
const SHOWN: usize = 8;

/// One thing that would hurt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, in one sentence.
    pub what: String,
    /// Where it comes from in the configuration, as `FILE:LINE:COLUMN`.
    #[serde(rename = "where")]
    pub places: Vec<String>,
    /// Why it would hurt.
    pub why: String,
    /// What to do.
    pub help: String,
}

impl Finding {
    /// It will not work, or lets somebody in who must not get in.
    pub(super) fn error(what: impl Into<String>) -> Self {
        Self::new(Severity::Error, what)
    }

    /// It will hurt some day.
    pub(super) fn warning(what: impl Into<String>) -> Self {
        Self::new(Severity::Warning, what)
    }

    /// It is worth knowing.
    pub(super) fn note(what: impl Into<String>) -> Self {
        Self::new(Severity::Note, what)
    }

    fn new(severity: Severity, what: impl Into<String>) -> Self {
        let (why, help) = (String::new(), String::new());
        Self { severity, what: what.into(), places: Vec::new(), why, help }
    }

    /// Comes from `key` of this service, or from the service if it has its default.
    pub(super) fn at(mut self, config: &Config, service: &ServiceConfig, key: Key) -> Self {
        self.places.push(config.place(service.position(key)));
        self
    }

    pub(super) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    fn is_like(&self, other: &Self) -> bool {
        (self.severity, &self.what, &self.why, &self.help)
            == (other.severity, &other.what, &other.why, &other.help)
    }
}

/// As the problems of a configuration are shown, without the source line.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity.as_str(), self.what)?;
        for place in self.places.iter().take(SHOWN) {
            write!(f, "\n --> {place}")?;
        }
        if self.places.len() > SHOWN {
            write!(f, "\n     and {} more", self.places.len() - SHOWN)?;
        }
        write!(f, "\n  = why: {}\n  = help: {}", self.why, self.help)
    }
}

/// All findings of one examination. What is found for many services is told once.
#[derive(Debug, Default)]
pub struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        match self.list.iter_mut().find(|other| other.is_like(&finding)) {
            Some(other) => {
                for place in finding.places {
                    if !other.places.contains(&place) {
                        other.places.push(place);
                    }
                }
            }
            None => self.list.push(finding),
        }
    }

    /// The worst ones first.
    pub(super) fn into_list(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|finding| finding.severity);
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(place: &str) -> Finding {
        let finding = Finding::warning("the program is slow").why("it is old").help("replace it");
        Finding { places: vec![place.into()], ..finding }
    }

    #[test]
    fn a_finding_is_shown_as_problems_of_a_configuration_are() {
        assert_eq!(
            finding("x.toml:3:7").to_string(),
            "warning: the program is slow\n --> x.toml:3:7\n  = why: it is old\n  = help: replace it"
        );
    }

    #[test]
    fn what_is_found_often_is_told_once_and_errors_come_first() {
        let mut findings = Findings::default();
        for line in (1..=10).chain([1]) {
            findings.add(finding(&format!("x:{line}:1")));
        }
        findings.add(Finding::error("it is broken"));
        let list = findings.into_list();
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].severity, Severity::Error);
        assert!(list[1].to_string().contains("\n --> x:8:1\n     and 2 more\n"), "{}", list[1]);
    }
}
