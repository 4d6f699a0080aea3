//! The commands that talk to the running daemon.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;

use super::{FAILED, NO_DAEMON, USAGE, check, fail, output, table};
use crate::config::{self, Control};
use crate::control::Size;
use crate::control::client::{self, ClientError};
use crate::control::status::SessionStatus;
use crate::session::Stage;
use crate::sys::{paths, process};

/// After this time `inetd stop` says what it waits for.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn status(matches: &ArgMatches) -> ExitCode {
    let json = matches.get_flag("json");
    talk(matches, async |endpoint| {
        let status = client::status(endpoint).await?;
        let text = if json {
            pretty(&status)
        } else {
            let services = table::services(&status.services).text();
            let caught = table::caught(&status.caught);
            format!("{}\n{caught}{services}", table::daemon(&status))
        };
        Ok(output::out(&text))
    })
}

pub(super) fn sessions(matches: &ArgMatches) -> ExitCode {
    let json = matches.get_flag("json");
    talk(matches, async |endpoint| {
        let sessions = client::sessions(endpoint).await?;
        let text =
            if json { pretty(&sessions) } else { table::sessions(&sessions.sessions).text() };
        Ok(output::out(&text))
    })
}

pub(super) fn reload(matches: &ArgMatches) -> ExitCode {
    talk(matches, async |endpoint| client::reload(endpoint).await.map(|()| ExitCode::SUCCESS))
}

pub(super) fn stop(matches: &ArgMatches) -> ExitCode {
    let [now, no_wait] = ["now", "no-wait"].map(|flag| matches.get_flag(flag));
    talk(matches, async |endpoint| {
        let ending = client::stop(endpoint, now).await?;
        if !no_wait && !ending.comes_within(PATIENCE).await? {
            if let Ok(status) = client::status(endpoint).await {
                let what = table::count_of_sessions(status.sessions);
                output::err(&format!(
                    "inetd: waiting for the end of {what} (`inetd stop --now` kills what is left)\n"
                ));
            }
            while !ending.comes_within(PATIENCE).await? {}
        }
        Ok(ExitCode::SUCCESS)
    })
}

pub(super) fn drain(matches: &ArgMatches) -> ExitCode {
    let Some(service) = matches.get_one::<String>("service") else { return ExitCode::from(USAGE) };
    talk(matches, async |endpoint| {
        let status = client::drain(endpoint, service).await?;
        let left = table::count_of_sessions(status.sessions);
        Ok(output::out(&format!("{} lets nobody new in; {left} left\n", status.name)))
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

pub(super) fn resize(matches: &ArgMatches) -> ExitCode {
    let (Some(session), Some(size)) = (matches.get_one("session"), matches.get_one::<Size>("size"))
    else {
        return ExitCode::from(USAGE);
    };
    talk(matches, async |endpoint| match client::resize(endpoint, *session, *size).await {
        Ok(status) => {
            let text = format!("session {session} of {} has {size} characters\n", status.service);
            Ok(output::out(&text))
        }
        Err(ClientError::Refused(why)) => {
            Ok(fail(FAILED, format_args!("session {session} keeps its size: {why}")))
        }
        Err(error) => Err(error),
    })
}

pub(super) fn ctrl_break(matches: &ArgMatches) -> ExitCode {
    match matches.get_one("pid").map(|pid| process::ctrl_break(*pid)) {
        Some(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    }
}

fn pretty(answer: &impl serde::Serialize) -> String {
    // Plain structures with string keys: they always serialise.
    serde_json::to_string_pretty(answer).unwrap_or_default() + "\n"
}

/// Runs one exchange with the daemon that the options mean.
pub(super) fn talk(
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
