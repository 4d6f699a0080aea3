//! `inetd service`: inetd as a service of the system, and what that service runs.

use std::path::Path;
use std::process::ExitCode;

use clap::ArgMatches;

use super::daemon::{self, Options};
use super::{FAILED, NO_DAEMON, check, fail, output};
use crate::config::{self, Config, Purpose};
use crate::record::event;
use crate::record::log::Value;
use crate::record::sink::{self, Surroundings};
use crate::sys::{self, Installation, ServiceError, StartMode, startup};

pub(super) fn service(matches: &ArgMatches) -> ExitCode {
    match matches.subcommand() {
        Some(("install", matches)) => install(matches),
        Some(("uninstall", _)) => told(sys::service::uninstall(), "uninstalled"),
        Some(("start", _)) => told(sys::service::start(), "started"),
        Some(("stop", _)) => told(sys::service::stop(), "stopped"),
        Some(("status", _)) => status(),
        Some(("run", matches)) => run(matches),
        _ => ExitCode::from(super::USAGE),
    }
}

fn told(done: Result<(), ServiceError>, what: &str) -> ExitCode {
    match done {
        Ok(()) => output::out(&format!("the service is {what}\n")),
        Err(error) => fail(FAILED, error),
    }
}

fn install(matches: &ArgMatches) -> ExitCode {
    let mut installation = match installation(matches) {
        Ok(installation) => installation,
        Err(error) => return fail(FAILED, format_args!("cannot install the service: {error}")),
    };
    let print = matches.get_flag("print");
    let privileged = sys::service::is_privileged(installation.account.as_deref());
    let config = if print || matches.get_flag("ensure") {
        let purpose = Purpose::Install { privileged: false };
        let loaded = config::load(&installation.config, check::format(matches), purpose);
        loaded.ok().map(|(config, _)| config)
    } else {
        match look_at(&installation.config, matches, privileged) {
            Ok(config) => Some(config),
            Err(code) => return code,
        }
    };
    let services = config.iter().flat_map(|config| &config.services);
    for program in services.filter_map(|service| service.program()) {
        installation.users.extend(program.identity.clone());
        installation.profiles |= program.profile && program.identity.is_some();
    }
    if print {
        return match sys::service::plan(&installation) {
            Ok(plan) => output::out(&plan),
            Err(error) => fail(FAILED, error),
        };
    }
    match sys::service::install(&installation) {
        Ok(missing) => {
            if !missing.is_empty() {
                let missing = missing.join(", ");
                output::err(&format!("inetd: warning: this system does not know: {missing}\n"));
            }
            output::out("the service is installed: start it with `inetd service start`\n")
        }
        Err(ServiceError::AlreadyInstalled) if matches.get_flag("ensure") => {
            output::out("the service is installed already\n")
        }
        Err(error) => fail(FAILED, error),
    }
}

fn installation(matches: &ArgMatches) -> std::io::Result<Installation> {
    let (config, _) = check::file(matches);
    let format = matches.get_one::<String>("format").filter(|format| *format != "auto");
    Ok(Installation {
        executable: std::env::current_exe()?,
        config: std::path::absolute(config)?,
        format: format.cloned(),
        account: matches.get_one::<String>("account").cloned(),
        start: matches.get_one::<String>("start").map(|start| match start.as_str() {
            "auto" => StartMode::Auto,
            "delayed" => StartMode::Delayed,
            _ => StartMode::Manual,
        }),
        users: Vec::new(),
        profiles: false,
    })
}

/// A service that cannot start is not installed.
fn look_at(path: &Path, matches: &ArgMatches, privileged: bool) -> Result<Config, ExitCode> {
    if !path.exists() {
        let text = format_args!(
            "cannot install the service: there is no configuration {}: write it first, or name \
             another one with --config",
            path.display()
        );
        return Err(fail(FAILED, text));
    }
    let format = check::format(matches);
    let load = |privileged| config::load(path, format, Purpose::Install { privileged });
    let mut loaded = load(privileged);
    // A service that starts programs as others can do everything as well.
    if !privileged && loaded.as_ref().is_ok_and(|(config, _)| config.has_users()) {
        loaded = load(true);
    }
    check::told(loaded).map_err(|_| {
        let path = path.display();
        fail(
            FAILED,
            format_args!("cannot install the service: {path} has errors: correct it first"),
        )
    })
}

fn status() -> ExitCode {
    match sys::service::status() {
        Ok(status) => {
            let written = output::out(&status.text);
            if status.running { written } else { ExitCode::from(NO_DAEMON) }
        }
        Err(error) => fail(FAILED, error),
    }
}

/// What the service manager of Windows starts.
fn run(matches: &ArgMatches) -> ExitCode {
    if let Err(error) = startup::prepare() {
        return fail(FAILED, error);
    }
    let options = Options::of(matches);
    match sys::service::run(move |log| be_the_service(options, log)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, error),
    }
}

/// The daemon without anybody who could see standard error: what is said there otherwise goes to
/// a file and to the Event Log. Gives an exit code.
fn be_the_service(options: Options, usual_log: &Path) -> u8 {
    let surroundings = Surroundings::Service(usual_log.to_owned());
    let loaded = daemon::load(options, Purpose::Service { reload: false });
    let usual = config::Log::default();
    let settings = loaded.as_ref().map_or(&usual, |(daemon, _)| daemon.log());
    let (log, loaded) = match daemon::start_log(settings, surroundings.clone()) {
        Ok(log) => (log, loaded),
        Err(failure) => match daemon::start_log(&usual, surroundings) {
            Ok(log) => (log, Err(failure)),
            Err(_) => {
                let fields = [("error", Value::Text(&failure.summary()))];
                sink::last_words(event::ENDED_BY_ERROR, &fields);
                return failure.code();
            }
        },
    };
    let ended = loaded.and_then(|(daemon, report)| {
        daemon::tell_problems(&log, &report);
        daemon::start(daemon, &log)
    });
    match ended {
        Ok(()) => 0,
        Err(failure) => {
            daemon::tell(&log, &failure);
            failure.code()
        }
    }
}
