//! What exists on Windows alone.

use std::fs::File;
use std::io::{Read, Write};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::super::bench::Bench;
use super::super::{Outcome, PATIENCE, PAUSE, Scenario};
use super::{not_shown_by_emulator, skipped};
use crate::sys::{FAMILY, Family, selftest};

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "named-pipe",
        shows: "listen = \"npipe:NAME\": clients of a named pipe are served",
        run: named_pipe,
    },
    Scenario {
        name: "event-log",
        shows: "an event of the daemon is in the Event Log, with its text",
        run: event_log,
    },
    Scenario {
        name: "batch",
        shows: "arguments of a batch file arrive as they are and run no commands",
        run: batch,
    },
];

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

fn named_pipe(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = only_on_windows() {
        return Ok(skipped);
    }
    let name = bench.folder().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let pipe = format!("{name}-service");
    let daemon =
        bench.daemon(&bench.service("cat", &["cat"], &format!("listen = \"npipe:{pipe}\"")))?;
    for _ in 0..3 {
        let path = format!(r"\\.\pipe\{pipe}");
        let mut client = File::options().read(true).write(true).open(&path).context(path)?;
        client.write_all(b"hello\n").context("cannot write to the pipe")?;
        let mut answer = [0; 6];
        client.read_exact(&mut answer).context("cannot read from the pipe")?;
        ensure!(answer == *b"hello\n", "the program said {answer:?}");
    }
    daemon.logged(&["EXIT service=cat session=3", "status=0"])?;
    Ok(Outcome::Works)
}

fn event_log(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = only_on_windows() {
        return Ok(skipped);
    }
    if let Some(skipped) = not_shown_by_emulator("it keeps no events") {
        return Ok(skipped);
    }
    if let Some(obstacle) = selftest::events_obstacle() {
        return Ok(Outcome::Skipped(obstacle));
    }
    let keys = "log = { target = \"eventlog\" }";
    let daemon = bench.daemon_with(keys, &bench.service("cat", &["cat"], ""))?;
    // What it tells of its start.
    let (text, end) = (format!("pid={}", daemon.id()), Instant::now() + PATIENCE);
    while !selftest::event_exists(&text)? {
        ensure!(Instant::now() < end, "no event of Inetd in the log Application says {text}");
        std::thread::park_timeout(PAUSE * 20);
    }
    Ok(Outcome::Works)
}
