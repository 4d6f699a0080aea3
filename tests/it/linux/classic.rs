//! A start script of an old inetd: its command line starts the daemon in the background.

use std::path::Path;
use std::process::Command;

use crate::harness::{Client, Finished, inetd, own_port, probe, wait_until};

fn me() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A folder with an inetd.conf for one service on a port.
struct Old {
    folder: tempfile::TempDir,
    port: u16,
}

impl Old {
    fn new(mode: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), own_port());
        let program = probe(&[]).remove(0);
        let line = format!("{port} stream tcp nowait {} {program} {program} {mode}\n", me());
        std::fs::write(folder.path().join("inetd.conf"), line).unwrap();
        Self { folder, port }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// `inetd FLAGS inetd.conf`, with a control endpoint of its own.
    fn start(&self, flags: &[&str]) -> Finished {
        let (control, file) = (self.path("control.sock"), self.path("inetd.conf"));
        inetd(&[flags, &["--control", &control, &file]].concat())
    }

    fn tell(&self, command: &str) -> Finished {
        inetd(&[command, "--control", &self.path("control.sock")])
    }

    fn connect(&self) -> Client {
        Client::connect(([127, 0, 0, 1], self.port).into())
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        // Nothing of it may be left when a test fails.
        self.tell("stop");
    }
}

// inetd(8) of FreeBSD: "-p filename Specify an alternate file in which to store the process ID."
// "-a address Specify one specific IP address to bind to." "-c maximum Specify the default maximum
// number of simultaneous invocations of each service". daemon(3): the starter has ended when the daemon is there.
#[test]
fn the_flags_of_a_start_script_start_a_daemon_in_the_background() {
    let old = Old::new("hold");
    let pid_file = old.path("pid");
    let flags = ["-l", "-R", "100", "-c", "1", "-a", "127.0.0.1", "-p", &pid_file];
    let started = old.start(&flags);
    assert_eq!((started.code, &*started.out), (0, ""), "{}", started.err);
    let pid = std::fs::read_to_string(&pid_file).unwrap().trim().to_owned();
    let process = format!("/proc/{pid}");
    assert_eq!(std::fs::read_link(format!("{process}/cwd")).unwrap(), Path::new("/"));
    for stream in 0..3 {
        let link = std::fs::read_link(format!("{process}/fd/{stream}"));
        assert_eq!(link.unwrap(), Path::new("/dev/null"), "{stream}");
    }
    // A session of its own, so that it outlives the terminal.
    let stat = std::fs::read_to_string(format!("{process}/stat")).unwrap();
    let session = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(3).unwrap();
    assert_eq!(session, pid);
    let mut first = old.connect();
    assert!(first.line().starts_with("ready "));
    let second = old.connect();
    let status = old.tell("status");
    assert!(status.out.contains(&format!("tcp://127.0.0.1:{}", old.port)), "{}", status.out);
    assert!(second.is_quiet(), "one at a time");
    drop((first, second));
    assert_eq!(old.tell("stop").code, 0);
    assert!(!Path::new(&pid_file).exists());
    wait_until("its end", || !Path::new(&process).exists());
}

#[test]
fn a_start_script_hears_of_what_is_wrong() {
    let old = Old::new("hold");
    let pid_file = old.path("pid");
    std::fs::write(old.path("inetd.conf"), "nonsense stream tcp nowait root\n").unwrap();
    let failed = old.start(&["-p", &pid_file]);
    assert_eq!(failed.code, 1, "{}", failed.err);
    assert!(failed.err.contains("the line is too short"), "{}", failed.err);
    assert!(!Path::new(&pid_file).exists());
    let failed = old.start(&["-p", "/no/such/folder/pid"]);
    assert_eq!(failed.code, 1);
    let refused = old.start(&["-x"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    // The flags are those of inetd.conf.
    std::fs::write(old.path("inetd.conf"), "[service.x]\nlisten = 0\n").unwrap();
    let failed = old.start(&["-i", "-R", "5"]);
    assert!(failed.err.contains("command line:1:10"), "{}", failed.err);
}

// inetd(8) of FreeBSD: "-R rate Specify the maximum number of times a service can be invoked in one
// minute"; "Once the limit is reached, the service will be reenabled automatically in 10 minutes."
#[test]
fn a_service_that_is_invoked_too_often_pauses() {
    let old = Old::new("hold");
    let started = old.start(&["-R", "2"]);
    assert_eq!(started.code, 0, "{}", started.err);
    let mut held: Vec<_> = (0..2).map(|_| old.connect()).collect();
    for client in &mut held {
        assert!(client.line().starts_with("ready "));
    }
    let third = old.connect();
    let status = || {
        let status = inetd(&["status", "--json", "--control", &old.path("control.sock")]);
        serde_json::from_str::<serde_json::Value>(&status.out).unwrap()
    };
    // The program may be faster than the one who counts it.
    wait_until("both are counted", || status()["services"][0]["started"] == 2);
    assert!(third.is_quiet());
}
