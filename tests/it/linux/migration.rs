//! `docs/migrating.md`: the files on the left and on the right (`examples/migration/`), and the
//! one-liners. Both sides are run, and have to answer the same.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{Client, Daemon, Process, command, example, inetd, own_port, wait_until};

const PAGE: &str = include_str!("../../../docs/migrating.md");

/// Theirs, and the dialect if the file does not tell.
const FILES: [(&str, &str); 7] = [
    ("openbsd.conf", "openbsd"),
    ("inetutils.conf", "inetutils"),
    ("netbsd.conf", "netbsd"),
    ("busybox.conf", "busybox"),
    ("freebsd.conf", "freebsd"),
    ("xinetd.conf", "xinetd"),
    ("hello.socket", "systemd"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/migration")
}

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    assert!(is_root || std::env::var_os("CI").is_none(), "the files name users, which needs root");
    is_root
}

/// The file of our side.
fn ours(theirs: &str) -> String {
    format!("{}.toml", theirs.split_once('.').unwrap().0)
}

/// What `inetd check` prints, without the names of services.
fn listeners(path: &Path, format: &str) -> Vec<String> {
    let checked = inetd(&["check", "--format", format, path.to_str().unwrap()]);
    assert_eq!(checked.code, 0, "{}: {}", path.display(), checked.err);
    assert!(!checked.err.contains("error"), "{}", checked.err);
    checked.out.lines().map(|line| line.split_once(' ').unwrap().1.trim().to_owned()).collect()
}

#[test]
fn the_page_shows_the_files() {
    for file in std::fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(PAGE.contains(&format!("\n{text}```\n")), "{} is not on it", path.display());
    }
}

#[test]
fn both_sides_listen_on_the_same_for_the_same_programs() {
    for (theirs, format) in FILES {
        let (one, other) = (folder().join(theirs), folder().join(ours(theirs)));
        assert_eq!(listeners(&one, format), listeners(&other, "toml"), "{theirs}");
        // Theirs is converted, too, and that means the same.
        let converted = inetd(&["convert", "--format", format, one.to_str().unwrap()]);
        assert_eq!(converted.code, 0, "{}", converted.err);
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("inetd.toml");
        std::fs::write(&path, converted.out).unwrap();
        assert_eq!(listeners(&path, "toml"), listeners(&other, "toml"), "{theirs}");
    }
}

/// A text that listens on free ports instead of those from 7000 to 7999, and the new ports in the
/// order of the old ones.
pub(super) fn on_free_ports(text: &str) -> (String, Vec<u16>) {
    let mut ports: Vec<_> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|word| word.len() == 4 && word.starts_with('7'))
        .collect();
    ports.sort_unstable();
    ports.dedup();
    let free: Vec<_> = ports.iter().map(|_| own_port()).collect();
    let replace = |text: String, (old, new): (&&str, &u16)| text.replace(*old, &new.to_string());
    (ports.iter().zip(&free).fold(text.to_owned(), replace), free)
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// What each program says: by itself, or if it says nothing, to a line.
fn answers(ports: &[u16]) -> Vec<String> {
    let ask = |port: u16, question: &str| {
        let mut client = Client::connect(local(port));
        client.send(question.as_bytes());
        client.half_close();
        client.rest()
    };
    let answer = |port: &u16| match ask(*port, "") {
        nothing if nothing.is_empty() => ask(*port, "hello\n"),
        something => something,
    };
    ports.iter().map(answer).collect()
}

