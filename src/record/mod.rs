//! What is written about sessions: one START, one EXIT, or one REFUSE or FAIL line each. The
//! format of these lines is in this file and nowhere else.

pub mod announce;
pub mod batch;
pub mod event;
pub mod facility;
pub mod file;
pub mod format;
pub mod log;
pub mod sink;
pub mod throttle;

use std::time::{Duration, Instant};

use self::event::Event;
use self::log::{Field, Log, Value};
use self::throttle::Throttle;
use crate::admission::Refusal;
use crate::admission::rate::Rate;
use crate::admission::tables::watched::Look;
use crate::config::Target;
use crate::listener::endpoint::Address;
use crate::session::SessionId;
use crate::sys::{ExitStatus, SpawnError};

/// Writes the records.
#[derive(Debug)]
pub struct Recorder {
    log: Log,
    refusals: Throttle,
    failures: Throttle,
    accepts: Throttle,
    desktop_heap: Throttle,
    pauses: Throttle,
}

/// What all records of a session say.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The service's name.
    pub service: &'a str,
    /// The session, once there is one.
    pub session: Option<SessionId>,
    /// The peer; none for a `wait` server.
    pub peer: Option<&'a Address>,
    /// The user there, if its machine has told one.
    pub user: Option<&'a str>,
    /// The program's process id, once it runs.
    pub pid: Option<u32>,
}

impl<'a> Subject<'a> {
    /// A service as a whole.
    pub fn of(service: &'a str) -> Self {
        Self { service, session: None, peer: None, user: None, pid: None }
    }
}

impl Recorder {
    /// A recorder that writes to `log`.
    pub fn new(log: Log) -> Self {
        Self {
            log,
            refusals: Throttle::new(100, 20),
            failures: Throttle::new(20, 2),
            accepts: Throttle::new(5, 1),
            desktop_heap: Throttle::new(2, 1),
            pauses: Throttle::new(20, 1),
        }
    }

    /// The log behind it.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// A program runs.
    pub fn start(&self, subject: Subject<'_>) {
        self.write(event::START, subject, &[]);
    }

    /// A session has ended and its slot is free.
    pub fn exit(&self, subject: Subject<'_>, status: ExitStatus, duration: Duration) {
        let duration = ("duration", Value::Seconds(duration));
        let status = match status {
            ExitStatus::Code(code) => ("status", Value::Number(code.into())),
            ExitStatus::Signal(signal) => ("signal", Value::Number(signal.unsigned_abs().into())),
            ExitStatus::Unknown => ("status", Value::Text(&"unknown")),
        };
        self.write(event::EXIT, subject, &[status, duration]);
    }

    /// No byte of a relayed session has moved for a long time.
    pub fn idle(&self, subject: Subject<'_>) {
        self.write(event::IDLE, subject, &[]);
    }

    /// The connection of a session cannot be relayed.
    pub fn cannot_relay(&self, subject: Subject<'_>, error: &std::io::Error) {
        let error = ("error", Value::Text(error));
        self.limited(&self.accepts, event::CANNOT_RELAY, subject, &[error]);
    }

    /// The server of a service that forwards cannot be reached.
    pub fn cannot_forward(&self, subject: Subject<'_>, to: &Target, error: &std::io::Error) {
        let why = format!("{to}: {error}");
        self.limited(
            &self.accepts,
            event::CANNOT_FORWARD,
            subject,
            &[("error", Value::Text(&why))],
        );
    }

    /// A connection was turned away.
    pub fn refuse(&self, subject: Subject<'_>, refusal: Refusal) {
        let reason = ("reason", Value::Text(&refusal));
        self.limited(&self.refusals, event::REFUSE, subject, &[reason]);
    }

    /// A service pauses because more connections have come than its `rate`.
    pub fn too_fast(&self, subject: Subject<'_>, rate: Rate, pause: Duration) {
        let fields = [("rate", Value::Text(&rate)), ("pause", Value::Seconds(pause))];
        self.limited(&self.pauses, event::RATE_EXCEEDED, subject, &fields);
    }

    /// Files of rules were looked at, and something was found.
    pub fn looked(&self, look: &Look) {
        let (event, found) = match look {
            Look::New(found) => (event::RULES_READ, found),
            Look::Failed(found) => (event::RULES_UNUSABLE, found),
        };
        let mut fields = vec![("file", Value::Text(&found.place))];
        fields.extend(found.remark.as_ref().map(|remark| ("remark", Value::Text(remark))));
        if self.pauses.pass(Instant::now()).is_some() {
            self.log.event(event, &fields);
        }
    }

    /// A program could not be started.
    pub fn fail(&self, subject: Subject<'_>, error: &SpawnError, program: &std::path::Path) {
        let text = format!("{error} ({})", program.display());
        self.limited(&self.failures, event::FAIL, subject, &[("error", Value::Text(&text))]);
    }

    /// A program has ended because it found no room on its desktop.
    pub fn desktop_heap(&self, subject: Subject<'_>) {
        let help = "allow fewer sessions (max_sessions), or enlarge the third number of \
                    SharedSection, in the value Windows of HKLM\\SYSTEM\\CurrentControlSet\\Control\\\
                    Session Manager\\SubSystems, and restart Windows";
        self.limited(
            &self.desktop_heap,
            event::DESKTOP_HEAP,
            subject,
            &[("help", Value::Text(&help))],
        );
    }

    /// A listener could not accept.
    pub fn accept_error(
        &self,
        event: &'static Event,
        subject: Subject<'_>,
        error: &std::io::Error,
    ) {
        let error = ("error", Value::Text(error));
        self.limited(&self.accepts, event, subject, &[error]);
    }

    fn limited(
        &self,
        throttle: &Throttle,
        event: &'static Event,
        subject: Subject<'_>,
        fields: &[Field<'_>],
    ) {
        if let Some(suppressed) = throttle.pass(Instant::now()) {
            self.write_counting(event, subject, fields, suppressed);
        }
    }

    fn write(&self, event: &'static Event, subject: Subject<'_>, more: &[Field<'_>]) {
        self.write_counting(event, subject, more, 0);
    }

    fn write_counting(
        &self,
        event: &'static Event,
        subject: Subject<'_>,
        more: &[Field<'_>],
        suppressed: u64,
    ) {
        let mut fields = [("", Value::Number(0)); 8];
        let mut count = 0;
        let mut add = |field| {
            fields[count] = field;
            count += 1;
        };
        add(("service", Value::Text(&subject.service)));
        if let Some(session) = subject.session {
            add(("session", Value::Number(session)));
        }
        if let Some(peer) = &subject.peer {
            add(("peer", Value::Text(peer)));
        }
        if let Some(user) = &subject.user {
            add(("user", Value::Text(user)));
        }
        if let Some(pid) = subject.pid {
            add(("pid", Value::Number(pid.into())));
        }
        more.iter().copied().for_each(&mut add);
        if suppressed > 0 {
            add(("suppressed", Value::Number(suppressed)));
        }
        self.log.event(event, &fields[..count]);
    }
}
