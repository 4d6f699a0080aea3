//! Facts about this machine that decide how well a configuration works here. They are only read.

use std::collections::HashSet;
use std::ffi::{CStr, OsString};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::AsRawHandle;
use std::path::PathBuf;

use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, NO_ERROR};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GetExtendedTcpTable, GetExtendedUdpTable, MIB_TCP6ROW_OWNER_PID, MIB_TCPROW_OWNER_PID,
    MIB_UDP6ROW_OWNER_PID, MIB_UDPROW_OWNER_PID, TCP_TABLE_CLASS, TCP_TABLE_OWNER_PID_LISTENER,
    UDP_TABLE_OWNER_PID,
};
use windows_sys::Win32::Networking::WinSock::{AF_INET, AF_INET6};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::Threading::{
    OpenProcess, PROCESS_NAME_WIN32, PROCESS_QUERY_LIMITED_INFORMATION, QueryFullProcessImageNameW,
};

use super::handle::{check, own};
use super::registry;
use crate::sys::{Listening, ListeningProcess};

/// The process of the kernel, in which `HTTP.sys` listens for IIS and others.
const KERNEL: u32 = 4;
/// A table of connections can grow between two calls.
const TRIES: u32 = 5;
/// The longest path of an executable, in UTF-16 units.
const LONGEST_PATH: usize = 32_768;

/// The system, for a headline.
pub fn name() -> String {
    let version = version().unwrap_or_else(|| "Windows".into());
    match emulator() {
        Some(emulator) => format!("{emulator}, as {version}"),
        None => version,
    }
}

/// The name of the host, for files that are of such a system. The only ones are units of systemd,
/// which are not for this machine.
pub fn host_name() -> Option<String> {
    None
}

/// What only pretends to be this system, if anything: Wine. It is kinder than Windows in many
/// ways, so what works there proves little.
pub fn emulator() -> Option<String> {
    let library: Vec<u16> = "ntdll.dll\0".encode_utf16().collect();
    // SAFETY: the name ends with a NUL.
    let library = unsafe { GetModuleHandleW(library.as_ptr()) };
    // SAFETY: a library that stays loaded as long as the process lives, and a name with a NUL.
    let function = unsafe { GetProcAddress(library, c"wine_get_version".as_ptr().cast()) }?;
    // SAFETY: that function takes nothing and gives a text that is never freed.
    let function: extern "system" fn() -> *const std::ffi::c_char =
        unsafe { std::mem::transmute(function) };
    // SAFETY: as above; the text ends with a NUL.
    let version = unsafe { CStr::from_ptr(function()) };
    Some(format!("Wine {}", version.to_string_lossy()))
}

/// How to find out who owns a port.
pub const ASK_FOR_OWNERS: &str = "`netstat -abno`, as an administrator, names the program";

/// The programs that listen on one of `ports`, or take datagrams there.
pub fn listeners(ports: &HashSet<u16>) -> io::Result<Vec<Listening>> {
    // Addresses and ports are in the order of the network.
    let v4 = |address: u32| IpAddr::from(address.to_ne_bytes());
    let mut all = Vec::new();
    for row in rows::<MIB_TCPROW_OWNER_PID>(AF_INET, TCP_TABLE_OWNER_PID_LISTENER)? {
        all.push((v4(row.dwLocalAddr), row.dwLocalPort, row.dwOwningPid, false));
    }
    for row in rows::<MIB_TCP6ROW_OWNER_PID>(AF_INET6, TCP_TABLE_OWNER_PID_LISTENER)? {
        all.push((row.ucLocalAddr.into(), row.dwLocalPort, row.dwOwningPid, false));
    }
    for row in datagram_rows::<MIB_UDPROW_OWNER_PID>(AF_INET)? {
        all.push((v4(row.dwLocalAddr), row.dwLocalPort, row.dwOwningPid, true));
    }
    for row in datagram_rows::<MIB_UDP6ROW_OWNER_PID>(AF_INET6)? {
        all.push((row.ucLocalAddr.into(), row.dwLocalPort, row.dwOwningPid, true));
    }
    let listening = all.into_iter().filter_map(|(address, number, id, is_datagram)| {
        let address = SocketAddr::new(address, port(number));
        ports.contains(&address.port()).then(|| {
            // Wine does not know who owns a socket.
            let owner = (id != 0).then(|| ListeningProcess { id, program: program(id) });
            Listening { address, is_datagram, owners: owner.into_iter().collect() }
        })
    });
    Ok(listening.collect())
}

/// The most descriptors that a process may have: Windows has no such limit.
pub fn descriptor_limit() -> Option<u64> {
    None
}

/// The longest queue of connections that a listener may ask for: Windows does not say.
pub fn backlog_limit() -> Option<(u64, &'static str)> {
    None
}

/// How many processes there can be: Windows has no such setting.
pub fn process_limit() -> Option<(u64, &'static str)> {
    None
}

/// The first port that needs no right: all do without one here.
pub fn first_free_port() -> u16 {
    0
}

