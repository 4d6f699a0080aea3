use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::windows::io::AsRawHandle;
use std::ptr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{DACL_SECURITY_INFORMATION, GetKernelObjectSecurity};

use super::super::{ListenSocket, accept_failure, bind_failure};
use super::*;
use crate::launch::variables::Variables;
use crate::sys::identity;
use crate::sys::platform::handle::check;
use crate::sys::platform::pipe_name::full_name;
use crate::sys::platform::spawn::{Prepared, Stdio, spawn};
use crate::sys::platform::testing::{PATIENCE, after_start, eventually, program, run, tokens};
use crate::sys::{AcceptFailure, BindFailure};

/// Long enough to see that nothing comes.
const SILENCE: Duration = Duration::from_millis(300);

fn name(test: &str) -> String {
    format!("inetd-test-{test}-{}", std::process::id())
}

fn bind(name: &str, options: &SocketOptions) -> io::Result<ListenSocket> {
    ListenSocket::bind(&Endpoint::Pipe(name.to_owned()), options)
}

/// A client that comes again while all instances are taken, as clients of pipes do.
fn connect(name: &str) -> File {
    let client = RefCell::new(None);
    eventually("no instance", || {
        let opened = open(name);
        let is_busy = opened.as_ref().is_err_and(|error| is(error, ERROR_PIPE_BUSY));
        *client.borrow_mut() = Some(opened);
        !is_busy
    });
    client.into_inner().unwrap().unwrap()
}

fn open(name: &str) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(full_name(name))
}

fn instance(connection: &Connection) -> impl AsRawHandle {
    match &connection.peer {
        Peer::Pipe(instance) => instance.for_a_program().unwrap(),
        Peer::Socket(_) => panic!("a socket"),
    }
}

/// Who may use an object, in text form.
fn rights_of(object: &impl AsRawHandle) -> String {
    let mut descriptor = [0u64; 128];
    let mut size = 0;
    // SAFETY: an open handle; the buffer has this size, and the last pointer is valid.
    check(unsafe {
        GetKernelObjectSecurity(
            object.as_raw_handle(),
            DACL_SECURITY_INFORMATION,
            descriptor.as_mut_ptr().cast(),
            1024,
            &raw mut size,
        )
    })
    .unwrap();
    let mut text = ptr::null_mut();
    let mut length = 0;
    // SAFETY: a valid descriptor; the pointers are valid for the call. The text is leaked.
    check(unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor.as_mut_ptr().cast(),
            SDDL_REVISION_1,
            DACL_SECURITY_INFORMATION,
            &raw mut text,
            &raw mut length,
        )
    })
    .unwrap();
    // SAFETY: as many characters as the call has told, the NUL at the end included.
    let units = unsafe { std::slice::from_raw_parts(text, length as usize) };
    String::from_utf16_lossy(units).trim_end_matches('\0').to_owned()
}

#[test]
fn an_armed_pipe_gives_one_event_and_then_is_quiet() {
    let name = name("events");
    let listener = bind(&name, &SocketOptions::default()).unwrap();
    let poller = Arc::new(Poller::new().unwrap());
    let tokens = tokens(&poller);
    // More than there are instances that wait.
    let _clients = [(); WAITING + 2].map(|()| connect(&name));
    assert!(tokens.recv_timeout(SILENCE).is_err(), "an event before the first arm");
    for _ in 0..WAITING + 2 {
        // The system has connected them; it is up to the threads to see it.
        eventually("nobody to accept", || listener.is_ready());
        listener.arm(&poller, 7).unwrap();
        assert_eq!(tokens.recv_timeout(PATIENCE).unwrap(), 7);
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer, Address::PipeClient(std::process::id()));
        assert!(tokens.recv_timeout(SILENCE).is_err(), "a second event without arm");
    }
    assert_eq!(accept_failure(&listener.accept().unwrap_err()), AcceptFailure::Empty);
    listener.arm(&poller, 8).unwrap();
    assert!(tokens.recv_timeout(SILENCE).is_err(), "an event without a client");
    // It is armed when the client comes.
    let _client = connect(&name);
    assert_eq!(tokens.recv_timeout(PATIENCE).unwrap(), 8);
}

