//! What `inetd doctor --selftest` asks of the system: in the programs that its daemons start, and
//! when it ends these daemons.

use std::ffi::OsStr;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawSocket, RawHandle};
use std::process::Child;
use std::ptr;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::windows::named_pipe::ServerOptions;
use windows_sys::Win32::Foundation::{ERROR_NO_MORE_ITEMS, FILETIME, GetHandleInformation};
use windows_sys::Win32::Security::{
    TOKEN_MANDATORY_LABEL, TOKEN_PRIVILEGES, TOKEN_QUERY, TokenIntegrityLevel, TokenPrivileges,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType};
use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
use windows_sys::Win32::System::EventLog::{
    EVT_HANDLE, EvtClose, EvtFormatMessage, EvtFormatMessageEvent, EvtNext,
    EvtOpenPublisherMetadata, EvtQuery, EvtQueryChannelPath, EvtQueryReverseDirection,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessTimes};
use windows_sys::core::BOOL;

use super::handle::{check, wide};
use super::identity::Identity;
use super::privileges::{self, Privilege};
use super::security::text_of;
use super::{control, startup, system_log, token, trust};

/// The longest text of an event that is looked at, in UTF-16 units.
const LONGEST_MESSAGE: usize = 65_536;
/// Values of handles are multiples of four, and small.
const HANDLES: std::ops::Range<usize> = 4..8192;

/// The handles of this program that it should not have: sockets and pipes (the system has one type
/// for both) other than its standard ones.
pub fn leaked() -> Vec<String> {
    let standard = [
        io::stdin().as_handle().as_raw_handle(),
        io::stdout().as_handle().as_raw_handle(),
        io::stderr().as_handle().as_raw_handle(),
    ];
    let all = HANDLES.step_by(4).map(ptr::with_exposed_provenance_mut);
    let leaked = all.filter(|handle| is_pipe_or_socket(*handle) && !standard.contains(handle));
    leaked.map(|handle| format!("handle {} is a socket or a pipe", handle.addr())).collect()
}

fn is_pipe_or_socket(handle: RawHandle) -> bool {
    let mut flags = 0;
    // SAFETY: a value that is no open handle is an error.
    if unsafe { GetHandleInformation(handle, &raw mut flags) } == 0 {
        return false;
    }
    // SAFETY: as above.
    unsafe { GetFileType(handle) == FILE_TYPE_PIPE }
}

/// The connection that this program was started with, as a network-aware program uses it.
pub fn own_stream() -> io::Result<TcpStream> {
    // SAFETY: whoever started us says that this socket is ours, and nothing else closes it.
    own_socket().map(|socket| unsafe { TcpStream::from_raw_socket(socket) })
}

/// The listener that this program was started with.
pub fn own_listener() -> io::Result<TcpListener> {
    // SAFETY: as above.
    own_socket().map(|socket| unsafe { TcpListener::from_raw_socket(socket) })
}

fn own_socket() -> io::Result<u64> {
    startup::start_sockets()?;
    let number = std::env::var("Inetd_SOCK").map_err(io::Error::other)?;
    number.parse().map_err(io::Error::other)
}

/// Whether a request to stop has come, and who waits for it.
static ASKED: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// The requests to stop that a program gets: CTRL_BREAK.
#[derive(Debug)]
pub struct StopRequests {
    _private: (),
}

impl StopRequests {
    /// From now on they do not end this program.
    pub fn hold() -> io::Result<Self> {
        // SAFETY: the handler is a function that lives as long as the process.
        check(unsafe { SetConsoleCtrlHandler(Some(on_event), 1) })?;
        Ok(Self { _private: () })
    }

    /// Waits for one.
    pub fn wait(&self) -> io::Result<()> {
        let (asked, changed) = &ASKED;
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_while(asked, |asked| !*asked));
        Ok(())
    }
}

/// Windows calls it on a thread of its own.
unsafe extern "system" fn on_event(_event: u32) -> BOOL {
    let (asked, changed) = &ASKED;
    *asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
    changed.notify_all();
    1
}

/// Ends a daemon and all that it has started, which the end of its jobs does.
pub fn end(daemon: &mut Child, _program: &str) {
    drop(daemon.kill());
    drop(daemon.wait());
}

/// The processor time that this program has used.
pub fn processor_time() -> io::Result<Duration> {
    let [mut creation, mut exit, mut kernel, mut user] = [FILETIME::default(); 4];
    // SAFETY: gives a constant that needs no closing.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the pointers are valid for the call.
    check(unsafe {
        GetProcessTimes(process, &raw mut creation, &raw mut exit, &raw mut kernel, &raw mut user)
    })?;
    // In units of 100 nanoseconds.
    let time = |time: FILETIME| {
        let units = u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
        Duration::from_nanos(units * 100)
    };
    Ok(time(kernel) + time(user))
}

/// Accounts with the least rights that every system has.
pub const ORDINARY_USERS: &[&str] = &["LocalService", "NetworkService"];

/// What [`rights`] tells to a program that runs as `identity`, among other things.
pub fn rights_of(identity: &Identity) -> Vec<String> {
    vec![format!("user {}\n", identity.account.sid)]
}

