//! What commands do when their output cannot be written.

use std::fs::File;
use std::process::Stdio;

use crate::harness::{command, native, probe, service};

/// The exit code of a command whose standard output is this.
fn code_with(out: impl Into<Stdio>, arguments: &[&str]) -> i32 {
    let mut command = command(&[]);
    command.args(arguments).stdout(out).stderr(Stdio::null());
    command.status().unwrap().code().unwrap()
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    std::fs::write(&path, service("x", &probe(&["cat"]), "")).unwrap();
    let path = native(&path);
    for arguments in [&["check", &*path][..], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(code_with(writer, arguments), 0, "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    std::fs::write(&path, service("x", &probe(&["cat"]), "")).unwrap();
    for arguments in [&["check", &*native(&path)][..], &["--help"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(code_with(full, arguments), 1, "{arguments:?}");
    }
}
