//! `inetd secret`: the passwords of accounts that services run as, on Windows.

use std::process::ExitCode;

use clap::ArgMatches;

use super::{FAILED, fail, output};
use crate::sys::{SecretError, SecretSource, secret};

pub(super) fn secret(matches: &ArgMatches) -> ExitCode {
    let account = |matches: &ArgMatches| {
        matches.get_one::<String>("account").map_or("", String::as_str).to_owned()
    };
    let done = match matches.subcommand() {
        Some(("set", matches)) => set(&account(matches), matches.get_flag("stdin")),
        Some(("delete", matches)) => secret::delete(&account(matches))
            .map(|name| format!("the password of {name} is forgotten\n")),
        Some(("list", _)) => {
            secret::list().map(|names| names.iter().map(|name| format!("{name}\n")).collect())
        }
        _ => return ExitCode::from(super::USAGE),
    };
    match done {
        Ok(text) => output::out(&text),
        Err(error) => fail(FAILED, error),
    }
}

fn set(account: &str, stdin: bool) -> Result<String, SecretError> {
    let source = if stdin { SecretSource::StandardInput } else { SecretSource::Console };
    let mut asked = false;
    let kept = secret::set(account, source, |name| {
        output::err(&format!("Password of {name} (it is not shown): "));
        asked = true;
    });
    if asked {
        // The end of the line was not shown either.
        output::err("\n");
    }
    let (name, doubt) = kept?;
    if let Some(error) = doubt {
        output::err(&format!(
            "inetd: warning: the password could not be tried: {error}. Services of {name} may not \
             start\n"
        ));
    }
    Ok(format!("the password of {name} is kept: `inetd reload` makes the daemon use it\n"))
}
