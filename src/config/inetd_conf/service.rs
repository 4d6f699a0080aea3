//! One service of a classic file.

use std::net::IpAddr;
use std::ops::Range;

use super::address::{self, Address, Net, Protocol};
use super::lines::{Line, Word};
use super::{Dialect, Reader};
use crate::config::keys::Key;
use crate::config::raw::{Data, Entry, Origin, RawService, Value};
use crate::config::report::Problem;
use crate::config::source::{Span, Spanned};
use crate::config::suggest::{did_you_mean, enumerate};
use crate::config::value;

const FIELDS: [&str; 6] = ["service", "socket type", "protocol", "wait", "user", "program"];
pub(super) const FORM: &str =
    "a line has: service stream tcp nowait user /path/of/program arguments";
const COMMENT_OUT: &str = "put a `#` in front of the line";

/// Whether a word is the second field of a service.
pub(super) fn is_socket_type(word: &str) -> bool {
    matches!(word.split([',', ':']).next(), Some("stream" | "dgram" | "raw" | "rdm" | "seqpacket"))
}

impl Reader<'_> {
    pub(super) fn service(&mut self, line: &Line) {
        let [service, socket, protocol, wait, user, program, arguments @ ..] = &line.words[..]
        else {
            self.too_short(line);
            return;
        };
        let mut entries = Vec::new();
        self.rpc = None;
        let errors = self.raw.problems.len();
        let protocol = self.protocol(socket, protocol, &mut entries);
        let name = self.address(service, protocol, &mut entries);
        self.wait(wait, &mut entries);
        if program.text == "internal" {
            // There is nothing that could wait, or be somebody else.
            entries.retain(|entry| entry.key != Key::Wait);
            self.internal(service, program, arguments, &mut entries);
        } else {
            self.user(user, &mut entries);
            self.program(program, arguments, &mut entries);
            self.datagrams(protocol, wait, &entries);
        }
        self.raw.services.push(RawService {
            name,
            origin: Origin::Classic,
            layer: None,
            entries,
            // What is missing then has been reported already.
            incomplete: self.raw.problems.len() > errors,
        });
    }

    pub(super) fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.file, range)
    }

    fn too_short(&mut self, line: &Line) {
        let Some(last) = line.words.last() else { return };
        let missing =
            enumerate(FIELDS[line.words.len()..].iter().copied()).replace(" or ", " and ");
        let verb = if line.words.len() + 1 == FIELDS.len() { "is" } else { "are" };
        let message = format!("the line is too short: {missing} {verb} missing");
        let help = if line.is_indented {
            "a line that begins with a blank does not continue the one above in this dialect"
        } else {
            FORM
        };
        self.push(Problem::error(self.span(last.range.clone()), message).help(help));
    }

    pub(super) fn add(&self, entries: &mut Vec<Entry>, key: Key, range: Range<usize>, value: Data) {
        let span = self.span(range);
        entries.push(Entry { key, name: span, value: Spanned { value, span } });
    }

    /// The second and third field.
    fn protocol(
        &mut self,
        socket: &Word,
        word: &Word,
        entries: &mut Vec<Entry>,
    ) -> Option<Protocol> {
        let base = socket.text.split([',', ':']).next().unwrap_or_default();
        let options = &socket.text[base.len()..];
        let at = self.span(socket.range.clone());
        match base {
            "raw" | "rdm" | "seqpacket" => {
                let message = format!("`{base}` services are not available in this version");
                let problem = Problem::error(at, message).label("stream and dgram are");
                self.push(problem.help(COMMENT_OUT));
            }
            "stream" | "dgram" => {}
            _ => {
                let message = format!("unknown socket type `{}`", socket.text);
                let help = did_you_mean(base, ["stream", "dgram"]).unwrap_or_else(|| FORM.into());
                self.push(Problem::error(at, message).help(help));
            }
        }
        if !options.is_empty() {
            self.socket_options(socket, base.len());
        }
        let (name, buffers) = match word.text.split_once(',') {
            Some((name, buffers)) if self.dialect == Dialect::Netbsd => (name, Some(buffers)),
            _ => (word.text.as_str(), None),
        };
        if let Some(buffers) = buffers {
            self.buffers(word, name.len() + 1, buffers, entries);
        }
        let protocol = self.protocol_name(word, name)?;
        let fits = match base {
            "stream" => !matches!(protocol, Protocol::Udp(_)),
            "dgram" => matches!(protocol, Protocol::Udp(_)),
            _ => true, // Told already.
        };
        if !fits {
            let message = format!("`{name}` is not a protocol of `{base}` services");
            let problem = Problem::error(self.span(word.range.clone()), message);
            self.push(problem.help("`stream` goes with tcp or unix, `dgram` with udp"));
            return None;
        }
        Some(protocol)
    }

    fn socket_options(&mut self, socket: &Word, from: usize) {
        let options = socket.text[from..].to_owned();
        let span = self.span(socket.part(from..socket.text.len()));
        let problem = if self.dialect != Dialect::Netbsd {
            Problem::error(span, format!("`{options}` is not part of this dialect"))
                .help("only netbsd has options of the socket type: --format netbsd")
        } else if options.starts_with(',') {
            Problem::warning(span, format!("`{options}` is not enforced by this version"))
                .label("a limit that the original has")
        } else {
            Problem::warning(span, format!("the accept filter `{options}` is ignored"))
                .label("this system has none")
        };
        self.push(problem);
    }

    fn protocol_name(&mut self, word: &Word, name: &str) -> Option<Protocol> {
        let span = self.span(word.range.clone());
        let (name, is_rpc) = match name.strip_prefix("rpc/") {
            // Only TCP and UDP have ports.
            Some(rest) if rest.starts_with("tcp") || rest.starts_with("udp") => (rest, true),
            _ => (name, false),
        };
        self.rpc = is_rpc.then(|| word.part(0..word.text.len()));
        let found = match (name, self.dialect) {
            ("tcp", _) => Protocol::Tcp(Net::Unsaid),
            ("tcp4", _) => Protocol::Tcp(Net::V4),
            // In inetutils `tcp6` takes IPv4 peers, too.
            ("tcp6", Dialect::Inetutils) | ("tcp46", Dialect::Freebsd) => Protocol::Tcp(Net::Both),
            ("tcp6", _) | ("tcp6only", Dialect::Inetutils) => Protocol::Tcp(Net::V6),
            ("udp", _) => Protocol::Udp(Net::Unsaid),
            ("udp4", _) => Protocol::Udp(Net::V4),
            ("udp6", Dialect::Inetutils) | ("udp46", Dialect::Freebsd) => Protocol::Udp(Net::Both),
            ("udp6", _) | ("udp6only", Dialect::Inetutils) => Protocol::Udp(Net::V6),
            ("unix", _) => Protocol::Unix,
            ("tcp/ttcp", Dialect::Freebsd) => {
                self.push(Problem::warning(span, "`/ttcp` is ignored").label("nothing has T/TCP"));
                Protocol::Tcp(Net::Unsaid)
            }
            _ => {
                self.push(unknown_protocol(name, span));
                return None;
            }
        };
        Some(found)
    }

    /// NetBSD's `sndbuf=16k,rcvbuf=1m`.
    fn buffers(&mut self, word: &Word, from: usize, buffers: &str, entries: &mut Vec<Entry>) {
        let mut at = from;
        for item in buffers.split(',') {
            let range = word.part(at..at + item.len());
            at += item.len() + 1;
            let (name, size) = item.split_once('=').unwrap_or((item, ""));
            let key = match name {
                "sndbuf" => Key::SendBuffer,
                "rcvbuf" => Key::ReceiveBuffer,
                _ => {
                    let problem =
                        Problem::error(self.span(range), format!("unknown option `{item}`"));
                    self.push(problem.help("there are sndbuf=SIZE and rcvbuf=SIZE"));
                    continue;
                }
            };
            self.add(entries, key, range, Data::Text(size.to_owned()));
        }
    }

    /// The first field. Gives the service its name.
    fn address(
        &mut self,
        word: &Word,
        protocol: Option<Protocol>,
        entries: &mut Vec<Entry>,
    ) -> Spanned<String> {
        let span = self.span(word.range.clone());
        let address = match address::parse(word, self.dialect) {
            Ok(address) => address,
            Err(reason) => {
                let message = format!("`{}` is not a service", word.text);
                self.push(Problem::error(span, message).label(reason));
                return Spanned { value: value::to_name(&word.text), span };
            }
        };
        let address = match &self.rpc {
            Some(_) => self.program_number(word, address, entries),
            None => address,
        };
        let hosts = address.hosts.clone().unwrap_or_else(|| self.hosts.clone());
        let plain = match &self.rpc {
            Some(_) => &word.text,
            None => &address.service,
        };
        let name = self.unique_name(plain, &hosts, protocol);
        if let Some(protocol) =
            protocol.filter(|protocol| self.fits(word, &address, *protocol, &hosts))
        {
            self.listen(word, &address, protocol, &hosts, entries);
        }
        Spanned { value: name, span }
    }

    /// A service of RPC has a program and versions instead of a port: the system chooses that.
    fn program_number(
        &mut self,
        word: &Word,
        address: Address,
        entries: &mut Vec<Entry>,
    ) -> Address {
        let range = word.part(address.range.clone());
        self.add(entries, Key::Rpc, range, Data::Text(address.service.clone()));
        Address { service: "0".to_owned(), ..address }
    }

    /// Whether service and protocol go together; if not, that is a problem.
    fn fits(
        &mut self,
        word: &Word,
        address: &Address,
        protocol: Protocol,
        hosts: &[String],
    ) -> bool {
        let span = self.span(word.part(address.range.clone()));
        let service = &address.service;
        let is_path = service.starts_with('/');
        let is_mux = service.starts_with(address::MUX);
        let problem = if is_mux && !matches!(protocol, Protocol::Tcp(_)) {
            Problem::error(span, format!("`{service}` is a service of the multiplexer"))
                .help("write `stream` and `tcp`")
        } else if is_mux && address.hosts.as_ref().is_some_and(|hosts| !hosts.is_empty()) {
            Problem::error(span, format!("`{service}` has no address of its own"))
                .help("write the host in front of the service `tcpmux`")
        } else if is_mux {
            return true;
        } else if is_path && protocol != Protocol::Unix {
            Problem::error(span, format!("`{service}` is the path of a Unix socket"))
                .help("write `unix` as the protocol")
        } else if !is_path && protocol == Protocol::Unix {
            Problem::error(span, format!("`{service}` is not the path of a Unix socket"))
                .help("write an absolute path, or `tcp` as the protocol")
        } else if self.rpc.is_none() && is_wrong_port(service) {
            Problem::error(span, format!("`{service}` is not a port"))
                .help("ports are numbers from 1 to 65535")
        } else if let Some(host) = foreign_host(protocol, hosts) {
            Problem::error(span, format!("`{host}` is not an address of this protocol"))
                .help("`tcp4` has IPv4 addresses, `tcp6` has IPv6 addresses")
        } else {
            return true;
        };
        self.push(problem);
        false
    }

    fn listen(
        &self,
        word: &Word,
        address: &Address,
        protocol: Protocol,
        hosts: &[String],
        entries: &mut Vec<Entry>,
    ) {
        let range = word.part(address.range.clone());
        let text = |host| -> Value {
            let text = address::listen(protocol, host, &address.service);
            Spanned { value: Data::Text(text), span: self.span(word.range.clone()) }
        };
        let is_mux = address.service.starts_with(address::MUX);
        let list = if hosts.is_empty() || protocol == Protocol::Unix || is_mux {
            vec![text(None)]
        } else {
            hosts.iter().map(|host| text(Some(host.as_str()))).collect()
        };
        self.add(entries, Key::Listen, range.clone(), Data::List(list));
        let keys = [Key::SocketUser, Key::SocketGroup, Key::SocketMode];
        match &address.owner {
            Some(owner) => {
                let mut at = 1;
                for (key, value) in keys.into_iter().zip(owner) {
                    let range = word.part(at..at + value.len());
                    at += value.len() + 1;
                    self.add(entries, key, range, Data::Text(value.clone()));
                }
            }
            None if protocol == Protocol::Unix && self.dialect == Dialect::Freebsd => {
                self.add(entries, Key::SocketMode, range, Data::Text("0600".to_owned()));
            }
            None => {}
        }
    }

    /// The service field, with the host, the protocol or a number behind it if it is taken.
    fn unique_name(
        &mut self,
        service: &str,
        hosts: &[String],
        protocol: Option<Protocol>,
    ) -> String {
        let plain = value::to_name(service);
        let host = hosts.first().map(|host| format!("{service}/{host}"));
        let protocol = match protocol {
            Some(Protocol::Tcp(Net::V4)) => Some("tcp4"),
            Some(Protocol::Tcp(Net::V6)) => Some("tcp6"),
            Some(Protocol::Tcp(Net::Both)) => Some("tcp46"),
            Some(Protocol::Udp(_)) => Some("udp"),
            _ => None,
        };
        let protocol = protocol.map(|protocol| format!("{service}/{protocol}"));
        let named = host.into_iter().chain(protocol).map(|name| value::to_name(&name));
        let numbered = (2..).map(|n: u32| value::to_name(&format!("{service}/{n}")));
        let mut names = std::iter::once(plain.clone()).chain(named).chain(numbered);
        names.find(|name| self.names.insert(name.clone())).unwrap_or(plain)
    }

    /// The originals hand the socket over here, too, and start one program after the other for it
    /// as long as nobody has read the datagram.
    fn datagrams(&mut self, protocol: Option<Protocol>, wait: &Word, entries: &[Entry]) {
        let waits = entries
            .iter()
            .any(|entry| entry.key == Key::Wait && entry.value.value == Data::Bool(true));
        if matches!(protocol, Some(Protocol::Udp(_))) && !waits {
            let problem =
                Problem::warning(self.span(wait.range.clone()), "each peer gets its own program");
            self.push(
                problem
                    .label("it reads and writes datagrams, and does not get the socket")
                    .help("a server that wants the socket needs `wait`"),
            );
        }
    }
}

