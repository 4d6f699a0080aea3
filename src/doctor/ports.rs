//! Addresses that cannot be bound here: somebody has them, a right is missing, no interface has
//! them, or Windows keeps them for itself.

use std::io::ErrorKind;

use super::machine::{Refused, port};
use super::{Finding, Findings, Machine, Running};
use crate::config::Config;
use crate::config::keys::Key;
use crate::listener::endpoint::Endpoint;
use crate::sys::{FAMILY, Family, Listening, ListeningProcess, machine};

/// Programs that are superservers themselves, by the name of their executable.
const SUPERSERVERS: [&str; 9] = [
    "inetd",
    "xinetd",
    "openbsd-inetd",
    "inetutils-inetd",
    "rlinetd",
    "busybox",
    "tcpserver",
    "tcpsvd",
    "inetd.exe",
];

pub(super) fn check(config: &Config, machine: &Machine, findings: &mut Findings) {
    for refused in &machine.refused {
        if let Some(mut finding) = finding(refused, machine) {
            finding.places.push(config.place(refused.at));
            findings.add(finding);
        }
    }
    let Some(daemon) = &machine.daemon else { return };
    for service in &config.services {
        for endpoint in &service.listen {
            let is_told = machine.refused.iter().any(|refused| refused.endpoint == *endpoint);
            if waits(daemon, endpoint) && !is_told {
                let mut finding = waiting(endpoint, daemon);
                finding.places.push(config.place(service.position(Key::Listen)));
                findings.add(finding);
            }
        }
    }
}

fn finding(refused: &Refused, machine: &Machine) -> Option<Finding> {
    let endpoint = &refused.endpoint;
    let holder = machine.listening.iter().find(|other| conflicts(endpoint, other));
    let owners = holder.map_or(&[][..], |holder| &holder.owners);
    if is_ours(endpoint, holder, machine) {
        return None;
    }
    let mut finding = obstacle(refused, holder, owners, machine);
    if let Some(daemon) = machine.daemon.as_ref().filter(|daemon| waits(daemon, endpoint)) {
        let id = daemon.id;
        finding.why += &format!(
            "; the running daemon (pid {id}) tries again, and listens there at most a minute after \
             it can"
        );
    }
    Some(finding)
}

/// Why an address cannot be bound, and what to do.
fn obstacle(
    refused: &Refused,
    holder: Option<&Listening>,
    owners: &[ListeningProcess],
    machine: &Machine,
) -> Finding {
    let Refused { endpoint, error, .. } = refused;
    let what = format!("{endpoint} cannot be bound: {error}");
    match (error.kind(), FAMILY) {
        (ErrorKind::AddrInUse, _) | (ErrorKind::PermissionDenied, Family::Windows)
            if holder.is_some() =>
        {
            in_use(endpoint, owners)
        }
        (ErrorKind::PermissionDenied, Family::Windows) => {
            Finding::error(format!("Windows keeps the port of {endpoint} for itself"))
                .why("nobody listens on it, and it cannot be bound: it is in an excluded range")
                .help(
                    "`netsh int ipv4 show excludedportrange protocol=tcp` shows the ranges: choose \
                     another port, or restart the service winnat, which takes most of them",
                )
        }
        (ErrorKind::PermissionDenied, Family::Unix) => privileged(endpoint, machine),
        (ErrorKind::AddrNotAvailable, _) => {
            Finding::warning(format!("no interface of this machine has the address of {endpoint}"))
                .why("the service waits until one has it, and nobody can connect until then")
                .help("correct the address; `freebind = true` (Linux) binds it in advance")
        }
        (ErrorKind::AddrInUse, _) => Finding::error(what)
            .why("somebody has it, who cannot be seen from here")
            .help(machine::ASK_FOR_OWNERS),
        _ => Finding::error(what)
            .why("the daemon cannot listen on it either")
            .help("correct the address"),
    }
}

/// Nothing is in the way of an address, and the daemon does not listen there all the same.
fn waiting(endpoint: &Endpoint, daemon: &Running) -> Finding {
    let id = daemon.id;
    Finding::warning(format!("the running daemon (pid {id}) does not listen on {endpoint} yet"))
        .why("it could not when it last tried; event 2001 of its log says why. It tries again")
        .help("wait a minute, or use `inetd reload`, which tries at once")
}

/// Whether a daemon could not listen there yet.
fn waits(daemon: &Running, endpoint: &Endpoint) -> bool {
    let name = endpoint.to_string();
    daemon.waits.contains(&name)
}

