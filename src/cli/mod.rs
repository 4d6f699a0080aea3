//! The command line. Only code in this folder prints, and only here an error becomes an exit code.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command line")]

mod arguments;
mod check;
mod control;
mod daemon;

use std::process::ExitCode;

use clap::error::ErrorKind;

/// A configuration or start-up error.
const FAILED: u8 = 1;
/// A bad command line.
const USAGE: u8 = 2;
/// Another inetd has the same control endpoint.
const RUNNING: u8 = 3;
/// There is no daemon to talk to.
const NO_DAEMON: u8 = 4;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let matches = match arguments::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Fails only if nobody reads.
            drop(error.print());
            let fine = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if fine { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    match matches.subcommand() {
        Some(("serve", matches)) => daemon::serve(matches),
        Some(("run", matches)) => daemon::run(matches),
        Some(("check", matches)) => check::check(matches),
        Some(("status", matches)) => control::status(matches),
        Some(("reload", matches)) => control::reload(matches),
        Some(("stop", matches)) => control::stop(matches),
        Some((arguments::CTRL_BREAK, matches)) => control::ctrl_break(matches),
        _ => ExitCode::from(USAGE),
    }
}

/// Prints an error and gives its exit code.
fn fail(code: u8, error: impl std::fmt::Display) -> ExitCode {
    eprintln!("inetd: {error}");
    ExitCode::from(code)
}
