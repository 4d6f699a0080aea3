//! What exists on Windows alone.

use anyhow::{Result, ensure};

use super::super::bench::Bench;
use super::super::{Outcome, Scenario};
use super::{not_shown_by_emulator, skipped};
use crate::sys::{FAMILY, Family};

pub(super) const ALL: &[Scenario] = &[Scenario {
    name: "batch",
    shows: "arguments of a batch file arrive as they are and run no commands",
    run: batch,
}];

fn only_on_windows() -> Option<Outcome> {
    (FAMILY != Family::Windows).then(|| skipped("only on Windows"))
}

fn batch(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = only_on_windows() {
        return Ok(skipped);
    }
    if let Some(skipped) = not_shown_by_emulator("its cmd.exe expands % in another way") {
        return Ok(skipped);
    }
    let script = bench.folder().join("script.cmd");
    let executable = std::env::current_exe()?;
    let role = format!("\"{}\" {} arguments", executable.display(), super::super::CHILD);
    std::fs::write(&script, format!("@{role} %*\r\n"))?;
    let script = script.display().to_string();
    let arguments =
        ["%PATH%", "100%", "%%", "a&echo HACKED", "b|c", "\"quoted\"", "<x>", "^", "!x!"];
    let run = std::iter::once(script.as_str()).chain(arguments);
    let daemon = bench.daemon(&bench.service_of("script", run, "pass_env = [\"PATH\"]"))?;
    let answer = daemon.ask("script", "")?;
    let expected = format!("{arguments:?}\n");
    ensure!(answer == expected, "the program got {answer:?} and not {expected:?}");
    Ok(Outcome::Works)
}
