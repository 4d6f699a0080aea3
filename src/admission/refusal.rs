//! Why a connection was turned away.

use std::fmt;

/// A reason; its text form is the `reason` of REFUSE records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The service has `max_sessions` sessions.
    ServiceLimit,
    /// The daemon has `max_sessions` sessions.
    DaemonLimit,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServiceLimit => "service_limit",
            Self::DaemonLimit => "daemon_limit",
        })
    }
}