/// Whether the daemon that runs with this configuration has the address.
fn is_ours(endpoint: &Endpoint, holder: Option<&Listening>, machine: &Machine) -> bool {
    let Some(daemon) = &machine.daemon else { return false };
    if waits(daemon, endpoint) {
        return false;
    }
    let has = |holder: &Listening| {
        // Without the right to see owners it is the daemon that has it, as far as we know.
        holder.owners.is_empty() || holder.owners.iter().any(|owner| owner.id == daemon.id)
    };
    daemon.listens.contains(&endpoint.to_string()) || holder.is_some_and(has)
}

fn in_use(endpoint: &Endpoint, owners: &[ListeningProcess]) -> Finding {
    let Some(owner) = owners.first() else {
        return Finding::error(format!("another program listens on {endpoint}"))
            .why("two programs cannot share an address; which one it is cannot be seen from here")
            .help(format!("{}; stop it, or choose another port", machine::ASK_FOR_OWNERS));
    };
    let ListeningProcess { id, program } = owner;
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = name.strip_suffix(" (deleted)").unwrap_or(name);
    let error = Finding::error(format!("{program} (pid {id}) listens on {endpoint}"))
        .why("two programs cannot share an address");
    if name == "systemd" {
        return error.help(
            "`systemctl list-sockets` names the unit: `systemctl disable --now NAME.socket`, or \
             start inetd from it",
        );
    }
    if SUPERSERVERS.contains(&name) {
        let error = error.why("it is a superserver too, and has these services already");
        return error.help("stop it and see that it does not start at boot, then start inetd");
    }
    error.help("stop it, or choose another port")
}

fn privileged(endpoint: &Endpoint, machine: &Machine) -> Finding {
    let first = machine.first_free_port;
    if port(endpoint).is_some_and(|port| port >= first) {
        return Finding::error(format!("{endpoint} cannot be bound: permission denied"))
            .why("a security module or filter of this machine forbids it")
            .help("look into the audit log (ausearch -m avc)");
    }
    Finding::warning(format!("{endpoint} is a port that needs a right"))
        .why(format!("ports below {first} need CAP_NET_BIND_SERVICE, which this user has not"))
        .help(format!(
            "run the daemon as root or as a service (`inetd service install`), or let everybody \
             have these ports: sysctl net.ipv4.ip_unprivileged_port_start={}",
            port(endpoint).unwrap_or(first)
        ))
}

