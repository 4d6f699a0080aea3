//! A program that a service runs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use crate::sys::identity::Identity;

/// A program and how it is started.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Absolute path of the executable, found at load.
    pub path: PathBuf,
    /// The arguments; the first is the program's name for itself.
    pub argv: Vec<OsString>,
    /// The whole environment apart from the facts of the connection. Services with equal
    /// environments share one.
    pub environment: Arc<Vec<(OsString, OsString)>>,
    /// Working directory.
    pub cwd: PathBuf,
    /// Run as somebody else; `None` is the daemon's own user.
    pub identity: Option<Identity>,
    /// With the user's profile loaded (Windows).
    pub profile: bool,
    /// With as few rights as possible (Windows).
    pub restrict: bool,
    /// File mode creation mask (Unix).
    pub umask: u32,
    /// Scheduling priority, -20 to 19 (Unix).
    pub nice: Option<i32>,
    /// Resource limits.
    pub limits: Vec<Limit>,
    /// What happens to processes that the program leaves behind.
    pub tree: Tree,
    /// What standard input and output are.
    pub io: Io,
    /// Where standard error goes.
    pub stderr: Stderr,
}

/// `io`: what the standard input and output of a program are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    /// The connection itself.
    Socket,
    /// A pipe; the daemon relays.
    Pipe,
    /// A terminal; the daemon relays.
    Pty,
}

impl Io {
    /// The word for it in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Pipe => "pipe",
            Self::Pty => "pty",
        }
    }
}

/// `tree`: what happens to processes that a program left behind when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    /// They are killed, and the session lasts until they are gone.
    Kill,
    /// They go on, and the session ends with the program.
    Leave,
}

/// `stderr`: where the standard error of a program goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stderr {
    /// To the peer, as standard output does.
    Socket,
    /// To the daemon's log, line by line, each with service, session and pid.
    Log,
    /// Nowhere.
    Null,
    /// Appended to a file.
    File(PathBuf),
}

/// One resource limit of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is limited.
    pub resource: Resource,
    /// The limit in the resource's unit; `None` is unlimited.
    pub value: Option<u64>,
}

/// A resource that `limits` can name. The first group is of setrlimit(2), the second of
/// Windows job objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `as`: address space in bytes.
    AddressSpace,
    /// `core`: size of a core file in bytes.
    Core,
    /// `cpu`: processor time in seconds.
    Cpu,
    /// `data`: data segment in bytes.
    Data,
    /// `fsize`: size of a written file in bytes.
    FileSize,
    /// `nofile`: number of descriptors.
    Files,
    /// `nproc`: number of the user's processes.
    Processes,
    /// `stack`: stack in bytes.
    Stack,
    /// `memory`: committed memory of the whole session in bytes (Windows).
    JobMemory,
    /// `processes`: processes of the session at a time (Windows).
    JobProcesses,
    /// `cpu_percent`: share of all processors (Windows).
    JobCpuPercent,
}
