//! Unix sockets: served where the system has them, refused with a reason where it has none. Which of
//! the two it is a program of our own finds out, so that inetd cannot excuse itself.

use std::path::Path;

use crate::harness::{Client, Daemon, Start, checksum, inetd, native, probe, service, tool};
use crate::harness::{Generated, wait_until};

/// The address of a socket.
fn url(path: &Path) -> String {
    format!("unix:///{}", native(path).replace('\\', "/"))
}

/// A service at a socket.
fn at(name: &str, path: &Path, run: &[String], keys: &str) -> String {
    service(name, run, &format!("listen = '{}'\n{keys}", url(path)))
}

/// Clients of a socket. Only a program of Windows can connect to one, so each is a program that is
/// served by another daemon: whoever connects there has the socket at the other end.
fn clients(path: &Path) -> Daemon {
    let mut program = tool("unix-client.c");
    program.push(native(path));
    Daemon::run(&service("client", &program, "io = 'pipe'\nmax_sessions = 0"))
}

/// Whether this system has Unix sockets.
fn has_any(folder: &Path) -> bool {
    let answer = clients(&folder.join("nobody.sock")).connect("client").rest();
    match answer.trim_end() {
        "none" => false,
        error if error.starts_with("error ") => true,
        other => panic!("{other:?}"),
    }
}

fn ask(clients: &Daemon, question: &str) -> String {
    clients.ask("client", question)
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_unix_socket_is_served_or_refused_with_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let env = at("env", &path, &probe(&["environment"]), "socket_group = 'Users'");
    if !has_any(folder.path()) {
        let refused = Start::run(&env).fails();
        assert_eq!(refused.code, 1, "{}", refused.err);
        for part in [
            "error: this system has no Unix sockets",
            "inetd.toml:",
            "they need Windows 10 1803, Windows Server 2019 or a later one",
        ] {
            assert!(refused.err.contains(part), "{part}: {}", refused.err);
        }
        assert!(!path.exists());
        return;
    }
    let mut daemon = Daemon::run(&env);
    assert_eq!(daemon.endpoints("env"), [url(&path)]);
    let clients = clients(&path);
    let answer = ask(&clients, "");
    let value = |name: &str| {
        let prefix = format!("env {name}=");
        answer.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
    };
    assert_eq!(value("PROTO").as_deref(), Some("UNIX"), "{answer}");
    assert_eq!(value("INETD_LOCAL"), Some(format!("unix:{}", native(&path))));
    assert_eq!(value("INETD_REMOTE").as_deref(), Some("unix"));
    assert!(value("Inetd_SOCK").is_some());
    for name in ["TCPREMOTEIP", "TCPLOCALPORT", "REMOTE_ADDR", "REMOTE_HOST"] {
        assert_eq!(value(name), None, "{name}");
    }
    assert_eq!(&daemon.record("EXIT", |_| true)["status"], "0");
    assert_eq!(daemon.stop().code, 0);
    assert_eq!(daemon.exit_code(), 0);
    assert!(!path.exists());
    // The file of a daemon that was killed is nobody's.
    let daemon = Daemon::run(&env);
    drop(daemon.kill());
    assert!(path.symlink_metadata().is_ok());
    let _daemon = Daemon::run(&env);
    assert!(ask(&clients, "").contains("env PROTO=UNIX"));
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn data_of_a_unix_socket_comes_back_unchanged_with_each_io_and_by_forward() {
    const SIZE: u64 = 2 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let way = format!("[service.way]\nlisten = '127.0.0.1:0'\nforward = '{}'\n", url(&path));
    if !has_any(folder.path()) {
        let refused = Start::run(&way).fails();
        assert_eq!(refused.code, 1, "{}", refused.err);
        assert!(refused.err.contains("this system has no Unix sockets"), "{}", refused.err);
        return;
    }
    let there_and_back = |mut client: Client| {
        let mut sender = client.sender();
        let mut back = vec![0; usize::try_from(SIZE).unwrap()];
        std::thread::scope(|scope| {
            scope.spawn(|| std::io::copy(&mut Generated::new(7, SIZE), &mut sender).unwrap());
            client.exactly(&mut back);
        });
        assert_eq!(checksum(&*back), checksum(Generated::new(7, SIZE)));
        client.half_close();
        assert_eq!(client.rest(), "");
    };
    let clients = clients(&path);
    for io in ["socket", "pipe"] {
        let cat = at("cat", &path, &probe(&["cat"]), &format!("io = '{io}'"));
        let mut daemon = Daemon::run(&(cat + &way));
        there_and_back(clients.connect("client"));
        there_and_back(daemon.connect("way"));
        assert_eq!(daemon.stop().code, 0);
        assert_eq!(daemon.exit_code(), 0);
        wait_until("the end of the socket file", || path.symlink_metadata().is_err());
    }
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn what_no_unix_socket_can_have_is_refused_before_the_system_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("inetd.toml");
    let long = format!("unix:///C:/{}", "x".repeat(105));
    for (address, said) in [
        (long.as_str(), "the path of the Unix socket has 108 bytes"),
        ("unix:@x", "abstract Unix sockets are available on Linux only"),
        ("unix:///run/x.sock", "has not got the absolute path of a socket"),
    ] {
        let keys = format!("listen = '{address}'");
        std::fs::write(&config, service("cat", &probe(&["cat"]), &keys)).unwrap();
        let checked = inetd(&["check", &native(&config)]);
        assert_eq!(checked.code, 1, "{address}");
        assert!(checked.err.contains(said), "{address}: {}", checked.err);
    }
}
