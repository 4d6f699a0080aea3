//! `identify`: the machine of a peer is asked for its user (RFC 1413). Port 113 is fixed, so each test
//! has addresses of its own, on which it answers or does worse.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::harness::{Client, Daemon, inetd, left_out, native, probe, service, wait_until};

/// An address that no other test and no other test process has.
fn own_host(number: u8) -> String {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    format!("127.{}.{b}.{c}", 192 + (a.wrapping_add(number)) % 64)
}

/// What a machine does with a question.
type Deed = Arc<dyn Fn(&Question, &mut TcpStream) + Send + Sync>;

/// A question that has come.
#[derive(Debug)]
struct Question {
    from: IpAddr,
    ports: String,
}

/// A machine that is asked.
struct Machine {
    host: String,
    deed: Arc<Mutex<Deed>>,
    asked: Receiver<Question>,
}

impl Machine {
    /// A machine that does this with every question; none if nobody may listen on the port here.
    fn new(
        number: u8,
        deed: impl Fn(&Question, &mut TcpStream) + Send + Sync + 'static,
    ) -> Option<Self> {
        let host = own_host(number);
        let listener = match TcpListener::bind((host.as_str(), 113)) {
            Ok(listener) => listener,
            Err(error) => {
                left_out(&format!("cannot listen on {host}:113: {error}"));
                return None;
            }
        };
        let deed: Arc<Mutex<Deed>> = Arc::new(Mutex::new(Arc::new(deed)));
        let (sender, asked) = channel();
        let each = Arc::clone(&deed);
        // It ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (deed, sender) = (Arc::clone(&each.lock().unwrap()), sender.clone());
                std::thread::spawn(move || Self::answer(stream.unwrap(), &*deed, &sender));
            }
        });
        Some(Self { host, deed, asked })
    }

    fn answer(
        mut stream: TcpStream,
        deed: &(dyn Fn(&Question, &mut TcpStream) + Send + Sync),
        sender: &Sender<Question>,
    ) {
        let from = stream.peer_addr().unwrap().ip();
        let mut line = String::new();
        BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
        let Some(ports) = line.strip_suffix("\r\n") else { return };
        let question = Question { from, ports: ports.to_owned() };
        deed(&question, &mut stream);
        sender.send(question).ok();
    }

    /// From now on it does something else.
    fn does(&self, deed: impl Fn(&Question, &mut TcpStream) + Send + Sync + 'static) {
        *self.deed.lock().unwrap() = Arc::new(deed);
    }

    /// A new connection from it.
    fn connect(&self, address: SocketAddr) -> Client {
        Client::connect_from(&self.host, address)
    }
}

/// What is behind the ports of an answer.
fn says(rest: &'static str) -> impl Fn(&Question, &mut TcpStream) + Send + Sync {
    move |question, stream| {
        stream.write_all(format!("{} : {rest}\r\n", question.ports).as_bytes()).ok();
    }
}

/// It waits until the other end gives up.
fn says_nothing(_: &Question, stream: &mut TcpStream) {
    BufReader::new(stream).read_line(&mut String::new()).ok();
}

/// A built-in service: a program for each of many connections takes its time.
fn echo(name: &str, keys: &str) -> String {
    format!("[service.{name}]\nlisten = '127.0.0.1:0'\nbuiltin = 'echo'\n{keys}\n")
}

/// Whether a service echoes.
fn echoes(mut client: Client) -> bool {
    client.send(b"hello\n");
    client.line() == "hello"
}

#[test]
fn the_user_is_recorded_and_told_to_the_program() {
    let Some(machine) = Machine::new(1, says("USERID : UNIX : st johns")) else { return };
    let here = own_host(2);
    let keys = |identify| format!("listen = '{here}:0'\nidentify = '{identify}'");
    let env = probe(&["environment"]);
    let config = service("log", &env, &keys("log"))
        + &service("require", &env, &keys("require"))
        + &service("off", &env, &keys("off"));
    let daemon = Daemon::run(&config);
    for name in ["log", "require"] {
        let mut client = machine.connect(daemon.address(name));
        let answer = client.rest();
        assert!(answer.contains("\nenv TCPREMOTEINFO=st johns\n"), "{answer}");
        // It is asked for this connection, by the address that this connection came to.
        let question = machine.asked.recv().unwrap();
        let ports = format!("{},{}", client.local().port(), daemon.address(name).port());
        assert_eq!((question.from.to_string(), question.ports), (here.clone(), ports));
        for event in ["START", "EXIT"] {
            let record = daemon.record(event, |record| &record["service"] == name);
            assert_eq!(&record["user"], "st johns");
        }
    }
    assert!(!machine.connect(daemon.address("off")).rest().contains("TCPREMOTEINFO"));
    let record = daemon.record("START", |record| &record["service"] == "off");
    assert_eq!(record.field("user"), None);
    assert!(machine.asked.try_recv().is_err(), "nobody else is asked for");
}

