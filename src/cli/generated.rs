//! `inetd completions` and `inetd man`: what is made of the definition of the command line, so
//! that it never says anything else than `--help`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use clap::{Arg, ArgMatches, Command};
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

use super::{FAILED, USAGE, arguments, fail, output};

/// "System administration commands and daemons" (man(1)).
const SECTION: &str = "8";

pub(super) fn completions(matches: &ArgMatches) -> ExitCode {
    let Some(shell) = matches.get_one::<Shell>("shell") else { return ExitCode::from(USAGE) };
    let mut command = arguments::command();
    command.build();
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut shown(&command), "inetd", &mut script);
    output::out(&String::from_utf8_lossy(&script))
}

pub(super) fn man(matches: &ArgMatches) -> ExitCode {
    let root = manual();
    if let Some(folder) = matches.get_one::<PathBuf>("output") {
        return match write_all(&root, folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                fail(FAILED, format_args!("cannot write to {}: {error}", folder.display()))
            }
        };
    }
    let mut command = &root;
    for name in matches.get_many::<String>("command").into_iter().flatten() {
        let next = command.find_subcommand(name).filter(|next| !next.is_hide_set());
        let Some(next) = next else {
            return fail(USAGE, format_args!("{} has no command `{name}`", title(command)));
        };
        command = next;
    }
    match page(command) {
        Ok(page) => output::out(&page),
        Err(error) => fail(FAILED, error),
    }
}

/// A command that was built, without what is hidden, which completion scripts would offer all the
/// same, and what building adds again.
fn shown(command: &Command) -> Command {
    let own =
        |arg: &&Arg| !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version";
    let mut copy = Command::new(command.get_name().to_owned())
        .disable_help_subcommand(true)
        .args(command.get_arguments().filter(own).cloned())
        .subcommands(command.get_subcommands().filter(|each| !each.is_hide_set()).map(shown));
    if let Some(about) = command.get_about() {
        copy = copy.about(about.clone());
    }
    match command.get_version() {
        Some(version) => copy.version(version.to_owned()),
        None => copy,
    }
}

/// The whole command line as the manual describes it. A page begins with one short line.
fn manual() -> Command {
    let root = arguments::command();
    let long = root.get_about().cloned().unwrap_or_default();
    let mut root = root.about("Internet superserver").long_about(long);
    root.build();
    root
}

/// `inetd-service-install`
fn title(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// The manual page of a command, in the language of man(7).
fn page(command: &Command) -> io::Result<String> {
    let mut page = Vec::new();
    let man = Man::new(command.clone())
        .section(SECTION)
        .source(concat!("inetd ", env!("CARGO_PKG_VERSION")))
        .manual("inetd");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|each| !each.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(examples) = command.get_after_help() {
        // Lines that belong together as they are.
        let mut roff = Roff::new();
        roff.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in examples.to_string().lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []).to_writer(&mut page)?;
    }
    String::from_utf8(page).map_err(io::Error::other)
}

/// Writes the page of the command and of all below it.
fn write_all(command: &Command, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(format!("{}.{SECTION}", title(command))), page(command)?)?;
    let mut below = command.get_subcommands().filter(|each| !each.is_hide_set());
    below.try_for_each(|each| write_all(each, folder))
}
