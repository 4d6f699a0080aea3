//! The commands and options, and the help that teaches them. Those of a command are made when it is
//! the one that was given: a daemon starts sooner so.

mod serve;
mod system;
mod texts;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, value_parser};
use clap_complete::Shell;

use crate::config::FileFormat;
use crate::control::Size;
use crate::doctor::selftest::CHILD;

pub(super) use self::serve::settings;

/// Our own executable calls itself with this to send CTRL_BREAK, which a process can only do from
/// inside the console of the other one.
pub(super) const CTRL_BREAK: &str = "__ctrl-break";

/// The whole command line.
pub(super) fn command() -> Command {
    Command::new("inetd")
        .version(env!("CARGO_PKG_VERSION"))
        .about(texts::ABOUT)
        .after_help(texts::EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(serve::command())
        .subcommand(
            Command::new("run")
                .about("Run the daemon in the foreground, as service managers want it")
                .defer(|command| {
                    command.args([config(), format(), control(), log_format(), log_level()])
                }),
        )
        .subcommand(
            Command::new("check")
                .about("Read the configuration, print every problem, start nothing")
                .defer(|command| {
                    command.args([config(), format()]).arg(
                        Arg::new("file")
                            .value_name("FILE")
                            .value_parser(value_parser!(PathBuf))
                            .conflicts_with("config")
                            .help("The same as --config"),
                    )
                }),
        )
        .subcommand(
            Command::new("access")
                .about("Say whether an address may use a service, and which rule decides")
                .defer(|command| {
                    command
                        .long_about(texts::ACCESS)
                        .args([config(), format(), control()])
                        .arg(
                            Arg::new("service")
                                .value_name("SERVICE")
                                .required(true)
                                .help("Its name"),
                        )
                        .arg(
                            Arg::new("address")
                                .value_name("ADDRESS")
                                .required(true)
                                .value_parser(value_parser!(IpAddr))
                                .help("The address of a peer: 192.0.2.7, 2001:db8::1"),
                        )
                }),
        )
        .subcommand(
            Command::new("convert")
                .about("Write another kind of configuration as an inetd.toml")
                .defer(|command| {
                    command.long_about(
                    texts::CONVERT,
                )
                .arg(format())
                .arg(
                    Arg::new("file")
                        .value_name("FILE")
                        .required(true)
                        .value_parser(value_parser!(PathBuf))
                        .help("What to read"),
                )
                .arg(
                    Arg::new("output")
                        .short('o')
                        .long("output")
                        .value_name("OUT")
                        .value_parser(value_parser!(PathBuf))
                        .help("Where to write it, a file that is not there yet [standard output]"),
                )
                }),
        )
        .subcommand(
            Command::new("status")
                .about("Print the services of the running daemon and how many sessions they have")
                .defer(|command| command.args([config(), format(), control()]).arg(json())),
        )
        .subcommand(
            Command::new("sessions")
                .about("Print the sessions of the running daemon")
                .defer(|command| command.args([config(), format(), control()]).arg(json())),
        )
        .subcommand(
            Command::new("top")
                .about("Show services and sessions live, renewed each second; q quits")
                .defer(|command| command.args([config(), format(), control()])),
        )
        .subcommand(
            Command::new("reload")
                .about("Make the running daemon read its configuration again")
                .defer(|command| {
                    command.long_about(texts::RELOAD).args([config(), format(), control()])
                }),
        )
        .subcommand(
            Command::new("stop")
                .about("Stop the running daemon: sessions may finish, then they are stopped")
                .defer(|command| {
                    command
                        .long_about(texts::STOP)
                        .args([config(), format(), control()])
                        .arg(now("Kill the sessions at once"))
                        .arg(
                            Arg::new("no-wait")
                                .long("no-wait")
                                .action(ArgAction::SetTrue)
                                .help("Do not wait until it has ended"),
                        )
                }),
        )
        .subcommand(
            Command::new("drain")
                .about("Let nobody new into a service; its sessions go on to their end")
                .defer(|command| {
                    command.long_about(texts::DRAIN).args([
                        service_name(),
                        config(),
                        format(),
                        control(),
                    ])
                }),
        )
        .subcommand(
            Command::new("resume")
                .about("Let connections into a drained service again")
                .defer(|command| command.args([service_name(), config(), format(), control()])),
        )
        .subcommand(
            Command::new("kill")
                .about("Stop one session: its program is asked to stop, then it is killed")
                .defer(|command| {
                    command
                        .long_about(texts::KILL)
                        .arg(session())
                        .arg(now("Kill it at once"))
                        .args([config(), format(), control()])
                }),
        )
        .subcommand(
            Command::new("resize")
                .about("Give the terminal of a session another size (io = \"pty\")")
                .defer(|command| {
                    command
                        .long_about(texts::RESIZE)
                        .arg(session())
                        .arg(
                            Arg::new("size")
                                .value_name("COLUMNSxROWS")
                                .required(true)
                                .value_parser(value_parser!(Size))
                                .help("The size in characters, for example 132x50"),
                        )
                        .args([config(), format(), control()])
                }),
        )
        .subcommand(
            Command::new("doctor")
                .about("Look at this machine and the configuration, say what would hurt")
                .defer(|command| {
                    command
                        .long_about(texts::DOCTOR)
                        .args([config(), format()])
                        .arg(
                            Arg::new("selftest")
                                .long("selftest")
                                .action(ArgAction::SetTrue)
                                .conflicts_with_all(["config"])
                                .help("Run real scenarios here instead and print what works"),
                        )
                        .arg(
                            Arg::new("json")
                                .long("json")
                                .action(ArgAction::SetTrue)
                                .help("As JSON"),
                        )
                }),
        )
        .subcommand(system::service())
        .subcommand(system::secret())
        .subcommand(
            Command::new("completions")
                .about("Print a script that completes commands and options in a shell")
                .defer(|command| {
                    command.arg(
                        Arg::new("shell")
                            .value_name("SHELL")
                            .required(true)
                            .value_parser(value_parser!(Shell))
                            .help("Whose language the script is in"),
                    )
                }),
        )
        .subcommand(Command::new("man").about("Print a manual page").defer(|command| {
            command
                .long_about(texts::MAN)
                .arg(
                    Arg::new("command")
                        .value_name("COMMAND")
                        .num_args(0..)
                        .help("The command that it is about, for example: service install"),
                )
                .arg(
                    Arg::new("output")
                        .long("output")
                        .value_name("FOLDER")
                        .value_parser(value_parser!(PathBuf))
                        .conflicts_with("command")
                        .help("Write the pages of all commands to files in this folder"),
                )
        }))
        .subcommand(Command::new(CHILD).hide(true).defer(|command| {
            command.disable_help_flag(true).arg(
                Arg::new("role").num_args(1..).trailing_var_arg(true).allow_hyphen_values(true),
            )
        }))
        .subcommand(Command::new(CTRL_BREAK).hide(true).defer(|command| {
            command.arg(Arg::new("pid").required(true).value_parser(value_parser!(u32)))
        }))
}

fn json() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("As JSON")
}

