//! Argument 0, a program's name for itself. In classic files it is written behind the program, where
//! it is easily confused with the program. (`check` tells of an option in its place.)

use std::path::Path;

use super::{Finding, Findings, Machine};
use crate::config::keys::Key;
use crate::config::{Config, Program};

/// Programs for which argument 0 is another program by design: they do something and run it.
const WRAPPERS: [&str; 4] = ["tcpd", "tcpdchk", "stunnel", "stunnel4"];
/// Programs that are many: argument 0 says which.
const MANY: [&str; 4] = ["busybox", "toybox", "coreutils", "uutils"];

pub(super) fn check(config: &Config, _: &Machine, findings: &mut Findings) {
    for service in &config.services {
        // Without `arg0` it is what the program was named by.
        if service.positions.iter().all(|(key, _)| *key != Key::Arg0) {
            continue;
        }
        if let Some(finding) = service.program().and_then(name) {
            findings.add(finding.at(config, service, Key::Arg0));
        }
    }
}

fn name(program: &Program) -> Option<Finding> {
    let word = program.argv.first()?.to_str()?;
    let own = program.path.file_name()?.to_str()?;
    if WRAPPERS.contains(&own) || MANY.contains(&own) {
        return None;
    }
    let path = program.path.display();
    let written = Path::new(word);
    if written.is_absolute() && written.exists() && !is_same(written, &program.path) {
        return Some(
            Finding::warning(format!("{path} is told that it is {word}"))
                .why("argument 0 is the path of another file, and the program that runs is not it")
                .help(format!("write `{own}` as argument 0, or run {word}")),
        );
    }
    None
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (std::fs::canonicalize(one), std::fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::Case;

    fn found(name: &str) -> Vec<String> {
        let toml = format!("[service.x]\nlisten = '0'\nrun = ['PROGRAM']\narg0 = '{name}'\n");
        let case = Case::new(&toml);
        let program = case.program().display().to_string();
        case.whats(check).iter().map(|what| what.replace(&program, "PROGRAM")).collect()
    }

    #[test]
    fn a_name_is_fine_and_so_is_none() {
        assert!(found("program").is_empty());
        assert!(found("in.program").is_empty());
        assert!(found("-program").is_empty());
        let case = Case::new("[service.x]\nlisten = '0'\nrun = ['PROGRAM', '-l']\n");
        assert!(case.whats(check).is_empty());
    }

    #[test]
    fn the_path_of_another_file_is_a_mistake() {
        let other = std::env::current_exe().unwrap().display().to_string();
        let found = found(&other);
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with(&format!(" is told that it is {other}")), "{found:?}");
    }
}