fn conflicts(endpoint: &Endpoint, other: &Listening) -> bool {
    // Whether the other one takes IPv4 too is not in the tables.
    let (address, only_v6) = (other.address, false);
    endpoint.conflicts(&match other.is_datagram {
        true => Endpoint::Udp { address, only_v6 },
        false => Endpoint::Tcp { address, only_v6 },
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::config::Position;
    use crate::doctor::testing::healthy;

    /// What is found if binding port 7000 fails with `error`.
    fn found(error: ErrorKind, listening: &[Listening], daemon: Option<u32>) -> Option<Finding> {
        found_beside(error, listening, daemon.map(|id| Running { id, ..Running::default() }))
    }

    fn found_beside(
        error: ErrorKind,
        listening: &[Listening],
        daemon: Option<Running>,
    ) -> Option<Finding> {
        let address = "127.0.0.1:7000".parse().unwrap();
        let refused = Refused {
            endpoint: Endpoint::Tcp { address, only_v6: false },
            at: Position::default(),
            error: io::Error::from(error),
        };
        finding(&refused, &Machine { listening: listening.to_vec(), daemon, ..healthy() })
    }

    fn listening(address: &str, owners: &[(u32, &str)]) -> Listening {
        let owner =
            |(id, program): &(u32, &str)| ListeningProcess { id: *id, program: (*program).into() };
        let owners = owners.iter().map(owner).collect();
        Listening { address: address.parse().unwrap(), is_datagram: false, owners }
    }

    #[test]
    fn whoever_has_a_port_is_named() {
        let other = listening("0.0.0.0:7000", &[(77, "/usr/sbin/xinetd")]);
        let finding = found(ErrorKind::AddrInUse, &[other], None).unwrap();
        assert_eq!(finding.what, "/usr/sbin/xinetd (pid 77) listens on tcp://127.0.0.1:7000");
        assert!(finding.why.contains("a superserver too"), "{finding}");
        let systemd = listening("[::]:7000", &[(1, "/usr/lib/systemd/systemd")]);
        let finding = found(ErrorKind::AddrInUse, &[systemd], None).unwrap();
        assert!(finding.help.contains("systemctl list-sockets"), "{finding}");
        let unseen = listening("127.0.0.1:7000", &[]);
        let finding = found(ErrorKind::AddrInUse, &[unseen], None).unwrap();
        assert!(finding.what.starts_with("another program listens"), "{finding}");
    }

    #[test]
    fn our_own_daemon_may_have_its_ports() {
        let daemon = listening("127.0.0.1:7000", &[(1, "systemd"), (77, "inetd")]);
        assert_eq!(found(ErrorKind::AddrInUse, std::slice::from_ref(&daemon), Some(77)), None);
        assert!(found(ErrorKind::AddrInUse, &[daemon], Some(78)).is_some());
        let unseen = listening("127.0.0.1:7000", &[]);
        assert_eq!(found(ErrorKind::AddrInUse, std::slice::from_ref(&unseen), Some(77)), None);
    }

    #[test]
    fn what_the_daemon_waits_for_is_not_its_own() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let endpoint = "tcp://127.0.0.1:7000";
        let waits = Running { id: 77, listens: names(&[]), waits: names(&[endpoint]) };
        // Nobody may see who it is that has it.
        let unseen = [listening("127.0.0.1:7000", &[])];
        let finding = found_beside(ErrorKind::AddrInUse, &unseen, Some(waits.clone())).unwrap();
        assert_eq!(finding.what, format!("another program listens on {endpoint}"));
        assert!(finding.why.contains("the running daemon (pid 77) tries again"), "{finding}");
        let other = [listening("0.0.0.0:7000", &[(78, "/usr/sbin/nginx")])];
        let finding = found_beside(ErrorKind::AddrInUse, &other, Some(waits.clone())).unwrap();
        assert_eq!(finding.what, format!("/usr/sbin/nginx (pid 78) listens on {endpoint}"));
        assert!(finding.help.starts_with("stop it"), "{finding}");
        let has = Running { id: 77, listens: names(&[endpoint]), waits: names(&[]) };
        assert_eq!(found_beside(ErrorKind::AddrInUse, &other, Some(has)), None);
    }

    #[test]
    fn what_the_daemon_waits_for_in_vain_is_told() {
        use crate::doctor::testing::Case;
        let case = Case::new("[service.x]\nlisten = '127.0.0.1:7000'\nrun = ['PROGRAM']\n");
        let waits = vec!["tcp://127.0.0.1:7000".to_owned()];
        let daemon = Some(Running { id: 77, waits, ..Running::default() });
        let findings = case.findings(check, &Machine { daemon, ..healthy() });
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        let what = "the running daemon (pid 77) does not listen on tcp://127.0.0.1:7000 yet";
        assert_eq!(finding.what, what);
        assert!(finding.places[0].ends_with("inetd.toml:2:10"), "{finding}");
    }

    #[test]
    fn datagrams_and_connections_do_not_meet() {
        let mut other = listening("127.0.0.1:7000", &[(78, "named")]);
        other.is_datagram = true;
        let finding = found(ErrorKind::AddrInUse, &[other], None).unwrap();
        assert!(finding.why.contains("cannot be seen from here"), "{finding}");
    }

    #[test]
    fn a_missing_right_and_a_missing_address_are_explained() {
        let denied = found(ErrorKind::PermissionDenied, &[], None).unwrap();
        match FAMILY {
            Family::Windows => assert!(denied.what.starts_with("Windows keeps"), "{denied}"),
            Family::Unix => assert!(denied.help.contains("audit log"), "{denied}"),
        }
        let absent = found(ErrorKind::AddrNotAvailable, &[], None).unwrap();
        assert!(absent.what.starts_with("no interface"), "{absent}");
        let machine = Machine { first_free_port: 8000, ..healthy() };
        let endpoint = Endpoint::Tcp { address: "127.0.0.1:7000".parse().unwrap(), only_v6: false };
        let finding = privileged(&endpoint, &machine);
        assert!(finding.why.contains("ports below 8000"), "{finding}");
        assert!(finding.help.ends_with("start=7000"), "{finding}");
    }

    #[test]
    fn a_free_address_is_fine_and_a_taken_one_is_found() {
        use crate::doctor::testing::Case;
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let listens = [
            format!("tcp://{}", tcp.local_addr().unwrap()),
            format!("udp://{}", udp.local_addr().unwrap()),
        ];
        let service = |name: &str, listen: &str| {
            format!("[service.{name}]\nlisten = '{listen}'\nrun = ['PROGRAM']\n")
        };
        let case = Case::new(&(service("x", &listens[0]) + &service("y", &listens[1])));
        let look = || case.findings(check, &Machine::look(Some(&case.config), None));
        let findings = look();
        assert_eq!(findings.len(), 2, "{findings:?}");
        for ((finding, listen), line) in findings.iter().zip(&listens).zip([2, 5]) {
            assert!(finding.what.ends_with(&format!("listens on {listen}")), "{finding}");
            assert!(finding.places[0].ends_with(&format!("inetd.toml:{line}:10")), "{finding}");
        }
        drop((tcp, udp));
        assert_eq!(look(), []);
    }
}
