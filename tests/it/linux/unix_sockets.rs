//! Unix stream sockets.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;

use crate::harness::unix::is_root;
use crate::harness::{Daemon, Start, deadline, probe, service};

fn ask(mut stream: UnixStream, question: &str) -> String {
    stream.set_read_timeout(Some(deadline())).unwrap();
    stream.write_all(question.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn cat_at(path: &Path, keys: &str) -> String {
    let keys = format!("listen = 'unix://{}'\n{keys}", path.display());
    service("cat", &probe(&["cat"]), &keys)
}

#[test]
fn a_socket_file_serves_and_goes_with_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.sock");
    let mut daemon = Daemon::run(&cat_at(&path, "socket_mode = '640'"));
    assert_eq!(daemon.endpoints("cat"), [format!("unix://{}", path.display())]);
    assert_eq!(ask(UnixStream::connect(&path).unwrap(), "hello"), "hello");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640, "{mode:o}");
    let start = daemon.record("START", |_| true);
    assert!(start["peer"].starts_with("unix"), "{start:?}");
    assert_eq!(daemon.stop().code, 0);
    assert_eq!(daemon.exit_code(), 0);
    assert!(!path.exists());
}

#[test]
fn owner_and_group() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.sock");
    let _daemon = Daemon::run(&cat_at(&path, "socket_user = 'daemon'\nsocket_group = 'mail'"));
    let meta = std::fs::metadata(&path).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (1, 8), "daemon and mail of Debian's base system");
}

#[test]
fn a_reload_takes_mode_and_owner_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.sock");
    let is_root = rustix::process::geteuid().is_root();
    let daemon = Daemon::run(&cat_at(&path, "umask = '022'"));
    let what = || {
        let file = std::fs::metadata(&path).unwrap();
        (file.mode(), file.uid(), file.gid())
    };
    let made = what();
    let owner = if is_root { "\nsocket_user = 'daemon'\nsocket_group = 'mail'" } else { "" };
    daemon.reload_with(&cat_at(&path, &format!("socket_mode = '666'{owner}")));
    assert_ne!(what(), made);
    daemon.reload_with(&cat_at(&path, ""));
    assert_eq!(what(), made);
}

#[test]
fn a_size_of_a_buffer_that_cannot_be_taken_back_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.sock");
    let daemon = Daemon::run(&cat_at(&path, "send_buffer = '64k'"));
    daemon.reload_with(&cat_at(&path, ""));
    let told = |line: &str| line.contains("a buffer keeps the size that was set");
    daemon.log().wait_for("the buffer", told);
}

#[test]
fn a_dead_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let _daemon = Daemon::run(&cat_at(&path, ""));
    assert_eq!(ask(UnixStream::connect(&path).unwrap(), "hello"), "hello");
}

#[test]
fn a_live_socket_of_somebody_else_is_never_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.sock");
    let other = UnixListener::bind(&path).unwrap();
    let finished = Start::run(&cat_at(&path, "bind_retry = '0s'")).fails();
    assert_eq!(finished.code, 1, "{}", finished.err);
    assert!(finished.err.contains("cat.sock"), "{}", finished.err);
    // Still theirs: a connection arrives there.
    let client = UnixStream::connect(&path).unwrap();
    other.set_nonblocking(false).unwrap();
    drop((other.accept().unwrap(), client));
}

#[test]
fn a_file_that_is_no_socket_is_never_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious.txt");
    std::fs::write(&path, "data").unwrap();
    let finished = Start::run(&cat_at(&path, "bind_retry = '0s'")).fails();
    assert_eq!(finished.code, 1, "{}", finished.err);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
}

#[test]
fn an_abstract_name_needs_no_file() {
    let name = format!("inetd-it-{}", std::process::id());
    let keys = format!("listen = 'unix:@{name}'");
    let daemon = Daemon::run(&service("cat", &probe(&["cat"]), &keys));
    assert_eq!(daemon.endpoints("cat"), [format!("unix:@{name}")]);
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    assert_eq!(ask(UnixStream::connect_addr(&address).unwrap(), "hello"), "hello");
}

#[test]
fn the_facts_of_a_unix_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("env.sock");
    let keys = format!("listen = 'unix://{}'", path.display());
    let _daemon = Daemon::run(&service("env", &probe(&["environment"]), &keys));
    let answer = ask(UnixStream::connect(&path).unwrap(), "");
    assert!(answer.contains("\nenv PROTO=UNIX\n"), "{answer}");
    assert!(answer.contains("\nenv Inetd_SOCK=0\n"), "{answer}");
    assert!(answer.contains(&format!("\nenv INETD_LOCAL=unix:{}\n", path.display())), "{answer}");
    assert!(!answer.contains("TCPREMOTE") && !answer.contains("REMOTE_ADDR"), "{answer}");
}

#[test]
fn a_reload_keeps_the_socket_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.sock");
    let daemon = Daemon::run(&cat_at(&path, ""));
    let before = std::fs::metadata(&path).unwrap().ino();
    daemon.reload_with(&cat_at(&path, "max_sessions = 3"));
    assert_eq!(std::fs::metadata(&path).unwrap().ino(), before);
    // The control socket is no service, so it is not gone either.
    daemon.reload_with(&service("other", &probe(&["cat"]), ""));
    assert!(!path.exists(), "the socket file of a removed service is left");
}
