//! What keeps sessions apart and the daemon small.

use crate::harness::{Daemon, inetd, probe, service, wine};

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_restricted_program_can_do_almost_nothing() {
    let config = service("free", &probe(&["identity"]), "")
        + &service("restricted", &probe(&["identity"]), "restrict = true");
    let daemon = Daemon::run(&config);
    let user = |answer: &str| answer.lines().next().unwrap().to_owned();
    let (free, restricted) = (daemon.ask("free", ""), daemon.ask("restricted", ""));
    assert!(free.starts_with("user "), "{free}");
    assert_eq!(user(&free), user(&restricted));
    assert!(restricted.contains("job 1\n"), "{restricted}");
    // Wine makes the token and then runs the program with our own.
    if !wine() {
        assert!(restricted.contains("integrity 4096\n"), "{restricted}");
        assert!(restricted.contains("privileges 1\n"), "{restricted}");
    }
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_restricted_program_can_be_stopped() {
    let keys = "restrict = true\nstop_timeout = '200ms'";
    let mut daemon = Daemon::run(&service("stubborn", &probe(&["ignore-stop"]), keys));
    let mut client = daemon.connect("stubborn");
    assert_eq!(client.line(), "ready");
    assert_eq!(daemon.stop().code, 0);
    client.closed();
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_program_without_room_on_its_desktop_is_explained_and_counted() {
    // STATUS_DLL_INIT_FAILED
    let daemon = Daemon::run(&service("full", &probe(&["exit", "-1073741502"]), ""));
    daemon.connect("full").closed();
    let record = daemon.log().wait("an explanation", |lines| {
        lines.iter().find(|line| line.contains("WARN A program could not load")).cloned()
    });
    assert!(record.contains("service=full session=1"), "{record}");
    assert!(record.contains("SharedSection"), "{record}");
    let status = inetd(&["status", "--json", "--control", daemon.control()]);
    assert!(status.out.contains("\"desktop_heap\": 1"), "{}", status.out);
}

/// Wine's thread pool has a thread for each 63 objects that are waited for, Windows has one for
/// all.
#[cfg(unix)]
#[test]
#[ignore = "needs the Windows program: see ci/test"]
fn hundreds_of_programs_are_waited_for_by_a_few_threads() {
    let threads =
        |daemon: &Daemon| std::fs::read_dir(format!("/proc/{}/task", daemon.id())).unwrap().count();
    let daemon = Daemon::run(&service("hold", &probe(&["hold"]), ""));
    let before = threads(&daemon);
    let clients = daemon.held(200);
    let with = threads(&daemon);
    assert!(with <= before + 10, "{before} threads, {with} with 200 programs");
    drop(clients);
    assert_eq!(daemon.records(200, "EXIT").len(), 200);
}