#[test]
fn both_sides_answer_the_same() {
    if !is_root() {
        return;
    }
    // FreeBSD's file has no way to listen on one address only.
    for (theirs, format) in FILES.into_iter().filter(|(_, format)| *format != "freebsd") {
        let scratch = tempfile::tempdir().unwrap();
        let run = |file: &str, format: &str| {
            let text = std::fs::read_to_string(folder().join(file)).unwrap();
            let (text, ports) = on_free_ports(&text);
            let path = scratch.path().join(file);
            std::fs::write(&path, text).unwrap();
            if format == "systemd" {
                let service = file.replace(".socket", "@.service");
                std::fs::copy(folder().join(&service), scratch.path().join(&service)).unwrap();
            }
            let control = scratch.path().join(format!("{file}.sock"));
            let mut command = command(&[]);
            command.arg("run").arg("-c").arg(&path).args(["--format", format]);
            command.arg("--control").arg(control);
            let daemon = Process::start(command);
            daemon.out.wait_for("`ready`", |line| line == "ready");
            answers(&ports)
        };
        let (one, other) = (run(theirs, format), run(&ours(theirs), "toml"));
        assert_eq!(one, other, "{theirs}");
        assert!(!one.is_empty() && one.iter().all(|answer| !answer.is_empty()), "{one:?}");
    }
}

/// The rows of a table that have a command on both sides.
fn one_liners() -> Vec<(&'static str, &'static str)> {
    let cells = PAGE.lines().filter_map(|line| {
        let (theirs, ours) = line.strip_prefix("| `")?.strip_suffix("` |")?.split_once("` | `")?;
        ours.starts_with("inetd serve ").then_some((theirs, ours))
    });
    cells.collect()
}

/// One side of a row, running.
struct Side {
    process: Process,
    port: u16,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Side {
    /// Runs a command of the table, at a free port and a socket of its own, in front of `behind`.
    fn run(line: &str, behind: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("x.sock");
        let port = own_port();
        let line = line
            .replace("7000", &port.to_string())
            .replace("8000", &behind.port().to_string())
            .replace("/run/x.sock", socket.to_str().unwrap())
            .replace("/srv/server", &example("wait-server.c")[0]);
        let mut words = line.split(' ');
        let program = words.next().unwrap();
        let mut command = if program == "inetd" { command(&[]) } else { Command::new(program) };
        command.args(words).current_dir(folder.path()).stdin(Stdio::null());
        let process = Process::start(command);
        Self { process, port, socket, _folder: folder }
    }

    /// The first line that comes, after one was sent if the program reads.
    fn answer(&self, question: Option<&str>) -> String {
        let question = question.unwrap_or_default().as_bytes();
        let mut line = String::new();
        wait_until("an answer", || {
            // Not all of these tell when they are ready.
            let stream: Box<dyn Streams> = if self.socket.exists() {
                let Ok(stream) = UnixStream::connect(&self.socket) else { return false };
                Box::new(stream)
            } else {
                let Ok(stream) = TcpStream::connect(local(self.port)) else {
                    return false;
                };
                Box::new(stream)
            };
            let mut stream = BufReader::new(stream);
            stream.get_mut().write_all(question).is_ok() && stream.read_line(&mut line).is_ok()
        });
        line
    }
}

/// A connection of either kind.
trait Streams: Read + Write {}

impl<T: Read + Write> Streams for T {}

#[test]
fn both_one_liners_answer_the_same() {
    let rows = one_liners();
    assert!(rows.len() >= 8, "{rows:?}");
    if !is_root() {
        return;
    }
    let behind = Daemon::run("[service.echo]\nlisten = '127.0.0.1:0'\nbuiltin = 'echo'\n");
    let path = std::env::var_os("PATH").unwrap();
    for (theirs, ours) in rows {
        let reads = ours.ends_with("cat") || ours.contains("--forward");
        let question = reads.then_some("hello\n");
        let answer = |line: &str| {
            let side = Side::run(line, behind.address("echo"));
            let answer = side.answer(question);
            drop(side.process);
            answer.split(' ').next().unwrap().to_owned()
        };
        let of_ours = answer(ours);
        assert!(!of_ours.is_empty(), "{ours}");
        let program = theirs.split(' ').next().unwrap();
        if std::env::split_paths(&path).any(|folder| folder.join(program).exists()) {
            assert_eq!(answer(theirs), of_ours, "{theirs}");
        } else {
            assert!(std::env::var_os("CI").is_none(), "{program} is not installed");
            println!("left out: {program} is not installed");
        }
    }
}
