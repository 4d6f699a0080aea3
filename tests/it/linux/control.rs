//! The control endpoint as a Unix socket: HTTP that anybody may speak, and who may.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Uid;

use crate::harness::unix::is_root;
use crate::harness::{Daemon, Process, command, deadline, inetd, probe, service};

/// `nobody` of Debian's base system.
const NOBODY: u32 = 65534;

fn daemon() -> Daemon {
    Daemon::run(&service("'a/b+c'", &probe(&["cat"]), ""))
}

/// One request in its own words; gives the whole answer.
fn ask(control: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(control).unwrap();
    stream.set_read_timeout(Some(deadline())).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn curl_speaks_to_it() {
    let daemon = daemon();
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--unix-socket", daemon.control()]);
        command.args(["--write-out", " %{http_code} %{content_type}"]).args(arguments);
        let finished = Process::start(command).finish();
        assert_eq!(finished.code, 0, "{}", finished.err);
        finished.out
    };
    let status = curl(&["http://inetd/v1/status"]);
    assert!(status.contains("\"name\":\"a/b+c\""), "{status}");
    assert!(status.ends_with(" 200 application/json\n"), "{status}");
    assert_eq!(curl(&["http://inetd/v1/sessions"]), "{\"sessions\":[]}\n 200 application/json\n");
    let drained = curl(&["-X", "POST", "http://inetd/v1/services/a%2Fb+c/drain"]);
    assert!(drained.contains("\"draining\":true"), "{drained}");
    assert_eq!(daemon.service("a/b+c")["draining"], true);
    let resumed = curl(&["-X", "POST", "http://inetd/v1/services/a%2fb%2Bc/resume"]);
    assert!(resumed.contains("\"draining\":false"), "{resumed}");
    let missing = curl(&["-X", "POST", "http://inetd/v1/services/a/drain"]);
    let text = "{\"error\":\"there is no service `a`\"}\n 404 application/json\n";
    assert_eq!(missing, text);
    let mut client = daemon.connect("a/b+c");
    daemon.sessions(1);
    let killed = curl(&["-X", "DELETE", "http://inetd/v1/sessions/1"]);
    assert!(killed.contains("\"state\":\"stopping\""), "{killed}");
    client.closed();
    let missing = curl(&["-X", "DELETE", "http://inetd/v1/sessions/2"]);
    assert!(missing.contains(" 404 "), "{missing}");
    let head = curl(&["--head", "http://inetd/v1/status"]);
    assert!(head.starts_with("HTTP/1.1 200 OK\n"), "{head}");
    assert!(curl(&["http://inetd/v1/reload"]).contains(" 405 "));
    assert!(curl(&["--data", "{}", "http://inetd/v1/stop"]).contains(" 400 "));
    assert_eq!(
        curl(&["-X", "POST", "http://inetd/v1/reload"]),
        "{\"done\":true}\n 200 application/json\n"
    );
}

#[test]
fn every_field_of_an_answer_is_documented() {
    let manual = include_str!("../../../docs/control.md");
    let daemon = daemon();
    let _client = daemon.connect("a/b+c");
    daemon.sessions(1);
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let status = parse(&daemon.told(&["status", "--json"]));
    let sessions = parse(&daemon.told(&["sessions", "--json"]));
    for answer in [&status, &status["services"][0], &sessions["sessions"][0]] {
        for field in answer.as_object().unwrap().keys() {
            let row = |line: &str| {
                let fields = line.strip_prefix("| `").and_then(|line| line.split(" | ").next());
                fields.is_some_and(|fields| fields.split('`').any(|name| name == field))
            };
            assert!(manual.lines().any(row), "docs/control.md: no row for `{field}`");
        }
    }
}

#[test]
fn one_connection_takes_many_requests() {
    let daemon = daemon();
    let request = "GET /v1/sessions HTTP/1.1\r\nHost: x\r\n";
    let twice = format!("{request}\r\n{request}Connection: close\r\n\r\n");
    let answer = ask(Path::new(daemon.control()), &twice);
    assert_eq!(answer.matches("{\"sessions\":[]}").count(), 2, "{answer}");
}

#[test]
fn clients_that_do_not_go_on_do_not_keep_others_away() {
    let daemon = daemon();
    // Fewer than it serves at a time; some have not even said what they want.
    let slow: Vec<_> = (0..31).map(|_| UnixStream::connect(daemon.control()).unwrap()).collect();
    for mut stream in &slow[..10] {
        stream.write_all(b"GET /v1/sta").unwrap();
    }
    daemon.told(&["status"]);
    drop(slow);
}