/// Whether somebody keeps the clock right: Windows does not say.
pub fn clock_is_kept() -> Option<bool> {
    None
}

/// Whether files of other systems and processors can be run, beyond what Windows does anyway.
pub fn runs_foreign_programs() -> bool {
    false
}

/// A port of a row, which is in the order of the network.
pub(super) fn port(number: u32) -> u16 {
    let [high, low, ..] = number.to_ne_bytes();
    u16::from_be_bytes([high, low])
}

/// The rows of a table of connections.
pub(super) fn rows<Row: Copy>(family: u16, kind: TCP_TABLE_CLASS) -> io::Result<Vec<Row>> {
    table(|memory, size| {
        // SAFETY: the memory has this size.
        unsafe { GetExtendedTcpTable(memory.cast(), size, 0, family.into(), kind, 0) }
    })
}

/// The rows of a table of sockets for datagrams.
fn datagram_rows<Row: Copy>(family: u16) -> io::Result<Vec<Row>> {
    let kind = UDP_TABLE_OWNER_PID;
    table(|memory, size| {
        // SAFETY: the memory has this size.
        unsafe { GetExtendedUdpTable(memory.cast(), size, 0, family.into(), kind, 0) }
    })
}

/// A table as the system gives it: a number, and as many rows. `fill` gets memory and its size in
/// bytes.
fn table<Row: Copy>(fill: impl Fn(*mut u64, &mut u32) -> u32) -> io::Result<Vec<Row>> {
    let mut memory: Vec<u64> = Vec::new();
    for _ in 0..TRIES {
        let mut size = u32::try_from(memory.len() * size_of::<u64>()).unwrap_or(u32::MAX);
        match fill(memory.as_mut_ptr(), &mut size) {
            NO_ERROR if memory.is_empty() => return Ok(Vec::new()),
            NO_ERROR => return Ok(rows_of(&memory)),
            ERROR_INSUFFICIENT_BUFFER => memory.resize(size as usize / size_of::<u64>() + 64, 0),
            code => return Err(io::Error::from_raw_os_error(code.cast_signed())),
        }
    }
    Err(io::ErrorKind::OutOfMemory.into())
}

fn rows_of<Row: Copy>(memory: &[u64]) -> Vec<Row> {
    let start = memory.as_ptr().cast::<u32>();
    let fits = (size_of_val(memory) - size_of::<u32>()) / size_of::<Row>();
    // SAFETY: the memory is not empty, and its first four bytes are a number.
    let count = unsafe { start.read() } as usize;
    let first = start.wrapping_add(1).cast::<Row>();
    // SAFETY: that many rows are within the memory, and they are plain numbers.
    let row = |index| unsafe { first.wrapping_add(index).read_unaligned() };
    (0..count.min(fits)).map(row).collect()
}

/// The executable of a process.
fn program(id: u32) -> String {
    if id == KERNEL {
        return "the system itself (HTTP.sys: IIS, WinRM and the like)".into();
    }
    executable(id).map_or_else(|_| "a program".into(), |path| path.display().to_string())
}

fn executable(id: u32) -> io::Result<PathBuf> {
    // SAFETY: takes numbers only.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, id) };
    // SAFETY: a new handle that nobody else owns.
    let process = unsafe { own(process) }?;
    let mut buffer = vec![0_u16; LONGEST_PATH];
    let mut size = u32::try_from(buffer.len()).unwrap_or(0);
    // SAFETY: an open handle, and a buffer with this size in characters.
    check(unsafe {
        QueryFullProcessImageNameW(
            process.as_raw_handle(),
            PROCESS_NAME_WIN32,
            buffer.as_mut_ptr(),
            &raw mut size,
        )
    })?;
    buffer.truncate(size as usize);
    Ok(OsString::from_wide(&buffer).into())
}

/// The version in the registry: what `GetVersion` says depends on the manifest of a program.
fn version() -> Option<String> {
    let key = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";
    let value = |name| registry::text(key, name).ok()?.into_string().ok();
    let product = value("ProductName")?;
    let product = product.trim_start_matches("Microsoft ").to_owned();
    Some(match value("CurrentBuildNumber") {
        Some(build) => format!("{product}, build {build}"),
        None => product,
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn we_are_found_as_the_owner_of_our_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let found = listeners(&HashSet::from([address.port()])).unwrap();
        let found = found.iter().find(|found| found.address == address).unwrap();
        let [owner] = &found.owners[..] else {
            return assert!(emulator().is_some(), "{found:?}");
        };
        assert_eq!(owner.id, std::process::id());
        let own = std::env::current_exe().unwrap();
        assert!(owner.program.ends_with(own.file_name().unwrap().to_str().unwrap()), "{owner:?}");
    }

    #[test]
    fn a_socket_for_datagrams_is_found() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let found = listeners(&HashSet::from([address.port()])).unwrap();
        assert!(
            found.iter().any(|found| found.is_datagram && found.address == address),
            "{found:?}"
        );
    }

    #[test]
    fn the_system_has_a_name() {
        assert!(name().contains("Windows"), "{}", name());
    }
}
