//! inetd as a service of Windows, from installing to uninstalling it.
//!
//! This changes the machine, so on Windows itself it runs only with `INETD_TEST_SERVICE=1`, in a
//! console of an administrator, and where inetd is not installed. A Wine prefix belongs to the
//! tests anyway.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{
    Client, Daemon, Finished, Start, inetd, native, open_to_everybody, probe, service, tool,
    wait_until, wine,
};

/// The configuration of the service, in a folder with a blank in its name.
struct Config {
    _folder: tempfile::TempDir,
    path: PathBuf,
    control: String,
}

impl Config {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("inetd it ").tempdir().unwrap();
        let path = folder.path().join("inetd.toml");
        let control = format!(r"\\.\pipe\inetd-it-service-{}", std::process::id());
        Self { _folder: folder, path, control }
    }

    fn write(&self, services: &str) {
        let text = format!("[daemon]\ncontrol = '{}'\n{services}", self.control);
        std::fs::write(&self.path, text).unwrap();
    }

    /// The next file has the rights of a new one.
    fn renew(&self) {
        std::fs::remove_file(&self.path).unwrap();
    }

    /// `inetd service install` with it.
    fn install(&self, options: &[&str]) -> Finished {
        let path = native(&self.path);
        let mut arguments = vec!["service", "install", "--config", &path];
        arguments.extend(options);
        inetd(&arguments)
    }

    /// Where `upper` listens.
    fn address(&self) -> SocketAddr {
        let status = inetd(&["status", "--control", &self.control]);
        let address = status.out.lines().find_map(|line| line.split_once("tcp://"));
        address.unwrap_or_else(|| panic!("{}{}", status.out, status.err)).1.parse().unwrap()
    }

    fn answer(&self) -> String {
        Client::connect(self.address()).rest()
    }
}

/// Takes the service away, whatever happens.
struct Uninstall;

impl Drop for Uninstall {
    fn drop(&mut self) {
        run(&["uninstall"]);
    }
}

fn run(arguments: &[&str]) -> Finished {
    let arguments: Vec<_> = ["service"].iter().chain(arguments).copied().collect();
    inetd(&arguments)
}

#[track_caller]
fn succeeds(finished: &Finished) {
    assert_eq!(finished.code, 0, "{}{}", finished.out, finished.err);
}

/// Failed with this exit code, and said this on one line.
#[track_caller]
fn fails(finished: &Finished, code: i32, text: &str) {
    assert_eq!(finished.code, code, "{}{}", finished.out, finished.err);
    assert!(finished.err.lines().any(|line| line.contains(text)), "{}", finished.err);
}

#[track_caller]
fn is_not_installed() {
    fails(&run(&["status"]), 1, "the service is not installed: use `inetd service install`");
}

#[track_caller]
fn is_stopped() {
    let status = run(&["status"]);
    assert_eq!(status.code, 4, "{}{}", status.out, status.err);
    assert!(status.out.starts_with("service  Inetd: stopped"), "{}", status.out);
}

fn say(text: &str) -> String {
    service("say", &probe(&["say", text]), "")
}

/// The log of the service. Under Wine the prefix is that of `ci/wine-run`.
fn log() -> String {
    let folder = if wine() {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        target.join("wine/drive_c/ProgramData")
    } else {
        std::env::var_os("ProgramData").unwrap().into()
    };
    std::fs::read_to_string(folder.join("Inetd").join("inetd.log")).unwrap_or_default()
}

