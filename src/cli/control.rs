//! The commands that talk to the running daemon.

use std::process::ExitCode;

use clap::ArgMatches;

use super::{FAILED, NO_DAEMON, check, fail};
use crate::config::{Control, Purpose};
use crate::control::client::{self, ClientError};
use crate::control::status::Status;
use crate::sys::{paths, process};

pub(super) fn status(matches: &ArgMatches) -> ExitCode {
    let json = matches.get_flag("json");
    talk(matches, async |endpoint| {
        let status = client::status(endpoint).await?;
        if json {
            println!("{}", serde_json::to_string_pretty(&status).unwrap_or_default());
        } else {
            print!("{}", table(&status));
        }
        Ok(())
    })
}

pub(super) fn reload(matches: &ArgMatches) -> ExitCode {
    talk(matches, async |endpoint| client::reload(endpoint).await)
}

pub(super) fn stop(matches: &ArgMatches) -> ExitCode {
    talk(matches, async |endpoint| client::stop(endpoint).await)
}

pub(super) fn ctrl_break(matches: &ArgMatches) -> ExitCode {
    match matches.get_one("pid").map(|pid| process::ctrl_break(*pid)) {
        Some(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    }
}

/// Runs one exchange with the daemon that the options mean.
fn talk(
    matches: &ArgMatches,
    exchange: impl AsyncFnOnce(&str) -> Result<(), ClientError>,
) -> ExitCode {
    let endpoint = match endpoint(matches) {
        Ok(endpoint) => endpoint,
        Err(code) => return code,
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILED, error),
    };
    match runtime.block_on(exchange(&endpoint)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ ClientError::NoDaemon(_)) => fail(NO_DAEMON, error),
        Err(ClientError::Refused(text)) => {
            // Often a whole report of problems, which begins with `error:` itself.
            eprint!("{text}");
            fail(FAILED, "the daemon refused; it goes on as before")
        }
        Err(error) => fail(FAILED, error),
    }
}

/// `--control`, or what the configuration file says, or the default.
fn endpoint(matches: &ArgMatches) -> Result<String, ExitCode> {
    if let Some(endpoint) = matches.get_one::<String>("control") {
        return Ok(endpoint.clone());
    }
    if matches.contains_id("config") && matches.get_one::<std::path::PathBuf>("config").is_some() {
        match check::load(matches, Purpose::Check)?.daemon.control {
            Control::At(endpoint) => return Ok(endpoint),
            Control::Off => {
                return Err(fail(NO_DAEMON, "this configuration has no control endpoint"));
            }
            Control::Default => {}
        }
    }
    Ok(paths::default_control())
}

fn table(status: &Status) -> String {
    let mut lines =
        vec![["SERVICE", "SESSIONS", "STARTED", "REFUSED", "FAILED", "LISTEN"].map(str::to_owned)];
    lines.extend(status.services.iter().map(|service| {
        let limit = service.max_sessions.map(|limit| format!("/{limit}")).unwrap_or_default();
        [
            service.name.clone(),
            format!("{}{limit}", service.sessions),
            service.started.to_string(),
            service.refused.to_string(),
            service.failed.to_string(),
            if service.listen.is_empty() { "(not yet)".into() } else { service.listen.join(" ") },
        ]
    }));
    let mut table = format!("inetd {} (pid {})\n", status.version, status.pid);
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: Vec<_> = (0..5).map(width).collect();
    for line in &lines {
        for (cell, width) in line.iter().zip(&widths) {
            table += &format!("{cell:width$}  ");
        }
        table += &line[5];
        table.push('\n');
    }
    table
}
