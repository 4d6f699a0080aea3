//! inetd.conf: openbsd-inetd, inetutils-inetd, and rlinetd by its own converter.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use super::{
    ask, assert_same, at, beginning, exchange, is_answered, is_now, listen_to, original, ours,
    own_host, pattern_size, shape, start,
};
use crate::harness::{Process, Start, example, own_port, probe};

/// A file with every kind of service, and where they are.
struct File {
    text: String,
    host: String,
    ports: [u16; 5],
}

impl File {
    fn new(number: u8) -> Self {
        let host = own_host(number);
        let ports = [(); 5].map(|()| own_port());
        let [argv, identity, rights, server, datagrams] = ports;
        let probe = &probe(&[])[0];
        let server_path = &example("wait-server.c")[0];
        let internal = ["echo", "daytime", "time", "chargen", "discard"];
        let udp = ["echo", "daytime", "time", "chargen"];
        let programs = format!(
            "{host}:{argv} stream tcp nowait nobody /bin/cat other-name /proc/self/cmdline -\n\
             {host}:{identity} stream tcp nowait nobody {probe} probe identity\n\
             {host}:{rights} stream tcp nowait nobody:daemon /usr/bin/id id\n\
             {host}:{server} stream tcp wait nobody {server_path} wait-server 60\n\
             {host}:{datagrams} dgram udp wait nobody {probe} probe answer-datagram\n",
        );
        // The last line is there last, so who reaches it reaches all.
        let text = [programs]
            .into_iter()
            .chain(udp.map(|name| format!("{host}:{name} dgram udp wait root internal\n")))
            .chain(internal.map(|name| format!("{host}:{name} stream tcp nowait root internal\n")))
            .collect();
        Self { text, host, ports }
    }

    fn at(&self, port: u16) -> SocketAddr {
        at(&self.host, port)
    }

    /// What all clients hear, with a name for each. `with_udp`: the built-in services answer
    /// datagrams.
    fn answers(&self, with_udp: bool) -> Vec<(String, String)> {
        let [argv, identity, rights, server, datagrams] = self.ports.map(|port| self.at(port));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        // "pid 4711" and the like: the same server for both.
        let servers = [(); 2].map(|()| text(listen_to(server)));
        let numbers =
            servers.map(|answer| answer.chars().filter(char::is_ascii_digit).collect::<String>());
        let heard = [
            ("echo", ask(self.at(7), "hello\n")),
            ("discard", ask(self.at(9), "hello\n")),
            ("daytime", shape(&listen_to(self.at(13)))),
            ("time", is_now(&listen_to(self.at(37))).to_string()),
            ("chargen", beginning(self.at(19))),
            ("argv", ask(argv, "and the input\n")),
            ("identity", ask(identity, "")),
            ("group", ask(rights, "")),
            ("one wait server", (numbers[0] == numbers[1]).to_string()),
            ("wait datagrams", text(exchange(datagrams, "one"))),
            ("wait datagrams again", text(exchange(datagrams, "two"))),
        ];
        let over_udp = with_udp.then(|| {
            [
                ("echo udp", text(exchange(self.at(7), "hello"))),
                ("daytime udp", shape(&exchange(self.at(13), "now"))),
                ("time udp", is_now(&exchange(self.at(37), "now")).to_string()),
                ("chargen udp", pattern_size(&exchange(self.at(19), "more"))),
            ]
        });
        heard
            .into_iter()
            .chain(over_udp.into_iter().flatten())
            .map(|(name, answer)| (name.to_owned(), answer))
            .collect()
    }

    fn ours(&self, with_udp: bool) -> Vec<(String, String)> {
        let daemon = ours(&self.text);
        let answers = self.answers(with_udp);
        drop(daemon);
        answers
    }
}

