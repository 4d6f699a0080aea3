//! What keeps sessions apart and the daemon small.

use crate::harness::{Daemon, inetd, probe, service};

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
    let mut clients: Vec<_> = (0..200).map(|_| daemon.connect("hold")).collect();
    for client in &mut clients {
        assert!(client.line().starts_with("ready "));
    }
    let with = threads(&daemon);
    assert!(with <= before + 10, "{before} threads, {with} with 200 programs");
    drop(clients);
    assert_eq!(daemon.records(200, "EXIT").len(), 200);
}
