//! How each superserver is told what to do. Limits are off or as high as they go, names of peers are
//! not looked up, the others write no records, the backlog is 4096 wherever it can be set.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arguments::Options;

/// A service that a superserver has to offer on 127.0.0.1.
#[derive(Clone, Debug)]
pub struct Service {
    pub port: u16,
    pub work: Work,
}

#[derive(Clone, Debug)]
pub enum Work {
    /// A program with arguments has the connection.
    Program(Vec<String>),
    /// A program whose bytes are relayed through a pipe (inetd only).
    Relayed(String),
    /// The superserver's own echo, TCP and UDP.
    Echo,
}

type Configure = Box<dyn Fn(&Path, &[Service]) -> io::Result<Vec<OsString>>>;

/// A superserver.
pub struct Peer {
    pub name: String,
    /// It is a measure, and not a superserver.
    pub floor: bool,
    /// It is this project's.
    pub ours: bool,
    /// One process of it can offer many services.
    pub many: bool,
    /// It can echo, TCP and UDP, without a program.
    pub echoes: bool,
    pub environment: Vec<(&'static str, OsString)>,
    /// Writes its configuration into a folder and gives its command.
    pub command: Configure,
}

impl Peer {
    fn new(
        name: &str,
        command: impl Fn(&Path, &[Service]) -> io::Result<Vec<OsString>> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            floor: false,
            ours: false,
            many: false,
            echoes: false,
            environment: Vec::new(),
            command: Box::new(command),
        }
    }

    /// Whether it can run the program of a service. The floor of an echo cannot.
    pub fn runs_programs(&self) -> bool {
        !(self.floor && self.echoes)
    }

    fn many(self) -> Self {
        Self { many: true, ..self }
    }

    fn echoes(self) -> Self {
        Self { echoes: true, ..self }
    }
}

/// All that are there. Those that are missing are told on standard error.
pub fn all(options: &Options) -> Vec<Peer> {
    let mut peers = floors(&options.built);
    for (name, path) in &options.inetd {
        for (name, level) in [(name.clone(), "info"), (format!("{name}-norecords"), "error")] {
            let path = path.clone();
            let command = move |folder: &Path, services: &[Service]| {
                let file = write(folder, "inetd.toml", &inetd_toml(services, level))?;
                Ok(words(&path, &["run", "-c"], [file]))
            };
            let peer = Peer { ours: true, ..Peer::new(&name, command) };
            peers.push(peer.many().echoes());
        }
    }
    peers.extend(others(&options.unpacked));
    let wanted =
        |peer: &Peer| peer.floor || options.peers.is_empty() || options.peers.contains(&peer.name);
    peers.retain(wanted);
    for name in &options.peers {
        if !peers.iter().any(|peer| peer.name == *name) {
            eprintln!("bench: there is no {name} here");
        }
    }
    peers
}

fn floors(built: &Path) -> Vec<Peer> {
    let floor = built.join("floor");
    let with_threads = |name, threads: &'static str| {
        let floor = floor.clone();
        let command = move |_: &Path, services: &[Service]| {
            let (port, program) = only_program(services)?;
            let options = ["-t", threads, "127.0.0.1", &port];
            Ok(words(&floor, &options, program.iter().map(OsString::from)))
        };
        Peer { floor: true, ..Peer::new(name, command) }
    };
    let mut floors = vec![with_threads("floor", "1"), with_threads("floor-2thr", "2")];
    let echo = floor.clone();
    let command = move |_: &Path, services: &[Service]| {
        let port = services[0].port.to_string();
        Ok(words(&echo, &["-e", "127.0.0.1", &port], [""; 0]))
    };
    floors.push(Peer { floor: true, echoes: true, ..Peer::new("floor-echo", command) });
    floors
}

