//! `inetd run` and `inetd serve`: the way from a command line to a running daemon.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::ArgMatches;

use super::{FAILED, RUNNING, arguments, check, control, fail, output};
use crate::config::{self, CommandLine, Config, Purpose};
use crate::control::server::Server;
use crate::record::log::{Format, Level, Log};
use crate::supervisor::{self, Loader, Start};
use crate::sys::control::server_id;
use crate::sys::startup;

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    if let Err(error) = startup::prepare() {
        return fail(FAILED, error);
    }
    let config = match check::load(matches, Purpose::Run) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let (path, format) = check::file(matches);
    let options = matches.clone();
    let loader: Loader = Box::new(move || {
        let mut loaded = config::load(&path, format, Purpose::Run)?;
        log_options(&mut loaded.0, &options);
        Ok(loaded)
    });
    start(config, matches, Some(loader))
}

pub(super) fn serve(matches: &ArgMatches) -> ExitCode {
    if let Err(error) = startup::prepare() {
        return fail(FAILED, error);
    }
    let line = CommandLine {
        listen: matches.get_many::<String>("listen").into_iter().flatten().cloned().collect(),
        run: matches.get_many::<OsString>("run").into_iter().flatten().cloned().collect(),
        settings: arguments::settings(matches),
        name: matches.get_one::<String>("name").cloned(),
    };
    let config = match check::told(config::from_command_line(&line, Purpose::Run)) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if matches.get_flag("print-config") {
        return output::out(&config::to_toml(&line));
    }
    start(config, matches, None)
}

fn start(mut config: Config, matches: &ArgMatches, loader: Option<Loader>) -> ExitCode {
    log_options(&mut config, matches);
    let log = match Log::to_stderr(config.daemon.log.format, config.daemon.log.level) {
        Ok(log) => log,
        Err(error) => return fail(FAILED, format_args!("cannot start the log: {error}")),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILED, format_args!("cannot start: {error}")),
    };
    runtime.block_on(async {
        let control = match control::endpoint(matches, || config.daemon.control.clone()) {
            None => None,
            Some(endpoint) => match Server::bind(&endpoint) {
                Ok(server) => Some(server),
                Err(error) => return cannot_control(&endpoint, &error).await,
            },
        };
        let ended = supervisor::run(Start { config, loader, control }, log.clone()).await;
        log.flush();
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(FAILED, format_args!("{error:#}")),
        }
    })
}

async fn cannot_control(endpoint: &str, error: &io::Error) -> ExitCode {
    if error.kind() == io::ErrorKind::AddrInUse {
        // Asked of the system and not of the other daemon, which may not answer.
        let pid = match server_id(endpoint).await {
            Ok(pid) => format!(" (pid {pid})"),
            Err(_) => String::new(), // It is just starting or ending.
        };
        let text = format!("another inetd is running with the control endpoint {endpoint}{pid}");
        return fail(RUNNING, text);
    }
    let text = format!(
        "cannot create the control endpoint {endpoint}: {error} \
         (choose another with --control, or none with --control \"\")"
    );
    fail(FAILED, text)
}

/// Options of the command line win over the file, at every reload too.
fn log_options(config: &mut Config, matches: &ArgMatches) {
    if let Some(format) = matches.get_one::<String>("log-format") {
        config.daemon.log.format = if format == "json" { Format::Json } else { Format::Text };
    }
    if let Some(level) = matches.get_one::<String>("log-level") {
        config.daemon.log.level = match level.as_str() {
            "error" => Level::Error,
            "warn" => Level::Warn,
            "debug" => Level::Debug,
            _ => Level::Info,
        };
    }
}