#[test]
fn the_backlog_is_a_limit_and_clients_wait_beyond_it() {
    let name = name("backlog");
    let options = SocketOptions { backlog: 2, ..SocketOptions::default() };
    let listener = bind(&name, &options).unwrap();
    // Two are taken on; each of the other instances has room for one more.
    let mut clients: Vec<_> = (0..2 + WAITING).map(|_| connect(&name)).collect();
    // Each thread may have been waiting for a client when there was still room.
    clients.extend((0..50).filter_map(|_| open(&name).ok()));
    assert!(clients.len() < 2 + 2 * WAITING, "{} clients", clients.len());
    while listener.is_ready() {
        listener.accept().unwrap();
    }
    clients.push(connect(&name));
    drop(listener);
    assert!(clients.iter_mut().all(|client| client.read(&mut [0]).unwrap_or(0) == 0));
}

#[test]
fn a_text_is_offered_without_waiting() {
    let name = name("offer");
    for relayed in [false, true] {
        let options =
            SocketOptions { relayed, send_buffer: Some(1024), ..SocketOptions::default() };
        let listener = bind(&name, &options).unwrap();
        let mut client = connect(&name);
        eventually("nobody to accept", || listener.is_ready());
        let (connection, _) = listener.accept().unwrap();
        connection.offer(b"hello");
        // There is no room for all of it, and nobody reads.
        connection.offer(&[b'x'; 100_000]);
        assert!(connection.finish().is_none());
        let mut all = Vec::new();
        client.read_to_end(&mut all).unwrap();
        assert!(all.starts_with(b"hello"), "{all:?}");
    }
}

#[test]
fn a_dropped_pipe_is_quiet_and_its_name_is_free() {
    let name = name("dropped");
    let options = SocketOptions::default();
    for _ in 0..20 {
        let listener = bind(&name, &options).unwrap();
        let poller = Arc::new(Poller::new().unwrap());
        let tokens = tokens(&poller);
        listener.arm(&poller, 7).unwrap();
        drop(listener);
        assert!(open(&name).is_err());
        assert!(tokens.try_recv().is_err());
        poller.post(0).unwrap();
    }
}

#[test]
fn a_pipe_belongs_to_one_listener() {
    let name = name("twice");
    let _first = bind(&name, &SocketOptions::default()).unwrap();
    let error = bind(&name.to_uppercase(), &SocketOptions::default()).unwrap_err();
    assert_eq!(bind_failure(&error), BindFailure::Later, "{error}");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
}

#[test]
fn who_may_connect_is_in_the_rights_of_the_pipe() {
    let name = name("rights");
    let plain = SocketOptions::default();
    let listener = bind(&name, &plain).unwrap();
    let accept = || {
        let _client = connect(&name);
        eventually("nobody to accept", || listener.is_ready());
        listener.accept().unwrap().0
    };
    let ours = rights_of(&instance(&accept()));
    assert!(ours.starts_with("D:P(A;;") && ours.matches('(').count() == 3, "{ours}");
    assert!(ours.contains(";;;SY)") && ours.contains(";;;BA)"), "{ours}");
    let user = Some(identity::user_id(r"NT AUTHORITY\LocalService").unwrap());
    let group = Some(identity::group_id("Users").unwrap());
    listener.retune(&SocketOptions { user, group, ..plain.clone() }).unwrap();
    let more = format!("{ours}(A;;0x12019b;;;LS)(A;;0x12019b;;;BU)");
    // Instances that were made before have them, too.
    for _ in 0..WAITING + 1 {
        assert_eq!(rights_of(&instance(&accept())), more);
    }
    listener.retune(&plain).unwrap();
    assert_eq!(rights_of(&instance(&accept())), ours);
}

