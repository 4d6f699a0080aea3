//! `inetd doctor`: what it finds on a machine that is as it should be, and on one that is not.

use std::net::{TcpListener, UdpSocket};

use crate::harness::{
    Daemon, Finished, Start, inetd, native, on_windows, own_port, probe, service, wine,
};

/// A configuration in a folder of its own.
struct Config {
    folder: tempfile::TempDir,
    path: String,
}

impl Config {
    fn new(text: &str) -> Self {
        // Not in a folder that everybody may write to: Wine does not know that it is a special one.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let file = folder.path().join("inetd.toml");
        std::fs::write(&file, format!("[daemon]\ncontrol = ''\n{text}")).unwrap();
        Self { folder, path: native(&file) }
    }

    fn doctor(&self) -> Finished {
        inetd(&["doctor", "-c", &self.path])
    }

    fn json(&self) -> serde_json::Value {
        let finished = inetd(&["doctor", "--json", "-c", &self.path]);
        serde_json::from_str(&finished.out).unwrap_or_else(|e| panic!("{e}: {}", finished.out))
    }
}

/// The findings about services; those about this machine differ from one to the next.
fn findings(text: &str) -> Vec<&str> {
    let findings = text.split("\n\n").filter(|finding| finding.contains("\n --> "));
    findings.collect()
}

#[test]
fn nothing_hurts_where_all_is_well() {
    let config = Config::new(&service("x", &probe(&["cat"]), ""));
    let doctor = config.doctor();
    assert_eq!((doctor.code, &*doctor.err), (0, ""), "{}", doctor.out);
    assert_eq!(findings(&doctor.out), [""; 0]);
    let system = if wine() { "1 service on Wine " } else { "1 service on " };
    let last = doctor.out.lines().last().unwrap();
    assert!(last.starts_with(system), "{last}");
    assert!(last.contains(": 0 errors, "), "{last}");
}

#[test]
fn a_taken_port_is_an_error_with_its_place_and_its_owner() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let listen = format!("listen = '{address}'");
    let config = Config::new(&service("x", &probe(&["cat"]), &listen));
    let doctor = config.doctor();
    assert_eq!(doctor.code, 1, "{}", doctor.out);
    let [finding] = findings(&doctor.out)[..] else { panic!("{}", doctor.out) };
    let owner = if wine() {
        "another program".to_owned()
    } else {
        let own = std::env::current_exe().unwrap();
        format!("{} (pid {})", own.display(), std::process::id())
    };
    let expected = format!("error: {owner} listens on tcp://{address}\n --> ");
    assert!(finding.starts_with(&expected), "{finding}");
    assert!(finding.contains("inetd.toml:5:10\n  = why: "), "{finding}");
}

#[test]
fn the_ports_of_a_running_daemon_are_its_own() {
    let port = own_port();
    let keys = format!("listen = ['127.0.0.1:{port}', 'udp://127.0.0.1:{port}']");
    let daemon = Daemon::run(&service("x", &probe(&["cat"]), &keys));
    let doctor = inetd(&["doctor", "-c", &native(&daemon.config())]);
    assert_eq!(doctor.code, 0, "{}", doctor.out);
    assert!(!doctor.out.contains(&format!(":{port}")), "{}", doctor.out);
}

#[test]
fn what_a_running_daemon_waits_for_is_told_with_its_owner() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let listens = [
        format!("tcp://{}", tcp.local_addr().unwrap()),
        format!("udp://{}", udp.local_addr().unwrap()),
    ];
    let on = |name: &str, listen: &str| {
        service(name, &probe(&["cat"]), &format!("listen = '{listen}'\nbind_retry = '60s'"))
    };
    let services = service("fine", &probe(&["cat"]), "") + &on("x", &listens[0]);
    let daemon = Start::run(&(services + &on("y", &listens[1]))).begin();
    daemon.log().wait_for("its start", |line| line.contains(" Started "));
    let doctor = inetd(&["doctor", "-c", &native(&daemon.config())]);
    assert_eq!(doctor.code, 1, "{}", doctor.out);
    let [first, second] = findings(&doctor.out)[..] else { panic!("{}", doctor.out) };
    for (finding, listen) in [first, second].iter().zip(&listens) {
        assert!(finding.starts_with("error: "), "{finding}");
        assert!(finding.contains(&format!(" listens on {listen}\n --> ")), "{finding}");
        assert!(finding.contains("tries again"), "{finding}");
        assert!(wine() || finding.contains(&format!("(pid {})", std::process::id())), "{finding}");
    }
    // Free, but the daemon has not noticed yet.
    drop((tcp, udp));
    let doctor = inetd(&["doctor", "-c", &native(&daemon.config())]);
    assert_eq!(doctor.code, 0, "{}", doctor.out);
    for (finding, listen) in findings(&doctor.out).iter().zip(&listens) {
        assert!(finding.starts_with("warning: the running daemon (pid "), "{finding}");
        assert!(finding.contains(&format!("does not listen on {listen} yet")), "{finding}");
    }
    assert_eq!(findings(&doctor.out).len(), 2, "{}", doctor.out);
}

