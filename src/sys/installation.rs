//! inetd as a service of the system: what is installed, how it does, what can go wrong with that.

use std::path::PathBuf;

use crate::sys::identity::Identity;
use crate::sys::service;

/// The service of the system, as it is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Its command line, as it was registered.
    pub command: String,
    /// Who it runs as; `None` may do everything.
    pub account: Option<Identity>,
    /// Whether it starts at boot.
    pub at_boot: bool,
    /// Whether it runs.
    pub running: bool,
}

/// What is installed as a service of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Our own executable.
    pub executable: PathBuf,
    /// The absolute path of the configuration.
    pub config: PathBuf,
    /// The format of the configuration, if its name does not tell.
    pub format: Option<String>,
    /// Who the daemon runs as; `None` is the system's best choice.
    pub account: Option<String>,
    /// When it starts; `None` is what is usual on the system.
    pub start: Option<StartMode>,
    /// Other users that services of the configuration run as.
    pub users: Vec<Identity>,
    /// Whether one of them does so with its profile loaded (Windows).
    pub profiles: bool,
}

/// When a service of the system starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartMode {
    /// At boot.
    Auto,
    /// After everything that has to be there first.
    Delayed,
    /// When somebody starts it.
    Manual,
}

/// How the service does, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Whether it runs.
    pub running: bool,
    /// Its state and its settings, a line each.
    pub text: String,
}

/// Why the system's service manager did not do what it should. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Only an administrator may.
    #[error("cannot {0}: permission denied ({rights})", rights = service::RIGHTS)]
    NotPermitted(&'static str),
    /// It is there.
    #[error(
        "the service is installed already: use `inetd service uninstall` first if it is to be \
         installed in another way"
    )]
    AlreadyInstalled,
    /// It is not there.
    #[error("the service is not installed: use `inetd service install`")]
    NotInstalled,
    /// Nobody has this name.
    #[error("there is no account `{0}` on this system: name another one with --account")]
    UnknownAccount(String),
    /// Anything else that has a remedy of its own.
    #[error("{0}")]
    Refused(String),
    /// What the system said.
    #[error("cannot {0}: {1}")]
    System(&'static str, #[source] std::io::Error),
}
