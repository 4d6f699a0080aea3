//! `inetd check`: every problem of a configuration in one run.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ArgMatches;

use super::{FAILED, fail};
use crate::config::{self, Config, FileFormat, Purpose, Report};
use crate::sys::paths;

/// The file that the options name, and its format.
pub(super) fn file(matches: &ArgMatches) -> (PathBuf, FileFormat) {
    let path = matches.get_one::<PathBuf>("config").cloned();
    let format = matches.get_one::<String>("format").and_then(|name| name.parse().ok());
    (path.unwrap_or_else(paths::default_config), format.unwrap_or(FileFormat::Auto))
}

/// Loads a configuration; prints what is wrong or odd about it.
pub(super) fn load(matches: &ArgMatches, purpose: Purpose) -> Result<Config, ExitCode> {
    let (path, format) = file(matches);
    print_report(config::load(&path, format, purpose))
}

/// Prints the report of a load.
pub(super) fn print_report(loaded: Result<(Config, Report), Report>) -> Result<Config, ExitCode> {
    let (report, result) = match loaded {
        Ok((config, report)) => (report, Ok(config)),
        Err(report) => {
            let code = fail_code(&report);
            (report, Err(code))
        }
    };
    eprint!("{}", report.render());
    result
}

fn fail_code(_: &Report) -> ExitCode {
    ExitCode::from(FAILED)
}

pub(super) fn check(matches: &ArgMatches) -> ExitCode {
    let (default, format) = file(matches);
    let path = matches.get_one::<PathBuf>("file").cloned().unwrap_or(default);
    match print_report(config::load(&path, format, Purpose::Check)) {
        Ok(config) if config.services.is_empty() => {
            fail(FAILED, format_args!("{}: there is no service in it", path.display()))
        }
        Ok(config) => {
            print!("{}", table(&config));
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

/// One line for each service: name, where, what.
fn table(config: &Config) -> String {
    let width = config.services.iter().map(|service| service.name.len()).max().unwrap_or(0);
    let mut table = String::new();
    for service in &config.services {
        let listen: Vec<_> = service.listen.iter().map(ToString::to_string).collect();
        let program = service.program.path.display();
        let wait = if service.wait { " (wait)" } else { "" };
        table += &format!("{:width$}  {} -> {program}{wait}\n", service.name, listen.join(", "));
    }
    table
}
