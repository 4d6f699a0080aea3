//! Whose a TCP connection is: what the kernel tells in `/proc/net/tcp` (proc_net(5)).

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::identity;
use super::machine::socket_address;

/// States (tcp_states.h) in which a socket has no owner: one that waits for late segments, and one
/// that is not accepted yet.
const WITHOUT_OWNER: [&str; 2] = ["06", "0C"];

/// The user that a connection belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The name.
    pub name: String,
    /// The user id.
    pub number: String,
    home: Option<PathBuf>,
}

impl Owner {
    /// Whether there is something with this name in the user's home directory. A link is not
    /// followed.
    pub fn has_file(&self, name: &str) -> bool {
        self.home.as_ref().is_some_and(|home| home.join(name).symlink_metadata().is_ok())
    }
}

/// How an operating system is called in an answer of the ident protocol, as uname(3) has it.
pub fn system_name() -> String {
    rustix::system::uname().sysname().to_string_lossy().into_owned()
}

/// Why [`Owner::has_file`] cannot be asked here.
pub fn no_files() -> Option<&'static str> {
    None
}

/// The owner of our end of a connection: that between `local` and `remote`.
///
/// # Errors
/// The table cannot be read.
pub fn of_connection(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Owner>> {
    let mut last = None;
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = match fs::read_to_string(table) {
            Ok(text) => text,
            Err(error) => {
                // A kernel without IPv6 has only one of them.
                last = Some(error);
                continue;
            }
        };
        if let Some(user) = text.lines().find_map(|line| owner(line, local, remote)) {
            let entry = identity::entry(user)?;
            return Ok(entry.map(|(name, home)| Owner { name, number: user.to_string(), home }));
        }
    }
    match last {
        Some(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(None),
    }
}

/// The user id in a line of the table, if it is about this connection.
fn owner(line: &str, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let is_same = |field: &str, wanted: SocketAddr| {
        socket_address(field).is_some_and(|found| {
            found.port() == wanted.port() && found.ip().to_canonical() == wanted.ip().to_canonical()
        })
    };
    let is_it = is_same(fields.get(1)?, local) && is_same(fields.get(2)?, remote);
    let has_owner = !WITHOUT_OWNER.contains(fields.get(3)?);
    fields.get(7).filter(|_| is_it && has_owner)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn both_ends_of_our_connection_are_ours() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        for end in [&client, &server] {
            let (local, remote) = (end.local_addr().unwrap(), end.peer_addr().unwrap());
            let owner = of_connection(local, remote).unwrap().unwrap();
            assert_eq!(owner.number, rustix::process::geteuid().as_raw().to_string());
            assert!(!owner.has_file("no such file") && owner.has_file("."));
            let elsewhere = SocketAddr::new("127.0.0.2".parse().unwrap(), remote.port());
            assert_eq!(of_connection(local, elsewhere).unwrap(), None);
        }
    }

    #[test]
    fn lines_of_the_table_are_understood() {
        let line = "   1: 0100007F:1F90 0200007F:0016 01 00000000:00000000 02:000A 00000000  1000 \
                    0 4711 2 0000000000000000 20 4 30 10 -1";
        let (local, remote) = ("127.0.0.1:8080", "127.0.0.2:22");
        let asked = |line: &str, local: &str, remote: &str| {
            owner(line, local.parse().unwrap(), remote.parse().unwrap())
        };
        assert_eq!(asked(line, local, remote), Some(1000));
        assert_eq!(asked(line, "[::ffff:127.0.0.1]:8080", remote), Some(1000));
        assert_eq!(asked(line, remote, local), None);
        assert_eq!(asked(line, local, "127.0.0.2:23"), None);
        // Its owner is said to be root then.
        assert_eq!(asked(&line.replace(" 01 ", " 06 "), local, remote), None);
        assert_eq!(asked("  sl  local_address rem_address   st", local, remote), None);
    }
}
