//! What clients of the control endpoint ask for.

use std::sync::Arc;
use std::time::Instant;

use super::{Supervisor, Timer};
use crate::config::suggest::did_you_mean;
use crate::control::status::{CaughtStatus, SessionStatus, Sessions, Status};
use crate::control::{Action, Command, Reply, Size};
use crate::reap::{Step, step};
use crate::record::event::{self, Event};
use crate::record::format;
use crate::record::log::Value;
use crate::relay::ResizeError;
use crate::service::Service;
use crate::session::{Session, SessionId, Stage};

impl Supervisor {
    /// Does what a client wants and answers.
    pub(super) fn command(&mut self, command: Command) {
        let reply = match command.action {
            Action::Status => Reply::Status(self.status()),
            Action::Sessions => Reply::Sessions(self.sessions()),
            Action::Reload => match self.reload() {
                Ok(()) => Reply::Done,
                Err(report) => Reply::Failed(report),
            },
            Action::Stop => {
                if !self.stopping {
                    self.stop("control");
                }
                Reply::Done
            }
            Action::Drain(name) => self.with_service(&name, Self::drain),
            Action::Resume(name) => self.with_service(&name, Self::resume),
            Action::Kill(id) => self.kill(id),
            Action::Resize(id, size) => self.resize(id, size),
        };
        // A client that did not wait for the answer does not want it.
        drop(command.reply.send(reply));
    }

    fn status(&self) -> Status {
        let (at, time) = self.began;
        let (sessions, max_sessions) = self.front.admission.together();
        let caught = self.front.admission.caught.list(Instant::now());
        Status {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
            state: if self.stopping { Stage::Stopping } else { Stage::Running },
            started: format::time(time).to_string(),
            seconds: at.elapsed().as_secs(),
            sessions,
            max_sessions,
            caught: caught.into_iter().map(CaughtStatus::from).collect(),
            services: self.listeners.describe(None),
        }
    }

    fn sessions(&self) -> Sessions {
        let mut sessions = Vec::with_capacity(self.front.sessions.len());
        self.front.sessions.for_each(|session| sessions.push(SessionStatus::of(session)));
        self.front.sessions.for_each_kept(|session| sessions.push(SessionStatus::of(session)));
        sessions.extend(self.lingering().map(SessionStatus::of));
        sessions.sort_unstable_by_key(|session| session.id);
        Sessions { sessions }
    }

    fn with_service(
        &mut self,
        name: &str,
        then: impl FnOnce(&mut Self, &Service) -> Result<(), String>,
    ) -> Reply {
        let Some(service) = self.listeners.service(name).map(Arc::clone) else {
            let hint = did_you_mean(name, self.listeners.names());
            let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
            return Reply::NotFound(format!("there is no service `{name}`{hint}"));
        };
        if self.stopping {
            return Reply::Failed("the daemon is stopping".into());
        }
        match then(self, &service) {
            Ok(()) => match self.listeners.describe(Some(service.id)).pop() {
                Some(status) => Reply::Service(status),
                None => Reply::Done,
            },
            Err(error) => Reply::Failed(error),
        }
    }

    /// Lets nobody new into a service; its sessions go on.
    fn drain(&mut self, service: &Service) -> Result<(), String> {
        if self.front.admission.is_draining(service.id) {
            return Ok(());
        }
        // Cannot fail.
        self.listeners.set_draining(service, true).map_err(|error| error.to_string())?;
        // Whoever waits for the end of a pause is turned away now.
        service.recovered();
        let of_service = |timer: &Timer| match timer {
            Timer::Resume(listener) => listener.service().id == service.id,
            _ => false,
        };
        for timer in self.timers.take(of_service) {
            if let Timer::Resume(listener) = timer {
                self.front.arm(&listener);
            }
        }
        self.told(event::DRAINING, service);
        Ok(())
    }

    /// Lets connections in again.
    fn resume(&mut self, service: &Service) -> Result<(), String> {
        if !self.front.admission.is_draining(service.id) {
            return Ok(());
        }
        self.listeners
            .set_draining(service, false)
            .map_err(|error| format!("`{}` drains on: {error}", service.name))?;
        self.told(event::RESUMED, service);
        Ok(())
    }

    fn told(&self, event: &'static Event, service: &Service) {
        let sessions = self.front.admission.in_use(service.id);
        let fields =
            [("service", Value::Text(&service.name)), ("sessions", Value::Number(sessions.into()))];
        self.log.event(event, &fields);
    }

    /// The first step of the stop ladder for a session, or, if it is on it already, the last.
    fn kill(&mut self, id: SessionId) -> Reply {
        let table = &self.front.sessions;
        let found = table
            .with(id, SessionStatus::of)
            .or_else(|| table.with_kept(id, SessionStatus::of))
            .or_else(|| self.lingering().find(|session| session.id == id).map(SessionStatus::of));
        let Some(mut session) = found else {
            return Reply::NotFound(format!("there is no session {id}"));
        };
        let (next, state) = match session.state {
            Stage::Running if session.pid.is_some() => (Step::Terminate, Stage::Stopping),
            // Without a program there is nobody to ask.
            _ => (Step::Kill, Stage::Ending),
        };
        if let Some(at) = step(&self.front, id, next) {
            self.timers.add(at, Timer::Stop(id, Step::Kill));
        }
        session.state = state;
        Reply::Session(session)
    }

    /// Changes the size of a session's terminal.
    fn resize(&self, id: SessionId, Size { columns, rows }: Size) -> Reply {
        let resized = self.front.sessions.with_any(id, |session| {
            let relay = session.relay.as_ref().ok_or(ResizeError::NoTerminal)?;
            relay.resize(columns, rows)?;
            Ok::<_, ResizeError>(SessionStatus::of(session))
        });
        match resized {
            Some(Ok(session)) => Reply::Session(session),
            Some(Err(error)) => Reply::Failed(error.to_string()),
            None => Reply::NotFound(format!("there is no session {id}")),
        }
    }

    /// Sessions whose programs have ended, but not all that those started.
    fn lingering(&self) -> impl Iterator<Item = &Session> {
        self.timers.iter().filter_map(|timer| match timer {
            Timer::Linger(ended, _) => Some(ended.session()),
            _ => None,
        })
    }
}
