//! The daemon itself: its exit codes, and that there is only one.

use crate::harness::{Daemon, Start, inetd, native, on_windows, probe, service};

#[test]
fn help_and_version_are_fine() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["--version"]] {
        let finished = inetd(arguments);
        assert_eq!((finished.code, finished.err.as_str()), (0, ""), "{arguments:?}");
        assert!(finished.out.contains("inetd"), "{arguments:?}");
    }
}

#[test]
fn a_bad_command_line_is_2() {
    for arguments in [&["frobnicate"][..], &["serve", "--no-such-key", "1", "7000", "--", "x"], &[]]
    {
        let finished = inetd(arguments);
        assert_eq!(finished.code, 2, "{arguments:?}: {}", finished.err);
        assert_eq!(finished.out, "");
    }
}

#[test]
fn a_bad_configuration_is_1_with_its_position() {
    let finished = Start::run("[service.x]\nlisten = '127.0.0.1:0'\nlissten = '7'\n").fails();
    assert_eq!(finished.code, 1);
    // Three lines of the harness stand before it.
    assert!(finished.err.contains("inetd.toml:6:1"), "{}", finished.err);
    assert!(finished.err.contains("lissten"), "{}", finished.err);
    assert_eq!(finished.out, "");
}

#[test]
fn no_configuration_is_1() {
    let folder = tempfile::tempdir().unwrap();
    let missing = native(&folder.path().join("missing.toml"));
    let finished = inetd(&["run", "-c", &missing]);
    assert_eq!(finished.code, 1, "{}", finished.err);
    assert!(finished.err.contains("missing.toml"), "{}", finished.err);
}

#[test]
fn an_address_that_is_in_use_is_1_if_nobody_wants_to_wait() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let finished = Start::serve(&["--bind-retry", "0s", &listen], &probe(&["cat"])).fails();
    assert_eq!(finished.code, 1, "{}", finished.err);
    assert!(finished.err.contains(&listen), "{}", finished.err);
}

#[test]
fn another_instance_is_3_with_its_pid() {
    let config = service("cat", &probe(&["cat"]), "");
    let first = Daemon::run(&config);
    let second = Start::run(&config).control(first.control()).fails();
    assert_eq!(second.code, 3, "{}", second.err);
    assert_eq!(second.out, "");
    if !on_windows() {
        assert!(second.err.contains(&first.id().to_string()), "{}", second.err);
    }
    assert!(second.err.contains("pid"), "{}", second.err);
    // The first one has not noticed anything.
    assert_eq!(first.ask("cat", "still here"), "still here");
}

#[test]
fn a_dead_instance_is_no_hindrance() {
    let config = service("cat", &probe(&["cat"]), "");
    let first = Daemon::run(&config);
    let control = first.control().to_owned();
    let folder = first.kill();
    let second = Start::run(&config).control(&control).ready();
    assert_eq!(second.ask("cat", "hello"), "hello");
    drop(folder);
}

#[test]
fn no_daemon_to_talk_to_is_4() {
    let folder = tempfile::tempdir().unwrap();
    let control = if on_windows() {
        r"\\.\pipe\inetd-it-nobody".to_owned()
    } else {
        folder.path().join("nobody.sock").display().to_string()
    };
    for command in [
        &["reload"][..],
        &["stop"],
        &["status"],
        &["sessions"],
        &["top"],
        &["drain", "x"],
        &["resume", "x"],
        &["kill", "1"],
    ] {
        let finished = inetd(&[command, &["--control", &control]].concat());
        assert_eq!(finished.code, 4, "{command:?}: {}", finished.err);
        assert!(finished.err.contains(&control), "{}", finished.err);
    }
}

#[test]
fn check_prints_the_services_or_the_problems() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("inetd.toml");
    std::fs::write(&file, service("cat", &probe(&["cat"]), "")).unwrap();
    let good = inetd(&["check", "-c", &native(&file)]);
    assert_eq!(good.code, 0, "{}", good.err);
    assert!(good.out.contains("cat") && good.out.contains("tcp://127.0.0.1:0"), "{}", good.out);

    std::fs::write(&file, "[service.a]\nlisten = 'nowhere:x'\n[service.b]\nmax_sessions = -1\n")
        .unwrap();
    let bad = inetd(&["check", &native(&file)]);
    assert_eq!((bad.code, bad.out.as_str()), (1, ""));
    // All problems in one run.
    assert!(bad.err.contains("inetd.toml:2:") && bad.err.contains("inetd.toml:4:"), "{}", bad.err);
}
