//! Services without limits, and limits that this machine cannot keep.

use super::{Finding, Findings, Machine};
use crate::config::keys::Key;
use crate::config::{Config, Io, ServiceConfig, Stderr, Work};
use crate::listener::endpoint::Endpoint;

/// Descriptors that the daemon has for itself: logs, queues, the control endpoint.
const OWN_DESCRIPTORS: u64 = 64;
/// Processes that the rest of a machine needs.
const OTHER_PROCESSES: u64 = 200;

pub(super) fn check(config: &Config, machine: &Machine, findings: &mut Findings) {
    for service in &config.services {
        unlimited(config, service, findings);
        backlog(config, machine, service, findings);
    }
    descriptors(config, machine, findings);
    let Some(programs) = most(config, |service| u64::from(service.program().is_some())) else {
        return;
    };
    processes(machine, programs, findings);
    desktop_heap(machine, programs, findings);
}

fn unlimited(config: &Config, service: &ServiceConfig, findings: &mut Findings) {
    if service.max_sessions.is_none() && !service.wait {
        findings.add(
            Finding::note("a service has no limit of its own: `max_sessions` is 0")
                .why("whoever connects often enough takes all sessions, or all memory")
                .help("set max_sessions, for all services in [defaults]")
                .at(config, service, Key::MaxSessions),
        );
    }
    let is_public = service.listen.iter().any(is_public) || !service.mux.is_empty();
    let has_timeout = service.timeouts.session.or(service.timeouts.idle).is_some();
    if !has_timeout && is_public && !service.wait {
        findings.add(
            Finding::note("a service on a public address has no `session_timeout`")
                .why("a peer that connects and does nothing keeps its session for ever")
                .help("set session_timeout, unless the program itself gives up on silent peers")
                .at(config, service, Key::SessionTimeout),
        );
    }
}

/// Whether other machines can reach it.
fn is_public(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Tcp { address, .. } | Endpoint::Udp { address, .. } => {
            !address.ip().to_canonical().is_loopback()
        }
        Endpoint::Unix(_) | Endpoint::Abstract(_) | Endpoint::Pipe(_) => false,
    }
}

fn backlog(config: &Config, machine: &Machine, service: &ServiceConfig, findings: &mut Findings) {
    let Some((limit, setting)) = machine.backlog else { return };
    if u64::from(service.socket.backlog) > limit {
        findings.add(
            Finding::note(format!("fewer connections can wait than `backlog` says: {limit}"))
                .why(format!("{setting} of this machine is {limit}, and the system keeps to it"))
                .help(format!("sysctl {setting}={}", service.socket.backlog))
                .at(config, service, Key::Backlog),
        );
    }
}

/// How much all sessions at a time need, if one session of a service needs `each`; nothing if
/// there is no limit.
fn most(config: &Config, each: impl Fn(&ServiceConfig) -> u64) -> Option<u64> {
    let sessions = |service: &ServiceConfig| {
        if service.wait { Some(1) } else { service.max_sessions.map(u64::from) }
    };
    let services = || config.services.iter().map(|service| &**service);
    let all: Option<u64> = services().map(|it| Some(sessions(it)? * each(it))).sum();
    let limit = config
        .daemon
        .max_sessions
        .map(|limit| u64::from(limit) * services().map(&each).max().unwrap_or(0));
    match (all, limit) {
        (Some(all), Some(limit)) => Some(all.min(limit)),
        (all, limit) => all.or(limit),
    }
}

/// How many descriptors the daemon has for one session.
fn descriptors_of(service: &ServiceConfig) -> u64 {
    match &service.work {
        Work::Program(program) => {
            let relay = if program.io == Io::Socket { 0 } else { 2 };
            1 + relay + u64::from(program.stderr == Stderr::Log)
        }
        // Both connections.
        Work::Forward(_) => 2,
        Work::Builtin(_) | Work::Sensor => 1,
    }
}

fn descriptors(config: &Config, machine: &Machine, findings: &mut Findings) {
    let Some(limit) = machine.descriptors else { return };
    let listeners: u64 = config.services.iter().map(|service| service.listen.len() as u64).sum();
    let (Some(sessions), Some(needed)) = (most(config, |_| 1), most(config, descriptors_of)) else {
        return;
    };
    let needed = needed + listeners + OWN_DESCRIPTORS;
    if needed > limit {
        findings.add(
            Finding::warning("the limit on descriptors is too low for `max_sessions`")
                .why(format!(
                    "{sessions} sessions and {listeners} listeners need about {needed} \
                     descriptors, and the limit here is {limit}"
                ))
                .help(format!(
                    "raise it (`ulimit -Hn {needed}`, LimitNOFILE={needed} in the unit), or lower \
                     max_sessions"
                )),
        );
    }
}