#[test]
fn what_is_wrong_with_a_configuration_is_told_as_check_tells_it() {
    let config = Config::new("[service.x]\nlisten = '0'\nrun = ['x']\nusr = 'x'\n");
    let doctor = config.doctor();
    assert_eq!(doctor.code, 1);
    let check = inetd(&["check", &config.path]);
    assert!(check.err.contains("unknown key `usr`"), "{}", check.err);
    assert!(doctor.out.starts_with(&check.err), "{}", doctor.out);
    assert!(doctor.out.contains("note: the services were not looked at\n"), "{}", doctor.out);
    let json = config.json();
    let findings = json["findings"].as_array().unwrap();
    let unknown = findings.iter().find(|finding| finding["what"] == "unknown key `usr`").unwrap();
    assert_eq!(unknown["severity"], "error");
    let place = unknown["where"][0].as_str().unwrap();
    assert!(place.ends_with("inetd.toml:6:1"), "{place}");
}

#[test]
fn findings_as_json() {
    let keys = "listen = ['127.0.0.1:0', '0.0.0.0:0']\nmax_sessions = 0";
    let config = Config::new(&service("x", &probe(&["cat"]), keys));
    let json = config.json();
    assert_eq!((&json["services"], &json["errors"]), (&1.into(), &0.into()), "{json}");
    let all = json["findings"].as_array().unwrap();
    let found: Vec<_> = all.iter().filter(|f| f["where"] != serde_json::json!([])).collect();
    assert_eq!(found.len(), 2, "{json}");
    for finding in found {
        assert_eq!(finding["severity"], "note");
        assert!(!finding["why"].as_str().unwrap().is_empty());
        assert!(!finding["help"].as_str().unwrap().is_empty());
    }
}

#[test]
fn programs_that_cannot_be_started_are_errors() {
    let config = Config::new("");
    let name = if on_windows() { "old.exe" } else { "old.sh" };
    let file = config.folder.path().join(name);
    let mut content = vec![0; 200];
    if on_windows() {
        content[..2].copy_from_slice(b"MZ");
        content[0x3c] = 0x40;
        content[0x40..0x46].copy_from_slice(b"PE\0\0\x66\x02"); // MIPS
    } else {
        content = b"#!/no/such/interpreter\n".to_vec();
    }
    std::fs::copy(probe(&[])[0].trim_start_matches("Z:").replace('\\', "/"), &file).unwrap();
    std::fs::write(&file, content).unwrap();
    let config = Config::new(&service("x", &[native(&file)], ""));
    let doctor = config.doctor();
    assert_eq!(doctor.code, 1, "{}", doctor.out);
    let [finding] = findings(&doctor.out)[..] else { panic!("{}", doctor.out) };
    assert!(finding.contains(" cannot be started: it"), "{finding}");
}

#[test]
fn the_default_configuration_need_not_be_there() {
    if on_windows() {
        return; // There it belongs to the machine and not to a variable.
    }
    let mut command = crate::harness::command(&[]);
    let folder = tempfile::tempdir().unwrap();
    command.arg("doctor").env("XDG_CONFIG_HOME", folder.path());
    let doctor = crate::harness::Process::start(command).finish();
    let has_one = std::path::Path::new("/etc/inetd/inetd.toml").exists();
    if !has_one {
        assert_eq!(doctor.code, 0, "{}", doctor.out);
        assert!(doctor.out.starts_with("note: there is no configuration "), "{}", doctor.out);
    }
    let missing = inetd(&["doctor", "-c", "no/such/inetd.toml"]);
    assert_eq!(missing.code, 1);
    assert!(missing.out.starts_with("error: cannot read no/such/inetd.toml"), "{}", missing.out);
}
