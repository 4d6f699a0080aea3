//! `inetd check`: every problem of a configuration in one run.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ArgMatches;

use super::{FAILED, output};
use crate::config::{self, Config, FileFormat, Purpose, Report, Work};
use crate::sys::paths;

/// The file that the options name, and its format.
pub(super) fn file(matches: &ArgMatches) -> (PathBuf, FileFormat) {
    let path = matches.get_one::<PathBuf>("config").cloned();
    (path.unwrap_or_else(paths::default_config), format(matches))
}

/// The format that the options name.
pub(super) fn format(matches: &ArgMatches) -> FileFormat {
    let format = matches.get_one::<String>("format").and_then(|name| name.parse().ok());
    format.unwrap_or(FileFormat::Auto)
}

/// What was loaded, after its problems were written to standard error.
pub(super) fn told(loaded: Result<(Config, Report), Report>) -> Result<Config, ExitCode> {
    let (config, report) = match loaded {
        Ok((config, report)) => (Ok(config), report),
        Err(report) => (Err(ExitCode::from(FAILED)), report),
    };
    output::err(&report.render());
    config
}

pub(super) fn check(matches: &ArgMatches) -> ExitCode {
    let (default, format) = file(matches);
    let path = matches.get_one::<PathBuf>("file").cloned().unwrap_or(default);
    match told(config::load(&path, format, Purpose::Check)) {
        Ok(config) => output::out(&table(&config)),
        Err(code) => code,
    }
}

/// One line for each service: name, where, what.
fn table(config: &Config) -> String {
    let width = config.services.iter().map(|service| service.name.len()).max().unwrap_or(0);
    let mut table = String::new();
    for service in &config.services {
        let names = service.mux.iter().map(ToString::to_string);
        let listen: Vec<_> = service.listen.iter().map(ToString::to_string).chain(names).collect();
        let does = match &service.work {
            Work::Program(program) if service.wait => format!("{} (wait)", program.path.display()),
            Work::Program(program) => program.path.display().to_string(),
            Work::Forward(target) => target.to_string(),
            Work::Builtin(builtin) => format!("built-in {}", builtin.name()),
            Work::Sensor => "sensor".to_owned(),
        };
        table += &format!("{:width$}  {} -> {does}\n", service.name, listen.join(", "));
    }
    table
}
