//! The configurations of `examples/`. Its programs are run by the scenarios that they show.

use std::path::Path;

use super::migration::on_free_ports;
use crate::harness::{Client, Process, command};

/// A configuration of `examples/`, on free ports and with the files that it needs beside it.
fn run(name: &str, beside: &[&str]) -> (Process, Vec<Client>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for file in beside {
        std::fs::copy(examples.join(file), folder.path().join(file)).unwrap();
    }
    let text = std::fs::read_to_string(examples.join(name)).unwrap();
    let (text, ports) = on_free_ports(&text);
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let mut command = command(&[]);
    command.arg("run").arg("-c").arg(path);
    command.arg("--control").arg(folder.path().join("control.sock"));
    let daemon = Process::start(command);
    daemon.out.wait_for("`ready`", |line| line == "ready");
    let connect = |port| Client::connect(([127, 0, 0, 1], port).into());
    (daemon, ports.into_iter().map(connect).collect(), folder)
}

#[test]
fn hello_toml() {
    let (_daemon, mut clients, _folder) = run("hello.toml", &["hello.sh"]);
    assert_eq!(clients[0].line(), "What is your name?");
    clients[0].send(b"Grace\n");
    assert_eq!(clients[0].rest(), "Hello, Grace!\n");
}

#[test]
fn inetd_conf() {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "the file names a user, which needs root");
        return;
    }
    let (_daemon, mut clients, _folder) = run("inetd.conf", &[]);
    clients[0].send(b"hello\n");
    clients[0].half_close();
    assert_eq!(clients[0].rest(), "hello\n");
    let date = clients[1].rest();
    assert!(date.contains("UTC"), "{date}");
}
