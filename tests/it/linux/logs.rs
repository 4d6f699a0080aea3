//! Logs of the system, full disks, and what logrotate does.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::harness::{Daemon, Start, deadline, left_out, probe, service, wait_until};

fn say() -> String {
    service("say", &probe(&["say", "x"]), "")
}

fn with_log(keys: &str) -> Daemon {
    Start::run(&say()).daemon(&format!("log = {{ {keys} }}")).ready()
}

#[test]
fn a_file_that_was_renamed_is_opened_anew_at_a_reload() {
    let daemon = with_log("file = 'in.log'");
    let (path, old) = (daemon.folder().join("in.log"), daemon.folder().join("old.log"));
    std::fs::rename(&path, &old).unwrap();
    assert_eq!(daemon.ask("say", ""), "x\n");
    wait_until("the EXIT record", || std::fs::read_to_string(&old).unwrap().contains(" EXIT "));
    daemon.signal(Signal::HUP);
    wait_until("the new file", || path.exists());
    assert_eq!(daemon.ask("say", ""), "x\n");
    wait_until("the EXIT record", || std::fs::read_to_string(&path).unwrap().contains(" EXIT "));
    assert!(std::fs::read_to_string(&path).unwrap().contains("INFO Reloaded"));
    assert!(!std::fs::read_to_string(&old).unwrap().contains("session=2"));
}

#[test]
fn a_log_file_is_not_for_everybody() {
    use std::os::unix::fs::PermissionsExt;
    let daemon = with_log("file = 'in.log'");
    let metadata = std::fs::metadata(daemon.folder().join("in.log")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o640);
}

#[test]
fn with_a_full_disk_everything_goes_on_and_the_log_comes_out_on_standard_error() {
    let daemon = with_log("file = '/dev/full', rotate_size = 0");
    for _ in 0..3 {
        assert_eq!(daemon.ask("say", ""), "x\n");
    }
    daemon.records(3, "EXIT");
    let lines = daemon.log().all();
    let notice = "WARN The log target does not work target=/dev/full error=";
    assert!(lines[0].contains(notice), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.contains(notice)).count(), 1, "{lines:?}");
    assert!(lines[1].contains("INFO Started"), "{lines:?}");
}

/// The journal's socket has a fixed place, so the daemon sees a folder of the test as `/run`. That
/// needs user namespaces. Its standard error is called a stream of the journal, as systemd does.
#[test]
fn the_journal_gets_records_with_their_fields() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "mount --bind '{}' /run && \
         JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec \"$0\" \"$@\"",
        folder.path().display()
    );
    let prefix = ["unshare", "--map-root-user", "--mount", "sh", "-c", &script];
    let mut able = Command::new(prefix[0]);
    able.args(&prefix[1..]).arg("true").stderr(Stdio::null());
    if !able.status().is_ok_and(|status| status.success()) {
        return left_out("no user namespaces here");
    }
    std::fs::create_dir_all(folder.path().join("systemd/journal")).unwrap();
    let socket = UnixDatagram::bind(folder.path().join("systemd/journal/socket")).unwrap();
    socket.set_read_timeout(Some(deadline())).unwrap();
    let entry = || {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };

    for target in ["auto", "journald"] {
        let start = Start::run(&say())
            .daemon(&format!("log = {{ target = '{target}', facility = 'local3' }}"));
        let daemon = start.through(&prefix, Stdio::null()).ready();
        assert!(entry().starts_with("MESSAGE=Started version="));
        assert_eq!(daemon.ask("say", ""), "x\n");
        let start = entry();
        assert!(
            start.starts_with("MESSAGE=START service=say session=1 peer=127.0.0.1:"),
            "{start}"
        );
        for line in
            ["PRIORITY=6", "SYSLOG_FACILITY=19", "INETD_EVENT=3001", "SERVICE=say", "SESSION=1"]
        {
            assert!(start.lines().any(|other| other == line), "{line}: {start}");
        }
        assert!(entry().contains("\nINETD_EVENT=3002\n"));
        assert_eq!(daemon.log().all(), [""; 0]);
    }

    // Lines of JSON are for whoever reads the journal's lines.
    let start = Start::run(&say()).daemon("log = { format = 'json' }");
    let daemon = start.through(&prefix, Stdio::null()).ready();
    daemon.log().wait_for("the start", |line| line.contains("\"event\":\"Started\""));
}
