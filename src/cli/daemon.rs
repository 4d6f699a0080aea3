//! `inetd run` and `inetd serve`: the way from a command line to a running daemon. A service of
//! the system goes the same way, see [`super::service`].

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ArgMatches;

use super::{FAILED, RUNNING, arguments, check, control, fail, output};
use crate::config::{
    self, ClassicFlags, CommandLine, Config, FileFormat, LogTarget, Purpose, Report, Severity,
};
use crate::control::server::Server;
use crate::record::event::{self, Level};
use crate::record::facility::Facility;
use crate::record::format::Format;
use crate::record::log::{Log, Value};
use crate::record::sink::Surroundings;
use crate::supervisor::{self, Loader, Start};
use crate::sys::control::server_id;
use crate::sys::{notify, startup};

/// What a command line says about a daemon with a configuration file.
#[derive(Clone)]
pub(super) struct Options {
    path: PathBuf,
    format: FileFormat,
    control: Option<String>,
    log: LogOptions,
    flags: ClassicFlags,
}

/// Options of the command line win over the file, at every reload too.
#[derive(Clone, Default)]
pub(super) struct LogOptions {
    pub(super) format: Option<Format>,
    pub(super) level: Option<Level>,
    /// Instead of `auto`.
    pub(super) target: Option<LogTarget>,
    pub(super) facility: Option<Facility>,
    pub(super) max_sessions: Option<u32>,
}

/// A daemon that can start.
pub(super) struct Daemon {
    config: Config,
    loader: Option<Loader>,
    /// Where its control endpoint is to be.
    control: Option<String>,
}

/// Why a daemon does not run, or has not come to a good end.
pub(super) enum Failure {
    /// Its configuration has errors.
    Config(Report),
    /// Anything else: the exit code and a sentence.
    Told(u8, String),
}

impl Failure {
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Config(_) => FAILED,
            Self::Told(code, _) => *code,
        }
    }

    /// One line about it.
    pub(super) fn summary(&self) -> String {
        match self {
            Self::Config(report) => report.summary(),
            Self::Told(_, text) => text.clone(),
        }
    }
}

impl Daemon {
    /// Call it before any thread is started.
    fn new(config: Config, loader: Option<Loader>, control: Option<String>) -> Self {
        startup::make_room(config.services.iter().map(|service| service.listen.len()).sum());
        Self { config, loader, control }
    }

    /// Where its log goes.
    pub(super) fn log(&self) -> &config::Log {
        &self.config.daemon.log
    }
}

impl Options {
    pub(super) fn of(matches: &ArgMatches) -> Self {
        let (path, format) = check::file(matches);
        let control = matches.try_get_one::<String>("control").ok().flatten().cloned();
        let flags = ClassicFlags::default();
        Self { path, format, control, log: LogOptions::of(matches), flags }
    }

    /// Those of an old command line.
    pub(super) fn classic(
        path: PathBuf,
        format: FileFormat,
        control: Option<String>,
        log: LogOptions,
        flags: ClassicFlags,
    ) -> Self {
        Self { path, format, control, log, flags }
    }
}

impl LogOptions {
    fn of(matches: &ArgMatches) -> Self {
        let option = |name| matches.try_get_one::<String>(name).ok().flatten();
        let format = option("log-format");
        let level = option("log-level");
        Self {
            format: format.map(|f| if f == "json" { Format::Json } else { Format::Text }),
            level: level.map(|level| match level.as_str() {
                "error" => Level::Error,
                "warn" => Level::Warn,
                "debug" => Level::Debug,
                _ => Level::Info,
            }),
            ..Self::default()
        }
    }

    fn apply(&self, config: &mut Config) {
        let log = &mut config.daemon.log;
        log.format = self.format.unwrap_or(log.format);
        log.level = self.level.unwrap_or(log.level);
        if let (Some(target), LogTarget::Auto { file: None }) = (&self.target, &log.target) {
            log.target = target.clone();
        }
        log.facility = self.facility.unwrap_or(log.facility);
        if self.max_sessions.is_some() {
            config.daemon.max_sessions = self.max_sessions.filter(|count| *count > 0);
        }
    }
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    if let Err(error) = startup::prepare() {
        return fail(FAILED, error);
    }
    run_with(Options::of(matches), Purpose::Run, None)
}

/// Reads the configuration and runs the daemon to its end.
pub(super) fn run_with(options: Options, purpose: Purpose, pid_file: Option<&Path>) -> ExitCode {
    let started = load(options, purpose).and_then(|(daemon, report)| {
        output::err(&report.render());
        let _pid_file = pid_file.map(PidFile::new).transpose()?;
        start_in_console(daemon, &report)
    });
    exit_code(started)
}

