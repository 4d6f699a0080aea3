//! What the tests of checks share: a healthy machine, and small configurations.

use std::path::Path;
use std::time::SystemTime;

use tempfile::TempDir;

use super::machine::{Clock, Machine};
use super::{Check, Finding, Findings};
use crate::config::{self, Config, FileFormat, Purpose};
use crate::sys::{FAMILY, Family};

/// A machine with nothing to complain of.
pub(super) fn healthy() -> Machine {
    Machine {
        daemon: None,
        listening: Vec::new(),
        refused: Vec::new(),
        first_free_port: 1024,
        descriptors: None,
        backlog: None,
        processes: None,
        desktop_heap: None,
        log: None,
        service: None,
        gives_files: true,
        has_ipv6: true,
        clock: Clock { now: SystemTime::now(), executable: None, is_kept: None },
    }
}

/// A configuration in a folder of its own, with a program beside it.
pub(super) struct Case {
    pub(super) folder: TempDir,
    pub(super) config: Config,
}

impl Case {
    /// `toml` may name the program as `PROGRAM`. It does nothing and is healthy.
    #[track_caller]
    pub(super) fn new(toml: &str) -> Self {
        Self::with(toml, "program", None)
    }

    /// The program has this name and, if it is given, this content.
    #[track_caller]
    pub(super) fn with(toml: &str, name: &str, content: Option<&[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (original, suffix) = match FAMILY {
            Family::Unix => ("/bin/true".into(), ""),
            Family::Windows => (std::env::var_os("ComSpec").unwrap(), ".exe"),
        };
        let program = folder.path().join(format!("{name}{suffix}"));
        // A copy is executable, and stays so.
        std::fs::copy(original, &program).unwrap();
        if let Some(content) = content {
            std::fs::write(&program, content).unwrap();
        }
        let path = folder.path().join("inetd.toml");
        std::fs::write(&path, toml.replace("PROGRAM", &program.display().to_string())).unwrap();
        let (config, _) = config::load(&path, FileFormat::Auto, Purpose::Doctor)
            .unwrap_or_else(|report| panic!("{report}"));
        Self { folder, config }
    }

    pub(super) fn program(&self) -> &Path {
        &self.config.services[0].program().unwrap().path
    }

    pub(super) fn findings(&self, check: Check, machine: &Machine) -> Vec<Finding> {
        let mut findings = Findings::default();
        check(&self.config, machine, &mut findings);
        findings.into_list()
    }

    /// What a check finds on a healthy machine: severity and sentence.
    pub(super) fn whats(&self, check: Check) -> Vec<String> {
        let findings = self.findings(check, &healthy());
        let folder = self.folder.path().display().to_string();
        findings.iter().map(|finding| what(finding).replace(&folder, "DIR")).collect()
    }
}

/// Severity and sentence of each finding.
pub(super) fn whats(findings: Findings) -> Vec<String> {
    findings.into_list().iter().map(what).collect()
}

fn what(finding: &Finding) -> String {
    format!("{}: {}", finding.severity.as_str(), finding.what)
}
