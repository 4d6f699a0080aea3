use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use tokio::io::AsyncReadExt;

use super::*;
use crate::config::Tree;
use crate::sys::ExitStatus;
use crate::sys::platform::handle::is_inheritable;
use crate::sys::platform::poll::Poller;
use crate::sys::platform::testing::{
    PATIENCE, accepted, after_start, answer, connect, eventually, has_ended, is_wine, listener,
    observer, program, run, script, tokens,
};

fn facts() -> Variables {
    let mut variables = Variables::default();
    variables.push("REMOTE_HOST", "192.0.2.7");
    variables
}

/// Connects, accepts and starts the program for the connection.
fn start(
    listener: &ListenSocket,
    address: SocketAddr,
    program: &Prepared,
    stderr: Option<&Output>,
) -> (TcpStream, Child) {
    let (client, connection) = accepted(listener, address);
    let child = spawn(program, Stdio::Connection(&connection), stderr, &facts()).unwrap();
    (client, child)
}

fn status(child: &Child) -> ExitStatus {
    eventually("the program does not end", || child.reap().is_some());
    child.reap().unwrap()
}

fn can_be_inherited(end: End<'_>) -> bool {
    let End::Socket(socket) = end else { panic!("not a socket") };
    let handle = std::ptr::with_exposed_provenance_mut(socket.as_raw_socket().try_into().unwrap());
    is_inheritable(handle).unwrap()
}

fn prepared(mode: &str) -> Prepared {
    Prepared::new(&program(mode, &[])).unwrap()
}

#[test]
fn the_connection_is_standard_input_and_output() {
    let (listener, address) = listener();
    let (mut client, child) = start(&listener, address, &prepared("hello"), None);
    let expected = "peer 192.0.2.7, socket is stdin: true, in its folder: true";
    assert_eq!(answer(&mut client), expected);
    assert_eq!(status(&child), ExitStatus::Code(0));
}

#[test]
fn a_client_that_half_closes_gets_its_whole_answer() {
    let (listener, address) = listener();
    let (mut client, child) = start(&listener, address, &prepared("echo"), None);
    let data: Vec<u8> = (0..1u32 << 18).flat_map(u32::to_le_bytes).collect();
    let mut writer = client.try_clone().unwrap();
    let sent = data.clone();
    let writer = std::thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    writer.join().unwrap();
    assert!(all.ends_with(&data), "{} of {} bytes", all.len(), data.len());
    assert_eq!(status(&child), ExitStatus::Code(0));
}

