//! xinetd.conf.

use std::net::SocketAddr;
use std::process::Command;

use super::{
    ask, assert_same, at, beginning, exchange, is_answered, is_now, is_pattern, listen_to,
    original, ours, own_host, start,
};
use crate::harness::{Client, own_port, probe};

/// A file that grows by entries.
struct File {
    text: String,
    host: String,
    folder: tempfile::TempDir,
}

impl File {
    fn new(number: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { text: String::new(), host: own_host(number), folder }
    }

    /// Adds an entry on a free port.
    fn entry(&mut self, name: &str, lines: &str) -> SocketAddr {
        let (host, port) = (&self.host, own_port());
        self.text += &format!(
            "service {name}\n{{\n bind = {host}\n port = {port}\n disable = no\n{}\n}}\n",
            lines.trim(),
        );
        at(&self.host, port)
    }

    /// Adds an entry that starts a program for each connection.
    fn program(&mut self, name: &str, server: &str, arguments: &str, more: &str) -> SocketAddr {
        let arguments = match arguments {
            "" => String::new(),
            some => format!(" server_args = {some}\n"),
        };
        // Debian's xinetd crashes if NAMEINARGS comes after the arguments.
        let lines = format!(
            "{more}\n type = UNLISTED\n socket_type = stream\n protocol = tcp\n wait = no\n \
             user = nobody\n server = {server}\n{arguments}"
        );
        self.entry(name, &lines)
    }

    /// Adds a built-in service.
    fn internal(&mut self, name: &str, socket: &str) -> SocketAddr {
        let (protocol, wait) = if socket == "dgram" { ("udp", "yes") } else { ("tcp", "no") };
        let lines = format!(
            " type = INTERNAL UNLISTED\n id = {name}-{socket}\n socket_type = {socket}\n \
             protocol = {protocol}\n wait = {wait}\n user = root\n"
        );
        self.entry(name, &lines)
    }

    /// Gives what `answers` hears of xinetd, and of this daemon.
    fn compared<T>(&self, answers: impl Fn() -> T) -> Option<[T; 2]> {
        let package = original("xinetd")?;
        let [path, log, pid] =
            ["xinetd.conf", "log", "pid"].map(|name| self.folder.path().join(name));
        std::fs::write(&path, &self.text).unwrap();
        let mut command = Command::new(package.join("usr/sbin/xinetd"));
        command.arg("-dontfork").arg("-filelog").arg(&log).arg("-pidfile").arg(pid);
        command.arg("-f").arg(&path);
        let process = start(command, || {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            log.contains("Started working")
        });
        let theirs = answers();
        drop(process);
        let daemon = ours(&self.text);
        let of_ours = answers();
        drop(daemon);
        Some([theirs, of_ours])
    }
}

/// A line and back. xinetd's `redirect` ends in both directions when one ends.
fn line_through(address: SocketAddr) -> String {
    let mut client = Client::connect(address);
    client.send(b"through\n");
    client.line()
}

