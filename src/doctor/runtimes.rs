//! What Windows makes difficult: run-time systems that refuse a socket as their standard input, and
//! batch files, whose arguments are read twice.

use std::path::Path;

use super::{Finding, Findings, Machine};
use crate::config::keys::Key;
use crate::config::{Config, Io, Program};
use crate::sys::{FAMILY, Family};

/// They open their standard input as a pipe, a file or a terminal, and fail with a socket.
const REFUSE_SOCKETS: [&str; 2] = ["node", "nodejs"];
/// What `cmd.exe` treats as special.
const SPECIAL: &str = "%^&|<>\"!";

pub(super) fn check(config: &Config, _: &Machine, findings: &mut Findings) {
    if FAMILY == Family::Unix {
        return;
    }
    for service in &config.services {
        let Some(program) = service.program() else { continue };
        if let Some(finding) = refuses_sockets(program) {
            findings.add(finding.at(config, service, Key::Run));
        }
        if let Some(finding) = batch(program) {
            findings.add(finding.at(config, service, Key::Run));
        }
    }
}

fn refuses_sockets(program: &Program) -> Option<Finding> {
    let name = program.path.file_stem()?.to_string_lossy().to_ascii_lowercase();
    let refuses = program.io == Io::Socket && REFUSE_SOCKETS.contains(&name.as_str());
    refuses.then(|| {
        Finding::error(format!("{name} cannot use a socket as its standard input on Windows"))
            .why("it opens standard input as a pipe, and ends at once with the error EINVAL")
            .help("io = \"pipe\"")
    })
}

fn batch(program: &Program) -> Option<Finding> {
    let special = |word: &str| word.contains(|c| SPECIAL.contains(c));
    let mut arguments = program.argv.iter().skip(1).map(|word| word.to_string_lossy());
    let argument = arguments.find(|word| special(word))?;
    is_batch(&program.path).then(|| {
        Finding::note(format!(
            "the batch file gets an argument with special characters: {argument}"
        ))
        .why(
            "it arrives as it is in %1, but cmd.exe reads it once more wherever the batch file \
                 writes %1 without quotation marks",
        )
        .help("write \"%~1\" in the batch file, or run the program itself")
    })
}

fn is_batch(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    matches!(extension.as_deref(), Some("bat" | "cmd"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::Case;

    fn found(name: &str, keys: &str) -> Vec<String> {
        let toml = format!("[service.x]\nlisten = '0'\nrun = ['PROGRAM', 'x.js']\n{keys}\n");
        Case::with(&toml, name, None).whats(check)
    }

    #[test]
    fn node_needs_a_pipe_on_windows() {
        let what = "error: node cannot use a socket as its standard input on Windows";
        match FAMILY {
            Family::Windows => assert_eq!(found("node", ""), [what]),
            Family::Unix => assert_eq!(found("node", ""), [""; 0]),
        }
        assert_eq!(found("node", "io = 'pipe'"), [""; 0]);
        assert_eq!(found("other", ""), [""; 0]);
    }

    #[test]
    fn special_characters_for_a_batch_file_are_told() {
        let case = Case::new("[service.x]\nlisten = '0'\nrun = ['PROGRAM', '100%']\n");
        let program = case.config.services[0].program().unwrap();
        assert_eq!(batch(program), None);
        let mut script = program.clone();
        script.path = "x.CMD".into();
        let finding = batch(&script).unwrap();
        assert!(finding.what.ends_with("special characters: 100%"), "{finding}");
        script.argv = vec!["x.cmd".into(), "plain".into()];
        assert_eq!(batch(&script), None);
    }
}
