//! Facilities of syslog: what kind of program a message comes from (RFC 3164, section 4.1.1). Whoever
//! reads the log sorts by them.

/// A facility.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility {
    /// Its name in configurations (syslog(3) without `LOG_`, in lower case).
    pub name: &'static str,
    /// Its number.
    pub number: u8,
}

/// "System daemons": the one that is used if nothing else is said.
pub const DAEMON: Facility = facility("daemon", 3);

/// Those that a program may use; that of the kernel is its own.
pub const ALL: [Facility; 18] = [
    DAEMON,
    facility("auth", 4),
    facility("authpriv", 10),
    facility("user", 1),
    facility("mail", 2),
    facility("lpr", 6),
    facility("news", 7),
    facility("uucp", 8),
    facility("cron", 9),
    facility("ftp", 11),
    facility("local0", 16),
    facility("local1", 17),
    facility("local2", 18),
    facility("local3", 19),
    facility("local4", 20),
    facility("local5", 21),
    facility("local6", 22),
    facility("local7", 23),
];

/// A facility by its name, in whatever case.
pub fn named(name: &str) -> Option<Facility> {
    ALL.into_iter().find(|facility| facility.name.eq_ignore_ascii_case(name))
}

const fn facility(name: &'static str, number: u8) -> Facility {
    Facility { name, number }
}
