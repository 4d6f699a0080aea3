//! `inetd convert`: another format as an `inetd.toml`.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ArgMatches;

use super::{FAILED, USAGE, check, fail, output};
use crate::config;

pub(super) fn convert(matches: &ArgMatches) -> ExitCode {
    let Some(path) = matches.get_one::<PathBuf>("file") else { return ExitCode::from(USAGE) };
    let text = match config::convert(path, check::format(matches)) {
        Ok((text, report)) => {
            output::err(&report.render());
            text
        }
        Err(report) => {
            output::err(&report.render());
            return ExitCode::from(FAILED);
        }
    };
    let Some(to) = matches.get_one::<PathBuf>("output") else { return output::out(&text) };
    match write(to, &text) {
        Ok(()) => {
            output::err(&format!("now look at it: inetd check -c {}\n", to.display()));
            ExitCode::SUCCESS
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fail(FAILED, format_args!("{} is there already: nothing was written", to.display()))
        }
        Err(error) => fail(FAILED, format_args!("cannot write {}: {error}", to.display())),
    }
}

/// Writes a new file. One that is there may be somebody's work.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).inspect_err(|_| {
        // Half a configuration is worse than none.
        drop(std::fs::remove_file(path));
    })
}
