//! The control endpoint: HTTP/1.1 with JSON over a Unix socket or a named pipe. `inetd status`,
//! `sessions`, `top`, `reload`, `drain`, `resume`, `kill`, `resize` and `stop` are its clients, as
//! `curl --unix-socket` can be. docs/control.md describes every route.

pub mod client;
mod route;
pub mod server;
pub mod status;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use self::status::{ServiceStatus, SessionStatus, Sessions, Status};
use crate::session::SessionId;

/// What a client asks of the supervisor.
#[derive(Debug)]
pub struct Command {
    /// What.
    pub action: Action,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Reply>,
}

/// An action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Describe the daemon.
    Status,
    /// List the sessions.
    Sessions,
    /// Read the configuration again.
    Reload,
    /// End; a second time: at once.
    Stop,
    /// Let nobody new into a service.
    Drain(String),
    /// Let connections into a service again.
    Resume(String),
    /// Stop a session; a second time: kill it.
    Kill(SessionId),
    /// Change the size of a session's terminal.
    Resize(SessionId, Size),
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Characters in a line.
    pub columns: u32,
    /// Lines.
    pub rows: u32,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.columns, self.rows)
    }
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let size = text.split_once('x').and_then(|(columns, rows)| {
            Some(Self { columns: columns.parse().ok()?, rows: rows.parse().ok()? })
        });
        size.ok_or("write columns and rows with an x between them, for example 132x50")
    }
}

/// An answer.
#[derive(Debug)]
pub enum Reply {
    /// It is done, or under way.
    Done,
    /// The daemon.
    Status(Status),
    /// The sessions.
    Sessions(Sessions),
    /// The service, as it is now.
    Service(ServiceStatus),
    /// The session, as it is now.
    Session(SessionStatus),
    /// It is about something that does not exist, with a text for people.
    NotFound(String),
    /// It was not done, with a text for people.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_two_numbers() {
        assert_eq!("132x50".parse(), Ok(Size { columns: 132, rows: 50 }));
        assert_eq!(Size { columns: 80, rows: 24 }.to_string(), "80x24");
        for bad in ["", "x", "80", "80x", "x24", "80x24x2", "-1x24", "80 x 24", "80x99999999999"] {
            assert!(bad.parse::<Size>().unwrap_err().contains("132x50"), "{bad}");
        }
    }
}
