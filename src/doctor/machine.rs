//! What is known about this machine, and what is wrong with the machine alone.

use std::collections::HashSet;
use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

use super::{Finding, Findings, Running};
use crate::config::keys::Key;
use crate::config::{Config, LogTarget, Position, SocketOptions};
use crate::listener::endpoint::Endpoint;
use crate::sys::socket::ListenSocket;
use crate::sys::{
    DesktopHeap, Installed, Listening, desktop, machine, service, socket, system_log,
};

/// A clock may be this much behind the one of the machine that our executable was made on.
const TOLERANCE: Duration = Duration::from_secs(24 * 60 * 60);

/// Facts about this machine.
#[derive(Debug)]
pub struct Machine {
    /// The daemon that runs with this configuration.
    pub(super) daemon: Option<Running>,
    /// Who listens on a port of this configuration.
    pub(super) listening: Vec<Listening>,
    /// The addresses of this configuration that cannot be bound now.
    pub(super) refused: Vec<Refused>,
    /// The first port that needs no right.
    pub(super) first_free_port: u16,
    /// The most descriptors of a process.
    pub(super) descriptors: Option<u64>,
    /// The longest backlog, and the setting that says so.
    pub(super) backlog: Option<(u64, &'static str)>,
    /// The most processes, and the setting that says so.
    pub(super) processes: Option<(u64, &'static str)>,
    /// What the programs of a service share on Windows.
    pub(super) desktop_heap: Option<DesktopHeap>,
    /// Why the log cannot go where the configuration wants it, if it is a log of the system.
    pub(super) log: Option<String>,
    /// The daemon as a service of the system.
    pub(super) service: Option<Installed>,
    /// Whether a program can have a connection as standard input and output.
    pub(super) gives_files: bool,
    pub(super) has_ipv6: bool,
    pub(super) clock: Clock,
}

/// An address that cannot be bound.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) endpoint: Endpoint,
    pub(super) at: Position,
    pub(super) error: io::Error,
}

/// What is known about the time.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) now: SystemTime,
    /// When our executable was written.
    pub(super) executable: Option<SystemTime>,
    /// Whether somebody keeps it right, if the system knows.
    pub(super) is_kept: Option<bool>,
}

impl Machine {
    /// Looks at this machine, with the eyes of `config`.
    pub(super) fn look(config: Option<&Config>, daemon: Option<Running>) -> Self {
        let executable = std::env::current_exe().and_then(std::fs::metadata);
        Self {
            daemon,
            // Without the table it is only not known who it is that listens.
            listening: machine::listeners(&ports(config)).unwrap_or_default(),
            refused: config.map(refused).unwrap_or_default(),
            first_free_port: machine::first_free_port(),
            descriptors: machine::descriptor_limit(),
            backlog: machine::backlog_limit(),
            processes: machine::process_limit(),
            desktop_heap: desktop::heap(),
            log: config.and_then(|config| match config.daemon.log.target {
                LogTarget::System(kind) => system_log::obstacle(kind),
                _ => None,
            }),
            service: service::installed(),
            gives_files: gives_files().unwrap_or(true),
            has_ipv6: socket::has_ipv6(),
            clock: Clock {
                now: SystemTime::now(),
                executable: executable.and_then(|file| file.modified()).ok(),
                is_kept: machine::clock_is_kept(),
            },
        }
    }
}

/// Asks a listener on the loopback interface.
fn gives_files() -> io::Result<bool> {
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let endpoint = Endpoint::Tcp { address, only_v6: false };
    Ok(ListenSocket::bind(&endpoint, &SocketOptions::default())?.gives_files())
}

fn ports(config: Option<&Config>) -> HashSet<u16> {
    let services = config.into_iter().flat_map(|config| &config.services);
    let endpoints = services.flat_map(|service| &service.listen);
    endpoints.filter_map(port).collect()
}

/// The port of an Internet address, unless the system chooses it.
pub(super) fn port(endpoint: &Endpoint) -> Option<u16> {
    match endpoint {
        Endpoint::Tcp { address, .. } | Endpoint::Udp { address, .. } => {
            Some(address.port()).filter(|port| *port != 0)
        }
        Endpoint::Unix(_) | Endpoint::Abstract(_) | Endpoint::Pipe(_) => None,
    }
}

fn refused(config: &Config) -> Vec<Refused> {
    let mut all = Vec::new();
    for service in &config.services {
        let at = service.position(Key::Listen);
        for endpoint in service.listen.iter().filter(|endpoint| port(endpoint).is_some()) {
            if let Err(error) = socket::try_bind(endpoint, &service.socket) {
                all.push(Refused { endpoint: endpoint.clone(), at, error });
            }
        }
    }
    all
}

/// What is wrong with the machine alone.
pub(super) fn check(machine: &Machine, findings: &mut Findings) {
    let clock = &machine.clock;
    if clock.executable.is_some_and(|executable| clock.now + TOLERANCE < executable) {
        findings.add(
            Finding::warning("the clock of this machine is wrong")
                .why("it is before the time at which inetd was installed; the log has wrong times")
                .help("set the clock, and let the system keep it right"),
        );
    } else if clock.is_kept == Some(false) {
        findings.add(
            Finding::note("nobody keeps the clock of this machine right")
                .why("the system calls it unsynchronised; the times in the log can be wrong")
                .help("run a time service: `timedatectl set-ntp true`, chrony or ntpd"),
        );
    }
    if !machine.gives_files {
        findings.add(
            Finding::warning("a network filter of this machine gives sockets that are no files")
                .why(
                    "no program can have such a socket as its standard input, so all connections \
                     are relayed, and Inetd_SOCK is missing",
                )
                .help("`netsh winsock show catalog` names the filter (an LSP): remove it"),
        );
    }
    if !machine.has_ipv6 {
        findings.add(
            Finding::note("this machine has no IPv6")
                .why("services that listen on every address do so for IPv4 only")
                .help("nothing, if that is meant"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{healthy, whats};

    fn found(machine: &Machine) -> Vec<String> {
        let mut findings = Findings::default();
        check(machine, &mut findings);
        whats(findings)
    }

    #[test]
    fn nothing_is_wrong_with_a_healthy_machine() {
        assert!(found(&healthy()).is_empty());
    }

    #[test]
    fn a_clock_before_the_installation_is_wrong_and_one_that_nobody_keeps_is_told() {
        let mut machine = healthy();
        machine.clock.executable = Some(machine.clock.now + TOLERANCE * 2);
        assert_eq!(found(&machine), ["warning: the clock of this machine is wrong"]);
        let mut machine = healthy();
        machine.clock.is_kept = Some(false);
        assert_eq!(found(&machine), ["note: nobody keeps the clock of this machine right"]);
    }

    #[test]
    fn sockets_that_are_no_files_are_told() {
        let machine = Machine { gives_files: false, ..healthy() };
        let what = "warning: a network filter of this machine gives sockets that are no files";
        assert_eq!(found(&machine), [what]);
    }

    #[test]
    fn a_machine_without_ipv6_is_told() {
        let machine = Machine { has_ipv6: false, ..healthy() };
        assert_eq!(found(&machine), ["note: this machine has no IPv6"]);
    }
}
