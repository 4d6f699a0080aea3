//! Why a connection was turned away.

use std::fmt;

/// A reason; its text form is the `reason` of REFUSE records. Those that xinetd has, too, have
/// its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The service drains: nobody new comes in.
    Draining,
    /// The peer has touched a sensor, here or elsewhere.
    Sensor,
    /// `allow` and `deny` do not let the peer in.
    Address,
    /// hosts.allow and hosts.deny do not let the peer in.
    Wrappers,
    /// It is not the time: `access_times`.
    Time,
    /// The daemon has `max_sessions` sessions.
    DaemonLimit,
    /// The service has `max_sessions` sessions.
    ServiceLimit,
    /// The source has `max_per_source` sessions.
    SourceLimit,
    /// The peer's machine does not tell its user: `identify`.
    NoId,
    /// The service has more connections than `rate`.
    Rate,
    /// The source has more connections than `rate_per_source`.
    SourceRate,
    /// The machine is busier than `max_load`.
    Load,
    /// The program could not be started a moment ago. Listeners rest then; who is asked for by the
    /// name of the service (tcpmux) is turned away.
    Paused,
}

impl Refusal {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Self; 13] = [
        Self::Draining,
        Self::Sensor,
        Self::Address,
        Self::Wrappers,
        Self::Time,
        Self::DaemonLimit,
        Self::ServiceLimit,
        Self::SourceLimit,
        Self::NoId,
        Self::Rate,
        Self::SourceRate,
        Self::Load,
        Self::Paused,
    ];
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draining => "draining",
            Self::Sensor => "sensor",
            Self::Address => "address",
            Self::Wrappers => "libwrap",
            Self::Time => "time",
            Self::DaemonLimit => "process_limit",
            Self::ServiceLimit => "service_limit",
            Self::SourceLimit => "per_source_limit",
            Self::NoId => "noid",
            Self::Rate => "cps",
            Self::SourceRate => "per_source_cps",
            Self::Load => "load",
            Self::Paused => "paused",
        })
    }
}
