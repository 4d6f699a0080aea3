//! Facts about this machine that decide how well a configuration works here. They are only read.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use crate::sys::{Listening, ListeningProcess};

/// The state of a socket that listens (TCP_LISTEN in the kernel's `net/tcp_states.h`).
const LISTEN: &str = "0A";
/// The state of a socket for the datagrams of everybody (TCP_CLOSE: it is not connected).
const UNCONNECTED: &str = "07";
/// What adjtimex(2) answers while the clock is not synchronised.
const TIME_ERROR: libc::c_int = 5;
/// Where ports that everybody may use begin, unless the machine says something else (ip(7)).
const FIRST_FREE_PORT: u16 = 1024;

/// The system, for a headline.
pub fn name() -> String {
    let system = rustix::system::uname();
    format!("{} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy())
}

/// The name of the host (uname(2)), which may have a domain.
pub fn host_name() -> Option<String> {
    Some(rustix::system::uname().nodename().to_string_lossy().into_owned())
}

/// What only pretends to be this system, if anything.
pub fn emulator() -> Option<String> {
    None
}

/// How to find out who owns a port.
pub const ASK_FOR_OWNERS: &str = "as root, `ss -ltunp` names the program";

/// The programs that listen on one of `ports`, or take datagrams there.
pub fn listeners(ports: &HashSet<u16>) -> io::Result<Vec<Listening>> {
    let mut sockets = Vec::new();
    for (name, state) in [("tcp", LISTEN), ("udp", UNCONNECTED)] {
        // Without IPv6 the second file does not exist.
        let tables = [fs::read_to_string(format!("/proc/net/{name}"))?]
            .into_iter()
            .chain(fs::read_to_string(format!("/proc/net/{name}6")));
        for table in tables {
            let found = table.lines().filter_map(|line| socket_in(line, state));
            sockets.extend(found.map(|(address, inode)| (address, inode, state == UNCONNECTED)));
        }
    }
    sockets.retain(|(address, ..)| ports.contains(&address.port()));
    let inodes: HashSet<u64> = sockets.iter().map(|(_, inode, _)| *inode).collect();
    let mut owners = if inodes.is_empty() { HashMap::new() } else { owners(&inodes) };
    let listening = sockets.into_iter().map(|(address, inode, is_datagram)| Listening {
        address,
        is_datagram,
        owners: owners.remove(&inode).unwrap_or_default(),
    });
    Ok(listening.collect())
}

/// The most descriptors that a process may have; none is no limit.
pub fn descriptor_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// The longest queue of connections that a listener may ask for, and the setting that says so.
pub fn backlog_limit() -> Option<(u64, &'static str)> {
    Some((number("/proc/sys/net/core/somaxconn")?, "net.core.somaxconn"))
}

/// How many processes there can be, and the setting that says so. Threads count too.
pub fn process_limit() -> Option<(u64, &'static str)> {
    let own = if rustix::process::geteuid().is_root() {
        None // It does not hold for root (setrlimit(2)).
    } else {
        getrlimit(Resource::Nproc).maximum
    };
    [
        (number("/proc/sys/kernel/threads-max"), "kernel.threads-max"),
        (number("/proc/sys/kernel/pid_max"), "kernel.pid_max"),
        // A container's own.
        (number("/sys/fs/cgroup/pids.max"), "pids.max of the control group"),
        (own, "RLIMIT_NPROC of this user"),
    ]
    .into_iter()
    .filter_map(|(limit, name)| Some((limit?, name)))
    .min()
}

/// The first port that needs no right.
pub fn first_free_port() -> u16 {
    let port = number("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    port.and_then(|port| port.try_into().ok()).unwrap_or(FIRST_FREE_PORT)
}

/// Whether somebody keeps the clock right, if the system knows it.
pub fn clock_is_kept() -> Option<bool> {
    // SAFETY: all zero is a valid timex, and with `modes` zero the call only reads.
    let mut clock: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is valid for the call.
    match unsafe { libc::adjtimex(&raw mut clock) } {
        -1 => None, // A filter of a container.
        state => Some(state != TIME_ERROR),
    }
}

/// Whether somebody has told the kernel how to run files of other systems and processors
/// (binfmt_misc), Wine or QEMU for example.
pub fn runs_foreign_programs() -> bool {
    let entries = fs::read_dir("/proc/sys/fs/binfmt_misc").into_iter().flatten();
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name() != "register" && entry.file_name() != "status")
        .any(|entry| fs::read(entry.path()).is_ok_and(|text| text.starts_with(b"enabled")))
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The address and the inode in a line of `/proc/net/tcp` and its kin (proc_net(5)), if its socket has
/// this state.
fn socket_in(line: &str, state: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != state {
        return None;
    }
    Some((socket_address(fields.get(1)?)?, fields.get(9)?.parse().ok()?))
}

/// An address as `/proc/net/tcp` has it.
pub(super) fn socket_address(field: &str) -> Option<SocketAddr> {
    let (address, port) = field.split_once(':')?;
    // Each 32 bits are a number in the order of this machine.
    let words: Option<Vec<[u8; 4]>> = (0..address.len())
        .step_by(8)
        .map(|at| Some(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes()))
        .collect();
    let bytes = words?.concat();
    let address = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(bytes) => IpAddr::from(bytes),
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into(),
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(SocketAddr::new(address, port))
}

/// Who has these sockets open, as far as we may see it.
fn owners(inodes: &HashSet<u64>) -> HashMap<u64, Vec<ListeningProcess>> {
    let mut owners: HashMap<u64, Vec<ListeningProcess>> = HashMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    for process in processes {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Of others only root may look at the descriptors.
        let files = fs::read_dir(process.path().join("fd")).into_iter().flatten();
        let mut found: Vec<u64> = files.filter_map(|file| socket(&file.ok()?.path())).collect();
        found.sort_unstable();
        found.dedup();
        for inode in found.into_iter().filter(|inode| inodes.contains(inode)) {
            let program = program(&process.path());
            owners.entry(inode).or_default().push(ListeningProcess { id, program });
        }
    }
    owners
}

/// The inode of the socket that a link in `/proc/PID/fd` leads to.
fn socket(link: &Path) -> Option<u64> {
    let target = fs::read_link(link).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The executable of a process, or at least the name of the process.
fn program(process: &Path) -> String {
    let path = fs::read_link(process.join("exe")).map(|path| path.display().to_string());
    let name = || fs::read_to_string(process.join("comm")).map(|name| name.trim().to_owned());
    path.or_else(|_| name()).unwrap_or_else(|_| "a program that has just ended".into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn lines_of_the_socket_table_are_understood() {
        let v4 = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     \
                  0        0 4711 1 0000000000000000 100 0 0 10 0";
        assert_eq!(socket_in(v4, LISTEN), Some(("127.0.0.1:8080".parse().unwrap(), 4711)));
        let v6 = "   0: 00000000000000000000000001000000:0016 \
                  00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 \
                  0 0 5 1";
        assert_eq!(socket_in(v6, LISTEN), Some(("[::1]:22".parse().unwrap(), 5)));
        assert_eq!(socket_in(&v4.replace(" 0A ", " 01 "), LISTEN), None);
        assert_eq!(
            socket_in("  sl  local_address rem_address   st tx_queue rx_queue", LISTEN),
            None
        );
        assert_eq!(socket_in("", LISTEN), None);
    }

    #[test]
    fn we_are_found_as_the_owner_of_our_listeners() {
        let listeners: Vec<_> = ["127.0.0.1:0", "[::1]:0"]
            .iter()
            .filter_map(|address| TcpListener::bind(address).ok())
            .collect();
        assert!(!listeners.is_empty());
        for listener in listeners {
            let address = listener.local_addr().unwrap();
            let found = super::listeners(&HashSet::from([address.port()])).unwrap();
            let found = found.iter().find(|found| found.address == address).unwrap();
            let owner = found.owners.iter().find(|owner| owner.id == std::process::id()).unwrap();
            let own = std::env::current_exe().unwrap();
            assert_eq!(owner.program, own.display().to_string());
        }
    }

    #[test]
    fn a_socket_for_datagrams_is_found_with_its_owner() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let found = listeners(&HashSet::from([address.port()])).unwrap();
        let found = found.iter().find(|other| other.is_datagram && other.address == address);
        let owners = &found.unwrap().owners;
        assert!(owners.iter().any(|owner| owner.id == std::process::id()), "{owners:?}");
    }

    #[test]
    fn the_limits_of_this_machine_are_known() {
        assert!(backlog_limit().unwrap().0 > 0);
        assert!(process_limit().unwrap().0 > 0);
        assert!(first_free_port() <= 1024);
        assert!(name().starts_with("Linux "));
    }
}