#[test]
fn a_session_ends_at_its_peer_although_others_live() {
    let (listener, address) = listener();
    let programs = [prepared("echo"), prepared("hello")];
    // Started by several threads at a time, so that some are made while other sockets are
    // inheritable. Each `echo` lives until its client is dropped, at the end.
    let mut sessions: Vec<_> = std::thread::scope(|scope| {
        let start = |i| {
            let (client, connection) = accepted(&listener, address);
            let program = &programs[i % 2];
            scope.spawn(move || {
                let stdio = Stdio::Connection(&connection);
                (client, spawn(program, stdio, None, &facts()).unwrap())
            })
        };
        let threads: Vec<_> = (0..12usize).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (client, child) in sessions.iter_mut().skip(1).step_by(2) {
        answer(client);
        assert_eq!(status(child), ExitStatus::Code(0));
    }
    assert!(sessions.iter().step_by(2).all(|(_, child)| child.reap().is_none()));
}

#[test]
fn a_program_gets_no_other_handle() {
    let (listener, address) = listener();
    let (mut other_client, other) = accepted(&listener, address);
    // As if another thread were starting the other program at this moment.
    let lent = Standard::new(Stdio::Connection(&other)).unwrap();
    let (_client, child) = start(&listener, address, &prepared("echo"), None);
    drop(lent);
    drop(other);
    assert_eq!(other_client.read(&mut [0]).unwrap(), 0, "the program holds the other socket");
    assert_eq!(child.reap(), None);
}

#[test]
fn many_programs_are_reaped() {
    // More than the 64 objects that one thread can wait for.
    const COUNT: u64 = 80;
    let (listener, address) = listener();
    let poller = Arc::new(Poller::new().unwrap());
    let tokens = tokens(&poller);
    let sleep = prepared("sleep");
    let mut children = HashMap::new();
    for token in 0..COUNT {
        let (client, child) = start(&listener, address, &sleep, None);
        child.watch(&poller, token).unwrap();
        children.insert(token, (client, child));
    }
    assert!(children.values().all(|(_, child)| child.reap().is_none()));
    children.values().for_each(|(_, child)| child.kill());
    for _ in 0..COUNT {
        let (_, child) = children.remove(&tokens.recv_timeout(PATIENCE).unwrap()).unwrap();
        assert!(child.reap().is_some());
    }
}

#[test]
fn the_end_is_told_even_if_it_was_before() {
    let (listener, address) = listener();
    let (_client, child) = start(&listener, address, &prepared("exit"), None);
    assert_eq!(status(&child), ExitStatus::Code(300));
    let poller = Arc::new(Poller::new().unwrap());
    let tokens = tokens(&poller);
    child.watch(&poller, 5).unwrap();
    assert_eq!(tokens.recv_timeout(PATIENCE).unwrap(), 5);
    assert!(child.watch(&poller, 6).is_err());
}

#[test]
fn an_end_that_looks_like_none_is_one() {
    let (listener, address) = listener();
    let (_client, child) = start(&listener, address, &prepared("still active"), None);
    assert_eq!(status(&child), ExitStatus::Code(259));
}

#[test]
fn a_connection_that_stays_ours_is_not_inheritable() {
    let (listener, address) = listener();
    let (_client, connection) = accepted(&listener, address);
    let mut missing = program("hello", &[]);
    missing.path = missing.cwd.join("there is no such program.exe");
    let missing = Prepared::new(&missing).unwrap();
    // It is tried again later, perhaps.
    spawn(&missing, Stdio::Connection(&connection), None, &facts()).unwrap_err();
    assert!(!can_be_inherited(connection.end().unwrap()));
}

#[test]
fn what_a_program_leaves_is_in_its_job() {
    let (listener, address) = listener();
    let (mut client, child) = start(&listener, address, &prepared("leave"), None);
    // The grandchild has no handle of the connection, so the end of it is seen.
    assert!(answer(&mut client).starts_with("left "));
    assert_eq!(status(&child), ExitStatus::Code(0));
    assert!(!child.tree_is_gone());
    child.kill_tree();
    eventually("the tree stays", || child.tree_is_gone());
}

#[test]
fn kill_ends_a_program() {
    let (listener, address) = listener();
    let (_client, child) = start(&listener, address, &prepared("sleep"), None);
    assert_eq!(child.reap(), None);
    child.kill();
    assert!(matches!(status(&child), ExitStatus::Code(code) if code != 0));
    eventually("the tree stays", || child.tree_is_gone());
}

#[test]
fn a_program_of_tree_leave_survives_its_session() {
    let (listener, address) = listener();
    for (tree, lives) in [(Tree::Leave, true), (Tree::Kill, false)] {
        let mut echo = program("echo", &[]);
        echo.tree = tree;
        let echo = Prepared::new(&echo).unwrap();
        let (mut client, child) = start(&listener, address, &echo, None);
        // It runs when it has answered for the first time; it writes whole lines.
        client.write_all(b"one\n").unwrap();
        let mut all = Vec::new();
        while !all.ends_with(b"one\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            all.extend(byte);
        }
        let observer = observer(&child);
        drop(child);
        if lives {
            client.write_all(b"two\n").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            client.read_to_end(&mut all).unwrap();
            assert!(all.ends_with(b"one\ntwo\n"));
        }
        // The connection would not tell: Wine sometimes leaves that of a killed program open.
        eventually("the program does not end", || has_ended(&observer));
    }
}

#[test]
fn standard_error_goes_where_it_is_sent() {
    let (listener, address) = listener();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    std::fs::write(&file, "before\n").unwrap();
    let program = prepared("stderr");

    let (mut client, _child) = start(&listener, address, &program, None);
    assert!(answer(&mut client).ends_with("to standard error\nwithout an end of line"));

    let (mut client, _child) = start(&listener, address, &program, Some(&Output::null().unwrap()));
    assert_eq!(answer(&mut client), "");

    let (mut client, child) =
        start(&listener, address, &program, Some(&Output::append(&file).unwrap()));
    assert_eq!(answer(&mut client), "");
    status(&child);
    let log = std::fs::read_to_string(&file).unwrap();
    assert!(log.starts_with("before\n") && log.ends_with("an end of line"), "{log}");
}

#[test]
fn a_pipe_gives_every_byte_and_then_its_end() {
    let (listener, address) = listener();
    let (reader, output) = Output::pipe().unwrap();
    let text = run(async {
        let mut pipe = reader.into_async().unwrap();
        let mut text = String::new();
        let mut first = [0];
        // Somebody reads before anything is there.
        let silence = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(silence, pipe.read(&mut first)).await.is_err());
        let (_client, _child) = start(&listener, address, &prepared("stderr"), Some(&output));
        drop(output);
        pipe.read_to_string(&mut text).await.unwrap();
        text
    });
    assert_eq!(after_start(&text), "to standard error\nwithout an end of line");
}

#[test]
fn one_output_serves_many_front_threads() {
    let (listener, address) = listener();
    let output = Output::null().unwrap();
    let program = prepared("hello");
    let pairs: Vec<_> = (0..8).map(|_| accepted(&listener, address)).collect();
    std::thread::scope(|scope| {
        for (mut client, connection) in pairs {
            let (program, output) = (&program, &output);
            scope.spawn(move || {
                let stdio = Stdio::Connection(&connection);
                let _child = spawn(program, stdio, Some(output), &facts()).unwrap();
                drop(connection);
                assert!(answer(&mut client).starts_with("peer "));
            });
        }
    });
}

#[test]
fn arguments_arrive_as_they_were_written() {
    let arguments = ["", "two words", r#"say "hi""#, r"C:\dir\", r#"\"#, "%PATH%", "a^&b|c", "ö€"];
    let (listener, address) = listener();
    let program = Prepared::new(&program("arguments", &arguments)).unwrap();
    let (mut client, _child) = start(&listener, address, &program, None);
    let expected: String = arguments.iter().map(|argument| format!("[{argument}]")).collect();
    assert_eq!(answer(&mut client), expected);
}

#[test]
fn arguments_of_a_batch_file_arrive_as_they_were_written() {
    let (listener, address) = listener();
    let folder = tempfile::tempdir().unwrap();
    let mut program = program("arguments", &[]);
    // A name that cmd.exe would take for something else.
    program.path = folder.path().join("a & b^.cmd");
    script(&program.path, "");
    for arguments in [
        &["plain", "two words", "a&b", "a^b|c>d<e", "x=1,2;3", r"C:\dir", r"C:\my dir\"][..],
        &["\"&echo broken", "!PATH!", "\"\"", "", "#$*+-./:?@_", "a\tb", "(x)"],
        &["%PATH%", "%CMDCMDLINE:~-1%&echo broken", "100%", "%%"],
    ] {
        if is_wine() && arguments.contains(&"%PATH%") {
            // Its cmd.exe has no empty part of a variable.
            continue;
        }
        program.argv = ["name"].iter().chain(arguments).map(OsString::from).collect();
        let (mut client, _child) =
            start(&listener, address, &Prepared::new(&program).unwrap(), None);
        let expected: String = arguments.iter().map(|argument| format!("[{argument}]")).collect();
        assert_eq!(answer(&mut client), expected);
    }
}

#[test]
fn a_wait_server_gets_the_listener_and_gives_it_back() {
    let (listener, address) = listener();
    let poller = Arc::new(Poller::new().unwrap());
    let tokens = tokens(&poller);
    listener.lend().unwrap();
    // A listener is no place to write to, as the test framework does before the program begins.
    let folder = tempfile::tempdir().unwrap();
    let mut serve = program("serve", &[]);
    serve.path = folder.path().join("serve.cmd");
    script(&serve.path, " >NUL 2>NUL");
    serve.argv.truncate(1);
    let serve = Prepared::new(&serve).unwrap();
    let child = spawn(&serve, Stdio::Listener(&listener), None, &facts()).unwrap();
    assert!(!can_be_inherited(listener.end().unwrap()), "it stays ours");
    for _ in 0..2 {
        assert_eq!(answer(&mut connect(address)), "served by the program");
    }
    assert_eq!(status(&child), ExitStatus::Code(0));
    listener.take_back().unwrap();
    let _client = connect(address);
    listener.arm(&poller, 1).unwrap();
    assert_eq!(tokens.recv_timeout(PATIENCE).unwrap(), 1);
    listener.accept().unwrap();
    assert!(listener.accept().is_err());
}

#[test]
fn the_step_that_failed_is_told() {
    let (listener, address) = listener();
    let (_client, connection) = accepted(&listener, address);
    let fail = |program: &Program| {
        let program = Prepared::new(program).unwrap();
        spawn(&program, Stdio::Connection(&connection), None, &facts()).unwrap_err()
    };
    let mut missing = program("hello", &[]);
    missing.path = r"C:\no\such.exe".into();
    assert_eq!(fail(&missing).stage, SpawnStage::Exec);
    let mut nowhere = program("hello", &[]);
    nowhere.cwd = r"C:\no\such\folder".into();
    assert_eq!(fail(&nowhere).stage, SpawnStage::Directory);
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.exe");
    std::fs::write(&text, "not an executable").unwrap();
    let mut broken = program("hello", &[]);
    broken.path = text;
    assert_eq!(fail(&broken).stage, SpawnStage::Exec);
}

#[test]
fn a_restricted_program_has_its_connection_too() {
    let (listener, address) = listener();
    let restricted = Program { restrict: true, ..program("echo", &[]) };
    let restricted = Prepared::new(&restricted).unwrap();
    let (mut client, child) = start(&listener, address, &restricted, None);
    client.write_all(b"as before").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(answer(&mut client), "as before");
    assert_eq!(status(&child), ExitStatus::Code(0));
    // Its console belongs to it: whoever stops it has to be as restricted.
    child.stopper().unwrap().terminate();
}
