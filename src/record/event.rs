//! The numbered events of the log. The numbers and texts are a contract: filters, alerts and the
//! Windows Event Log rely on them, so a number is never given to another event.
//! `docs/events.md` tells what each means and what to do.

/// How important an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The daemon cannot do its work.
    Error,
    /// Somebody should look.
    Warn,
    /// The life of the daemon and of its sessions.
    Info,
    /// What peers can cause at will, and details.
    Debug,
}

impl Level {
    /// The word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }
}

/// Something that the log tells of. What is special about one occurrence is in the fields.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number, as `event_id` in JSON and in the Event Log.
    pub id: u16,
    /// How important it is.
    pub level: Level,
    /// What the line says in front of the fields. It never holds anything variable.
    pub text: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
}

macro_rules! events {
    ($(#[doc = $meaning:literal] $name:ident = $id:literal $level:ident $text:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $name: &Event = &Event {
                id: $id,
                level: Level::$level,
                text: $text,
                meaning: $meaning.trim_ascii(),
            };
        )*

        /// Every event, in the order of the numbers.
        pub const ALL: &[&Event] = &[$($name),*];
    };
}

// 1000 the life of the daemon, 2000 listeners, 3000 sessions, 4000 the configuration,
// 5000 security, 6000 anything else.
#[rustfmt::skip]
events! {
    /// The daemon runs. Its listeners are bound, or tried again.
    STARTED = 1000 Info "Started";
    /// The daemon was asked to end. It accepts nothing any more; sessions get their `stop_timeout`.
    STOPPING = 1001 Info "Stopping";
    /// The daemon has ended.
    STOPPED = 1002 Info "Stopped";
    /// The daemon was asked to end a second time.
    STOPPING_NOW = 1003 Warn "Asked to stop again: sessions are killed";
    /// The daemon has not started, or has ended, because of an error.
    ENDED_BY_ERROR = 1004 Error "Ended because of an error";
    /// A fault in inetd itself. It goes on with everything else.
    INTERNAL_FAULT = 1005 Error "Internal fault";
    /// One of the threads that accept connections has ended.
    CANNOT_WAIT = 1006 Error "Cannot wait for connections any more";

    /// An address is in use or not there yet. It is tried again.
    CANNOT_LISTEN = 2001 Warn "Cannot listen yet";
    /// A connection cannot be accepted because descriptors or memory are used up. It waits.
    CANNOT_ACCEPT_NOW = 2002 Warn "Cannot accept now";
    /// A listener does not work. It is tried again, with longer and longer pauses.
    CANNOT_ACCEPT = 2003 Error "Cannot accept";
    /// A changed setting could not be given to a listener that is open.
    CANNOT_RETUNE = 2004 Warn "Cannot change a listener";
    /// The service manager has passed something that is no listening socket, or cannot be used.
    UNUSABLE_SOCKET = 2005 Warn "Cannot use a socket from the service manager";
    /// The service manager has passed a socket on an address where no service listens.
    UNCLAIMED_SOCKET = 2006 Warn "Closed a socket from the service manager that belongs to no service";
    /// Somebody has asked for it: nobody new comes into the service, its sessions go on.
    DRAINING = 2007 Info "Draining";
    /// Somebody has asked for it: the service lets connections in again.
    RESUMED = 2008 Info "Resumed";
    /// More connections have come than the service's `rate`. Those that come now wait.
    RATE_EXCEEDED = 2009 Warn "Connections come too fast, the service pauses";
    /// A network filter of this machine gives sockets that are no files: `io = "pipe"` is used instead.
    NO_FILES = 2015 Warn "Connections cannot be standard input and are relayed";
    /// rpcbind knows the ports of RPC services. It does not say that of those that it knew before.
    RPC_REGISTERED = 2020 Info "Registered with rpcbind";
    /// rpcbind does not answer, so that clients cannot find RPC services. It is tried again.
    NO_RPCBIND = 2021 Warn "Cannot reach rpcbind";
    /// rpcbind has not taken the port of a service: it belongs to somebody else.
    RPC_REFUSED = 2022 Warn "Cannot register with rpcbind";

    /// A program runs for a connection, or for a listener with `wait = true`.
    START = 3001 Info "START";
    /// A program has ended, its tree is gone, its slot is free.
    EXIT = 3002 Info "EXIT";
    /// A connection was turned away.
    REFUSE = 3003 Info "REFUSE";
    /// A program could not be started.
    FAIL = 3004 Warn "FAIL";
    /// A line that a program has written to standard error.
    STDERR = 3005 Info "STDERR";
    /// A program writes more lines to standard error than the log takes.
    STDERR_LOST = 3006 Warn "STDERR lines lost, the program writes too many";
    /// The standard error of a program cannot be read.
    STDERR_UNREADABLE = 3007 Warn "Cannot read standard error of a program";
    /// The end of a program could not be watched for, because descriptors or memory are used up.
    UNWATCHED = 3008 Error "Stopped a program because its end could not be watched for";
    /// A program ended with 0xC0000142 before it ran: it found no room on, or no way to, its desktop.
    DESKTOP_HEAP = 3009 Warn "A program could not load: the desktop heap is used up";
    /// No byte has moved for `idle_timeout`. The program is asked to stop.
    IDLE = 3010 Info "Stopping an idle session";
    /// A connection cannot be relayed, because descriptors or memory are used up.
    CANNOT_RELAY = 3011 Warn "Cannot relay a connection";
    /// The server that a service forwards to does not answer. The connection is closed.
    CANNOT_FORWARD = 3012 Warn "Cannot forward a connection";

    /// The configuration was read again and is in force.
    RELOADED = 4001 Info "Reloaded";
    /// The configuration was read again and has errors, or cannot be put into force.
    NOT_RELOADED = 4002 Error "Not reloaded, everything stays as it was";
    /// The configuration can be used, but something in it is odd.
    CONFIG_WARNINGS = 4003 Warn "The configuration has warnings: inetd check";
    /// An error of the configuration at start.
    CONFIG_ERROR = 4004 Error "Error in the configuration";
    /// Something odd in the configuration at start.
    CONFIG_WARNING = 4005 Warn "Warning of the configuration";
    /// A reload has found another `control`, which it cannot change.
    CONTROL_UNCHANGED = 4006 Warn "The control endpoint changes only when the daemon is started again";
    /// Somebody asked an `inetd serve` to reload.
    NOTHING_TO_RELOAD = 4007 Warn "This daemon has no configuration file: there is nothing to reload";
    /// A file of rules (`access`, `tcp_wrappers`) says something else than before, and that holds now.
    RULES_READ = 4008 Info "Read changed rules";
    /// A file of rules cannot be read, or not in time, or cannot be used. What it said before still holds, and it is tried again with later connections.
    RULES_UNUSABLE = 4009 Error "Changed rules cannot be used, the old ones hold";

    /// Everybody can change a file of the configuration, or replace it in its folder, and so run any program with the rights of the daemon.
    OPEN_CONFIG = 5001 Warn "Everybody can change the configuration";
    /// Everybody can change a program, or replace it in its folder, and so do what the service may do.
    OPEN_PROGRAM = 5002 Warn "Everybody can change a program";

    /// Lines came faster than they could be written, and some were dropped.
    LOG_LOST = 6001 Warn "The log could not keep up and lost lines";
    /// The log cannot be written where it should be. Until it can, it goes to standard error.
    LOG_TARGET_FAILS = 6002 Warn "The log target does not work";
    /// The log is written where it should be again.
    LOG_TARGET_BACK = 6003 Info "The log target works again";
    /// The service cannot report to the Event Log. Its log file has everything.
    NO_EVENT_LOG = 6004 Warn "Nothing is reported to the Event Log";
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANUAL: &str = include_str!("../../docs/events.md");

    #[test]
    fn numbers_ascend_within_their_ranges_and_texts_are_unique() {
        for pair in ALL.windows(2) {
            assert!(pair[0].id < pair[1].id, "{} and {}", pair[0].text, pair[1].text);
        }
        for event in ALL {
            assert!((1000..7000).contains(&event.id), "{}", event.text);
            assert!(event.text.starts_with(|c: char| c.is_ascii_uppercase()), "{}", event.text);
            assert_eq!(ALL.iter().filter(|other| other.text == event.text).count(), 1);
        }
    }

    /// `| 1000 | INFO | Started | meaning | what to do |`
    #[test]
    fn the_documentation_lists_exactly_these_events() {
        let rows = MANUAL.lines().filter(|line| {
            line.strip_prefix("| ").is_some_and(|row| row.starts_with(|c: char| c.is_ascii_digit()))
        });
        let rows: Vec<Vec<&str>> = rows
            .map(|row| row.trim_matches(['|', ' ']).split('|').map(str::trim).collect())
            .collect();
        for (event, row) in ALL.iter().zip(&rows) {
            let expected = [&event.id.to_string(), event.level.as_str(), event.text, event.meaning];
            assert_eq!(row[..row.len().min(4)], expected, "docs/events.md");
            assert!(row.len() == 5 && !row[4].is_empty(), "{}: what to do", event.text);
        }
        assert_eq!(rows.len(), ALL.len(), "rows of docs/events.md");
    }
}
