//! The commands and options, and the help that teaches them.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use crate::config::FileFormat;
use crate::config::keys::{Availability, Key, Kind, SERVICE};
use crate::control::Size;
use crate::doctor::selftest::CHILD;

/// Our own executable calls itself with this to send CTRL_BREAK, which a process can only do from
/// inside the console of the other one.
pub(super) const CTRL_BREAK: &str = "__ctrl-break";

const ABOUT: &str = "\
An Internet superserver: it listens on many sockets and starts a program when
somebody connects. The program's standard input and output are the connection,
so any program that reads and prints is a network server.";

const EXAMPLES: &str = "\
Try it:
  inetd serve 127.0.0.1:7000 -- sort          sort what a client sends
  inetd serve --max-sessions 40 7000 -- ./game --level 3
  inetd serve unix:///run/hello.sock -- ./hello

As a daemon:
  inetd check -c inetd.toml                   look for mistakes, start nothing
  inetd doctor -c inetd.toml                  what would hurt on this machine
  inetd run -c inetd.toml                     run in the foreground
  inetd reload                                read the file again, keep every session
  inetd status, sessions, top                 look at the running daemon
  inetd run -c /etc/inetd.conf                classic files work as they are
  inetd -R 100 -p FILE /etc/inetd.conf        and so do the flags of old inetds
  inetd convert /etc/xinetd.conf -o inetd.toml
  inetd service install                       start at boot, on Windows and Linux

Exit codes: 0 fine, 1 configuration or start-up error, 2 bad command line,
3 another inetd is running, 4 no daemon to talk to.";

const SERVE: &str = "\
Runs one service in the foreground, without a configuration file. Each LISTEN is
PORT, HOST:PORT, [IPV6]:PORT (or a service name instead of PORT), tcp://...,
tcp4://..., tcp6://..., udp://..., unix:///PATH (Unix) or npipe:NAME (Windows).
Port 0 picks a free port. Each bound address is announced on standard output, then
`ready`.

The program finds its connection on standard input, output and error, its peer in
the environment (TCPREMOTEIP, TCPREMOTEPORT, ...), and its socket in Inetd_SOCK.

Every option is a key of a service in inetd.toml; docs/configuration.md explains
them all. --print-config shows the same service as a file.";

const ACCESS: &str = "\
Says whether a peer with this address may use a service, and which rule of the
configuration decides, with its place. It also says what else the peer depends on:
free slots and rates. Only if the configuration has a sensor, the running daemon is
asked whether the peer has touched it. Exit code 0 if the peer may come in, 1 if it
is refused.";

const STOP: &str = "\
Stops the running daemon and waits until it has ended. It accepts nothing any more;
sessions have their stop_timeout to finish, then they are asked to stop, then they
are killed. Used again while it stops, it kills all sessions at once.";

const DRAIN: &str = "\
Lets nobody new into a service. Its sessions go on to their natural end, and
`inetd status` tells how many are left. `inetd resume` brings the service back;
a reload does not, a restart of the daemon does.

A new client's connection is refused by the system (TCP on Linux), or closed at
once (everything else; docs/control.md tells why).";

const KILL: &str = "\
Stops one session: its program is asked to stop (SIGTERM, on Windows CTRL_BREAK),
and killed after the service's stop_timeout. The command does not wait for that.
Used on the same session again, it kills at once.";

const RESIZE: &str = "\
Gives the terminal of a session another size, as a user does who drags the edge of
a window; the program is told. Only sessions of a service with io = \"pty\" have one.";

const DOCTOR: &str = "\
Looks at the configuration, as `check` does, and at this machine: programs that
cannot be started or that others can change, ports that somebody else has, limits
that do not fit, output that is buffered, and the like. Each finding says why it
would hurt and what to do. Nothing is changed or started. The exit code is 1 if
there is an error among the findings.

--selftest needs no configuration: it starts daemons of its own in a temporary
folder and on the loopback interface, uses them as clients do, and prints for each
scenario whether it works on this machine. It takes less than a minute and leaves
nothing behind. The exit code is 1 if a scenario failed.";

const SERVICE_HELP: &str = "\
inetd as a service of the system: on Windows of the Service Control Manager, on
Linux of systemd. It needs an administrator. `install` checks the configuration
first and does not start the service; `inetd status`, `reload` and `stop` talk to
it as to any other daemon.";

const MAN: &str = "\
Prints the manual page of inetd, or of one of its commands, in the language of
man(7). To read it: inetd man serve | man -l -";

const SECRET_HELP: &str = "\
Passwords of local and domain accounts, for services with `user` on Windows. They
are kept in the private store of the system, where administrators and the system
alone can read them, and in no file. LocalService, NetworkService, NT SERVICE\\NAME
and managed service accounts (DOMAIN\\name$) need none. It needs an administrator.";

