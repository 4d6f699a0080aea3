//! `inetd serve`: a service on the command line. Each key of a service is an option.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{control, log_format, log_level, texts};
use crate::config::keys::{Availability, Key, Kind, SERVICE};

/// The command. Its options are made when it is given.
pub(super) fn command() -> Command {
    Command::new("serve").about("Run one service from the command line").defer(options)
}

fn options(command: Command) -> Command {
    let mut command = command
        .long_about(texts::SERVE)
        .override_usage(
            "inetd serve [OPTIONS] LISTEN [LISTEN...] -- PROGRAM [ARG...]\n       \
             inetd serve [OPTIONS] --forward HOST:PORT LISTEN [LISTEN...]\n       \
             inetd serve [OPTIONS] --builtin NAME LISTEN [LISTEN...]\n       \
             inetd serve [OPTIONS] --sensor TIME LISTEN [LISTEN...]",
        )
        .arg(
            Arg::new("listen")
                .value_name("LISTEN")
                .required(true)
                .num_args(1..)
                .help("Where to listen: 7000, 127.0.0.1:7000, [::1]:7000, unix:///run/x.sock"),
        )
        .arg(
            Arg::new("run")
                .value_name("PROGRAM")
                .required_unless_present_any(
                    [Key::Forward, Key::Builtin, Key::Sensor].map(Key::name),
                )
                .last(true)
                .num_args(1..)
                .value_parser(ValueParser::os_string())
                .help("The program and its arguments"),
        )
        .arg(
            Arg::new("print-config")
                .long("print-config")
                .action(ArgAction::SetTrue)
                .help("Print inetd.toml for this service and end"),
        )
        .arg(Arg::new("name").long("name").value_name("NAME").help("The service's name in the log"))
        .args([control(), log_format(), log_level()]);
    for key in SERVICE.iter().filter(|key| is_option(key.key)) {
        let mut arg = Arg::new(key.name)
            .long(key.flag())
            .value_name(key.kind.value_name())
            .action(ArgAction::Append)
            .allow_hyphen_values(true)
            .help(key.help())
            .hide(key.availability == Availability::Later)
            .help_heading(key.group.heading());
        if key.kind == Kind::Bool {
            arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true");
        }
        command = command.arg(arg);
    }
    command
}

/// `listen` and `run` are positional.
fn is_option(key: Key) -> bool {
    !matches!(key, Key::Listen | Key::Run)
}

/// The keys that were given to `serve`, in the order of the table.
pub(in crate::cli) fn settings(matches: &ArgMatches) -> Vec<(Key, String)> {
    let options = SERVICE.iter().filter(|key| is_option(key.key));
    let values = options.flat_map(|key| {
        let values = matches.get_many::<String>(key.name).into_iter().flatten();
        values.map(|value| (key.key, value.clone()))
    });
    values.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments;

    #[test]
    fn every_key_of_a_service_is_an_option_of_serve() {
        for key in SERVICE.iter().filter(|key| is_option(key.key)) {
            let flag = format!("--{}=true", key.flag());
            let line = ["inetd", "serve", &flag, "7000", "--", "x"];
            let matches = arguments::command().try_get_matches_from(line).unwrap();
            let (_, matches) = matches.subcommand().unwrap();
            assert_eq!(settings(matches), [(key.key, "true".to_owned())], "{flag}");
        }
    }
}