fn others(unpacked: &Path) -> Vec<Peer> {
    let mut peers = Vec::new();
    let mut add = |program: &str, make: &dyn Fn(Vec<OsString>) -> Peer| {
        let path = unpacked.join(program);
        if path.exists() {
            peers.push(make(loaded(&path, unpacked)));
        } else {
            eprintln!("bench: {} is not there, it is left out", path.display());
        }
    };
    add("busybox/busybox", &|mut program| {
        program.push("tcpsvd".into());
        Peer::new("busybox-tcpsvd", move |_, services| {
            let (port, handler) = only_program(services)?;
            let options = ["-c", "100000", "-b", "4096", "-l", "localhost", "127.0.0.1", &port];
            Ok(more(&program, &options, handler))
        })
    });
    add("busybox/busybox", &|mut program| {
        program.push("inetd".into());
        Peer::new("busybox-inetd", move |folder, services| {
            let file = inetd_conf(folder, services, "tcp")?;
            Ok(more(&program, &["-f", "-q", "4096", "-R", "0", &file], &[]))
        })
        .many()
        .echoes()
    });
    add("ucspi-tcp/usr/bin/tcpserver", &|program| {
        Peer::new("tcpserver", move |_, services| {
            let (port, handler) = only_program(services)?;
            let options = "-q -H -R -l 0 -c 100000 -b 4096 127.0.0.1".split(' ');
            let options: Vec<&str> = options.chain([port.as_str()]).collect();
            Ok(more(&program, &options, handler))
        })
    });
    add("xinetd/usr/sbin/xinetd", &|program| {
        Peer::new("xinetd", move |folder, services| {
            let file = write(folder, "xinetd.conf", &xinetd_conf(services))?;
            let file = file.to_string_lossy();
            Ok(more(&program, &["-dontfork", "-f", &file, "-pidfile", "pid"], &[]))
        })
        .many()
        .echoes()
    });
    add("openbsd-inetd/usr/sbin/inetd", &|program| {
        // Its echo drops datagrams from 127.0.0.1 on purpose, so W4 is without it.
        Peer::new("openbsd-inetd", move |folder, services| {
            let file = inetd_conf(folder, services, "tcp4")?;
            Ok(more(&program, &["-i", "-q", "4096", "-R", "1000000000", &file], &[]))
        })
        .many()
    });
    add("inetutils-inetd/usr/sbin/inetutils-inetd", &|program| {
        Peer::new("inetutils-inetd", move |folder, services| {
            let file = inetd_conf(folder, services, "tcp4")?;
            Ok(more(&program, &["-R", "1000000000", "-ppid", &file], &[]))
        })
        .many()
        .echoes()
    });
    let parser = unpacked.join("rlinetd/usr/lib/x86_64-linux-gnu/rlinetd/libparse.so");
    add("rlinetd/usr/sbin/rlinetd", &move |program| {
        // Its echo crashes it on a message of more than ten bytes, so W4 is without it.
        let parser = parser.to_string_lossy().into_owned();
        Peer::new("rlinetd", move |folder, services| {
            let file = write(folder, "rlinetd.conf", &rlinetd_conf(services))?;
            Ok(more(&program, &["-d", "-p", &parser, "-f", &file.to_string_lossy()], &[]))
        })
        .many()
    });
    peers
}

/// The command of an unpacked program. If the system does not have its libraries, the loader is told
/// where they are; a variable would reach the handlers, too.
fn loaded(program: &Path, unpacked: &Path) -> Vec<OsString> {
    let needs = Command::new("ldd").arg(program).output();
    let missing = needs.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains("not found"));
    if !missing {
        return vec![program.into()];
    }
    let libraries = unpacked.join("libraries");
    let mut path = OsString::new();
    for folder in ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"] {
        path.push(libraries.join(folder));
        path.push(":");
    }
    ["/lib64/ld-linux-x86-64.so.2".into(), "--library-path".into(), path, program.into()].into()
}

fn words(
    program: &Path,
    options: &[&str],
    rest: impl IntoIterator<Item = impl Into<OsString>>,
) -> Vec<OsString> {
    let options = options.iter().map(OsString::from);
    std::iter::once(program.into()).chain(options).chain(rest.into_iter().map(Into::into)).collect()
}

fn more(program: &[OsString], options: &[&str], rest: &[String]) -> Vec<OsString> {
    let options = options.iter().map(OsString::from);
    program.iter().cloned().chain(options).chain(rest.iter().map(OsString::from)).collect()
}

