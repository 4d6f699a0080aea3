//! The commands that talk to the running daemon.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ArgMatches;

use super::{FAILED, NO_DAEMON, USAGE, check, fail, output};
use crate::config::{self, Control};
use crate::control::client::{self, ClientError};
use crate::control::status::{SessionStatus, Status};
use crate::session::Stage;
use crate::sys::{paths, process};

pub(super) fn status(matches: &ArgMatches) -> ExitCode {
    let json = matches.get_flag("json");
    talk(matches, async |endpoint| {
        let status = client::status(endpoint).await?;
        let text = if json {
            serde_json::to_string_pretty(&status).unwrap_or_default() + "\n"
        } else {
            table(&status)
        };
        Ok(output::out(&text))
    })
}

pub(super) fn reload(matches: &ArgMatches) -> ExitCode {
    talk(matches, async |endpoint| client::reload(endpoint).await.map(|()| ExitCode::SUCCESS))
}

pub(super) fn stop(matches: &ArgMatches) -> ExitCode {
    talk(matches, async |endpoint| client::stop(endpoint).await.map(|()| ExitCode::SUCCESS))
}

pub(super) fn drain(matches: &ArgMatches) -> ExitCode {
    let Some(service) = matches.get_one::<String>("service") else { return ExitCode::from(USAGE) };
    talk(matches, async |endpoint| {
        let status = client::drain(endpoint, service).await?;
        let left = match status.sessions {
            0 => "no session is left".to_owned(),
            1 => "1 session is left".to_owned(),
            count => format!("{count} sessions are left"),
        };
        Ok(output::out(&format!("{} lets nobody new in; {left}\n", status.name)))
    })
}

pub(super) fn resume(matches: &ArgMatches) -> ExitCode {
    let Some(service) = matches.get_one::<String>("service") else { return ExitCode::from(USAGE) };
    talk(matches, async |endpoint| {
        let status = client::resume(endpoint, service).await?;
        Ok(output::out(&format!("{} lets connections in\n", status.name)))
    })
}

pub(super) fn kill(matches: &ArgMatches) -> ExitCode {
    let Some(session) = matches.get_one("session") else { return ExitCode::from(USAGE) };
    let now = matches.get_flag("now");
    talk(matches, async |endpoint| {
        let mut status = client::kill(endpoint, *session).await?;
        if now && status.state == Stage::Stopping {
            status = match client::kill(endpoint, *session).await {
                Ok(status) => status,
                // It was faster.
                Err(ClientError::NotFound(_)) => SessionStatus { state: Stage::Ending, ..status },
                Err(error) => return Err(error),
            };
        }
        let done = if status.state == Stage::Ending { "is killed" } else { "is asked to stop" };
        Ok(output::out(&format!("session {session} of {} {done}\n", status.service)))
    })
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
    exchange: impl AsyncFnOnce(&str) -> Result<ExitCode, ClientError>,
) -> ExitCode {
    let (path, format) = check::file(matches);
    if matches.get_one::<String>("control").is_none()
        && matches.get_one::<PathBuf>("config").is_some()
        && let Err(error) = std::fs::metadata(&path)
    {
        // A misspelled name must not reach another daemon, the one of the default endpoint.
        return fail(FAILED, format_args!("cannot read {}: {error}", path.display()));
    }
    let configured = || config::control_of(&path, format);
    let Some(endpoint) = endpoint(matches.get_one("control"), configured) else {
        return fail(NO_DAEMON, "there is no control endpoint: name the daemon's with --control");
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILED, error),
    };
    match runtime.block_on(exchange(&endpoint)) {
        Ok(code) => code,
        Err(error @ ClientError::NoDaemon(_)) => fail(NO_DAEMON, error),
        Err(ClientError::Refused(text)) => {
            // Often a whole report of problems, which begins with `error:` itself.
            output::err(&text);
            fail(FAILED, "the daemon refused; it goes on as before")
        }
        Err(error) => fail(FAILED, error),
    }
}

/// Where the daemon is reached: what `--control` says (`option`), or else the configuration;
/// `None` if it is to have no control endpoint.
pub(super) fn endpoint(
    option: Option<&String>,
    configured: impl FnOnce() -> Control,
) -> Option<String> {
    let control = match option {
        Some(endpoint) => Control::At(endpoint.clone()),
        None => configured(),
    };
    match control {
        Control::At(endpoint) => Some(endpoint).filter(|endpoint| !endpoint.is_empty()),
        Control::Default => Some(paths::default_control()),
        Control::Off => None,
    }
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