/// The file, written where an original finds it.
fn written(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.conf");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// openbsd-inetd with this file; `last` is the last of its listeners.
fn openbsd(text: &str, last: SocketAddr) -> Option<(Process, TempDir)> {
    let package = original("openbsd-inetd")?;
    let (folder, path) = written(text);
    let mut command = Command::new(package.join("usr/sbin/inetd"));
    command.args(["-d", &path]);
    Some((start(command, || TcpStream::connect(last).is_ok()), folder))
}

/// inetutils-inetd with these options and this file.
fn inetutils(options: &[&str], text: &str, last: SocketAddr) -> Option<(Process, TempDir)> {
    let package = original("inetutils-inetd")?;
    let (folder, path) = written(text);
    let mut command = Command::new(package.join("usr/sbin/inetutils-inetd"));
    let pid = folder.path().join("pid");
    command.args(options).args(["-d", &format!("--pidfile={}", pid.display()), &path]);
    Some((start(command, || TcpStream::connect(last).is_ok()), folder))
}

/// It answers no datagrams of 127.0.0.0/8.
#[test]
fn openbsd_inetd_answers_the_same() {
    let file = File::new(1);
    let Some(process) = openbsd(&file.text, file.at(9)) else { return };
    let theirs = file.answers(false);
    drop(process);
    assert_same(&theirs, &file.ours(false));
}

#[test]
fn inetutils_inetd_answers_the_same() {
    let file = File::new(2);
    let Some(process) = inetutils(&[], &file.text, file.at(9)) else { return };
    let theirs = file.answers(true);
    drop(process);
    assert_same(&theirs, &file.ours(true));
}

/// `--environment` sets the variables that are always there with us.
#[test]
fn inetutils_inetd_tells_programs_the_same_of_the_connection() {
    let host = own_host(3);
    let port = own_port();
    let text = format!(
        "{host}:{port} stream tcp nowait nobody /usr/bin/env env\n\
         {host}:discard stream tcp nowait root internal\n"
    );
    let told = || {
        let all = ask(at(&host, port), "");
        let names = ["PROTO=", "TCPLOCALIP=", "TCPLOCALPORT=", "TCPREMOTEIP=", "TCPREMOTEPORT="];
        let mut told: Vec<_> = all
            .lines()
            .filter(|line| names.iter().any(|name| line.starts_with(name)))
            .map(str::to_owned)
            .collect();
        told.sort();
        told
    };
    let Some(process) = inetutils(&["--environment"], &text, at(&host, 9)) else { return };
    let theirs = told();
    drop(process);
    let daemon = ours(&text);
    assert_eq!(theirs.len(), 5, "{theirs:?}");
    assert_eq!(theirs, told());
    drop(daemon);
}

/// `nowait.3`: three starts in a minute, and then nobody is answered. openbsd-inetd gives up at the
/// third already. The originals close the listener then; here clients wait in its backlog.
#[test]
fn a_limit_of_starts_lets_as_many_in() {
    let host = own_host(4);
    let port = own_port();
    let text = format!(
        "{host}:{port} stream tcp nowait.3 nobody /bin/date date\n\
         {host}:discard stream tcp nowait root internal\n"
    );
    let admitted =
        |quiet: &dyn Fn() -> bool| (0..6).filter(|_| is_answered(at(&host, port), quiet)).count();
    let Some(process) = openbsd(&text, at(&host, 9)) else { return };
    let of_openbsd = admitted(&|| false);
    drop(process);
    let Some(process) = inetutils(&[], &text, at(&host, 9)) else { return };
    let of_inetutils = admitted(&|| false);
    drop(process);
    let daemon = ours(&text);
    let is_paused = || daemon.log().all().iter().any(|line| line.contains("come too fast"));
    let of_ours = admitted(&is_paused);
    assert_eq!((of_openbsd, of_inetutils, of_ours), (2, 3, 3), "{:#?}", daemon.log().all());
}

/// The originals go on without a line whose user does not exist, and tell syslog. Here nothing is
/// started before the file has no mistake.
#[test]
fn an_unknown_user_is_no_service() {
    let host = own_host(5);
    let (wrong, right) = (own_port(), own_port());
    let text = format!(
        "{host}:{wrong} stream tcp nowait no-such-user /bin/date date\n\
         {host}:{right} stream tcp nowait nobody /bin/date date\n\
         {host}:discard stream tcp nowait root internal\n"
    );
    let is_served = |port| is_answered(at(&host, port), || false);
    let Some(process) = openbsd(&text, at(&host, 9)) else { return };
    assert_eq!([wrong, right].map(is_served), [false, true]);
    drop(process);
    let Some(process) = inetutils(&[], &text, at(&host, 9)) else { return };
    assert_eq!([wrong, right].map(is_served), [false, true]);
    drop(process);
    let refused = Start::classic(&text).fails();
    assert_eq!(refused.code, 1);
    let place = format!("inetd.conf:1:{}", text.find("no-such-user").unwrap() + 1);
    assert!(refused.err.contains("there is no user `no-such-user`"), "{}", refused.err);
    assert!(refused.err.contains(&place), "{}", refused.err);
}

/// rlinetd has a format of its own and a converter, which knows neither hosts nor `internal`.
#[test]
fn rlinetd_answers_the_same_after_its_own_conversion() {
    let Some(package) = original("rlinetd") else { return };
    let host = own_host(6);
    let [argv, identity, datagrams, last] = [(); 4].map(|()| own_port());
    let probe = &probe(&[])[0];
    let lines = format!(
        "{argv} stream tcp nowait nobody /bin/cat other-name /proc/self/cmdline -\n\
         {identity} stream tcp nowait nobody {probe} probe identity\n\
         {datagrams} dgram udp wait nobody {probe} probe answer-datagram\n\
         {last} stream tcp nowait nobody /bin/true true\n"
    );
    let answers = || {
        let datagram = exchange(at(&host, datagrams), "one");
        let identity = ask(at(&host, identity), "");
        // rlinetd takes all supplementary groups away, openbsd-inetd gives those of the user.
        let (user, _) = identity.split_once("groups").unwrap();
        let heard = [
            ("argv", ask(at(&host, argv), "and the input\n")),
            ("identity", user.to_owned()),
            ("datagrams", String::from_utf8_lossy(&datagram).into_owned()),
        ];
        heard.map(|(name, answer)| (name.to_owned(), answer))
    };
    let (folder, path) = written(&lines);
    let services = folder.path().join("rlinetd.d");
    std::fs::create_dir(&services).unwrap();
    let mut convert = Command::new("perl");
    convert.arg(package.join("usr/sbin/inetd2rlinetd")).args(["-f", &path]).arg(&services);
    assert!(convert.output().unwrap().status.success());
    let config = folder.path().join("rlinetd.conf");
    let here = services.display();
    let text = format!("defaults {{ interface {host}; }}\ndirectory \"{here}\" \"\" \"~$\";\n");
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(package.join("usr/sbin/rlinetd"));
    let parser = package.join("usr/lib/x86_64-linux-gnu/rlinetd/libparse.so");
    command.arg("-d").arg("-p").arg(parser).arg("-f").arg(&config);
    let process = start(command, || TcpStream::connect(at(&host, last)).is_ok());
    let theirs = answers();
    drop(process);
    // A host on a line of its own holds for the lines below.
    let daemon = ours(&format!("{host}:\n{lines}"));
    assert_same(&theirs, &answers());
    drop(daemon);
}