/// Whether it is a number, but not that of a port.
fn is_wrong_port(service: &str) -> bool {
    let digits = service.strip_prefix(['-', '+']).unwrap_or(service);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number && (digits.len() != service.len() || !service.parse().is_ok_and(|port: u16| port > 0))
}

/// An address that is not of the protocol.
fn foreign_host(protocol: Protocol, hosts: &[String]) -> Option<&String> {
    hosts.iter().find(|host| match (protocol, host.parse::<IpAddr>()) {
        (Protocol::Tcp(Net::V4) | Protocol::Udp(Net::V4), Ok(address)) => address.is_ipv6(),
        (Protocol::Tcp(Net::V6) | Protocol::Udp(Net::V6), Ok(address)) => address.is_ipv4(),
        _ => false,
    })
}

fn unknown_protocol(name: &str, span: Span) -> Problem {
    let later = ["faith/", "sctp", "tls"];
    if later.iter().any(|later| name.starts_with(later)) {
        let message = format!("the protocol `{name}` is not available in this version");
        return Problem::error(span, message).help(COMMENT_OUT);
    }
    let foreign = match name {
        "tcp46" | "udp46" => Some("freebsd"),
        "tcp6only" | "udp6only" => Some("inetutils"),
        _ if name.starts_with("tcp,") => Some("netbsd"),
        _ => None,
    };
    let problem = Problem::error(span, format!("unknown protocol `{name}`"));
    match foreign {
        Some(dialect) => problem.help(format!("it belongs to another dialect: --format {dialect}")),
        None => problem.help(
            did_you_mean(name, ["tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "unix"])
                .unwrap_or_else(|| FORM.into()),
        ),
    }
}