/// The whole command line.
pub(super) fn command() -> Command {
    Command::new("inetd")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(serve())
        .subcommand(
            Command::new("run")
                .about("Run the daemon in the foreground, as service managers want it")
                .args([config(), format(), control(), log_format(), log_level()]),
        )
        .subcommand(
            Command::new("check")
                .about("Read the configuration, print every problem, start nothing")
                .args([config(), format()])
                .arg(
                    Arg::new("file")
                        .value_name("FILE")
                        .value_parser(value_parser!(PathBuf))
                        .conflicts_with("config")
                        .help("The same as --config"),
                ),
        )
        .subcommand(
            Command::new("access")
                .about("Say whether an address may use a service, and which rule decides")
                .long_about(ACCESS)
                .args([config(), format(), control()])
                .arg(Arg::new("service").value_name("SERVICE").required(true).help("Its name"))
                .arg(
                    Arg::new("address")
                        .value_name("ADDRESS")
                        .required(true)
                        .value_parser(value_parser!(IpAddr))
                        .help("The address of a peer: 192.0.2.7, 2001:db8::1"),
                ),
        )
        .subcommand(
            Command::new("convert")
                .about("Write another kind of configuration as an inetd.toml")
                .long_about(
                    "Reads an inetd.conf, an xinetd.conf, a systemd socket unit, a wininetd.conf \
                     or a folder such as xinetd.d, and writes an inetd.toml that means the \
                     same, with comments where something was translated. A file with errors is \
                     not converted.",
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
                ),
        )
        .subcommand(
            Command::new("status")
                .about("Print the services and sessions of the running daemon")
                .args([config(), format(), control()])
                .arg(json()),
        )
        .subcommand(
            Command::new("sessions")
                .about("Print the sessions of the running daemon")
                .args([config(), format(), control()])
                .arg(json()),
        )
        .subcommand(
            Command::new("top")
                .about("Show services and sessions live, renewed each second; q quits")
                .args([config(), format(), control()]),
        )
        .subcommand(
            Command::new("reload")
                .about("Make the running daemon read its configuration again")
                .long_about(
                    "Makes the running daemon read its configuration again. Listeners that are \
                     still wanted stay open, sessions go on, and if anything is wrong with the \
                     new configuration nothing changes.",
                )
                .args([config(), format(), control()]),
        )
        .subcommand(
            Command::new("stop")
                .about("Stop the running daemon: sessions may finish, then they are stopped")
                .long_about(STOP)
                .args([config(), format(), control()])
                .arg(now("Kill the sessions at once"))
                .arg(
                    Arg::new("no-wait")
                        .long("no-wait")
                        .action(ArgAction::SetTrue)
                        .help("Do not wait until it has ended"),
                ),
        )
        .subcommand(
            Command::new("drain")
                .about("Let nobody new into a service; its sessions go on to their end")
                .long_about(DRAIN)
                .args([service_name(), config(), format(), control()]),
        )
        .subcommand(
            Command::new("resume").about("Let connections into a drained service again").args([
                service_name(),
                config(),
                format(),
                control(),
            ]),
        )
        .subcommand(
            Command::new("kill")
                .about("Stop one session: its program is asked to stop, then it is killed")
                .long_about(KILL)
                .arg(session())
                .arg(now("Kill it at once"))
                .args([config(), format(), control()]),
        )
        .subcommand(
            Command::new("resize")
                .about("Give the terminal of a session another size (io = \"pty\")")
                .long_about(RESIZE)
                .arg(session())
                .arg(
                    Arg::new("size")
                        .value_name("COLUMNSxROWS")
                        .required(true)
                        .value_parser(value_parser!(Size))
                        .help("The size in characters, for example 132x50"),
                )
                .args([config(), format(), control()]),
        )
        .subcommand(
            Command::new("doctor")
                .about("Look at this machine and the configuration, say what would hurt")
                .long_about(DOCTOR)
                .args([config(), format()])
                .arg(
                    Arg::new("selftest")
                        .long("selftest")
                        .action(ArgAction::SetTrue)
                        .conflicts_with_all(["config"])
                        .help("Run real scenarios here instead and print what works"),
                )
                .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("As JSON")),
        )
        .subcommand(service())
        .subcommand(secret())
        .subcommand(
            Command::new("completions")
                .about("Print a script that completes commands and options in a shell")
                .arg(
                    Arg::new("shell")
                        .value_name("SHELL")
                        .required(true)
                        .value_parser(value_parser!(Shell))
                        .help("Whose language the script is in"),
                ),
        )
        .subcommand(
            Command::new("man")
                .about("Print a manual page")
                .long_about(MAN)
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
                ),
        )
        .subcommand(
            Command::new(CHILD).hide(true).disable_help_flag(true).arg(
                Arg::new("role").num_args(1..).trailing_var_arg(true).allow_hyphen_values(true),
            ),
        )
        .subcommand(
            Command::new(CTRL_BREAK)
                .hide(true)
                .arg(Arg::new("pid").required(true).value_parser(value_parser!(u32))),
        )
}

fn service() -> Command {
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
        .long_about(SERVICE_HELP)
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

fn secret() -> Command {
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
        .long_about(SECRET_HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(set)
        .subcommand(
            Command::new("delete").about("Forget the password of an account").arg(account()),
        )
        .subcommand(Command::new("list").about("Print the accounts whose passwords are kept"))
}

fn serve() -> Command {
    let mut command = Command::new("serve")
        .about("Run one service from the command line")
        .long_about(SERVE)
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
pub(super) fn settings(matches: &ArgMatches) -> Vec<(Key, String)> {
    let options = SERVICE.iter().filter(|key| is_option(key.key));
    let values = options.flat_map(|key| {
        let values = matches.get_many::<String>(key.name).into_iter().flatten();
        values.map(|value| (key.key, value.clone()))
    });
    values.collect()
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

    #[test]
    fn every_key_of_a_service_is_an_option_of_serve() {
        for key in SERVICE.iter().filter(|key| is_option(key.key)) {
            let flag = format!("--{}=true", key.flag());
            let line = ["inetd", "serve", &flag, "7000", "--", "x"];
            let matches = command().try_get_matches_from(line).unwrap();
            let (_, matches) = matches.subcommand().unwrap();
            assert_eq!(settings(matches), [(key.key, "true".to_owned())], "{flag}");
        }
    }
}