/// Lets everybody get to the socket, as a careless administrator might.
fn open_to_all(control: &Path) {
    let folder = control.parent().unwrap();
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o711)).unwrap();
    std::fs::set_permissions(control, PermissionsExt::from_mode(0o666)).unwrap();
}

/// Does something with another user id, which on Linux each thread has for itself.
fn as_nobody<T: Send>(what: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            rustix::thread::set_thread_uid(Uid::from_raw(NOBODY)).unwrap();
            what()
        });
        thread.join().unwrap()
    })
}

#[test]
fn the_file_is_closed_to_others_and_so_is_the_daemon() {
    let daemon = daemon();
    let control = PathBuf::from(daemon.control());
    let mode = std::fs::metadata(&control).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    if !is_root() {
        return;
    }
    open_to_all(&control);
    // Where the mode does not keep others out, the daemon does: not a byte comes back.
    let answer = as_nobody(|| {
        let mut stream = UnixStream::connect(&control).unwrap();
        stream.set_read_timeout(Some(deadline())).unwrap();
        // It may have been closed already.
        drop(stream.write_all(b"POST /v1/stop HTTP/1.1\r\nHost: x\r\n\r\n"));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        answer
    });
    assert_eq!(String::from_utf8_lossy(&answer), "");
    assert_eq!(daemon.ask("a/b+c", "still here"), "still here");
}

#[test]
fn another_user_hears_what_it_takes() {
    if !is_root() {
        return;
    }
    let daemon = daemon();
    std::fs::set_permissions(daemon.folder(), PermissionsExt::from_mode(0o711)).unwrap();
    // A copy, because the original may be in a folder that only its owner sees.
    let copy = daemon.folder().join("inetd");
    std::fs::copy(command(&[]).get_program(), &copy).unwrap();
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={NOBODY}"), "--regid=65534", "--clear-groups"]);
    command.arg(copy).args(["status", "--control", daemon.control()]).stdin(Stdio::null());
    let finished = Process::start(command).finish();
    let control = daemon.control();
    let text = format!(
        "inetd: you may not use the control endpoint {control}: be root, for example with sudo\n"
    );
    assert_eq!((finished.code, finished.out.as_str(), finished.err), (1, "", text));
}

#[test]
fn a_server_that_is_somebody_else_is_not_believed() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let path = folder.path().join("control.sock");
    let impostor = as_nobody(|| UnixListener::bind(&path).unwrap());
    let control = path.to_str().unwrap();
    for command in [&["status"][..], &["stop"], &["top"]] {
        let finished = inetd(&[command, &["--control", control]].concat());
        assert_eq!((finished.code, finished.out.as_str()), (1, ""));
        assert!(finished.err.contains("it belongs to `nobody`"), "{}", finished.err);
    }
    // It was told nothing.
    for _ in 0..3 {
        let (mut stream, _) = impostor.accept().unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "");
    }
}

#[test]
fn top_lives_in_a_terminal_until_q() {
    let daemon = daemon();
    let client = daemon.connect("a/b+c");
    daemon.sessions(1);
    let inner = command(&[]);
    let inner = inner.get_program().to_str().unwrap();
    let line = format!("stty rows 24 cols 100; '{inner}' top --control '{}'", daemon.control());
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
    let (keys, mut keyboard) = std::io::pipe().unwrap();
    command.stdin(keys).env("TERM", "xterm");
    let mut top = Process::start(command);
    let peer = client.local().to_string();
    let pictures = |count: usize| {
        top.out.wait("another picture", |lines| {
            (lines.iter().filter(|line| line.contains(&peer)).count() >= count).then_some(())
        });
    };
    pictures(2);
    keyboard.write_all(b"x").unwrap();
    pictures(3);
    keyboard.write_all(b"q").unwrap();
    assert_eq!(top.exit_code(), 0);
    // Each picture is in the place of the one before, on a screen of its own that is left again.
    let all = top.out.to_end().join("\n");
    assert!(all.matches("\u{1b}[1;1H").count() >= 3, "{all:?}");
    for sequence in ["\u{1b}[?1049h", "\u{1b}[?25l", "\u{1b}[?25h", "\u{1b}[?1049l"] {
        assert_eq!(all.matches(sequence).count(), 1, "{all:?}");
    }
}
