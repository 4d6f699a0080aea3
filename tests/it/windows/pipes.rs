//! Services on named pipes.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::harness::{
    Client, Daemon, Generated, Start, checksum, probe, service, tool, wait_until,
};

/// A name that no other test has.
fn unused_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("inetd-it-npipe-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// The TOML of a service on a pipe.
fn on_pipe(name: &str, pipe: &str, run: &[String], keys: &str) -> String {
    service(name, run, &format!("listen = 'npipe:{pipe}'\n{keys}"))
}

/// Clients of a pipe. Only a program of Windows can open one, so each is a program that is served
/// by another daemon: whoever connects there has the pipe at the other end.
struct Clients {
    daemon: Daemon,
}

impl Clients {
    fn of(pipe: &str) -> Self {
        Self::with(&[pipe])
    }

    /// Clients that do not wait for an instance of the pipe.
    fn impatient(pipe: &str) -> Self {
        Self::with(&[pipe, "once"])
    }

    fn with(arguments: &[&str]) -> Self {
        let mut program = tool("pipe.c");
        program.extend(arguments.iter().map(ToString::to_string));
        Self { daemon: Daemon::run(&service("client", &program, "io = 'pipe'\nmax_sessions = 0")) }
    }

    /// One more client. When it closes, so does its end of the pipe.
    #[track_caller]
    fn connect(&self) -> Client {
        self.daemon.connect("client")
    }

    /// One that holds the service `hold`, and the number of its session.
    #[track_caller]
    fn hold(&self) -> (Client, String) {
        let mut client = self.connect();
        let line = client.line();
        let session = line.strip_prefix("ready ").unwrap_or_else(|| panic!("{line}")).to_owned();
        (client, session)
    }
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_program_hears_of_its_pipe() {
    let pipe = unused_name();
    let daemon = Daemon::run(&on_pipe("env", &pipe, &probe(&["environment"]), ""));
    assert_eq!(daemon.endpoints("env"), [format!("npipe:{pipe}")]);
    let answer = Clients::of(&pipe).connect().rest();
    let value = |name: &str| {
        let prefix = format!("env {name}=");
        answer.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
    };
    assert_eq!(value("PROTO").as_deref(), Some("PIPE"), "{answer}");
    assert_eq!(value("INETD_LOCAL"), Some(format!("pipe:{pipe}")));
    let start = daemon.record("START", |_| true);
    assert_eq!(value("INETD_REMOTE").as_deref(), Some(&start["peer"]));
    assert!(start["peer"].strip_prefix("pipe:pid=").unwrap().parse::<u32>().unwrap() > 0);
    for name in ["Inetd_SOCK", "TCPREMOTEIP", "TCPLOCALPORT", "REMOTE_ADDR", "REMOTE_HOST"] {
        assert_eq!(value(name), None, "{name}");
    }
    assert_eq!(&daemon.record("EXIT", |_| true)["status"], "0");
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn many_clients_come_at_once() {
    let pipe = unused_name();
    let daemon = Daemon::run(&on_pipe("cat", &pipe, &probe(&["cat"]), ""));
    let clients = Clients::of(&pipe);
    let mut connected: Vec<_> = (0..20).map(|_| clients.connect()).collect();
    for (number, client) in connected.iter_mut().enumerate() {
        client.send(format!("client {number}\n").as_bytes());
    }
    for (number, client) in connected.iter_mut().enumerate() {
        assert_eq!(client.line(), format!("client {number}"));
    }
    // Their end is the end of the programs.
    drop(connected);
    assert!(daemon.records(20, "EXIT").iter().all(|record| &record["status"] == "0"));
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn large_data_comes_back_unchanged() {
    const SIZE: u64 = 2 << 20;
    for io in ["socket", "pipe"] {
        let pipe = unused_name();
        let _daemon =
            Daemon::run(&on_pipe("cat", &pipe, &probe(&["cat"]), &format!("io = '{io}'")));
        let clients = Clients::of(&pipe);
        let mut client = clients.connect();
        let mut sender = client.sender();
        let mut back = vec![0; usize::try_from(SIZE).unwrap()];
        std::thread::scope(|scope| {
            scope.spawn(|| std::io::copy(&mut Generated::new(7, SIZE), &mut sender).unwrap());
            client.exactly(&mut back);
        });
        assert_eq!(checksum(&*back), checksum(Generated::new(7, SIZE)), "io = {io}");
    }
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_full_service_lets_clients_wait() {
    let pipe = unused_name();
    let keys = "max_sessions = 1";
    let daemon = Daemon::run(&on_pipe("hold", &pipe, &probe(&["hold"]), keys));
    let clients = Clients::of(&pipe);
    let (first, _) = clients.hold();
    let mut second = clients.connect();
    // It is connected, and nobody serves it. That this stays so cannot be waited for.
    clients.daemon.records(2, "START");
    assert!(second.is_quiet());
    assert_eq!(daemon.records(1, "START").len(), 1);
    drop(first);
    assert_eq!(second.line(), "ready 2");
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_full_service_may_turn_clients_away() {
    let pipe = unused_name();
    let keys = r#"
        max_sessions = 1
        over_limit = "reject"
        banner = "Hello.\n"
        banner_reject = "Full.\n"
    "#;
    let daemon = Daemon::run(&on_pipe("hold", &pipe, &probe(&["hold"]), keys));
    let clients = Clients::of(&pipe);
    let mut first = clients.connect();
    assert_eq!((first.line(), first.line()), ("Hello.".into(), "ready 1".into()));
    assert_eq!(clients.connect().rest(), "Full.\n");
    let record = daemon.record("REFUSE", |_| true);
    assert_eq!(&record["reason"], "service_limit");
    assert!(record["peer"].starts_with("pipe:pid="), "{record:?}");
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_reload_keeps_the_pipe_and_its_sessions() {
    let pipe = unused_name();
    let hold = |keys| on_pipe("hold", &pipe, &probe(&["hold"]), keys);
    let other = service("other", &probe(&["cat"]), "");
    let daemon = Daemon::run(&(hold("") + &other));
    let clients = Clients::of(&pipe);
    let (mut first, _) = clients.hold();
    for keys in ["io = 'pipe'", "socket_group = 'Users'\nbacklog = 10", "session_timeout = '1h'"] {
        daemon.reload_with(&(hold(keys) + &other));
        let (_client, session) = clients.hold();
        assert_ne!(session, "1");
    }
    // It was bound once.
    assert_eq!(daemon.endpoints("hold").len(), 1);
    daemon.reload_with(&other);
    // ERROR_FILE_NOT_FOUND, or ERROR_PIPE_BUSY as long as the first session has its instance.
    let impatient = Clients::impatient(&pipe);
    wait_until("the end of the pipe", || impatient.connect().rest().starts_with("error "));
    assert!(first.is_quiet());
    first.half_close();
    assert_eq!(first.rest(), "");
    daemon.record("EXIT", |record| &record["session"] == "1");
    daemon.reload_with(&(hold("") + &other));
    clients.hold();
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_stop_frees_the_name() {
    let pipe = unused_name();
    let config = on_pipe("slow", &pipe, &probe(&["slow", "1000"]), "");
    let mut daemon = Daemon::run(&config);
    let clients = Clients::of(&pipe);
    let mut client = clients.connect();
    assert_eq!(client.line(), "ready");
    assert_eq!(daemon.stop().code, 0);
    // A session gets its time to end.
    assert_eq!(client.rest(), "done\n");
    assert_eq!(daemon.exit_code(), 0);
    let _daemon = Daemon::run(&config);
    assert_eq!(clients.connect().line(), "ready");
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_pipe_that_is_served_is_not_taken() {
    let pipe = unused_name();
    let _daemon = Daemon::run(&on_pipe("first", &pipe, &probe(&["cat"]), ""));
    let second = on_pipe("second", &pipe.to_uppercase(), &probe(&["cat"]), "bind_retry = 'off'");
    let finished = Start::run(&second).fails();
    assert_eq!(finished.code, 1);
    let said = finished.err.lines().find(|line| line.contains("cannot listen on npipe:"));
    let said = said.unwrap_or_else(|| panic!("{}", finished.err));
    assert!(said.contains("serves this pipe"), "{said}");
    assert!(said.contains("inetd.toml:"), "{said}");
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_relayed_program_is_stopped_when_its_client_is_gone() {
    let pipe = unused_name();
    let keys = "io = 'pipe'\nstop_timeout = '200ms'";
    let daemon = Daemon::run(&on_pipe("deaf", &pipe, &probe(&["ignore-stop"]), keys));
    let clients = Clients::of(&pipe);
    let mut client = clients.connect();
    assert_eq!(client.line(), "ready");
    drop(client);
    daemon.record("EXIT", |_| true);
}
