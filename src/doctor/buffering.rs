//! Programs that are known to keep their output for themselves until a buffer is full or they end,
//! because it does not go to a terminal; and those that cannot use a socket.

use std::path::Path;

use super::executable::{Kind, kind};
use super::{Finding, Findings, Machine};
use crate::config::keys::Key;
use crate::config::{Config, Program};

/// Interpreters and tools that buffer, and what helps.
const BUFFER: [(&[&str], &str); 8] = [
    (&["perl"], "write $| = 1; at the top of the script"),
    (&["ruby"], "write $stdout.sync = true at the top of the script"),
    (&["lua", "luajit"], "write io.stdout:setvbuf(\"no\") at the top of the script"),
    (&["tclsh"], "write fconfigure stdout -buffering line at the top of the script"),
    (&["awk", "gawk", "mawk", "nawk"], "call fflush() after each print (mawk: -W interactive)"),
    (&["sed"], "use sed -u"),
    (&["grep", "egrep", "fgrep"], "use grep --line-buffered"),
    (&["tr", "cut", "uniq", "bc", "dc", "m4", "fold", "nl"], "use stdbuf -oL in front of it"),
];
/// They answer only when they have read everything, whatever is done.
const AT_THE_END: [&str; 4] = ["sort", "tac", "wc", "shuf"];

pub(super) fn check(config: &Config, _: &Machine, findings: &mut Findings) {
    for service in &config.services {
        if let Some(finding) = service.program().and_then(buffered) {
            findings.add(finding.at(config, service, Key::Run));
        }
    }
}

fn buffered(program: &Program) -> Option<Finding> {
    let (name, arguments) = interpreter(program);
    if is_version_of("python", &name) {
        return python(program, &name, &arguments);
    }
    if AT_THE_END.contains(&name.as_str()) {
        return Some(
            Finding::note(format!("{name} answers only when it has read everything"))
                .why("a client that does not close its sending side waits for ever")
                .help("nothing, if clients do that (`shutdown`, nc -N)"),
        );
    }
    let is_one = |names: &[&str]| names.iter().any(|known| is_version_of(known, &name));
    let (_, help) = BUFFER.iter().find(|(names, _)| is_one(names))?;
    let is_told = arguments.iter().any(|word| {
        matches!(word.as_str(), "-u" | "--unbuffered" | "--line-buffered" | "-W" | "-oL" | "-o0")
    });
    (!is_told).then(|| keeps(&name, help))
}

fn python(program: &Program, name: &str, arguments: &[String]) -> Option<Finding> {
    let options = arguments.iter().take_while(|word| word.starts_with('-'));
    // Short options can be written together: -Iu.
    let is_option = |word: &&String| !word.starts_with("--") && word.contains('u');
    let is_set = |variable: &str| {
        program.environment.iter().any(|(name, value)| name == variable && !value.is_empty())
    };
    if options.into_iter().any(|word| is_option(&word)) || is_set("PYTHONUNBUFFERED") {
        return None;
    }
    let help = "run it with -u, set env = { PYTHONUNBUFFERED = \"1\" }, or use print(..., \
                flush=True)";
    Some(keeps(name, help))
}

fn keeps(name: &str, help: &str) -> Finding {
    Finding::note(format!("{name} may keep its output until it ends"))
        .why("standard output is not a terminal, so it is written when a buffer is full or at the end")
        .help(help)
}

/// The name of what really runs, and its arguments: of a script, its interpreter.
fn interpreter(program: &Program) -> (String, Vec<String>) {
    let words = program.argv.iter().skip(1);
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let Ok(Kind::Script { interpreter, argument }) = kind(&program.path) else {
        return (stem(&program.path), words);
    };
    let mut line: Vec<String> = argument.split_whitespace().map(str::to_owned).collect();
    let mut name = stem(Path::new(&interpreter));
    if name == "env" {
        let at = line.iter().position(|word| !word.starts_with('-') && !word.contains('='));
        let Some(at) = at else { return (name, line) };
        name = stem(Path::new(&line[at]));
        line.drain(..=at);
    }
    line.push(program.path.to_string_lossy().into_owned());
    (name, line.into_iter().chain(words).collect())
}

fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    name.strip_suffix(".exe").unwrap_or(&name).to_owned()
}

/// Whether a name is `known`, or `known` and a version: `python3.11`.
fn is_version_of(known: &str, name: &str) -> bool {
    name.strip_prefix(known)
        .is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::Case;
    use crate::sys::{FAMILY, Family};

    /// What is found about a program of this name with these arguments, in TOML, and more keys.
    fn found(name: &str, arguments: &str, keys: &str) -> Vec<String> {
        let toml = format!("[service.x]\nlisten = '0'\nrun = ['PROGRAM'{arguments}]\n{keys}\n");
        Case::with(&toml, name, None).whats(check)
    }

    #[test]
    fn python_buffers_unless_it_is_told_not_to() {
        let python = ["note: python3.11 may keep its output until it ends"];
        assert_eq!(found("python3.11", ", 'game.py', '-u'", ""), python);
        assert!(found("python3.11", ", '-u', 'game.py'", "").is_empty());
        assert!(found("python3.11", ", '-Iu', 'game.py'", "").is_empty());
        assert!(found("python3.11", ", 'x.py'", "env = { PYTHONUNBUFFERED = '1' }").is_empty());
    }

    #[test]
    fn tools_buffer_unless_they_are_told_not_to() {
        assert_eq!(found("mawk", ", 'x'", ""), ["note: mawk may keep its output until it ends"]);
        assert!(found("sed", ", '-u', 's/a/b/'", "").is_empty());
        assert_eq!(found("sed", ", 's/a/b/'", ""), ["note: sed may keep its output until it ends"]);
        assert_eq!(found("sort", "", "").len(), 1);
        for fine in ["game", "pythonic", "bash", "stdbuf"] {
            assert!(found(fine, ", '-oL', 'tr', 'a', 'b'", "").is_empty(), "{fine}");
        }
    }

    #[test]
    fn the_interpreter_of_a_script_counts() {
        if FAMILY == Family::Windows {
            return; // There are no such scripts.
        }
        let script = |line: &str| {
            let toml = "[service.x]\nlisten = '0'\nrun = ['PROGRAM']\n";
            Case::with(toml, "game", Some(line.as_bytes())).whats(check)
        };
        assert_eq!(script("#!/usr/bin/python3\n").len(), 1);
        assert_eq!(script("#!/usr/bin/env python3\n").len(), 1);
        assert!(script("#!/usr/bin/env -S python3 -u\n").is_empty());
        assert!(script("#!/bin/sh\n").is_empty());
    }
}