fn now(help: &'static str) -> Arg {
    Arg::new("now").long("now").action(ArgAction::SetTrue).help(help)
}

fn session() -> Arg {
    Arg::new("session")
        .value_name("SESSION")
        .required(true)
        .value_parser(value_parser!(u64))
        .help("The number of the session, as `inetd sessions` and the log tell it")
}

fn service_name() -> Arg {
    Arg::new("service").value_name("SERVICE").required(true).help("The name of the service")
}

fn config() -> Arg {
    Arg::new("config")
        .short('c')
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("inetd.toml, inetd.conf, xinetd.conf, NAME.socket, or a folder of such files")
}

fn format() -> Arg {
    Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .value_parser(PossibleValuesParser::new(FileFormat::names()))
        .default_value("auto")
        .help("What kind of file it is, if its name does not tell")
}

fn control() -> Arg {
    Arg::new("control")
        .long("control")
        .value_name("ENDPOINT")
        .help("The control endpoint: a socket path, on Windows a pipe name; \"\" for none")
}

fn log_format() -> Arg {
    Arg::new("log-format")
        .long("log-format")
        .value_name("FORMAT")
        .value_parser(PossibleValuesParser::new(["text", "json"]))
        .help("Lines of text or of JSON in the log")
}

fn log_level() -> Arg {
    Arg::new("log-level")
        .long("log-level")
        .value_name("LEVEL")
        .value_parser(PossibleValuesParser::new(["error", "warn", "info", "debug"]))
        .help("The least important level that is written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
