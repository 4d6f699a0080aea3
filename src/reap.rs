//! The end of a session: its tree is gone, its record is written, its slot is free, in this
//! order. And the stop ladder, which brings the end about.

use std::io;
use std::time::{Duration, Instant};

use crate::config::Tree;
use crate::front::{Front, Notice};
use crate::record::event;
use crate::record::log::Value;
use crate::relay::Program;
use crate::session::{Session, SessionId, Stage};
use crate::sys::ExitStatus;
use crate::sys::process::Child;

/// A `wait` server that ends sooner than this, with its socket still unread, has not done its work.
const TOO_SHORT: Duration = Duration::from_secs(1);

/// A session that is nothing but a relay any more, or not even that.
#[derive(Debug)]
pub struct Ended {
    session: Session,
    status: ExitStatus,
    duration: Duration,
}

/// The program of a session has ended.
pub fn program_ended(front: &Front, id: SessionId) {
    if let Some(session) = front.sessions.remove(id) {
        // Always there: the event comes when the program has ended, and once.
        conclude(front, session, |child| child.reap().unwrap_or(ExitStatus::Unknown));
    }
}

/// The end of a program cannot be watched for, because descriptors or memory are used up. Its
/// slot would be lost, so it is stopped and waited for now.
pub fn cannot_watch(front: &Front, id: SessionId, error: &io::Error) {
    let Some(session) = front.sessions.remove(id) else { return };
    let fields = [
        ("service", Value::Text(&session.service.name)),
        ("session", Value::Number(id)),
        ("error", Value::Text(error)),
    ];
    front.recorder.log().event(event::UNWATCHED, &fields);
    session.kill();
    conclude(front, session, Child::wait);
}

fn conclude(front: &Front, session: Session, reap: impl FnOnce(&Child) -> ExitStatus) {
    let status = match &session.child {
        Some(child) => {
            if session.setup.config.tree() == Tree::Kill {
                child.kill_tree();
            }
            reap(child)
        }
        None => ExitStatus::Unknown,
    };
    session.stage.advance(Stage::Ending);
    let duration = session.started.elapsed();
    let ended = Ended { session, status, duration };
    if ended.is_over() {
        ended.finish(front);
    } else {
        front.notify(Notice::Lingering(Box::new(ended)));
    }
    front.may_leave_orphans();
}

impl Ended {
    /// A session that never had a program.
    pub fn without_program(session: Session) -> Self {
        Self { session, status: ExitStatus::Code(0), duration: Duration::ZERO }
    }

    /// Whether nothing is left of the session's tree.
    pub fn is_over(&self) -> bool {
        self.session.setup.config.tree() == Tree::Leave
            || self.session.child.as_ref().is_none_or(Child::tree_is_gone)
    }

    /// The session without its program.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Ends the session, as soon as its relay is over.
    pub fn finish(self, front: &Front) {
        if let Some(relay) = &self.session.relay {
            relay.program_is(match self.session.setup.config.tree() {
                Tree::Kill => Program::Gone,
                Tree::Leave => Program::Ended,
            });
        }
        let (id, stop_timeout) = (self.session.id, self.session.setup.config.timeouts.stop);
        match front.sessions.keep(self) {
            Some(ended) => ended.conclude(front),
            // Whoever stops the daemon may not have seen it.
            None if front.is_stopping() => {
                front.notify(Notice::Deadline(id, Instant::now() + stop_timeout));
            }
            None => {}
        }
    }

    /// Writes the record and frees the slot.
    fn conclude(self, front: &Front) {
        let Self { mut session, status, duration } = self;
        if let Some(listener) = session.borrowed.take() {
            front.take_back(&listener);
            if duration < TOO_SHORT && listener.socket().is_ready() {
                session.service.back_off(Instant::now());
            } else {
                session.service.recovered();
            }
            front.arm(&listener);
        }
        front.recorder.exit(session.subject(), status, duration);
        if status.is_desktop_heap() {
            session.service.found_no_desktop();
            front.recorder.desktop_heap(session.subject());
        }
        drop(session);
    }
}

/// The relay of a session is over. Its program, if it has one, may still run.
pub fn relay_ended(front: &Front, id: SessionId) {
    if let Some(mut ended) = front.sessions.take_kept(id) {
        if ended.session.child.is_none() {
            ended.duration = ended.session.started.elapsed();
        }
        ended.conclude(front);
    }
}

/// A step of the stop ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask the program to stop (SIGTERM, CTRL_BREAK).
    Terminate,
    /// Kill it and its tree.
    Kill,
}

/// Takes a step with one session. Gives when the next one is due.
pub fn step(front: &Front, id: SessionId, step: Step) -> Option<Instant> {
    match step {
        Step::Terminate => {
            let ask = |session: &Session| {
                session.stage.advance(Stage::Stopping);
                let stopper = session.child.as_ref().and_then(|child| child.stopper().ok());
                (stopper, session.setup.config.timeouts.stop)
            };
            // Where only a relay is left there is nobody to ask.
            let ended = |session: &Session| {
                session.stage.advance(Stage::Stopping);
                (None, session.setup.config.timeouts.stop)
            };
            let sessions = &front.sessions;
            let (stopper, timeout) =
                sessions.with(id, ask).or_else(|| sessions.with_kept(id, ended))?;
            // Not under the lock of all sessions: on Windows this starts a process. Without a
            // stopper, for want of descriptors, the next step has to do.
            if let Some(stopper) = stopper {
                stopper.terminate();
            }
            Some(Instant::now() + timeout)
        }
        Step::Kill => {
            front.sessions.with(id, |session| {
                session.stage.advance(Stage::Ending);
                session.kill();
            });
            front.sessions.with_kept(id, Session::give_up);
            None
        }
    }
}
