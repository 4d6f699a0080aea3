//! The command lines of the old inetds, where they mean the same on every system.

use crate::harness::{Start, inetd, probe, service};

#[test]
fn a_file_alone_is_run() {
    let start = Start::arguments_only(&service("x", &probe(&["say", "x"]), ""), &["-d"]);
    let daemon = start.ready();
    assert_eq!(daemon.ask("x", ""), "x\n");
}

#[test]
fn what_cannot_be_honoured_says_what_to_write_instead() {
    for (arguments, expected) in [
        (&["-R", "x"][..], "-R x: not a number"),
        (&["-inetd_compat"], "inetd convert"),
        (&["-d", "one", "two"], "put several files into a folder"),
    ] {
        let refused = inetd(arguments);
        assert_eq!(refused.code, 2, "{}", refused.err);
        assert!(refused.err.contains(expected), "{}", refused.err);
    }
}

#[test]
fn a_file_that_is_not_there_is_the_only_problem() {
    let refused = inetd(&["-d", "-R", "5", "no-such.conf"]);
    assert_eq!((refused.code, refused.err.matches("error: ").count()), (1, 1), "{}", refused.err);
    assert!(refused.err.contains("no-such.conf: "), "{}", refused.err);
}