/// What came on top: earlier runs have left their lines, too.
fn since(mark: usize) -> String {
    log().split_off(mark)
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn from_installing_to_uninstalling() {
    if !wine() && std::env::var_os("INETD_TEST_SERVICE").is_none() {
        return;
    }
    // Wine ends its service manager with the last ordinary process, so there has to be one; this
    // one can also send the control that `inetd` does not send.
    let mut paramchange = tool("paramchange.c");
    paramchange.push("Inetd".into());
    let other = Daemon::run(&service("paramchange", &paramchange, ""));
    let config = Config::new();
    let mark = log().len();
    is_not_installed();

    cannot_be_installed(&config);

    config.write(&say("first"));
    succeeds(&config.install(&["--start", "manual"]));
    let _uninstall = Uninstall;
    fails(&config.install(&[]), 1, "installed already: use `inetd service uninstall` first");
    is_stopped();
    succeeds(&run(&["stop"]));

    succeeds(&run(&["start"]));
    succeeds(&run(&["start"]));
    // The source of events is there.
    let text = since(mark);
    assert!(!text.contains("Nothing is reported to the Event Log"), "{text}");
    let status = run(&["status"]);
    succeeds(&status);
    assert!(status.out.contains("running (pid "), "{}", status.out);
    assert!(status.out.contains("inetd.exe\" service run --config \""), "{}", status.out);
    assert_eq!(config.answer(), "first\n");

    config.write(&say("second"));
    succeeds(&inetd(&["reload", "--control", &config.control]));
    assert_eq!(config.answer(), "second\n");
    config.write(&say("third"));
    assert_eq!(other.ask("paramchange", ""), "told\n");
    wait_until("the reload", || config.answer() == "third\n");

    // A session gets its time to end.
    config.write(&service("say", &probe(&["slow", "1000"]), ""));
    succeeds(&inetd(&["reload", "--control", &config.control]));
    let mut client = Client::connect(config.address());
    assert_eq!(client.line(), "ready");
    succeeds(&run(&["stop"]));
    assert_eq!(client.line(), "done");
    is_stopped();

    cannot_be_started(&config);
    reports_to_the_event_log();
    logs_elsewhere(&config);
    works_without_a_source_of_events(&config);

    succeeds(&run(&["uninstall"]));
    is_not_installed();
    before_anybody_has_written_a_service(&config);
    is_not_installed();
    fails(&run(&["uninstall"]), 1, "the service is not installed");
}

/// Nothing of a service that cannot work is installed.
fn cannot_be_installed(config: &Config) {
    fails(&config.install(&[]), 1, "there is no configuration");
    is_not_installed();
    config.write("[service.x]\nlisten = '1'\nrunn = ['x']\n");
    let broken = config.install(&[]);
    fails(&broken, 1, "inetd.toml:5:1");
    fails(&broken, 1, "has errors: correct it first");
    is_not_installed();
    config.write("");
    fails(&config.install(&[]), 1, "there is no service in");
    config.write(&say("x"));
    fails(&config.install(&["--account", "no-such-account"]), 1, "no account `no-such-account`");
    is_not_installed();
    fails(&run(&["run", "--config", &native(&config.path)]), 1, "only the Service Control Manager");
    open_to_everybody(&config.path);
    let exposed = config.install(&["--account", "LocalSystem"]);
    fails(&exposed, 1, "error: Everyone can change the configuration ");
    fails(&exposed, 1, "has errors: correct it first");
    is_not_installed();
    config.renew();
}

/// An installer leaves a service behind that runs and waits for a reload.
fn before_anybody_has_written_a_service(config: &Config) {
    config.write("");
    succeeds(&config.install(&["--ensure"]));
    succeeds(&config.install(&["--ensure"]));
    succeeds(&run(&["start"]));
    let note = "there is no service in ";
    wait_until("the note about it", || log().contains(note));
    fails(&inetd(&["reload", "--control", &config.control]), 1, note);
    config.write(&say("first"));
    succeeds(&inetd(&["reload", "--control", &config.control]));
    assert_eq!(config.answer(), "first\n");
    succeeds(&run(&["uninstall"]));
}

/// Each event with its number and its fields. Only Wine shows what is reported.
fn reports_to_the_event_log() {
    if !wine() {
        return;
    }
    let start = Start::run(&say("x")).daemon("log = { target = 'eventlog', level = 'warn' }");
    let daemon = start.env("WINEDEBUG", "+eventlog").ready();
    daemon.rewrite("[service.x]\nlisten = 1\n");
    assert_eq!(daemon.reload().code, 1);
    // An error (0x0001) with the number 4002.
    let is_error = |line: &str| line.contains("0x0001,0x0000,0x00000fa2,");
    daemon.log().wait_for("the event", is_error);
    let fields = |line: &str| line.contains("L\"error=") && line.contains("inetd.toml:5:10");
    daemon.log().wait_for("its fields", fields);
    assert!(!daemon.log().all().iter().any(|line| line.contains("INFO")));
}

/// The file is the one that the configuration names.
fn logs_elsewhere(config: &Config) {
    let own = config.path.with_file_name("own.log");
    let usual = log();
    let services = |file| format!("[daemon.log]\nfile = '{file}'\n{}", say("x"));
    config.write(&services("own.log"));
    succeeds(&run(&["start"]));
    assert_eq!(config.answer(), "x\n");
    succeeds(&run(&["stop"]));
    let text = std::fs::read_to_string(&own).unwrap();
    for event in ["INFO Started", "INFO START", "INFO EXIT", "INFO Stopped"] {
        assert!(text.contains(event), "{event}: {text}");
    }
    assert_eq!(log(), usual);

    // If that is not possible, the usual one says so.
    std::fs::remove_file(&own).unwrap();
    config.write(&format!("[daemon.log]\ntarget = 'stderr'\n{}", say("x")));
    fails(&run(&["start"]), 1, "the service has not started");
    let text = since(usual.len());
    assert!(text.contains("nobody sees the standard error of a service"), "{text}");
}

/// Somebody has removed what `install` has registered.
fn works_without_a_source_of_events(config: &Config) {
    let mark = log().len();
    config.write(&say("x"));
    let key = r"HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\Inetd";
    let mut command = if wine() {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/ci/wine-run"));
        command.arg("reg");
        command
    } else {
        Command::new("reg")
    };
    assert!(command.args(["delete", key, "/f"]).status().unwrap().success());
    succeeds(&run(&["start"]));
    assert_eq!(config.answer(), "x\n");
    succeeds(&run(&["stop"]));
    let text = since(mark);
    let told = "WARN Nothing is reported to the Event Log error=\"the Event Log source `Inetd` is \
                not registered: run `inetd service install` as an administrator";
    assert_eq!(text.matches(told).count(), 1, "{text}");
}

/// Nobody sees the standard error of a service: the reason is in its log.
fn cannot_be_started(config: &Config) {
    let refused = |why: &str, reason: &str| {
        fails(&run(&["start"]), 1, &format!("the service has not started ({why}): the reason is"));
        assert!(log().contains(reason), "{}", log());
        is_stopped();
    };

    config.write("[service.x]\nlisten = '1'\nrunning = ['x']\n");
    refused("configuration or start-up error", "inetd.toml:5:1");

    // Wine's only account is an administrator; on Windows the service's own has no such rights.
    if wine() {
        config.write(&say("x"));
        open_to_everybody(&config.path);
        refused("configuration or start-up error", " can change the configuration ");
        config.renew();
    }

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let keys = format!("listen = '{}'\nbind_retry = '0s'", taken.local_addr().unwrap());
    config.write(&service("say", &probe(&["say", "x"]), &keys));
    refused("configuration or start-up error", "service `say`: cannot listen on");

    config.write(&say("x"));
    let first = Start::run(&say("first")).control(&config.control).ready();
    refused("another inetd is running", "another inetd is running with the control endpoint");
    drop(first);
}
