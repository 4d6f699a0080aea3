//! The end of a session: its tree is gone, its record is written, its slot is free, in this
//! order. And the stop ladder, which brings the end about.

use std::io;
use std::time::{Duration, Instant};

use crate::config::Tree;
use crate::front::{Front, Notice};
use crate::record::event;
use crate::record::log::Value;
use crate::session::{Session, SessionId};
use crate::sys::ExitStatus;
use crate::sys::process::Child;

/// A `wait` server that ends sooner than this, with its socket still unread, has not done its work.
const TOO_SHORT: Duration = Duration::from_secs(1);

/// A session whose program has ended.
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
    session.child.kill();
    conclude(front, session, Child::wait);
}

fn conclude(front: &Front, session: Session, reap: impl FnOnce(&Child) -> ExitStatus) {
    let kill_tree = session.setup.config.program.tree == Tree::Kill;
    if kill_tree {
        session.child.kill_tree();
    }
    let status = reap(&session.child);
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
    /// Whether nothing is left of the session's tree.
    pub fn is_over(&self) -> bool {
        self.session.setup.config.program.tree == Tree::Leave || self.session.child.tree_is_gone()
    }

    /// Writes the record and frees the slot.
    pub fn finish(self, front: &Front) {
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
            let (stopper, timeout) = front
                .sessions
                .with(id, |session| (session.child.stopper(), session.setup.config.stop_timeout))?;
            // Not under the lock of all sessions: on Windows this starts a process. Without a
            // stopper, for want of descriptors, the next step has to do.
            if let Ok(stopper) = stopper {
                stopper.terminate();
            }
            Some(Instant::now() + timeout)
        }
        Step::Kill => {
            front.sessions.with(id, |session| session.child.kill());
            None
        }
    }
}
