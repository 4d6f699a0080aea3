//! The daemon as a service of the system: what would keep it from starting, and who could abuse it.

use std::path::{Path, PathBuf};

use super::executable::kind;
use super::{Finding, Findings, Machine, programs};
use crate::config::Config;
use crate::config::keys::Key;
use crate::sys::{Installed, Use, trust};

pub(super) fn check(config: &Config, machine: &Machine, findings: &mut Findings) {
    let Some(service) = &machine.service else { return };
    let command = Command::parse(&service.command);
    itself(service, &command, findings);
    if !reads(&command, config) {
        // Then the rest says nothing about this configuration.
        return;
    }
    account(config, service, findings);
}

/// The service without its configuration.
fn itself(service: &Installed, command: &Command, findings: &mut Findings) {
    let executable = command.executable.display();
    if !command.is_quoted && command.executable.to_string_lossy().contains(' ') {
        findings.add(
            Finding::error("the command line of the service has no quotation marks")
                .why(format!(
                    "the system looks for a program at each blank of {}, and runs what it finds \
                     there first",
                    service.command
                ))
                .help("`inetd service uninstall` and `inetd service install` write it anew"),
        );
    } else if !command.executable.is_file() {
        findings.add(
            Finding::error(format!("the service starts {executable}, which is not there"))
                .why("the file was moved after the service was installed")
                .help("`inetd service uninstall` and `inetd service install` write it anew"),
        );
    }
    if service.at_boot && !service.running {
        findings.add(
            Finding::warning("the service is installed and does not run")
                .why("it starts at boot, so it was stopped, or it has failed")
                .help("`inetd service status` tells why; `inetd service start`"),
        );
    }
}

/// Whether the service reads this configuration.
fn reads(command: &Command, config: &Config) -> bool {
    let main = config.files.first().and_then(|file| std::fs::canonicalize(file).ok());
    let its = command.config.as_ref().and_then(|path| std::fs::canonicalize(path).ok());
    its.is_some_and(|its| main.is_some_and(|main| main == its || main.parent() == Some(&its)))
}

/// What the account of the service cannot use.
fn account(config: &Config, service: &Installed, findings: &mut Findings) {
    let Some(account) = &service.account else { return };
    let name = &account.name;
    let help = |path: &Path| format!("let `{name}` use {}", path.display());
    for file in &config.files {
        if let Ok(Some(place)) = trust::obstacle(file, account, Use::Read) {
            let mut finding = Finding::error(format!("the service cannot read {}", file.display()))
                .why(format!("its account is {name}, which has no right to {}", place.display()))
                .help(help(&place));
            finding.places.push(file.display().to_string());
            findings.add(finding);
        }
    }
    for each in &config.services {
        // Others are looked at with their own user.
        let Some(program) = each.program().filter(|program| program.identity.is_none()) else {
            continue;
        };
        let purpose = programs::purpose(kind(&program.path).ok().as_ref());
        if let Ok(Some(place)) = trust::obstacle(&program.path, account, purpose) {
            let what = format!("the service cannot start {}", program.path.display());
            let finding = Finding::error(what)
                .why(format!("its account is {name}, which has no right to {}", place.display()))
                .help(help(&place));
            findings.add(finding.at(config, each, Key::Run));
        }
    }
}

/// What a command line says.
#[derive(Debug, PartialEq, Eq)]
struct Command {
    executable: PathBuf,
    is_quoted: bool,
    config: Option<PathBuf>,
}

impl Command {
    fn parse(line: &str) -> Self {
        let line = line.trim_start();
        let is_quoted = line.starts_with('"');
        let (executable, rest) = if is_quoted {
            first_word(line)
        } else {
            // It ends before our own command, whatever blanks are in it.
            let end = [" service run", " run "].iter().filter_map(|word| line.find(word)).min();
            let (executable, rest) = line.split_at(end.unwrap_or(line.len()));
            (executable.to_owned(), rest)
        };
        let config = rest.split_once("--config ").map(|(_, rest)| first_word(rest).0.into());
        Self { executable: executable.into(), is_quoted, config }
    }
}

