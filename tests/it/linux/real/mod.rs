//! Real servers of the classic inetd world with their real clients, started with the lines of
//! `docs/servers.md`. A server that is not installed is left out, but never in CI, where `ci/test`
//! installs them all.

mod files;
mod front;
mod information;
mod logins;
mod page;
mod versions;

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Finished, Generated, Process, left_out};

/// PATH with the folders of servers and of the clients that are plug-ins.
pub(super) fn search() -> OsString {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin:/usr/local/sbin:/usr/lib/nagios/plugins").into()
}

/// Whether these programs are installed.
pub(super) fn installed(names: &[&str]) -> Option<()> {
    let search = search();
    let is_there = |name: &&&str| std::env::split_paths(&search).any(|f| f.join(name).exists());
    let missing: Vec<_> = names.iter().filter(|name| !is_there(name)).collect();
    if missing.is_empty() {
        return Some(());
    }
    left_out(&format!("{missing:?} are not installed"));
    None
}

/// A client that finds nothing of whoever runs the tests: it has a home of its own.
fn client(program: &str, arguments: &[&str], home: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).current_dir(home).env("HOME", home);
    command.env("PATH", search()).env("LC_ALL", "C").env("USER", "tester");
    command.env("GIT_TERMINAL_PROMPT", "0");
    command
}

/// Runs a client to its end, which must be a good one.
#[track_caller]
fn run(program: &str, arguments: &[&str]) -> Finished {
    run_in(&std::env::temp_dir(), program, arguments)
}

/// As [`run`], in a folder that is also its home.
#[track_caller]
fn run_in(home: &Path, program: &str, arguments: &[&str]) -> Finished {
    finish(client(program, arguments, home))
}

#[track_caller]
fn finish(command: Command) -> Finished {
    let shown = format!("{command:?}");
    let finished = Process::start(command).finish();
    assert_eq!(finished.code, 0, "{shown}: {}{}", finished.out, finished.err);
    finished
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A tree with a few files, one of them large and binary.
fn make_tree(root: &Path) {
    std::fs::create_dir_all(root.join("deep/er")).unwrap();
    std::fs::write(root.join("hello.txt"), "hello\n").unwrap();
    std::fs::write(root.join("deep/er/empty"), "").unwrap();
    make_large(&root.join("deep/large.bin"), 8 << 20);
}

/// A file of bytes of every value.
fn make_large(path: &Path, size: u64) {
    let mut large = std::fs::File::create(path).unwrap();
    std::io::copy(&mut Generated::new(3, size), &mut large).unwrap();
}

#[track_caller]
fn assert_same_tree(one: &Path, other: &Path) {
    run("diff", &["-r", "-x", ".git", "-x", "CVS", "-x", ".svn", text(one), text(other)]);
}
