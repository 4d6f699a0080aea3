//! What every scenario needs: a daemon in a folder of its own, clients with a deadline, and
//! programs to serve. Nothing here knows a scenario.

mod client;
mod daemon;
mod lines;
mod ports;
mod process;
mod programs;
mod record;
mod start;
#[cfg(unix)]
pub mod unix;

use std::path::Path;
use std::time::{Duration, Instant};

pub use client::{Client, Generated, Lifeline, checksum};
pub use daemon::Daemon;
pub use ports::own_port;
pub use process::{Finished, Process, command, inetd};
#[cfg(unix)]
pub use programs::preload;
pub use programs::{example, probe, tool};
pub use start::Start;

/// Whether the binary under test is a Windows program that runs under Wine.
pub fn wine() -> bool {
    std::env::var_os("INETD_WINE").is_some_and(|value| value == "1")
}

/// Whether the binary under test is a Windows program.
pub fn on_windows() -> bool {
    cfg!(windows) || wine()
}

/// Tells why a test is left out on this machine.
///
/// # Panics
/// With `CI` set: there a test that does not run is a test that fails.
pub fn left_out(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    println!("left out: {why}");
}

/// How long anything may take that happens at once on an idle machine. `INETD_DEADLINE` sets other
/// seconds.
pub fn deadline() -> Duration {
    let wanted = std::env::var("INETD_DEADLINE").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(wanted.unwrap_or(if wine() { 120 } else { 60 }))
}

/// Waits until `condition` holds. Only for what gives no event: the exit of a process (the
/// standard library cannot wait for it with a deadline), files, and what `/proc` shows.
///
/// # Panics
/// After the deadline, with `what` was waited for.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + deadline();
    while !condition() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        pause();
    }
}

/// Waits until one of `items` fulfils the condition, and gives its place.
#[track_caller]
pub fn position_when<T>(items: &[T], condition: impl Fn(&T) -> bool) -> usize {
    let mut position = None;
    wait_until("one of several", || {
        position = items.iter().position(&condition);
        position.is_some()
    });
    position.unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "the one poll loop of the tests: see wait_until")]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

/// Lets everybody change a file.
pub fn open_to_everybody(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).unwrap();
    }
    #[cfg(windows)]
    {
        let mut icacls = std::process::Command::new("icacls");
        let status = icacls.arg(path).args(["/grant", "*S-1-1-0:M"]).status().unwrap();
        assert!(status.success());
    }
}

/// A path as the binary under test writes it.
pub fn native(path: &Path) -> String {
    let path = path.display().to_string();
    if wine() { format!("Z:{}", path.replace('/', "\\")) } else { path }
}

/// A list of strings as TOML. Literal strings, so that backslashes stay as they are.
pub fn toml_list(words: &[impl AsRef<str>]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("'{}'", word.as_ref())).collect();
    format!("[{}]", words.join(", "))
}

/// The TOML of a service on a free port of this machine. `keys` are further lines; a `listen`
/// among them replaces the port.
pub fn service(name: &str, run: &[String], keys: &str) -> String {
    let listen = if keys.contains("listen =") { "" } else { "listen = '127.0.0.1:0'\n" };
    format!("[service.{name}]\n{listen}run = {}\n{keys}\n", toml_list(run))
}