/// The first word of a command line, without its quotation marks, and what comes behind it. A
/// backslash protects a quotation mark, and itself in front of one.
fn first_word(line: &str) -> (String, &str) {
    let line = line.trim_start();
    let (mut word, mut is_quoted) = (String::new(), false);
    let mut characters = line.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => return (word, &line[at..]),
            '\\' if matches!(characters.peek(), Some((_, '"'))) => {
                word.extend(characters.next().map(|(_, character)| character));
            }
            character => word.push(character),
        }
    }
    (word, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{Case, healthy};
    use crate::sys::trust::close_to_others;
    use crate::sys::{FAMILY, Family, identity, machine};

    const SERVICE: &str = "[service.x]\nlisten = '127.0.0.1:0'\nrun = ['PROGRAM']\n";

    fn installed(command: &str) -> Installed {
        Installed { command: command.into(), account: None, at_boot: true, running: true }
    }

    fn found(case: &Case, service: Installed) -> Vec<String> {
        let machine = Machine { service: Some(service), ..healthy() };
        case.findings(check, &machine).into_iter().map(|finding| finding.what).collect()
    }

    /// The command line of a service with this configuration and an executable that exists.
    fn command(case: &Case) -> String {
        let (program, config) = (case.program().display(), case.config.files[0].display());
        format!("\"{program}\" service run --config \"{config}\"")
    }

    #[test]
    fn a_healthy_service_is_fine_and_so_is_none() {
        let case = Case::new(SERVICE);
        assert_eq!(found(&case, installed(&command(&case))), [""; 0]);
        assert_eq!(case.whats(check), [""; 0]);
    }

    #[test]
    fn a_service_that_has_ended_or_moved_is_told() {
        let case = Case::new(SERVICE);
        let stopped = Installed { running: false, ..installed(&command(&case)) };
        assert_eq!(found(&case, stopped), ["the service is installed and does not run"]);
        let moved = installed("\"/no/such/inetd\" run --config \"x\"");
        assert_eq!(found(&case, moved), ["the service starts /no/such/inetd, which is not there"]);
        let open = installed(r"C:\Program Files\Inetd\inetd.exe service run --config x");
        let what = "the command line of the service has no quotation marks";
        assert_eq!(found(&case, open), [what]);
    }

    #[test]
    fn what_the_account_cannot_use_is_told() {
        let name = match FAMILY {
            Family::Unix => "nobody",
            Family::Windows => "LocalService",
        };
        let account = identity::resolve(Some(name), None, None).unwrap().unwrap();
        let case = Case::new(SERVICE);
        for path in [case.folder.path(), case.program(), &case.config.files[0]] {
            close_to_others(path);
        }
        let service = Installed { account: Some(account), ..installed(&command(&case)) };
        let whats = found(&case, service.clone());
        if machine::emulator().is_some() {
            return; // Wine leaves everybody the right to read.
        }
        assert_eq!(whats.len(), 2, "{whats:?}");
        assert!(whats[0].starts_with("the service cannot read "), "{whats:?}");
        assert!(whats[1].starts_with("the service cannot start "), "{whats:?}");
        // Another configuration is nothing of its business.
        let other = Installed { command: command(&Case::new(SERVICE)), ..service };
        assert_eq!(found(&case, other).len(), 1);
    }

    #[test]
    fn command_lines_come_apart() {
        let parsed =
            Command::parse(r#""C:\My Files\inetd.exe" service run --config "D:\x y.toml""#);
        assert_eq!(parsed.executable, PathBuf::from(r"C:\My Files\inetd.exe"));
        assert!(parsed.is_quoted);
        assert_eq!(parsed.config, Some(PathBuf::from(r"D:\x y.toml")));
        let parsed = Command::parse("/usr/bin/inetd run --config /etc/inetd.toml --format toml");
        assert_eq!(parsed.executable, PathBuf::from("/usr/bin/inetd"));
        assert_eq!(parsed.config, Some(PathBuf::from("/etc/inetd.toml")));
        let parsed = Command::parse(r"C:\Program Files\inetd.exe service run");
        assert_eq!(parsed.executable, PathBuf::from(r"C:\Program Files\inetd.exe"));
        assert_eq!((parsed.is_quoted, parsed.config), (false, None));
        assert_eq!(first_word(r#""a\"b\c" rest"#), (r#"a"b\c"#.into(), " rest"));
    }

    proptest::proptest! {
        #[test]
        fn any_command_line_can_be_looked_at(line in "\\PC*") {
            Command::parse(&line);
        }
    }
}
