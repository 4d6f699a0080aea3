//! Starting the program of a service. This is the only way to a process; it needs a [`Request`],
//! which is plain data, and knows nothing of listeners, admission or sessions.

pub mod environment;
pub mod variables;

use std::cell::RefCell;

use self::environment::Facts;
use self::variables::Variables;
use crate::service::{Setup, StderrTo};
use crate::sys::process::Child;
use crate::sys::spawn::{Stdio, spawn};
use crate::sys::stdio::{Output, PipeReader};
use crate::sys::{SpawnError, SpawnStage};

/// What to start, and on what.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The service's settings.
    pub setup: &'a Setup,
    /// Standard input and output.
    pub stdio: Stdio<'a>,
    /// What the program is told about its connection.
    pub facts: Facts<'a>,
}

/// A program that runs.
#[derive(Debug)]
pub struct Launched {
    /// The program.
    pub child: Child,
    /// The other end of its standard error, if that goes to the log.
    pub stderr: Option<PipeReader>,
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
    let (reader, pipe) = match &request.setup.stderr {
        StderrTo::Log => {
            let (reader, pipe) =
                Output::pipe().map_err(|error| SpawnError { stage: SpawnStage::Stdio, error })?;
            (Some(reader), Some(pipe))
        }
        StderrTo::Socket | StderrTo::Output(_) => (None, None),
    };
    let stderr = match &request.setup.stderr {
        StderrTo::Output(output) => Some(output),
        StderrTo::Log | StderrTo::Socket => pipe.as_ref(),
    };
    let child = VARIABLES.with_borrow_mut(|variables| {
        request.facts.describe(variables);
        spawn(&request.setup.program, request.stdio, stderr, variables)
    })?;
    Ok(Launched { child, stderr: reader })
}
