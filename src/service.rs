//! A service as the running daemon knows it: its name, which outlives reloads, and its present
//! settings, which a reload replaces while sessions keep the ones that they started with.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::admission::Refusal;
use crate::config::{Io, Program, ServiceConfig, Stderr, Work};
use crate::sys::PrepareError;
use crate::sys::spawn::Prepared;
use crate::sys::stdio::Output;

/// Pause after the first program that could not be started; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The number of a service, never used twice in the life of a daemon.
pub type ServiceId = u32;

/// A service.
#[derive(Debug)]
pub struct Service {
    /// Its number.
    pub id: ServiceId,
    /// Its name.
    pub name: Arc<str>,
    /// What has happened so far.
    pub counters: Counters,
    setup: RwLock<Arc<Setup>>,
    pause: Mutex<Pause>,
}

/// The settings of a service, ready for use.
#[derive(Debug)]
pub struct Setup {
    /// The settings as they were written.
    pub config: Arc<ServiceConfig>,
    /// What starts the program, if there is one.
    pub program: Option<Arc<Startable>>,
}

/// A program, ready to be started.
#[derive(Debug)]
pub struct Startable {
    /// In the system's form.
    pub prepared: Prepared,
    /// What its standard input and output are.
    pub io: Io,
    /// Where its standard error goes.
    pub stderr: StderrTo,
}

/// Where the standard error of a service's programs goes.
#[derive(Debug)]
pub enum StderrTo {
    /// Where standard output goes.
    Socket,
    /// To the log, through a pipe for each session.
    Log,
    /// To something that is open already.
    Output(Output),
}

/// Numbers since the start of the daemon.
#[derive(Debug, Default)]
pub struct Counters {
    /// Programs started.
    pub started: AtomicU64,
    /// Connections refused, for each reason of [`Refusal::ALL`]; from the first one on.
    refused: OnceLock<Box<Refused>>,
    /// Programs that could not be started.
    pub failed: AtomicU64,
    /// Programs that started and found no room on their desktop (Windows).
    pub desktop_heap: AtomicU64,
}

type Refused = [AtomicU64; Refusal::ALL.len()];

#[derive(Debug, Default)]
struct Pause {
    until: Option<Instant>,
    failures: u32,
}

impl Counters {
    /// A connection was refused.
    pub fn refused(&self, refusal: Refusal) {
        let refused = self.refused.get_or_init(Box::default);
        refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections were refused for each reason.
    pub fn refusals(&self) -> impl Iterator<Item = (Refusal, u64)> {
        let refused = self.refused.get();
        Refusal::ALL.into_iter().map(move |refusal| {
            let count = refused.map(|counts| counts[refusal as usize].load(Ordering::Relaxed));
            (refusal, count.unwrap_or(0))
        })
    }
}

impl Setup {
    /// Prepares everything that does not depend on a connection. What starts the program is taken
    /// from `like`, another service, if that has the same one.
    ///
    /// # Errors
    /// The file for standard error cannot be opened, the account cannot be logged on, or a string
    /// holds a NUL.
    pub fn new(config: Arc<ServiceConfig>, like: Option<&Self>) -> Result<Self, PrepareError> {
        let program = match (&config.work, like.map(|like| (&like.config.work, &like.program))) {
            (Work::Program(program), Some((Work::Program(other), Some(prepared))))
                if Arc::ptr_eq(program, other) =>
            {
                Some(Arc::clone(prepared))
            }
            (Work::Program(program), _) => Some(Arc::new(Startable::new(program)?)),
            (Work::Forward(_) | Work::Builtin(_) | Work::Sensor, _) => None,
        };
        Ok(Self { config, program })
    }
}

impl Startable {
    fn new(program: &Program) -> Result<Self, PrepareError> {
        let prepared = Prepared::new(program)?;
        let stderr = match &program.stderr {
            Stderr::Socket => StderrTo::Socket,
            Stderr::Log => StderrTo::Log,
            Stderr::Null => StderrTo::Output(Output::null()?),
            Stderr::File(path) => StderrTo::Output(Output::append(path).map_err(|error| {
                let text = format!("cannot open {} for standard error: {error}", path.display());
                io::Error::new(error.kind(), text)
            })?),
        };
        Ok(Self { prepared, io: program.io, stderr })
    }
}

impl Service {
    /// A new service.
    pub fn new(id: ServiceId, setup: Arc<Setup>) -> Self {
        let name = Arc::clone(&setup.config.name);
        Self {
            id,
            name,
            counters: Counters::default(),
            setup: RwLock::new(setup),
            pause: Mutex::default(),
        }
    }

    /// The present settings.
    pub fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.setup.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the settings for everything that starts from now on.
    pub fn set_setup(&self, setup: Arc<Setup>) {
        *self.setup.write().unwrap_or_else(PoisonError::into_inner) = setup;
        *self.lock_pause() = Pause::default();
    }

    /// Until when the service does not accept, if it pauses at `now`.
    pub fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.lock_pause().until.filter(|until| *until > now)
    }

    /// A program was started.
    pub fn launched(&self) {
        self.counters.started.fetch_add(1, Ordering::Relaxed);
    }

    /// Things work again: the next pause is a short one.
    pub fn recovered(&self) {
        let mut pause = self.lock_pause();
        if pause.failures > 0 {
            *pause = Pause::default();
        }
    }

    /// A program could not be started: the service pauses, longer each time. It always comes back.
    pub fn failed(&self, now: Instant) {
        self.counters.failed.fetch_add(1, Ordering::Relaxed);
        self.back_off(now);
    }

    /// Something about the service does not work: it pauses, longer each time until
    /// [`Service::recovered`]. Gives the end of the pause.
    pub fn back_off(&self, now: Instant) -> Instant {
        let mut pause = self.lock_pause();
        if let Some(until) = pause.until.filter(|until| *until > now) {
            return until; // A failure that started before the pause did.
        }
        let length = FIRST_PAUSE.saturating_mul(1 << pause.failures.min(16)).min(LONGEST_PAUSE);
        pause.failures = pause.failures.saturating_add(1);
        *pause.until.insert(now + length)
    }

    /// A program has ended because it found no room on its desktop.
    pub fn found_no_desktop(&self) {
        self.counters.desktop_heap.fetch_add(1, Ordering::Relaxed);
    }

    fn lock_pause(&self) -> std::sync::MutexGuard<'_, Pause> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