#[test]
fn the_instance_is_standard_input_and_output() {
    let name = name("spawn");
    let listener = bind(&name, &SocketOptions::default()).unwrap();
    let echo = Prepared::new(&program("echo", &[])).unwrap();
    let client = connect(&name);
    eventually("nobody to accept", || listener.is_ready());
    let (connection, _) = listener.accept().unwrap();
    let stdio = Stdio::Connection(&connection);
    let child = spawn(&echo, stdio, None, &Variables::default()).unwrap();
    drop(connection);
    // Reading from a pipe knows no time limit, a test does.
    let client = std::thread::spawn(move || {
        assert_eq!(after_start(&read_to_mark(&client)), "");
        // More than the buffers take in all; the program keeps what has no end of a line.
        let mut data: Vec<u8> = (0..1u32 << 17).flat_map(u32::to_le_bytes).collect();
        for part in data.chunks_mut(32 * 1024) {
            part[32 * 1024 - 1] = b'\n';
            (&client).write_all(part).unwrap();
            let mut back = vec![0; part.len()];
            (&client).read_exact(&mut back).unwrap();
            assert_eq!(back, part);
        }
        client
    });
    eventually("the data does not come back", || client.is_finished());
    assert_eq!(child.reap(), None);
    // There is no half-close: the end of input is the end of the connection.
    drop(client.join().unwrap());
    eventually("the program does not end", || child.reap().is_some());
}

/// What comes before the first byte of the program itself.
fn read_to_mark(mut client: &File) -> String {
    let mut text = String::new();
    while !text.ends_with("<<start>>") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        text.push(byte[0].into());
    }
    text
}

#[test]
fn the_end_of_a_program_comes_after_its_last_byte() {
    let name = name("end");
    let listener = bind(&name, &SocketOptions::default()).unwrap();
    let program = program("arguments", &["the last word"]);
    let mut client = connect(&name);
    eventually("nobody to accept", || listener.is_ready());
    let (connection, _) = listener.accept().unwrap();
    let stdio = Stdio::Connection(&connection);
    let prepared = Prepared::new(&program).unwrap();
    let child = spawn(&prepared, stdio, None, &Variables::default()).unwrap();
    drop(connection);
    eventually("the program does not end", || child.reap().is_some());
    let mut all = Vec::new();
    // The broken pipe is the end of the file to Rust, as to most.
    client.read_to_end(&mut all).unwrap();
    assert_eq!(after_start(&String::from_utf8(all).unwrap()), "[the last word]");
}

#[test]
fn the_relay_gets_instances_of_its_own_kind() {
    let name = name("relayed");
    let plain = SocketOptions::default();
    let listener = bind(&name, &plain).unwrap();
    let mut client = connect(&name);
    let accept = || {
        eventually("nobody to accept", || listener.is_ready());
        listener.accept().unwrap().0
    };
    let synchronous = accept();
    assert!(synchronous.end().is_ok());
    run(async { assert!(synchronous.into_async().is_err()) });
    assert_eq!(client.read(&mut [0]).unwrap(), 0);

    let waiting = connect(&name);
    eventually("nobody to accept", || listener.is_ready());
    listener.retune(&SocketOptions { relayed: true, ..plain.clone() }).unwrap();
    assert!(!listener.is_ready(), "an instance that the relay cannot use");
    drop(waiting);
    // Each of the threads has one of the new kind.
    for _ in 0..WAITING + 1 {
        let mut client = connect(&name);
        let relayed = accept();
        assert!(relayed.end().is_err());
        let client = std::thread::spawn(move || {
            client.write_all(b"question").unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            answer
        });
        run(async {
            let mut stream = relayed.into_async().unwrap();
            let mut question = [0; 8];
            stream.read_exact(&mut question).await.unwrap();
            assert_eq!(&question, b"question");
            stream.write_all(b"answer").await.unwrap();
            stream.shutdown().await.unwrap();
            assert_eq!(stream.read(&mut question).await.unwrap(), 0);
        });
        assert_eq!(client.join().unwrap(), b"answer");
    }
    let mut client = connect(&name);
    client.write_all(b"last words").unwrap();
    drop(client);
    let relayed = accept();
    run(async {
        let mut stream = relayed.into_async().unwrap();
        let mut words = Vec::new();
        let gone = stream.read_to_end(&mut words).await.unwrap_err();
        assert_eq!((&*words, gone.kind()), (&b"last words"[..], io::ErrorKind::BrokenPipe));
    });
    listener.retune(&plain).unwrap();
    let _client = connect(&name);
    assert!(accept().end().is_ok());
}