/// For what has one service in a process.
fn only_program(services: &[Service]) -> io::Result<(String, &[String])> {
    match services {
        [Service { port, work: Work::Program(program) }] => Ok((port.to_string(), program)),
        _ => Err(io::Error::other("this superserver has one program in a process")),
    }
}

fn write(folder: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, text)?;
    Ok(path)
}

fn inetd_toml(services: &[Service], level: &str) -> String {
    let mut text = format!(
        "[daemon]\ncontrol = \"\"\nmax_sessions = 0\nlog = {{ level = \"{level}\", target = \
         \"stderr\" }}\n[defaults]\nmax_sessions = 0\nrate = \"0\"\nrate_per_source = \"0\"\n"
    );
    for (number, Service { port, work }) in services.iter().enumerate() {
        match work {
            Work::Program(program) => add!(
                text,
                "[service.s{number}]\nlisten = \"127.0.0.1:{port}\"\nrun = {program:?}\n"
            ),
            Work::Relayed(program) => add!(
                text,
                "[service.s{number}]\nlisten = \"127.0.0.1:{port}\"\nrun = [{program:?}]\nio = \
                 \"pipe\"\n"
            ),
            Work::Echo => {
                for protocol in ["tcp", "udp"] {
                    add!(
                        text,
                        "[service.{protocol}{number}]\nlisten = \"{protocol}://127.0.0.1:{port}\"\n\
                         builtin = \"echo\"\n"
                    );
                }
            }
        }
    }
    text
}

fn inetd_conf(folder: &Path, services: &[Service], tcp: &str) -> io::Result<String> {
    let udp = tcp.replace("tcp", "udp");
    let mut text = String::new();
    for Service { port, work } in services {
        match work {
            Work::Program(program) => add!(
                text,
                "127.0.0.1:{port} stream {tcp} nowait root {} {}\n",
                program[0],
                program.join(" ")
            ),
            Work::Echo => {
                // The classic ones know their own services by name only.
                add!(text, "127.0.0.1:echo stream {tcp} nowait root internal\n");
                add!(text, "127.0.0.1:echo dgram {udp} wait root internal\n");
            }
            Work::Relayed(_) => return Err(io::Error::other("it cannot relay")),
        }
    }
    Ok(write(folder, "inetd.conf", &text)?.to_string_lossy().into_owned())
}

fn xinetd_conf(services: &[Service]) -> String {
    let mut text = "defaults\n{\n instances = UNLIMITED\n per_source = UNLIMITED\n cps = 0 0\n \
                    bind = 127.0.0.1\n}\n"
        .to_owned();
    for (number, Service { port, work }) in services.iter().enumerate() {
        match work {
            Work::Program(program) => {
                add!(
                    text,
                    "service s{number}\n{{\n type = UNLISTED\n socket_type = stream\n protocol = \
                     tcp\n port = {port}\n wait = no\n user = root\n server = {}\n",
                    program[0]
                );
                if program.len() > 1 {
                    add!(text, " server_args = {}\n", program[1..].join(" "));
                }
                text.push_str("}\n");
            }
            Work::Echo => {
                for (kind, protocol, wait) in [("stream", "tcp", "no"), ("dgram", "udp", "yes")] {
                    add!(
                        text,
                        "service echo\n{{\n type = INTERNAL\n id = echo-{kind}\n socket_type = \
                         {kind}\n protocol = {protocol}\n wait = {wait}\n user = root\n}}\n"
                    );
                }
            }
            Work::Relayed(_) => {}
        }
    }
    text
}

fn rlinetd_conf(services: &[Service]) -> String {
    let mut text = String::new();
    for (number, Service { port, work }) in services.iter().enumerate() {
        if let Work::Program(program) = work {
            add!(
                text,
                "service \"s{number}\" {{ port {port}; interface 127.0.0.1; protocol tcp; user \
                 \"root\"; exec \"{}\"; instances 100000; backlog 4096; }}\n",
                program.join(" ")
            );
        }
    }
    text
}

/// Writing to a string cannot fail.
macro_rules! add {
    ($text:expr, $($format:tt)*) => { write!($text, $($format)*).unwrap_or_default() };
}
use add;
