//! Addresses that cannot be bound here: somebody has them, a right is missing, no interface has
//! them, or Windows keeps them for itself.

use std::io::ErrorKind;
use std::net::SocketAddr;

use super::machine::{Refused, port};
use super::{Finding, Findings, Machine};
use crate::config::Config;
use crate::listener::endpoint::Endpoint;
use crate::sys::{FAMILY, Family, Listening, Owner, machine};

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
}

fn finding(refused: &Refused, machine: &Machine) -> Option<Finding> {
    let Refused { endpoint, error, .. } = refused;
    let holder = machine.listening.iter().find(|other| conflicts(endpoint, other.address));
    let owners = holder.map_or(&[][..], |holder| &holder.owners);
    if is_ours(holder, owners, machine) {
        return None;
    }
    let what = format!("{endpoint} cannot be bound: {error}");
    Some(match (error.kind(), FAMILY) {
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
    })
}

/// Whether the daemon that runs with this configuration has the address.
fn is_ours(holder: Option<&Listening>, owners: &[Owner], machine: &Machine) -> bool {
    let Some(daemon) = machine.daemon else { return false };
    // Without the right to see owners it is the daemon that has it, as far as we know.
    owners.iter().any(|owner| owner.id == daemon) || holder.is_some() && owners.is_empty()
}

fn in_use(endpoint: &Endpoint, owners: &[Owner]) -> Finding {
    let Some(owner) = owners.first() else {
        return Finding::error(format!("another program listens on {endpoint}"))
            .why("two programs cannot share an address; which one it is cannot be seen from here")
            .help(format!("{}; stop it, or choose another port", machine::ASK_FOR_OWNERS));
    };
    let Owner { id, program } = owner;
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

fn conflicts(endpoint: &Endpoint, other: SocketAddr) -> bool {
    // Whether the other one takes IPv4 too is not in the tables.
    endpoint.conflicts(&Endpoint::Tcp { address: other, only_v6: false })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::config::Position;
    use crate::doctor::testing::healthy;

    /// What is found if binding port 7000 fails with `error`.
    fn found(error: ErrorKind, listening: &[Listening], daemon: Option<u32>) -> Option<Finding> {
        let address = "127.0.0.1:7000".parse().unwrap();
        let refused = Refused {
            endpoint: Endpoint::Tcp { address, only_v6: false },
            at: Position::default(),
            error: io::Error::from(error),
        };
        finding(&refused, &Machine { listening: listening.to_vec(), daemon, ..healthy() })
    }

    fn listening(address: &str, owners: &[(u32, &str)]) -> Listening {
        let owner = |(id, program): &(u32, &str)| Owner { id: *id, program: (*program).into() };
        Listening { address: address.parse().unwrap(), owners: owners.iter().map(owner).collect() }
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
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let toml = format!("[service.x]\nlisten = '{address}'\nrun = ['PROGRAM']\n");
        let case = Case::new(&toml);
        let look = || case.findings(check, &Machine::look(Some(&case.config), None));
        let findings = look();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].what.ends_with(&format!("listens on tcp://{address}")), "{findings:?}");
        assert!(findings[0].places[0].ends_with("inetd.toml:2:10"), "{}", findings[0]);
        drop(taken);
        assert_eq!(look(), []);
    }
}
