//! The command line. Only here an error becomes an exit code.

mod access;
mod arguments;
mod check;
pub mod classic;
mod control;
mod convert;
mod daemon;
mod doctor;
mod generated;
mod output;
mod secret;
mod service;
mod table;
mod top;

use std::process::ExitCode;

use crate::doctor::selftest;

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
    let command = arguments::command();
    let words: Vec<_> = std::env::args_os().collect();
    if let Some(code) = classic::run(&words, |word| command.find_subcommand(word).is_some()) {
        return code;
    }
    let matches = match command.try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => {
            let text = error.render().to_string();
            if !error.use_stderr() {
                // Help and the version, which are what was asked for.
                return output::out(&text);
            }
            output::err(&text);
            return ExitCode::from(USAGE);
        }
    };
    match matches.subcommand() {
        Some(("serve", matches)) => daemon::serve(matches),
        Some(("run", matches)) => daemon::run(matches),
        Some(("check", matches)) => check::check(matches),
        Some(("access", matches)) => access::access(matches),
        Some(("convert", matches)) => convert::convert(matches),
        Some(("status", matches)) => control::status(matches),
        Some(("reload", matches)) => control::reload(matches),
        Some(("stop", matches)) => control::stop(matches),
        Some(("sessions", matches)) => control::sessions(matches),
        Some(("top", matches)) => top::top(matches),
        Some(("drain", matches)) => control::drain(matches),
        Some(("resume", matches)) => control::resume(matches),
        Some(("kill", matches)) => control::kill(matches),
        Some(("resize", matches)) => control::resize(matches),
        Some(("doctor", matches)) => doctor::doctor(matches),
        Some(("secret", matches)) => secret::secret(matches),
        Some(("service", matches)) => service::service(matches),
        Some(("completions", matches)) => generated::completions(matches),
        Some(("man", matches)) => generated::man(matches),
        Some((selftest::CHILD, matches)) => doctor::play(matches),
        Some((arguments::CTRL_BREAK, matches)) => control::ctrl_break(matches),
        _ => ExitCode::from(USAGE),
    }
}

/// Prints an error and gives its exit code.
fn fail(code: u8, error: impl std::fmt::Display) -> ExitCode {
    output::err(&format!("inetd: {error}\n"));
    ExitCode::from(code)
}