#[test]
fn what_is_told_can_neither_fake_a_record_nor_move_a_cursor() {
    let evil = says("USERID : OTHER : x pid=1\u{1b}[2J\u{202e}\u{9b}\"");
    let Some(machine) = Machine::new(3, evil) else { return };
    let daemon = Daemon::run(&service("env", &probe(&["environment"]), "identify = 'log'"));
    let answer = machine.connect(daemon.address("env")).rest();
    assert!(answer.contains("\nenv TCPREMOTEINFO=x pid=1[2J\"\n"), "{answer}");
    let record = daemon.record("START", |_| true);
    assert_eq!(&record["user"], "x pid=1\\u{1b}[2J\\u{202e}\\u{9b}\\\"");
}

#[test]
fn a_machine_that_does_not_answer_as_it_should_tells_nobody() {
    let Some(machine) = Machine::new(4, says("ERROR : HIDDEN-USER")) else { return };
    let config = echo("log", "identify = 'log'") + &echo("require", "identify = 'require'");
    let daemon = Daemon::run(&config);
    let mut refused = 0;
    let mut tells_nobody = || {
        let mark = daemon.log().all().len();
        // Both at once: what never comes is waited for once.
        let log = machine.connect(daemon.address("log"));
        machine.connect(daemon.address("require")).closed();
        assert!(echoes(log));
        let record = daemon.record_after(mark, "START", |record| &record["service"] == "log");
        assert_eq!(record.field("user"), None);
        let record = daemon.record_after(mark, "REFUSE", |_| true);
        assert_eq!((&record["service"], &record["reason"]), ("require", "noid"));
        refused += 1;
    };
    tells_nobody();
    machine.does(|_, _| {});
    tells_nobody();
    machine.does(|_, stream| {
        stream.write_all(b"1 , 1 : USERID : UNIX : root\r\n").ok();
    });
    tells_nobody();
    machine.does(|question, stream| {
        // Not the end of a line.
        write!(stream, "{} : USERID : UNIX : root", question.ports).ok();
    });
    tells_nobody();
    machine.does(|question, stream| {
        write!(stream, "{} : USERID : UNIX : {}\r\n", question.ports, "x".repeat(1000)).ok();
    });
    tells_nobody();
    machine.does(|question, stream| {
        write!(stream, "{} : USERID : UNIX : ", question.ports).ok();
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    tells_nobody();
    machine.does(says_nothing);
    tells_nobody();
    assert_eq!(daemon.service("require")["refused_for"]["noid"], refused);
    assert_eq!(daemon.service("require")["sessions"], 0);
    machine.does(says("USERID : UNIX : somebody"));
    assert!(echoes(machine.connect(daemon.address("require"))), "it is asked anew each time");
}

#[test]
fn without_anybody_who_could_be_asked_it_is_the_same() {
    // Nobody listens there.
    let host = own_host(5);
    let config = echo("log", "identify = 'log'")
        + &echo("require", "identify = 'require'\nbanner_reject = 'who are you?'");
    let daemon = Daemon::run(&config);
    assert!(echoes(Client::connect_from(&host, daemon.address("log"))));
    let mut refused = Client::connect_from(&host, daemon.address("require"));
    assert_eq!(refused.rest(), "who are you?");
    assert_eq!(&daemon.record("REFUSE", |_| true)["reason"], "noid");
    let file = native(&daemon.config());
    let said = |name| inetd(&["access", name, &host, "-c", &file]).out;
    assert!(said("require").contains("\n  if its machine tells its user\n"), "{}", said("require"));
    assert!(!said("log").contains("user"), "{}", said("log"));
}

#[test]
fn a_flood_from_a_machine_that_hangs_starves_nobody_else() {
    let (Some(hangs), Some(answers)) =
        (Machine::new(6, says_nothing), Machine::new(7, says("USERID : UNIX : other")))
    else {
        return;
    };
    let config = echo("log", "identify = 'log'")
        + &echo("require", "identify = 'require'")
        + &echo("plain", "");
    let daemon = Daemon::run(&config);
    // More than all questions that may be open.
    let flood: Vec<_> = (0..100).map(|_| hangs.connect(daemon.address("log"))).collect();
    for name in ["log", "require"] {
        assert!(echoes(answers.connect(daemon.address(name))));
        let record = daemon.record("START", |record| {
            &record["service"] == name && record["peer"].starts_with(&answers.host)
        });
        assert_eq!(&record["user"], "other");
    }
    assert!(echoes(hangs.connect(daemon.address("plain"))));
    drop(flood);
    wait_until("the end of the flood", || daemon.service("log")["sessions"] == 0);
}

#[test]
fn who_is_turned_away_is_recorded_with_its_user() {
    let (Some(machine), Some(hangs)) =
        (Machine::new(9, says("USERID : UNIX : somebody")), Machine::new(10, says_nothing))
    else {
        return;
    };
    let deny = format!("identify = 'refused'\ndeny = ['{}', '{}']", machine.host, hangs.host);
    let config = echo("deny", &format!("{deny}\nbanner_reject = 'not you'"))
        + &echo("plain", "")
        + &echo("in", "identify = 'refused'");
    let daemon = Daemon::run(&config);
    assert!(echoes(machine.connect(daemon.address("in"))));
    let start = daemon.record("START", |record| &record["service"] == "in");
    assert_eq!(start.field("user"), None, "who comes in is not asked for");
    let refused_to = |host: &str| {
        daemon.record("REFUSE", |record| record["peer"].starts_with(&format!("{host}:")))
    };
    assert_eq!(machine.connect(daemon.address("deny")).rest(), "not you");
    let record = refused_to(&machine.host);
    assert_eq!((&record["reason"], &record["user"]), ("address", "somebody"));
    // More than may wait for their users. What is too much is closed at once.
    let flood: Vec<_> = (0..100).map(|_| hangs.connect(daemon.address("deny"))).collect();
    assert_eq!(refused_to(&hangs.host).field("user"), None);
    assert!(echoes(machine.connect(daemon.address("plain"))));
    assert_eq!(machine.connect(daemon.address("deny")).rest(), "not you");
    for mut client in flood {
        client.rest();
    }
    assert_eq!(daemon.service("deny")["refused_for"]["address"], 102);
}

#[test]
fn whoever_is_asked_for_counts_for_its_source_and_not_for_a_rate() {
    let Some(machine) = Machine::new(8, says_nothing) else { return };
    let config = echo("source", "identify = 'require'\nmax_per_source = 1")
        + &echo("rate", "identify = 'require'\nrate_per_source = '1/1h'");
    let daemon = Daemon::run(&config);
    let mut first = machine.connect(daemon.address("source"));
    machine.connect(daemon.address("source")).closed();
    daemon.record("REFUSE", |record| &record["reason"] == "per_source_limit");
    first.closed();
    daemon.record("REFUSE", |record| &record["reason"] == "noid");
    let mut rated = machine.connect(daemon.address("rate"));
    rated.closed();
    machine.does(says("USERID : UNIX : somebody"));
    assert!(echoes(machine.connect(daemon.address("rate"))), "who was refused has used up nothing");
    let mark = daemon.log().all().len();
    machine.connect(daemon.address("rate")).closed();
    let record = daemon.record_after(mark, "REFUSE", |_| true);
    assert_eq!((&record["reason"], &record["user"]), ("per_source_cps", "somebody"));
}

// xinetd.conf(5): "USERID logs the user id of the remote user using the RFC 1413 identification
// protocol." "IDONLY Accept connections only when the remote end identifies the remote user".
#[test]
fn entries_of_xinetd_ask_for_users() {
    let entry = |name: &str, port: u16, lines: &str| {
        format!(
            "service {name}\n{{\n type = INTERNAL UNLISTED\n port = {port}\n socket_type = stream\n \
             wait = no\n flags = NOLIBWRAP {lines}\n}}\n"
        )
    };
    let text = entry("echo", 7001, "\n log_on_success += USERID")
        + &entry("discard", 7002, "\n log_on_failure += USERID")
        + &entry("chargen", 7003, "IDONLY\n log_on_success = PID USERID");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("xinetd.conf");
    std::fs::write(&path, text).unwrap();
    let converted = inetd(&["convert", "--format", "xinetd", &native(&path)]);
    assert_eq!((converted.code, &*converted.err), (0, ""));
    let values: Vec<_> = converted.out.lines().filter(|line| line.contains("identify")).collect();
    assert_eq!(
        values,
        [
            "identify = \"log\"  # log_on_success += USERID",
            "identify = \"refused\"  # log_on_failure += USERID",
            "identify = \"require\"  # flags = NOLIBWRAP IDONLY",
        ]
    );
}
