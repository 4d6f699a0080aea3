//! A program for tests: the test executable itself, started again with a variable that says what
//! to do.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::windows::io::{AsRawHandle, FromRawSocket, OwnedHandle};
use std::path::Path;
use std::ptr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{STILL_ACTIVE, WAIT_OBJECT_0};
use windows_sys::Win32::Networking::WinSock::{
    INVALID_SOCKET, SOCKET, WSADuplicateSocketW, WSAPROTOCOL_INFOW, WSASocketW,
};
use windows_sys::Win32::System::Threading::{
    CREATE_NO_WINDOW, GetCurrentProcessId, OpenProcess, PROCESS_SYNCHRONIZE, WaitForSingleObject,
};

use super::create::{Order, create};
use super::handle::{own, wide};
use super::poll::Poller;
use super::process::Child;
use super::quote;
use super::socket::{Connection, ListenSocket};
use crate::config::{Io, Program, SocketOptions, Stderr, Tree};
use crate::listener::endpoint::Endpoint;

/// What the program does.
const MODE: &str = "INETD_TEST_MODE";
/// Everything that the test framework writes comes before it.
const START: &str = "<<start>>";
/// Long enough for a busy machine. Nothing in a test waits longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(45);

/// The test executable as a program in `mode`, with arguments that it can show.
pub(super) fn program(mode: &str, arguments: &[&str]) -> Program {
    let path = std::env::current_exe().unwrap();
    let argv = [path.clone().into_os_string()].into_iter().chain(test_arguments());
    let argv = argv.chain(arguments.iter().map(OsString::from)).collect();
    let mut environment: Vec<_> = std::env::vars_os()
        .filter(|(name, _)| !name.as_encoded_bytes().starts_with(b"="))
        .filter(|(name, _)| name != MODE)
        .collect();
    environment.push((MODE.into(), mode.into()));
    Program {
        path,
        argv,
        environment: Arc::new(environment),
        cwd: std::env::temp_dir(),
        identity: None,
        profile: false,
        restrict: false,
        umask: super::startup::UMASK,
        nice: None,
        limits: Vec::new(),
        tree: Tree::Kill,
        io: Io::Socket,
        stderr: Stderr::Socket,
    }
}

/// Arguments that make the test executable run `child_program` alone.
fn test_arguments() -> impl Iterator<Item = OsString> {
    let name = concat!(module_path!(), "::child_program");
    let (_crate, name) = name.split_once("::").unwrap();
    ["--exact", "--nocapture", "--test-threads=1", name, "--"].map(OsString::from).into_iter()
}

/// A batch file that runs the test executable with the rest of its own arguments.
pub(super) fn script(path: &Path, redirection: &str) {
    let executable = std::env::current_exe().unwrap();
    let fixed: Vec<_> = test_arguments().map(|argument| argument.into_string().unwrap()).collect();
    let text = format!("@\"{}\" {} %*{redirection}\r\n", executable.display(), fixed.join(" "));
    std::fs::write(path, text).unwrap();
}

/// Whether this is Wine, which puts such a variable into every environment.
pub(super) fn is_wine() -> bool {
    std::env::var_os("WINEHOMEDIR").is_some()
}

/// A listener on a free port of the loopback, and its address.
pub(super) fn listener() -> (ListenSocket, SocketAddr) {
    super::startup::start_sockets().unwrap();
    let endpoint = Endpoint::Tcp { address: "127.0.0.1:0".parse().unwrap(), only_v6: false };
    let listener = ListenSocket::bind(&endpoint, &SocketOptions::default()).unwrap();
    let Endpoint::Tcp { address, .. } = *listener.local() else { panic!("not TCP") };
    (listener, address)
}

/// The tokens of a queue, in a form that one can wait for with a limit.
pub(super) fn tokens(poller: &Arc<Poller>) -> Receiver<u64> {
    let (sender, receiver) = channel();
    collect(poller, sender);
    receiver
}

/// One more thread that waits for tokens.
pub(super) fn collect(poller: &Arc<Poller>, sender: Sender<u64>) {
    let poller = Arc::clone(poller);
    std::thread::spawn(move || {
        while let Ok(token) = poller.wait()
            && sender.send(token).is_ok()
        {}
    });
}

/// A connection to `address` whose calls do not wait for ever.
pub(super) fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    client
}

/// A client of `listener`, and the connection with it.
pub(super) fn accepted(listener: &ListenSocket, address: SocketAddr) -> (TcpStream, Connection) {
    let client = connect(address);
    eventually("no connection", || listener.is_ready());
    (client, listener.accept().unwrap().0)
}

/// Runs `future` on a runtime of its own.
pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.unwrap() })
}

/// A handle that tells of the end of a program after its `Child` is gone.
pub(super) fn observer(child: &Child) -> OwnedHandle {
    // SAFETY: takes numbers only.
    let process = unsafe { OpenProcess(PROCESS_SYNCHRONIZE, 0, child.id()) };
    // SAFETY: a new handle that nobody else owns.
    unsafe { own(process) }.unwrap()
}

