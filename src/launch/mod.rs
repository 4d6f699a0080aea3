//! Starting the program of a service. This is the only way to a process; it needs a [`Request`],
//! which is plain data, and knows nothing of listeners, admission or sessions.

pub mod environment;
pub mod variables;

use std::cell::RefCell;

use self::environment::Facts;
use self::variables::Variables;
use crate::config::Io;
use crate::service::{Startable, StderrTo};
use crate::sys::pipe;
use crate::sys::process::Child;
use crate::sys::socket::{Connection, ListenSocket};
use crate::sys::spawn::{Stdio, spawn};
use crate::sys::stdio::{Output, PipeReader};
use crate::sys::terminal::{self, Terminal};
use crate::sys::{SpawnError, SpawnStage};

/// What to start, and on what.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The service's program.
    pub program: &'a Startable,
    /// What the program is for.
    pub on: On<'a>,
    /// What the program is told about its connection.
    pub facts: Facts<'a>,
}

/// What a program is started on.
#[derive(Clone, Copy, Debug)]
pub enum On<'a> {
    /// A connection. The service's `io` says what the program gets of it.
    Connection(&'a Connection),
    /// The datagrams of one peer, which it reads and writes one by one.
    Datagrams,
    /// A listening socket.
    Listener(&'a ListenSocket),
}

/// Our end of the standard input and output of a program that has not got the connection itself.
#[derive(Debug)]
pub enum OurEnd {
    /// Of a pipe.
    Pipe(pipe::OurEnd),
    /// Of a terminal.
    Terminal(terminal::OurEnd),
}

impl OurEnd {
    /// The terminal, if it is one.
    pub fn terminal(&self) -> Option<Terminal> {
        match self {
            Self::Pipe(_) => None,
            Self::Terminal(end) => Some(end.terminal()),
        }
    }
}

/// A program that runs.
#[derive(Debug)]
pub struct Launched {
    /// The program.
    pub child: Child,
    /// The other end of its standard error, if that goes to the log.
    pub stderr: Option<PipeReader>,
    /// The other end of its standard input and output, if they are relayed.
    pub relayed: Option<OurEnd>,
}

/// Starts a program. The calling thread waits until the program is loaded.
///
/// # Errors
/// The step that failed; nothing is left of the program then.
pub fn launch(request: Request<'_>) -> Result<Launched, SpawnError> {
    thread_local! {
        /// Memory that every start on this thread uses again.
        static VARIABLES: RefCell<Variables> = RefCell::default();
    }
    let stdio_failed = |error| SpawnError { stage: SpawnStage::Stdio, error };
    let (reader, pipe) = match &request.program.stderr {
        StderrTo::Log => {
            let (reader, pipe) = Output::pipe().map_err(stdio_failed)?;
            (Some(reader), Some(pipe))
        }
        StderrTo::Socket | StderrTo::Output(_) => (None, None),
    };
    let stderr = match &request.program.stderr {
        StderrTo::Output(output) => Some(output),
        StderrTo::Log | StderrTo::Socket => pipe.as_ref(),
    };
    let start = |stdio| {
        VARIABLES.with_borrow_mut(|variables| {
            request.facts.describe(variables);
            spawn(&request.program.prepared, stdio, stderr, variables)
        })
    };
    let (child, relayed) = match (request.on, request.program.io) {
        (On::Listener(listener), _) => (start(Stdio::Listener(listener))?, None),
        (On::Datagrams, _) => {
            let (theirs, ours) = pipe::messages().map_err(stdio_failed)?;
            (start(Stdio::Pipe(&theirs))?, Some(OurEnd::Pipe(ours)))
        }
        (On::Connection(connection), Io::Socket) if connection.is_file() => {
            (start(Stdio::Connection(connection))?, None)
        }
        (On::Connection(_), Io::Socket | Io::Pipe) => {
            let (theirs, ours) = pipe::pair().map_err(stdio_failed)?;
            (start(Stdio::Pipe(&theirs))?, Some(OurEnd::Pipe(ours)))
        }
        (On::Connection(_), Io::Pty) => {
            let (theirs, ours) = terminal::open(&request.program.prepared).map_err(stdio_failed)?;
            (start(Stdio::Terminal(&theirs))?, Some(OurEnd::Terminal(ours)))
        }
    };
    Ok(Launched { child, stderr: reader, relayed })
}
