//! What changes the system: `inetd service` and `inetd secret`.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command};

use super::{config, format, texts};

/// `inetd service`.
pub(super) fn service() -> Command {
    let install = Command::new("install")
        .about("Install inetd as a service that starts at boot")
        .args([config(), format()])
        .arg(
            Arg::new("account")
                .long("account")
                .value_name("NAME")
                .help("Who the daemon runs as [default: NT SERVICE\\Inetd; on Linux root]"),
        )
        .arg(
            Arg::new("start")
                .long("start")
                .value_name("WHEN")
                .value_parser(PossibleValuesParser::new(["auto", "delayed", "manual"]))
                .help("When it starts [default: delayed; on Linux auto]"),
        )
        .arg(
            Arg::new("ensure")
                .long("ensure")
                .action(ArgAction::SetTrue)
                .help("Leave an installed service alone, check no configuration; for installers"),
        )
        .arg(
            Arg::new("print")
                .long("print")
                .action(ArgAction::SetTrue)
                .help("Print what would be installed and change nothing"),
        );
    Command::new("service")
        .about("Install, start, stop inetd as a service of the system")
        .long_about(texts::SERVICE_HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(install)
        .subcommand(Command::new("uninstall").about("Stop the service and take it away"))
        .subcommand(Command::new("start").about("Start the service and wait until it runs"))
        .subcommand(Command::new("stop").about("Stop the service and wait until it has ended"))
        .subcommand(
            Command::new("status")
                .about("Print the state of the service; exit code 4 if it does not run"),
        )
        .subcommand(Command::new("run").hide(true).args([config(), format()]))
}

/// `inetd secret`.
pub(super) fn secret() -> Command {
    let account = || {
        Arg::new("account").value_name("ACCOUNT").required(true).help("As in `user` of a service")
    };
    let set = Command::new("set").about("Keep the password of an account").arg(account()).arg(
        Arg::new("stdin")
            .long("stdin")
            .action(ArgAction::SetTrue)
            .help("Read one line of standard input instead of asking at the console"),
    );
    Command::new("secret")
        .about("Keep passwords of accounts that services run as (Windows)")
        .long_about(texts::SECRET_HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(set)
        .subcommand(
            Command::new("delete").about("Forget the password of an account").arg(account()),
        )
        .subcommand(Command::new("list").about("Print the accounts whose passwords are kept"))
}
