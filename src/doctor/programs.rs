//! Programs that cannot be started although they are there: for another processor, without their
//! interpreter, out of reach for the user that they are to run as.

use std::path::Path;

use super::executable::{Kind, elf_processor, kind, pe_processor};
use super::{Finding, Findings, Machine};
use crate::config::keys::Key;
use crate::config::{Config, Program};
use crate::sys::{FAMILY, Family, Use, machine, program, trust};

pub(super) fn check(config: &Config, _: &Machine, findings: &mut Findings) {
    for service in &config.services {
        let Some(program) = service.program() else { continue };
        // What may be executed and not read cannot be looked into.
        let kind = kind(&program.path).ok();
        if let Some(finding) = kind.as_ref().and_then(|kind| startable(program, kind)) {
            findings.add(finding.at(config, service, Key::Run));
        }
        if let Some(finding) = reachable(program, purpose(kind.as_ref())) {
            findings.add(finding.at(config, service, Key::User));
        }
    }
}

/// Why the system will not start it.
fn startable(program: &Program, kind: &Kind) -> Option<Finding> {
    let path = program.path.display();
    match (kind, FAMILY) {
        (Kind::Elf { processor, interpreter }, Family::Unix) => {
            let (name, runs) = elf_processor(*processor);
            if !runs {
                return (!machine::runs_foreign_programs()).then(|| foreign(program, &name));
            }
            let loader = interpreter.as_ref().filter(|loader| !Path::new(loader).exists())?;
            Some(
                Finding::error(format!("{path} cannot be started: {loader} is missing"))
                    .why("the program was built for a system with other libraries")
                    .help("install these libraries, or a program that was built for this system"),
            )
        }
        (Kind::Pe { processor, has_windows }, Family::Windows) => {
            let (name, runs) = pe_processor(*processor);
            if !runs {
                return Some(foreign(program, &name));
            }
            has_windows.then(|| {
                Finding::warning(format!("{path} is a program with windows"))
                    .why("such programs do not use standard input and output as a rule")
                    .help("is there a console version of it? (python.exe, not pythonw.exe)")
            })
        }
        (Kind::Script { interpreter, argument }, Family::Unix) => {
            script(program, interpreter, argument)
        }
        (Kind::Empty, Family::Unix) => Some(
            Finding::error(format!("{path} cannot be started: it is empty"))
                .why("the file has no content at all")
                .help("install the program again"),
        ),
        (Kind::Pe { .. } | Kind::Other, Family::Unix) if !machine::runs_foreign_programs() => Some(
            Finding::error(format!("{path} cannot be started: it is not a program of this system"))
                .why("it is no executable, and no script with a first line like #!/bin/sh")
                .help("write such a line, or name the interpreter: run = [\"/bin/sh\", \"FILE\"]"),
        ),
        _ => None,
    }
}

fn foreign(program: &Program, processor: &str) -> Finding {
    let path = program.path.display();
    let here = std::env::consts::ARCH;
    Finding::error(format!("{path} cannot be started: it was built for another processor"))
        .why(format!("it is for {processor}, and this machine is {here}"))
        .help(format!("install the program for {here}"))
}

fn script(program: &Program, interpreter: &str, argument: &str) -> Option<Finding> {
    let path = program.path.display();
    if let Some(name) = interpreter.strip_suffix('\r') {
        return Some(
            Finding::error(format!("{path} cannot be started: its lines end as on Windows"))
                .why(format!("the system looks for an interpreter `{name}\\r`"))
                .help(format!("sed -i 's/\\r$//' {path}")),
        );
    }
    let missing = |what: &str, why: &str| {
        Finding::error(format!("{path} cannot be started: its interpreter {what} is missing"))
            .why(why)
            .help("install it, or correct the first line of the script")
    };
    if !Path::new(interpreter).exists() {
        return Some(missing(interpreter, "the first line of the script names it"));
    }
    if Path::new(interpreter).file_name()? != "env" {
        return None;
    }
    let name = argument.split(' ').find(|word| !word.starts_with('-') && !word.contains('='))?;
    let search = program.environment.iter().find(|(name, _)| name == "PATH");
    let search = search.map(|(_, value)| value.as_os_str());
    let found = program::find(Path::new(name), Path::new("/"), search);
    found.err().map(|_| {
        let path = search.unwrap_or_default().display();
        missing(name, &format!("it is not in the PATH that the program gets: {path}"))
    })
}

