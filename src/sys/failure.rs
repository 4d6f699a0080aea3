//! What failed, and what that means: accepting, binding, preparing and starting a program.

use crate::config::keys::Key;
use crate::sys::spawn;

/// How a failed accept is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptFailure {
    /// Nothing is waiting.
    Empty,
    /// That peer is gone already; the next one may be fine.
    PeerGone,
    /// Descriptors or memory are used up: pause and come back.
    Resources,
    /// The listener itself is broken: tell somebody.
    Broken,
}

/// How a failed bind is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindFailure {
    /// The address is in use, or no interface has it yet: try again later.
    Later,
    /// It will not work: a start-up error.
    Final,
}

/// A program could not be prepared.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct PrepareError {
    /// The key of the service that it is about, if there is one.
    pub key: Option<Key>,
    /// What is wrong.
    #[source]
    pub error: std::io::Error,
}

impl From<std::io::Error> for PrepareError {
    fn from(error: std::io::Error) -> Self {
        Self { key: None, error }
    }
}

/// A program could not be started.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", .stage.as_str())]
pub struct SpawnError {
    /// The step that failed.
    pub stage: SpawnStage,
    /// What the system said.
    #[source]
    pub error: std::io::Error,
}

impl SpawnError {
    /// Whether the same start may work a little later: descriptors, memory or processes are used
    /// up, which is not the program's fault.
    pub fn is_temporary(&self) -> bool {
        matches!(self.stage, SpawnStage::Process | SpawnStage::Stdio)
            && spawn::is_temporary(&self.error)
    }
}

/// A step of starting a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpawnStage {
    /// Making a process and its group or job.
    Process,
    /// Connecting its standard input, output and error.
    Stdio,
    /// Setting resource limits.
    Limits,
    /// Setting the priority.
    Nice,
    /// Becoming the user.
    Identity,
    /// Going to the working directory.
    Directory,
    /// Running the executable.
    Exec,
}

impl SpawnStage {
    /// What was tried, for a message.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "cannot make a process",
            Self::Stdio => "cannot connect its standard input and output",
            Self::Limits => "cannot set its resource limits",
            Self::Nice => "cannot set its priority",
            Self::Identity => "cannot become its user",
            Self::Directory => "cannot go to its working directory",
            Self::Exec => "cannot run the program",
        }
    }
}
