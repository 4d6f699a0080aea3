//! Whose a TCP connection is: the process that the system names, and the account of its token.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::windows::io::AsRawHandle;
use std::ptr;

use windows_sys::Win32::NetworkManagement::IpHelper::{
    MIB_TCP_STATE_ESTAB, MIB_TCP6ROW_OWNER_PID, MIB_TCPROW_OWNER_PID,
    TCP_TABLE_OWNER_PID_CONNECTIONS,
};
use windows_sys::Win32::Networking::WinSock::{AF_INET, AF_INET6};
use windows_sys::Win32::System::Threading::{
    OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION,
};

use super::handle::{check, own};
use super::machine::{port, rows};
use super::{account, token};

/// The account that a connection belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The name, without its domain.
    pub name: String,
    /// The SID.
    pub number: String,
}

impl Owner {
    /// Whether there is something with this name in the user's home directory: see [`no_files`].
    pub fn has_file(&self, _name: &str) -> bool {
        false
    }
}

/// How an operating system is called in an answer of the ident protocol.
pub fn system_name() -> String {
    "WIN32".to_owned()
}

/// Why [`Owner::has_file`] cannot be asked here.
pub fn no_files() -> Option<&'static str> {
    Some("accounts of Windows have no home directory that inetd could always read")
}

/// The owner of our end of a connection: that between `local` and `remote`.
///
/// # Errors
/// The table cannot be read, or the process is of somebody whose processes we may not look at.
pub fn of_connection(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Owner>> {
    match process(local, remote)? {
        None => Ok(None),
        Some(id) => {
            let number = account_of(id)?;
            let name = account::name_of(&number);
            let name = name.rsplit('\\').next().unwrap_or_default().to_owned();
            Ok(Some(Owner { name, number }))
        }
    }
}

/// The process that has this connection open. Wine says 0: it does not know.
fn process(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<u32>> {
    type Row = (u32, (IpAddr, u32), (IpAddr, u32), u32);
    let (kind, open) = (TCP_TABLE_OWNER_PID_CONNECTIONS, MIB_TCP_STATE_ESTAB.cast_unsigned());
    let mut all: Vec<Row> = Vec::new();
    for row in rows::<MIB_TCPROW_OWNER_PID>(AF_INET, kind)? {
        // Both are in the order of the network.
        let address = |address: u32| IpAddr::from(Ipv4Addr::from(address.to_ne_bytes()));
        let local = (address(row.dwLocalAddr), row.dwLocalPort);
        let remote = (address(row.dwRemoteAddr), row.dwRemotePort);
        all.push((row.dwState, local, remote, row.dwOwningPid));
    }
    for row in rows::<MIB_TCP6ROW_OWNER_PID>(AF_INET6, kind)? {
        let address = |address: [u8; 16]| IpAddr::from(Ipv6Addr::from(address));
        let local = (address(row.ucLocalAddr), row.dwLocalPort);
        let remote = (address(row.ucRemoteAddr), row.dwRemotePort);
        all.push((row.dwState, local, remote, row.dwOwningPid));
    }
    let is_same = |(address, number): (IpAddr, u32), wanted: SocketAddr| {
        address.to_canonical() == wanted.ip().to_canonical() && port(number) == wanted.port()
    };
    let found = all.into_iter().find(|(state, ours, theirs, id)| {
        *state == open && *id != 0 && is_same(*ours, local) && is_same(*theirs, remote)
    });
    Ok(found.map(|(.., id)| id))
}

/// The SID of a process's account.
fn account_of(id: u32) -> io::Result<String> {
    // SAFETY: takes numbers only.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, id) };
    // SAFETY: a new handle that nobody else owns.
    let process = unsafe { own(process) }?;
    let mut handle = ptr::null_mut();
    // SAFETY: an open process; the pointer is valid for the call.
    check(unsafe { OpenProcessToken(process.as_raw_handle(), token::QUERY, &raw mut handle) })?;
    // SAFETY: a new handle that nobody else owns.
    let handle = unsafe { own(handle) }?;
    token::user_of(&handle)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::super::machine::emulator;
    use super::super::security::own_user;
    use super::*;

    #[test]
    fn both_ends_of_our_connection_are_ours() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        for end in [&client, &server] {
            let (local, remote) = (end.local_addr().unwrap(), end.peer_addr().unwrap());
            match of_connection(local, remote).unwrap() {
                Some(owner) => assert_eq!(owner.number, own_user().unwrap()),
                None => assert!(emulator().is_some()),
            }
            let elsewhere = SocketAddr::new("127.0.0.2".parse().unwrap(), remote.port());
            assert_eq!(of_connection(local, elsewhere).unwrap(), None);
        }
    }

    #[test]
    fn a_process_has_an_account() {
        assert_eq!(account_of(std::process::id()).unwrap(), own_user().unwrap());
    }
}
