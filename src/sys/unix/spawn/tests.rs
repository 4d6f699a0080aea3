use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::process::{WaitId, WaitIdOptions};

use super::*;
use crate::config::{Io, Limit, SocketOptions, Stderr, Tree};
use crate::listener::endpoint::Endpoint;
use crate::sys::ExitStatus;

fn program(argv: &[&str]) -> Program {
    Program {
        path: argv[0].into(),
        argv: argv.iter().map(OsString::from).collect(),
        environment: Arc::new(vec![("PATH".into(), "/usr/bin:/bin".into())]),
        cwd: "/".into(),
        identity: None,
        profile: false,
        restrict: false,
        umask: startup::UMASK,
        nice: None,
        limits: Vec::new(),
        tree: Tree::Kill,
        io: Io::Socket,
        stderr: Stderr::Socket,
    }
}

fn listener() -> ListenSocket {
    let endpoint = Endpoint::Tcp { address: "127.0.0.1:0".parse().unwrap(), only_v6: false };
    ListenSocket::bind(&endpoint, &SocketOptions::default()).unwrap()
}

fn connect(listener: &ListenSocket) -> (TcpStream, Connection) {
    let Endpoint::Tcp { address, .. } = listener.local() else { unreachable!("bound to TCP") };
    let client = TcpStream::connect(address).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Starts the program on a connection; gives the child and what the client reads until the end.
fn run(program: &Program) -> Result<(Child, String), SpawnError> {
    let listener = listener();
    let (mut client, connection) = connect(&listener);
    let mut variables = Variables::default();
    variables.push("WHO", "me");
    let prepared = Prepared::new(program).unwrap();
    let child = spawn(&prepared, Stdio::Connection(&connection), None, &variables)?;
    drop(connection);
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    Ok((child, text))
}

fn ended(child: &Child) -> ExitStatus {
    child.wait()
}

#[test]
fn a_program_gets_its_socket_its_arguments_and_its_environment() {
    let script = "printf '%s|' \"$0\" \"$1\" \"$WHO\" \"$Inetd_SOCK\"; echo; echo oops >&2; exit 3";
    let (child, text) = run(&program(&["/bin/sh", "-c", script, "name", "two words"])).unwrap();
    assert_eq!(text, "name|two words|me|0|\noops\n");
    assert_eq!(ended(&child), ExitStatus::Code(3));
    assert!(child.tree_is_gone());
}

#[test]
fn it_leads_a_process_group_and_blocks_no_signal() {
    // Our session is looked up as the program's is: it is 0 if its leader is outside of our
    // namespace of processes, as in a container that somebody entered.
    let us = std::process::id();
    let script =
        format!("ps -o pgid=,sid= -p $$; ps -o sid= -p {us}; grep SigBlk /proc/self/status");
    let (child, text) = run(&program(&["/bin/sh", "-c", &script])).unwrap();
    let words: Vec<Option<u32>> =
        text.split_ascii_whitespace().map(|word| word.parse().ok()).collect();
    let ours = words[2];
    let session = if startup::has_terminal() { Some(child.id()) } else { ours };
    assert_eq!(words[..2], [Some(child.id()), session], "{text}");
    assert!(text.contains("SigBlk:\t0000000000000000"), "{text}");
    ended(&child);
}

#[test]
fn each_step_that_fails_is_told_with_its_reason() {
    let stage = |program: &Program| run(program).map(|_| ()).unwrap_err();
    let mut missing = program(&["/bin/true"]);
    missing.path = PathBuf::from("/nonexistent/program");
    let error = stage(&missing);
    assert_eq!(error.stage, SpawnStage::Exec);
    assert_eq!(error.error.raw_os_error(), Some(libc::ENOENT));

    let mut nowhere = program(&["/bin/true"]);
    nowhere.cwd = "/nonexistent".into();
    assert_eq!(stage(&nowhere).stage, SpawnStage::Directory);

    let mut unlimited = program(&["/bin/true"]);
    // More than fs.nr_open, which even root cannot have.
    unlimited.limits = vec![Limit { resource: Resource::Files, value: None }];
    assert_eq!(stage(&unlimited).stage, SpawnStage::Limits);
}

#[test]
fn a_wait_server_finds_the_listener_on_0_and_3() {
    let listener = listener();
    let Endpoint::Tcp { address, .. } = listener.local() else { unreachable!("bound to TCP") };
    let (output, writer) = Output::pipe().unwrap();
    let script =
        "echo $LISTEN_FDS $((LISTEN_PID - $$)) >&2; readlink /proc/$$/fd/0 /proc/$$/fd/3 >&2";
    let prepared = Prepared::new(&program(&["/bin/sh", "-c", script])).unwrap();
    let stdio = Stdio::Listener(&listener);
    let child = spawn(&prepared, stdio, Some(&writer), &Variables::default()).unwrap();
    drop(writer);
    assert_eq!(ended(&child), ExitStatus::Code(0));
    let mut text = String::new();
    std::fs::File::from(output.into_fd()).read_to_string(&mut text).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "1 0");
    assert!(lines[1].starts_with("socket:") && lines[1] == lines[2], "{text}");
    TcpStream::connect(address).unwrap().write_all(b"still open").unwrap();
}

#[test]
fn with_many_descriptors_open_it_gets_its_own_from_a_low_place() {
    super::super::places::reserve(4).unwrap();
    let _many: Vec<_> = (0..80).map(|_| Output::pipe().unwrap()).collect();
    let listener = listener();
    let (mut client, connection) = connect(&listener);
    let places = Places::take(connection.as_fd(), None).unwrap();
    assert!(
        places.numbers().unwrap().iter().all(|number| *number < connection.as_fd().as_raw_fd())
    );
    drop(places);

    let (output, writer) = Output::pipe().unwrap();
    let prepared = Prepared::new(&program(&["/bin/ls", "/nowhere", "/proc/self/fd"])).unwrap();
    let stdio = Stdio::Connection(&connection);
    let child = spawn(&prepared, stdio, Some(&writer), &Variables::default()).unwrap();
    drop((connection, writer));
    let (mut text, mut errors) = (String::new(), String::new());
    // To the end: nothing in the daemon holds them open.
    client.read_to_string(&mut text).unwrap();
    std::fs::File::from(output.into_fd()).read_to_string(&mut errors).unwrap();
    assert_eq!(ended(&child), ExitStatus::Code(2));
    // Whoever runs the tests may have left some open to all.
    assert!(text.starts_with("/proc/self/fd:\n0\n1\n") && text.lines().count() < 20, "{text}");
    assert!(errors.contains("/nowhere"), "{errors}");
}

#[test]
fn what_it_leaves_in_its_group_is_killed() {
    let (child, text) =
        run(&program(&["/bin/sh", "-c", "sleep 1000 >&- 2>&- <&- & echo $!"])).unwrap();
    let id = WaitId::Pid(Pid::from_raw(child.id().cast_signed()).unwrap());
    rustix::process::waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    child.kill_tree();
    child.reap().unwrap();
    let left = PathBuf::from(format!("/proc/{}/stat", text.trim()));
    // The kernel tells nobody when a process that is not ours is gone.
    while std::fs::read_to_string(&left).is_ok_and(|stat| !stat.contains(") Z ")) {
        std::thread::yield_now();
    }
}

#[test]
fn many_threads_start_programs_at_once() {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let (_, text) = run(&program(&["/bin/echo", "hello"])).unwrap();
                    assert_eq!(text, "hello\n");
                }
            });
        }
    });
}
