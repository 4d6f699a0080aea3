//! Configurations and programs that others can change: whoever can do that runs programs as the
//! user of the service, or as the daemon.

use std::path::Path;

use super::{Finding, Findings, Machine};
use crate::config::keys::Key;
use crate::config::{Config, Severity};
use crate::sys::{Outsider, trust};

pub(super) fn check(config: &Config, _: &Machine, findings: &mut Findings) {
    for file in &config.files {
        for outsider in trust::outsiders(file, None).unwrap_or_default() {
            let what = format!("{} can change the configuration", outsider.who);
            let why = "whoever can change it can run any program with the rights of the daemon";
            let mut finding = finding(&what, why, &outsider, file);
            finding.places.push(file.display().to_string());
            findings.add(finding);
        }
    }
    for service in &config.services {
        let Some(program) = service.program() else { continue };
        let path = program.path.display();
        let identity = program.identity.as_ref();
        let user = identity.map_or("the daemon".into(), |identity| format!("`{}`", identity.name));
        let outsiders = trust::outsiders(&program.path, identity);
        for outsider in outsiders.unwrap_or_default() {
            let what = format!("{} can change the program {path}", outsider.who);
            let why = format!("whoever can change it can do everything that {user} can do");
            let finding = finding(&what, &why, &outsider, &program.path);
            findings.add(finding.at(config, service, Key::Run));
        }
    }
}

fn finding(what: &str, why: &str, outsider: &Outsider, file: &Path) -> Finding {
    // An outsider's path is absolute.
    let why = if std::path::absolute(file).is_ok_and(|file| file == outsider.path) {
        why.to_owned()
    } else {
        let folder = outsider.path.display();
        format!("the folder {folder} is open to others, who can replace it; {why}")
    };
    let mut finding = Finding::warning(what).why(why).help(trust::remedy(outsider));
    if outsider.everybody {
        finding.severity = Severity::Error;
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{Case, healthy};
    use crate::sys::trust::open_to_everybody;

    const SERVICE: &str = "[service.x]\nlisten = '0'\nrun = ['PROGRAM']\n";

    #[test]
    fn files_of_our_own_are_fine() {
        assert_eq!(Case::new(SERVICE).whats(check), [""; 0]);
    }

    #[test]
    fn a_program_that_everybody_can_change_is_an_error() {
        let case = Case::new(SERVICE);
        open_to_everybody(case.program());
        let findings = case.findings(check, &healthy());
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].severity, Severity::Error);
        assert!(findings[0].what.contains(" can change the program "), "{}", findings[0]);
        assert!(findings[0].places[0].ends_with("inetd.toml:3:7"), "{}", findings[0]);
        assert!(findings[0].help.contains(&case.program().display().to_string()));
    }

    #[test]
    fn a_file_with_a_relative_path_is_no_folder() {
        let outsider = Outsider {
            path: std::path::absolute("inetd.toml").unwrap(),
            who: "Everyone".into(),
            everybody: true,
            owner: false,
        };
        let finding = finding("what", "why", &outsider, Path::new("inetd.toml"));
        assert_eq!(finding.why, "why");
    }

    #[test]
    fn a_folder_that_everybody_can_change_is_an_error_for_all_that_is_in_it() {
        let case = Case::new(SERVICE);
        open_to_everybody(case.folder.path());
        let whats: Vec<_> = case.findings(check, &healthy()).into_iter().map(|f| f.what).collect();
        assert_eq!(whats.len(), 2, "{whats:?}");
        assert!(whats[0].ends_with(" can change the configuration"), "{whats:?}");
        assert!(whats[1].contains(" can change the program "), "{whats:?}");
    }
}