/// What has to be possible with a program of this kind.
pub(super) fn purpose(kind: Option<&Kind>) -> Use {
    if matches!(kind, Some(Kind::Script { .. })) { Use::Interpret } else { Use::Run }
}

/// What the user of a program cannot get at.
fn reachable(program: &Program, purpose: Use) -> Option<Finding> {
    let identity = program.identity.as_ref()?;
    let path = program.path.display();
    let obstacle = trust::obstacle(&program.path, identity, purpose).ok()??;
    let (place, user) = (obstacle.display(), &identity.name);
    let why = match (obstacle.is_dir(), purpose) {
        (true, _) => format!("that user may not look into the folder {place}"),
        (false, Use::Interpret) => format!("that user may not execute and read {place}"),
        (false, Use::Run | Use::Read) => format!("that user may not execute {place}"),
    };
    Some(
        Finding::error(format!("{path} cannot be started as the user `{user}`"))
            .why(why)
            .help("give it the right, move the program, or choose another user"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{Case, healthy};
    use crate::sys::identity;
    use crate::sys::trust::close_to_others;

    const SERVICE: &str = "[service.x]\nlisten = '0'\nrun = ['PROGRAM']\n";

    /// What is found about a program with this content.
    fn found(content: &[u8]) -> Vec<String> {
        Case::with(SERVICE, "program", Some(content)).whats(check)
    }

    #[test]
    fn a_program_that_can_be_started_is_fine() {
        assert_eq!(Case::new(SERVICE).whats(check), [""; 0]);
    }

    #[test]
    fn a_program_for_another_processor_is_an_error() {
        let mut file = vec![0; 200];
        match FAMILY {
            Family::Windows => {
                file[..2].copy_from_slice(b"MZ");
                file[0x3c] = 0x40;
                file[0x40..0x46].copy_from_slice(b"PE\0\0\x66\x02"); // MIPS
            }
            Family::Unix => {
                file[..6].copy_from_slice(b"\x7fELF\x02\x01");
                file[18] = 8; // MIPS
            }
        }
        if !machine::runs_foreign_programs() {
            let found = found(&file);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with("error: DIR"), "{found:?}");
            assert!(found[0].ends_with("it was built for another processor"), "{found:?}");
        }
    }

    #[test]
    fn scripts_need_their_interpreter() {
        if FAMILY == Family::Windows {
            return; // `check` refuses what is no executable.
        }
        let missing = |what: &str| {
            format!("error: DIR/program cannot be started: its interpreter {what} is missing")
        };
        assert_eq!(found(b"#!/no/such/shell -e\n"), [missing("/no/such/shell")]);
        assert_eq!(found(b"#!/usr/bin/env -S no-such-python -u\n"), [missing("no-such-python")]);
        assert!(found(b"#!/bin/sh\n").is_empty());
        assert!(found(b"#!/usr/bin/env sh\n").is_empty());
        let windows = found(b"#!/bin/sh\r\necho hello\r\n");
        assert!(windows[0].ends_with("its lines end as on Windows"), "{windows:?}");
        assert!(found(b"")[0].ends_with("it is empty"));
        if !machine::runs_foreign_programs() {
            assert!(found(b"echo hello\n")[0].ends_with("it is not a program of this system"));
        }
    }

    #[test]
    fn a_program_out_of_reach_of_its_user_is_an_error() {
        let nobody = identity::resolve(Some("nobody"), None, None);
        if !nobody.is_ok_and(|nobody| nobody.is_some_and(|n| identity::obstacle(&n).is_none())) {
            return; // Nobody can be named, or become.
        }
        let toml = format!("{SERVICE}user = 'nobody'\n");
        let case = Case::new(&toml);
        close_to_others(case.folder.path());
        let findings = case.findings(check, &healthy());
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].what.ends_with("cannot be started as the user `nobody`"));
        assert!(findings[0].why.contains("may not look into the folder"), "{}", findings[0]);
        assert!(findings[0].places[0].ends_with("inetd.toml:4:8"), "{}", findings[0]);
        assert!(Case::new(&toml.replace("PROGRAM", "/bin/cat")).whats(check).is_empty());
    }
}
