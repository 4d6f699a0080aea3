//! The control endpoint: HTTP/1.1 with JSON over a Unix socket or a named pipe. `inetd reload`,
//! `stop` and `status` are its clients, as `curl --unix-socket` can be.
//!
//! | route | meaning |
//! |---|---|
//! | `GET /v1/status` | the daemon and its services |
//! | `POST /v1/reload` | read the configuration again |
//! | `POST /v1/stop` | end, as SIGTERM does |

pub mod client;
pub mod server;
pub mod status;

use tokio::sync::oneshot;

use self::status::Status;

/// What a client asks of the supervisor.
#[derive(Debug)]
pub struct Command {
    /// What.
    pub action: Action,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Reply>,
}

/// An action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Describe the daemon.
    Status,
    /// Read the configuration again.
    Reload,
    /// End.
    Stop,
}

/// An answer.
#[derive(Debug)]
pub enum Reply {
    /// It is done, or under way.
    Done,
    /// It was not done, with a text for people.
    Failed(String),
    /// The daemon.
    Status(Status),
}
