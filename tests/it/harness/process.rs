//! One run of the binary under test.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::lines::Lines;
use super::{wait_until, wine};

/// A running process of the binary under test. It is killed on drop, with all that it started.
pub struct Process {
    child: Child,
    /// Its arguments, to tell what has failed.
    arguments: String,
    /// Standard output.
    pub out: Lines,
    /// Standard error.
    pub err: Lines,
}

/// What a process left.
pub struct Finished {
    /// Its exit code.
    pub code: i32,
    /// Its standard output, with line ends as on Unix.
    pub out: String,
    /// Its standard error, likewise.
    pub err: String,
}

impl Process {
    /// Starts `command` and reads what it writes.
    pub fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let out = Lines::of(child.stdout.take().unwrap());
        let err = Lines::of(child.stderr.take().unwrap());
        let arguments: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        Self { child, arguments: arguments.join(" "), out, err }
    }

    /// The process id; under Wine the one that Linux has given it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end and gives the exit code; -1 if a signal ended it.
    #[track_caller]
    pub fn exit_code(&mut self) -> i32 {
        let mut status = None;
        wait_until("the end of the process", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code()).unwrap_or(-1)
    }

    /// Waits for its end and gives all that it left. An error is also printed, for a test that
    /// looks at a part of that and fails.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        let code = self.exit_code();
        let text = |lines: &Lines| lines.to_end().iter().map(|line| format!("{line}\n")).collect();
        let finished = Finished { code, out: text(&self.out), err: text(&self.err) };
        if code != 0 {
            self.tell();
        }
        finished
    }

    /// Prints how it ended, and what it wrote.
    fn tell(&mut self) {
        let state = match self.child.try_wait() {
            Ok(Some(status)) => status.to_string(),
            Ok(None) => "it runs".to_owned(),
            Err(error) => error.to_string(),
        };
        println!("{}: {state}", self.arguments);
        println!("standard output:\n{}", self.out.all().join("\n"));
        println!("standard error:\n{}", self.err.all().join("\n"));
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell();
        }
        if !self.is_running() {
            return;
        }
        #[cfg(unix)]
        let descendants = super::unix::descendants(self.id());
        // Nothing can be done about a failure: it has ended just now.
        drop(self.child.kill());
        drop(self.child.wait());
        #[cfg(unix)]
        super::unix::kill(&descendants);
    }
}

/// The binary under test, ready for arguments: `prefix` is a command that runs it, if any.
pub fn command(prefix: &[&str]) -> Command {
    let binary = std::env::var_os("INETD_UNDER_TEST")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_inetd")), PathBuf::from);
    let mut words: Vec<&OsStr> = prefix.iter().map(OsStr::new).collect();
    if wine() {
        words.push(OsStr::new(concat!(env!("CARGO_MANIFEST_DIR"), "/ci/wine-run")));
    }
    words.push(binary.as_os_str());
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null());
    for name in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET"] {
        command.env_remove(name);
    }
    command
}

/// Runs the binary under test to its end.
#[track_caller]
pub fn inetd(arguments: &[&str]) -> Finished {
    let mut command = command(&[]);
    command.args(arguments);
    Process::start(command).finish()
}
