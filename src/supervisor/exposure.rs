//! Whether everybody can change what the daemon trusts. Then everybody can run programs with its
//! rights, so the log says so at the start and at each reload. `inetd doctor` looks more closely.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::record::event::{self, Event};
use crate::record::log::{Log, Value};
use crate::sys::trust;

/// Tells of files of the configuration and of programs that everybody can change or replace, one
/// line for each place that is open.
pub(super) fn tell(config: &Config, log: &Log) {
    let mut told = HashSet::new();
    for file in &config.files {
        tell_of(event::OPEN_CONFIG, file, &mut told, log);
    }
    let programs = config.services.iter().filter_map(|service| service.program());
    let programs: BTreeSet<&Path> = programs.map(|program| program.path.as_path()).collect();
    for program in programs {
        tell_of(event::OPEN_PROGRAM, program, &mut told, log);
    }
}

fn tell_of(event: &'static Event, file: &Path, told: &mut HashSet<PathBuf>, log: &Log) {
    // What cannot be looked at, such as the command line of `inetd serve`, is nobody's.
    for outsider in trust::outsiders(file, None).unwrap_or_default() {
        if outsider.everybody && told.insert(outsider.path.clone()) {
            let fields = [
                ("file", Value::Text(&file.display())),
                ("open", Value::Text(&outsider.path.display())),
                ("remedy", Value::Text(&trust::remedy(&outsider))),
            ];
            log.event(event, &fields);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, FileFormat, LogTarget, Purpose};
    use crate::record::sink::Surroundings;
    use crate::sys::trust::open_to_everybody;
    use crate::sys::{FAMILY, Family};

    #[test]
    fn what_everybody_can_change_is_told_once_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let program = match FAMILY {
            Family::Unix => "/bin/true".into(),
            Family::Windows => std::env::var_os("ComSpec").unwrap(),
        };
        std::fs::copy(program, path("program.exe")).unwrap();
        let service = |name| format!("[service.{name}]\nlisten = '0'\nrun = ['./program.exe']\n");
        std::fs::write(path("inetd.toml"), service("a") + &service("b")).unwrap();
        let load = || {
            let loaded = config::load(&path("inetd.toml"), FileFormat::Auto, Purpose::Check);
            loaded.unwrap_or_else(|report| panic!("{report}")).0
        };
        let target = LogTarget::File(path("x.log"));
        let settings = config::Log { target, ..config::Log::default() };
        let log = Log::start(&settings, Surroundings::Console).unwrap();
        let told = || {
            tell(&load(), &log);
            log.flush();
            std::fs::read_to_string(path("x.log")).unwrap()
        };

        assert_eq!(told(), "");
        open_to_everybody(&path("program.exe"));
        let text = told();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(" WARN Everybody can change a program file="), "{text}");
        open_to_everybody(&path("inetd.toml"));
        let text = told();
        assert_eq!(text.lines().count(), 3, "{text}");
        let line = text.lines().nth(1).unwrap();
        assert!(line.contains(" WARN Everybody can change the configuration file="), "{text}");
        assert!(line.contains(" remedy="), "{text}");
    }
}