#[test]
fn xinetd_answers_the_same() {
    let mut file = File::new(11);
    let [echo, discard, daytime, time, chargen] =
        ["echo", "discard", "daytime", "time", "chargen"].map(|name| file.internal(name, "stream"));
    let [echo_udp, daytime_udp, time_udp, chargen_udp] =
        ["echo", "daytime", "time", "chargen"].map(|name| file.internal(name, "dgram"));
    let probe = &probe(&[])[0];
    let argv = file.program("argv", "/bin/cat", "/proc/self/cmdline -", "");
    let named =
        file.program("named", "/bin/cat", "other-name /proc/self/cmdline", " flags = NAMEINARGS");
    let identity = file.program("identity", probe, "identity", "");
    let group = file.program("group", "/usr/bin/id", "", " group = daemon");
    let groups = file.program("groups", "/usr/bin/id", "", " groups = yes");
    let environment =
        file.program("environment", "/usr/bin/env", "", " env = GREETING=hello\n passenv = LANG");
    let redirect = format!("redirect = {} {}", echo.ip(), echo.port());
    let lines =
        " type = UNLISTED\n socket_type = stream\n protocol = tcp\n wait = no\n user = root";
    let redirected = file.entry("redirected", &format!("{lines}\n {redirect}"));
    let datagrams = format!(
        " type = UNLISTED\n socket_type = dgram\n protocol = udp\n wait = yes\n user = nobody\n \
         server = {probe}\n server_args = answer-datagram"
    );
    let datagrams = file.entry("datagrams", &datagrams);

    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let answers = file.compared(|| {
        let all = ask(environment, "");
        let defined = ["GREETING=", "REMOTE_HOST="];
        let mut variables: Vec<_> =
            all.lines().filter(|line| defined.iter().any(|name| line.starts_with(name))).collect();
        variables.sort_unstable();
        let heard = [
            ("echo", ask(echo, "hello\n")),
            ("discard", ask(discard, "hello\n")),
            ("daytime", (!listen_to(daytime).is_empty()).to_string()),
            ("time", is_now(&listen_to(time)).to_string()),
            ("chargen", is_pattern(beginning(chargen).as_bytes()).to_string()),
            ("echo udp", text(exchange(echo_udp, "hello"))),
            ("daytime udp", (!exchange(daytime_udp, "now").is_empty()).to_string()),
            ("time udp", is_now(&exchange(time_udp, "now")).to_string()),
            ("chargen udp", is_pattern(&exchange(chargen_udp, "more")[..74]).to_string()),
            ("argv", ask(argv, "and the input\n")),
            ("argv of NAMEINARGS", ask(named, "")),
            ("identity", ask(identity, "")),
            ("group", ask(group, "")),
            ("groups", ask(groups, "")),
            ("environment", variables.join(" ")),
            ("redirect", line_through(redirected)),
            ("wait datagrams", text(exchange(datagrams, "one"))),
            ("wait datagrams again", text(exchange(datagrams, "two"))),
        ];
        heard.map(|(name, answer)| (name.to_owned(), answer))
    });
    let Some([theirs, ours]) = answers else { return };
    assert_same(&theirs, &ours);
}

#[test]
fn xinetd_refuses_the_same() {
    let mut file = File::new(12);
    let banner = file.folder.path().join("sorry");
    std::fs::write(&banner, "sorry\n").unwrap();
    let sorry = format!(" banner_fail = {}\n", banner.display());
    let from = |rules: &str| format!("{sorry}{rules}");
    let date = "/bin/date";
    let only = file.program("only", date, "", &from(" only_from = 127.0.0.2"));
    let not = file.program("not", date, "", &from(" no_access = 127.0.0.1"));
    let never = file.program("never", date, "", &from(" only_from ="));
    let narrow =
        file.program("narrow", date, "", &from(" only_from = 127.0.0.0/8\n no_access = 127.0.0.1"));
    let few = file.program("few", "/bin/cat", "", &from(" instances = 1"));
    let source = file.program("source", "/bin/cat", "", &from(" per_source = 1"));

    let second = |address: SocketAddr| {
        let mut first = Client::connect(address);
        first.send(b"hello\n");
        assert_eq!(first.line(), "hello");
        Client::connect(address).rest()
    };
    let answers = file.compared(|| {
        let refused = |name: &str, address| {
            // A date is what who is let in gets.
            (name.to_owned(), Client::connect(address).rest().contains("sorry").to_string())
        };
        vec![
            refused("only_from", only),
            refused("no_access", not),
            refused("an empty only_from", never),
            refused("a narrower no_access", narrow),
            ("instances".to_owned(), second(few)),
            ("per_source".to_owned(), second(source)),
        ]
    });
    let Some([theirs, ours]) = answers else { return };
    assert_same(&theirs, &ours);
}

/// xinetd.conf(5): the better match decides, which its code does not do. docs/migrating.md says so.
#[test]
fn xinetd_refuses_whom_its_manual_lets_in() {
    let mut file = File::new(14);
    let rules = " only_from = 127.0.0.1\n no_access = 127.0.0.0/8";
    let narrower = file.program("narrower", "/bin/date", "", rules);
    let Some(admitted) = file.compared(|| is_answered(narrower, || false)) else { return };
    assert_eq!(admitted, [false, true]);
}

/// Two a second, and then a pause. xinetd closes the listener; here clients wait in its backlog.
#[test]
fn xinetd_lets_as_many_in_before_it_pauses() {
    let mut file = File::new(13);
    let rate = file.program("rate", "/bin/date", "", " cps = 2 60");
    let admitted = file.compared(|| (0..2).filter(|_| is_answered(rate, || false)).count());
    let Some(admitted) = admitted else { return };
    assert_eq!(admitted, [2, 2]);
}