/// Who this program runs as and what it may do.
pub fn rights() -> io::Result<String> {
    let token = token::own(TOKEN_QUERY)?;
    let label = size_of::<TOKEN_MANDATORY_LABEL>();
    let memory = token::information(&token, TokenIntegrityLevel, label)?;
    // SAFETY: the memory is aligned for it, large enough, and filled by the call for this class.
    let label = unsafe { memory.as_ptr().cast::<TOKEN_MANDATORY_LABEL>().read() };
    // S-1-16-8192
    let level = text_of(label.Label.Sid)?;
    let level = level.rsplit('-').next().unwrap_or_default();
    let memory = token::information(&token, TokenPrivileges, size_of::<TOKEN_PRIVILEGES>())?;
    // SAFETY: as for the level.
    let count = unsafe { memory.as_ptr().cast::<TOKEN_PRIVILEGES>().read() }.PrivilegeCount;
    let user = token::user_of(&token)?;
    let powers = privileges::held(&token, &token::POWERS)?;
    let powers: Vec<_> = powers.into_iter().map(Privilege::name).collect();
    let powers = if powers.is_empty() { "none".to_owned() } else { powers.join(" ") };
    Ok(format!("user {user}\nintegrity {level}\nprivileges {count}\npowers {powers}\n"))
}

/// Why there are no events of ours with a text in the Event Log; nothing if there can be.
pub fn events_obstacle() -> Option<String> {
    system_log::obstacle(system_log::Kind::EventLog)
}

/// Whether the Event Log has an event of ours, not older than five minutes, with this in its text.
pub fn event_exists(text: &str) -> io::Result<bool> {
    let source = system_log::SOURCE;
    let query = format!(
        "*[System[Provider[@Name='{source}'] and TimeCreated[timediff(@SystemTime) <= 300000]]]"
    );
    let (log, query) = (wide(OsStr::new("Application"))?, wide(OsStr::new(&query))?);
    let flags = EvtQueryChannelPath | EvtQueryReverseDirection;
    // SAFETY: both texts end with a NUL; 0 is this machine.
    let events = Events::new(unsafe { EvtQuery(0, log.as_ptr(), query.as_ptr(), flags) })?;
    let source = wide(OsStr::new(source))?;
    // SAFETY: the name ends with a NUL; 0 and null are this machine and its language.
    let publisher = unsafe { EvtOpenPublisherMetadata(0, source.as_ptr(), ptr::null(), 0, 0) };
    let publisher = Events::new(publisher)?;
    loop {
        let (mut event, mut count) = (0, 0);
        // SAFETY: room for one event, and a pointer that is valid for the call.
        let next = unsafe { EvtNext(events.0, 1, &raw mut event, 0, 0, &raw mut count) };
        if let Err(error) = check(next) {
            let none_left = error.raw_os_error() == Some(ERROR_NO_MORE_ITEMS.cast_signed());
            return if none_left { Ok(false) } else { Err(error) };
        }
        let event = Events::new(event)?;
        if message(&publisher, &event)?.contains(text) {
            return Ok(true);
        }
    }
}

/// The text of an event, as Event Viewer shows it.
fn message(publisher: &Events, event: &Events) -> io::Result<String> {
    let mut buffer = vec![0_u16; LONGEST_MESSAGE];
    let (size, mut used) = (u32::try_from(buffer.len()).unwrap_or(0), 0);
    // SAFETY: open handles, no values, and a buffer with this size in characters.
    check(unsafe {
        EvtFormatMessage(
            publisher.0,
            event.0,
            0,
            0,
            ptr::null(),
            EvtFormatMessageEvent,
            size,
            buffer.as_mut_ptr(),
            &raw mut used,
        )
    })?;
    buffer.truncate(used as usize);
    Ok(String::from_utf16_lossy(&buffer))
}

/// A handle of the Event Log's functions.
struct Events(EVT_HANDLE);

impl Events {
    fn new(handle: EVT_HANDLE) -> io::Result<Self> {
        if handle == 0 { Err(io::Error::last_os_error()) } else { Ok(Self(handle)) }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // SAFETY: an open handle that nobody else has.
        unsafe { EvtClose(self.0) };
    }
}

/// What is wrong with the control endpoint of a daemon that runs, if anything.
pub fn control_flaw(endpoint: &str, daemon: u32) -> io::Result<Option<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pipe = runtime.block_on(async {
        let server = control::server_id(endpoint).await?;
        control::connect(endpoint).await.map(|pipe| (server, pipe))
    });
    let (server, pipe) = pipe?;
    if server != daemon {
        return Ok(Some(format!("process {server} serves it, and not {daemon}")));
    }
    if let Some(who) = trust::outsider_of(&pipe)? {
        return Ok(Some(format!("{who} can use {endpoint}")));
    }
    // Whoever could make one would be in the place of the daemon for the next client.
    let another =
        runtime.block_on(async { ServerOptions::new().first_pipe_instance(true).create(endpoint) });
    Ok(another.is_ok().then(|| format!("a second first instance of {endpoint} could be made")))
}