/// A file with our process id, which is there as long as we are.
struct PidFile {
    path: PathBuf,
}

impl PidFile {
    fn new(path: &Path) -> Result<Self, Failure> {
        std::fs::write(path, format!("{}\n", std::process::id())).map_err(|error| {
            let text = format!("cannot write the process id to {}: {error}", path.display());
            Failure::Told(FAILED, text)
        })?;
        Ok(Self { path: path.to_owned() })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Another one may have written its own since.
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        if text.trim() == std::process::id().to_string() {
            drop(std::fs::remove_file(&self.path));
        }
    }
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
    let mut config = match check::told(config::from_command_line(&line, Purpose::Run)) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if matches.get_flag("print-config") {
        return output::out(&config::to_toml(&line));
    }
    LogOptions::of(matches).apply(&mut config);
    let control = control::endpoint(matches.get_one("control"), || config.daemon.control.clone());
    let daemon = Daemon::new(config, None, control);
    exit_code(start_in_console(daemon, &Report::default()))
}

/// Reads the configuration. Gives the daemon and what is odd about it.
pub(super) fn load(options: Options, purpose: Purpose) -> Result<(Daemon, Report), Failure> {
    let Options { path, format, control, log, flags } = options;
    let load = move |purpose| config::load_classic(&path, format, purpose, &flags);
    let (mut config, report) = load(purpose).map_err(Failure::Config)?;
    log.apply(&mut config);
    let again = match purpose {
        Purpose::Service { .. } => Purpose::Service { reload: true },
        other => other,
    };
    let loader: Loader = Box::new(move || {
        let mut loaded = load(again)?;
        log.apply(&mut loaded.0);
        Ok(loaded)
    });
    let control = control::endpoint(control.as_ref(), || config.daemon.control.clone());
    Ok((Daemon::new(config, Some(loader), control), report))
}

/// Runs the daemon to its end.
pub(super) fn start(daemon: Daemon, log: &Log) -> Result<(), Failure> {
    let Daemon { config, loader, control } = daemon;
    notify::starting();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::Told(FAILED, format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let control = match control {
            None => None,
            Some(endpoint) => match Server::bind(&endpoint) {
                Ok(server) => Some(server),
                Err(error) => return Err(cannot_control(&endpoint, &error).await),
            },
        };
        let ended = supervisor::run(Start { config, loader, control }, log.clone()).await;
        log.flush();
        ended.map_err(|error| Failure::Told(FAILED, format!("{error:#}")))
    })
}

/// Standard error hears why the daemon does not start, and so does its log if that is elsewhere.
fn start_in_console(daemon: Daemon, report: &Report) -> Result<(), Failure> {
    let log = start_log(daemon.log(), Surroundings::Console)?;
    if log.is_stderr() {
        return start(daemon, &log);
    }
    tell_problems(&log, report);
    start(daemon, &log).inspect_err(|failure| tell(&log, failure))
}

pub(super) fn start_log(
    settings: &config::Log,
    surroundings: Surroundings,
) -> Result<Log, Failure> {
    let log = Log::start(settings, surroundings);
    log.map_err(|error| Failure::Told(FAILED, format!("cannot start the log: {error}")))
}

/// Writes to the log why the daemon does not run.
pub(super) fn tell(log: &Log, failure: &Failure) {
    if let Failure::Config(report) = failure {
        tell_problems(log, report);
    }
    log.event(event::ENDED_BY_ERROR, &[("error", Value::Text(&failure.summary()))]);
    log.flush();
}

/// Writes each problem of a configuration to the log.
pub(super) fn tell_problems(log: &Log, report: &Report) {
    for (severity, line) in report.lines() {
        let event = match severity {
            Severity::Error => event::CONFIG_ERROR,
            Severity::Warning | Severity::Note => event::CONFIG_WARNING,
        };
        log.event(event, &[("error", Value::Text(&line))]);
    }
}

fn exit_code(ended: Result<(), Failure>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Told(code, text)) => fail(code, text),
        Err(Failure::Config(report)) => {
            // A report begins with `error:` itself.
            output::err(&report.render());
            ExitCode::from(FAILED)
        }
    }
}

async fn cannot_control(endpoint: &str, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::AddrInUse {
        // Asked of the system and not of the other daemon, which may not answer.
        let pid = match server_id(endpoint).await {
            Ok(pid) => format!(" (pid {pid})"),
            Err(_) => String::new(), // It is just starting or ending.
        };
        let text = format!("another inetd is running with the control endpoint {endpoint}{pid}");
        return Failure::Told(RUNNING, text);
    }
    let text = format!(
        "cannot create the control endpoint {endpoint}: {error} \
         (choose another with --control, or none with --control \"\")"
    );
    Failure::Told(FAILED, text)
}