fn processes(machine: &Machine, sessions: u64, findings: &mut Findings) {
    let Some((limit, setting)) = machine.processes else { return };
    if sessions + OTHER_PROCESSES > limit {
        findings.add(
            Finding::warning("this machine cannot have as many processes as `max_sessions` says")
                .why(format!("{setting} is {limit}, and {sessions} sessions are allowed"))
                .help(format!("raise {setting}, or lower max_sessions")),
        );
    }
}

fn desktop_heap(machine: &Machine, sessions: u64, findings: &mut Findings) {
    let Some(heap) = machine.desktop_heap else { return };
    let (size, fits) = (heap.kilobytes, heap.sessions);
    if sessions > u64::from(fits) {
        findings.add(
            Finding::note(format!("a service may have room for about {fits} sessions only"))
                .why(format!(
                    "its desktop heap is {size} KB, of which each program takes some; {sessions} \
                     sessions are allowed, and programs without room end with 0xC0000142"
                ))
                .help(
                    "lower max_sessions, or raise the third number of SharedSection in \
                     HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\SubSystems, value \
                     Windows, and restart Windows",
                ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::{Case, healthy};
    use crate::sys::DesktopHeap;

    const SERVICE: &str = "[service.x]\nlisten = '127.0.0.1:0'\nrun = ['PROGRAM']\n";

    fn whats(toml: &str, machine: &Machine) -> Vec<String> {
        let findings = Case::new(toml).findings(check, machine);
        findings.into_iter().map(|finding| finding.what).collect()
    }

    fn one(toml: &str, machine: &Machine) -> Finding {
        let findings = Case::new(toml).findings(check, machine);
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings[0].clone()
    }

    #[test]
    fn a_service_with_limits_is_fine() {
        assert!(whats(SERVICE, &healthy()).is_empty());
        let public = SERVICE.replace("127.0.0.1:0", "0") + "session_timeout = '1h'\n";
        assert!(whats(&public, &healthy()).is_empty());
        let wait = SERVICE.replace("127.0.0.1:0", "0") + "wait = true\n";
        assert!(whats(&wait, &healthy()).is_empty());
    }

    #[test]
    fn services_without_limits_are_told() {
        let all = format!("{SERVICE}max_sessions = 0\n");
        let finding = one(&all, &healthy());
        assert!(finding.what.ends_with("`max_sessions` is 0"), "{finding}");
        assert!(finding.places[0].ends_with("inetd.toml:4:16"), "{finding}");
        let finding = one(&SERVICE.replace("127.0.0.1:0", "0"), &healthy());
        assert!(finding.what.ends_with("no `session_timeout`"), "{finding}");
        assert!(finding.places[0].ends_with("inetd.toml:1:10"), "{finding}");
    }

    #[test]
    fn a_backlog_that_the_system_cuts_is_told() {
        let machine = |limit| Machine { backlog: Some((limit, "somaxconn")), ..healthy() };
        assert!(whats(SERVICE, &machine(4096)).is_empty());
        assert!(one(SERVICE, &machine(128)).what.ends_with("says: 128"));
    }

    #[test]
    fn sessions_need_descriptors() {
        let machine = |limit| Machine { descriptors: Some(limit), ..healthy() };
        let toml = format!("{SERVICE}max_sessions = 100\n");
        assert!(whats(&toml, &machine(165)).is_empty());
        let finding = one(&toml, &machine(164));
        assert!(finding.why.starts_with("100 sessions and 1 listeners need about 165"));
        let logged = format!("{toml}stderr = 'log'\n");
        assert!(one(&logged, &machine(165)).why.contains("about 265"));
        let relayed = format!("{logged}io = 'pipe'\n");
        assert!(one(&relayed, &machine(165)).why.contains("about 465"));
        // The limit of the daemon counts, too.
        let limited = format!("[daemon]\nmax_sessions = 10\n{toml}");
        assert!(whats(&limited, &machine(75)).is_empty());
    }

    #[test]
    fn sessions_need_processes_and_room_on_the_desktop() {
        let toml = format!("{SERVICE}max_sessions = 100\n");
        let machine = |limit| Machine { processes: Some((limit, "pid_max")), ..healthy() };
        assert!(whats(&toml, &machine(300)).is_empty());
        assert!(one(&toml, &machine(299)).why.starts_with("pid_max is 299"));
        let machine = |sessions| Machine {
            desktop_heap: Some(DesktopHeap { kilobytes: 768, sessions }),
            ..healthy()
        };
        assert!(whats(&toml, &machine(100)).is_empty());
        assert!(one(&toml, &machine(99)).what.contains("about 99 sessions"));
    }
}
