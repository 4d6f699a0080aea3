//! What a program, or somebody else on the machine, must not be able to do.

use std::time::{Duration, Instant};

use crate::harness::{Daemon, Start, inetd, probe, service, wait_until};

/// A shell script as a service.
fn script(name: &str, script: &str, keys: &str) -> String {
    service(name, &["/bin/sh".into(), "-c".into(), script.into()], keys)
}

#[test]
fn a_program_has_no_capabilities_to_hand_on() {
    // As systemd starts a daemon that is not root with AmbientCapabilities=.
    let caps = "+net_bind_service";
    let prefix = ["setpriv", "--inh-caps", caps, "--ambient-caps", caps];
    let script = script("caps", r#"grep -E "Cap(Inh|Amb)" /proc/self/status"#, "");
    let stdin = std::process::Stdio::null();
    let daemon = Start::run(&script).through(&prefix, stdin).ready();
    let answer = daemon.ask("caps", "");
    for line in answer.lines() {
        assert!(line.ends_with("0000000000000000"), "{answer}");
    }
    assert_eq!(answer.lines().count(), 2, "{answer}");
}

#[test]
fn orphans_of_a_server_that_runs_on_do_not_gather() {
    // Each line makes a process whose parent ends at once: it becomes the daemon's, and a zombie.
    let daemon = Daemon::run(&script("forks", "while read x; do (: & :); echo done; done", ""));
    let mut client = daemon.connect("forks");
    for _ in 0..10 {
        client.send(b"go\n");
        assert_eq!(client.line(), "done");
    }
    wait_until("only the server itself is left", || daemon.children().len() == 1);
}

#[test]
fn a_leftover_that_may_stay_does_not_keep_the_daemon_busy() {
    let keys = "tree = 'leave'";
    let daemon = Daemon::run(&script("leaves", "setsid sleep 77 >&- 2>&- <&- & echo left", keys));
    assert_eq!(daemon.ask("leaves", ""), "left\n");
    daemon.records(1, "EXIT");
    for _ in 0..20 {
        assert_eq!(daemon.ask("leaves", ""), "left\n");
    }
    daemon.records(21, "EXIT");
    let left = daemon.children();
    assert!(left.len() >= 20, "{left:?}");
    let before = spent(daemon.id());
    let end = Instant::now() + Duration::from_secs(3);
    wait_until("three idle seconds", || Instant::now() > end);
    assert!(spent(daemon.id()) - before < 20, "a fifth of a second of processor time");
    for pid in left {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}

/// Clock ticks of processor time (proc_pid_stat(5), fields 14 and 15).
fn spent(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[test]
fn lines_that_were_too_many_are_counted() {
    let text = "i=0; while [ $i -lt 1500 ]; do echo $i >&2; i=$((i+1)); done";
    let daemon = Daemon::run(&script("talks", text, "stderr = 'log'"));
    daemon.ask("talks", "");
    daemon.log().wait_for("a word about lost lines", |line| line.contains("STDERR lines lost"));
}

#[test]
fn nobody_waits_for_who_writes_to_a_fifo_in_place_of_a_file() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    mknodat(CWD, path("fifo.toml"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let listen = "[service.q]\nlisten = '127.0.0.1:0'\nbuiltin = 'qotd:fifo.toml'\n";
    std::fs::write(path("include"), "include = ['fifo.toml']\n").unwrap();
    std::fs::write(path("qotd"), listen).unwrap();
    for config in ["include", "qotd", ""] {
        let checked = inetd(&["check", "--format", "toml", "-c", &path(config)]);
        assert_eq!(checked.code, 1, "{config}");
        assert!(checked.err.contains("fifo.toml: it is a named pipe"), "{}", checked.err);
    }
}

#[test]
fn a_changed_backlog_keeps_the_listener() {
    let daemon = Daemon::run(&service("say", &probe(&["say", "x"]), "backlog = 10"));
    let address = daemon.endpoints("say");
    daemon.reload_with(&service("say", &probe(&["say", "y"]), "backlog = 20\nnodelay = true"));
    assert_eq!(daemon.ask("say", ""), "y\n");
    assert_eq!(daemon.endpoints("say"), address, "bound once");
}

#[test]
fn without_a_file_a_hangup_is_the_end() {
    let mut daemon = Start::serve(&["127.0.0.1:0"], &probe(&["say", "x"])).ready();
    daemon.signal(rustix::process::Signal::HUP);
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn under_nohup_a_hangup_changes_nothing() {
    let start = Start::serve(&["127.0.0.1:0"], &probe(&["say", "x"]));
    let mut daemon = start.through(&["nohup"], std::process::Stdio::null()).ready();
    daemon.signal(rustix::process::Signal::HUP);
    // Both signals are dealt with in their order of arrival or of number: HUP comes first.
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.exit_code(), 0);
    let lines = daemon.log().all();
    assert!(lines.iter().any(|line| line.contains("Stopping cause=signal")), "{lines:?}");
}