/// Whether the program of an [`observer`] has ended.
pub(super) fn has_ended(observer: &OwnedHandle) -> bool {
    // SAFETY: the handle is open; without a timeout this only looks.
    unsafe { WaitForSingleObject(observer.as_raw_handle(), 0) == WAIT_OBJECT_0 }
}

/// What the program of `client` wrote, up to its end.
pub(super) fn answer(client: &mut TcpStream) -> String {
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    after_start(&String::from_utf8_lossy(&all))
}

/// What comes behind the mark.
pub(super) fn after_start(text: &str) -> String {
    let (_, text) = text.split_once(START).unwrap_or_else(|| panic!("no mark in {text:?}"));
    text.to_owned()
}

/// Waits until `condition` is true.
pub(super) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let (_sender, never) = channel::<()>();
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        assert!(never.recv_timeout(Duration::from_millis(5)).is_err());
    }
}

/// Not a test of its own: the program.
#[test]
#[allow(clippy::exit, reason = "nothing of the test framework may come behind the output")]
fn child_program() {
    let Ok(mode) = std::env::var(MODE) else { return };
    let mut output = io::stdout();
    write!(output, "{START}").unwrap();
    output.flush().unwrap();
    std::process::exit(act(&mode));
}

fn act(mode: &str) -> i32 {
    let mut output = io::stdout();
    match mode {
        "hello" => {
            let socket = std::env::var("Inetd_SOCK").unwrap();
            let peer = std::env::var("REMOTE_HOST").unwrap();
            // SAFETY: gives a handle that the process owns as a whole.
            let stdin = unsafe {
                windows_sys::Win32::System::Console::GetStdHandle(
                    windows_sys::Win32::System::Console::STD_INPUT_HANDLE,
                )
            };
            let same = stdin.addr().to_string() == socket;
            let (here, folder) = (std::env::current_dir().unwrap(), std::env::temp_dir());
            let folder = here.components().eq(folder.components());
            write!(output, "peer {peer}, socket is stdin: {same}, in its folder: {folder}")
                .unwrap();
        }
        "echo" => drop(io::copy(&mut io::stdin(), &mut output).unwrap()),
        "arguments" => {
            for argument in std::env::args().skip_while(|argument| argument != "--").skip(1) {
                write!(output, "[{argument}]").unwrap();
            }
        }
        "stderr" => eprint!("{START}to standard error\nwithout an end of line"),
        "exit" => return 300,
        "still active" => return STILL_ACTIVE,
        "sleep" => loop {
            std::thread::park();
        },
        "leave" => {
            let process = start_sleeper();
            write!(output, "left {process}").unwrap();
        }
        "serve" => {
            // SAFETY: the listener that was passed; see `own_socket`.
            let listener = unsafe { std::net::TcpListener::from_raw_socket(own_socket()) };
            for _ in 0..2 {
                let (mut client, _) = listener.accept().unwrap();
                write!(client, "{START}served by the program").unwrap();
            }
        }
        other => panic!("unknown mode {other}"),
    }
    output.flush().unwrap();
    0
}

/// A process that only the job can end.
fn start_sleeper() -> u32 {
    let executable = std::env::current_exe().unwrap();
    let argv: Vec<OsString> =
        [executable.clone().into_os_string()].into_iter().chain(test_arguments()).collect();
    let environment =
        format!("SystemRoot={}\0{MODE}=sleep\0\0", std::env::var("SystemRoot").unwrap());
    let environment: Vec<u16> = environment.encode_utf16().collect();
    create(Order {
        application: &wide(executable.as_os_str()).unwrap(),
        command_line: quote::program(&argv).unwrap(),
        environment: Some(&environment),
        directory: None,
        stdio: None,
        console: None,
        held: None,
        token: None,
        job: None,
        flags: CREATE_NO_WINDOW,
    })
    .unwrap()
    .id
}

/// The socket in `Inetd_SOCK`. Windows would let us use it as it is; Wine wants it registered.
fn own_socket() -> u64 {
    super::startup::start_sockets().unwrap();
    let socket: SOCKET = std::env::var("Inetd_SOCK").unwrap().parse().unwrap();
    let mut information = WSAPROTOCOL_INFOW::default();
    // SAFETY: takes nothing.
    let process = unsafe { GetCurrentProcessId() };
    // SAFETY: the pointer is valid for the call.
    assert_eq!(unsafe { WSADuplicateSocketW(socket, process, &raw mut information) }, 0);
    // SAFETY: the description that the line above gave; null is not used with -1.
    let copy = unsafe { WSASocketW(-1, -1, -1, ptr::from_ref(&information), 0, 0) };
    assert_ne!(copy, INVALID_SOCKET);
    copy as u64
}
