//! `inetd doctor`: what would hurt on this machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;
use serde_json::json;

use super::{FAILED, check, control, fail, output};
use crate::config::{self, FileFormat, Severity};
use crate::control::client;
use crate::doctor::selftest::{self, Verdict};
use crate::doctor::{self, Examination, Finding, Running};
use crate::sys::control::server_id;
use crate::sys::{machine, paths, startup};

/// How long the daemon, or the system, is asked who it is.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn doctor(matches: &ArgMatches) -> ExitCode {
    if matches.get_flag("selftest") {
        return test(matches.get_flag("json"));
    }
    let (path, format) = check::file(matches);
    // Before anything is installed there is still a machine to look at.
    let is_named = matches.get_one::<PathBuf>("config").is_some();
    let examination = if is_named || path.exists() {
        doctor::examine(&path, format, daemon(&path, format))
    } else {
        doctor::examine_machine(&paths::default_config())
    };
    let text = if matches.get_flag("json") { as_json(&examination) } else { as_text(&examination) };
    let written = output::out(&text);
    if examination.count(Severity::Error) > 0 { ExitCode::from(FAILED) } else { written }
}

/// Runs the self-test. A table is written line by line, since it takes a while.
fn test(json: bool) -> ExitCode {
    if let Err(error) = startup::prepare() {
        return fail(FAILED, error);
    }
    if !json {
        let version = env!("CARGO_PKG_VERSION");
        output::out(&format!("inetd {version} on {}\n\n", machine::name()));
    }
    let mut lines = Vec::new();
    let ended = selftest::run(|line| {
        if !json {
            output::out(&line.render());
        }
        lines.push(line.clone());
    });
    let count = |verdict| lines.iter().filter(|line| line.result == verdict).count();
    let (works, failed) = (count(Verdict::Ok), count(Verdict::Failed));
    let skipped = count(Verdict::Skipped);
    let written = if json {
        let value = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "system": machine::name(),
            "ok": works,
            "failed": failed,
            "skipped": skipped,
            "scenarios": lines,
        });
        output::out(&format!("{value:#}\n"))
    } else {
        output::out(&format!("\n{works} ok, {failed} failed, {skipped} skipped\n"))
    };
    match ended {
        Err(error) => fail(FAILED, format_args!("the self-test has not ended: {error:#}")),
        Ok(()) if failed > 0 => ExitCode::from(FAILED),
        Ok(()) => written,
    }
}

/// What a program of the self-test does.
pub(super) fn play(matches: &ArgMatches) -> ExitCode {
    let words: Vec<String> = matches.get_many("role").into_iter().flatten().cloned().collect();
    match selftest::play(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, format_args!("self-test: {error:#}")),
    }
}

/// The daemon that runs with this configuration. What it listens on is known only if we may ask it.
fn daemon(path: &Path, format: FileFormat) -> Option<Running> {
    let endpoint = control::endpoint(None, || config::control_of(path, format))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async {
        let id = tokio::time::timeout(PATIENCE, server_id(&endpoint)).await.ok()?.ok()?;
        let status = tokio::time::timeout(PATIENCE, client::status(&endpoint)).await;
        let services = status.ok().and_then(Result::ok).map_or(Vec::new(), |told| told.services);
        let (listens, waits): (Vec<_>, Vec<_>) =
            services.into_iter().map(|service| (service.listen, service.pending)).unzip();
        Some(Running { id, listens: listens.concat(), waits: waits.concat() })
    })
}

fn as_text(examination: &Examination) -> String {
    let mut text = examination.report.render();
    for finding in &examination.findings {
        text += &format!("{finding}\n\n");
    }
    let counts = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| {
        let count = examination.count(severity);
        format!("{count} {}{}", severity.as_str(), if count == 1 { "" } else { "s" })
    });
    let services = examination.services;
    let plural = if services == 1 { "" } else { "s" };
    text + &format!("{services} service{plural} on {}: {}\n", machine::name(), counts.join(", "))
}

fn as_json(examination: &Examination) -> String {
    let problems = examination.report.told().iter().map(|told| Finding {
        severity: told.severity,
        what: told.message.clone(),
        places: told.place.clone().into_iter().collect(),
        why: told.facts.join("; "),
        help: told.help.clone().unwrap_or_default(),
    });
    let findings: Vec<_> = problems.chain(examination.findings.iter().cloned()).collect();
    let value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "system": machine::name(),
        "services": examination.services,
        "errors": examination.count(Severity::Error),
        "warnings": examination.count(Severity::Warning),
        "notes": examination.count(Severity::Note),
        "findings": findings,
    });
    format!("{value:#}\n")
}
