//! Tables follow their files: what is changed there holds without a reload, a second later at the
//! most. Who decides about a connection never touches a file and waits for no lock that is held
//! while one is read: the files are read on a thread of their own, one look at a time, and a
//! connection that comes after a quiet time waits for that, but not for ever.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::files::Files;
use super::{Loaded, Remark};

/// How long a look at the files is good.
const FRESH: Duration = Duration::from_secs(1);
/// How long a connection waits for a look. Behind a disk or a server that hangs the old rules hold,
/// and nobody waits again until it has answered.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reads a table.
pub type Reader<T> = fn(&[PathBuf], &mut Files) -> Loaded<T>;

/// A table and the files that it was read from.
pub struct Watched<T> {
    paths: Box<[PathBuf]>,
    read: Reader<T>,
    /// Never locked while a file is read.
    table: RwLock<Arc<T>>,
    /// When it was read for the first time.
    born: Instant,
    /// When the last look ended, in milliseconds from then on.
    looked: AtomicU64,
    /// A look is on.
    busy: AtomicBool,
    /// It takes too long.
    late: AtomicBool,
    /// Told at the end of each look.
    done: watch::Sender<()>,
    /// Only for the thread that looks.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    files: Files,
    /// What was said last.
    told: Vec<Remark>,
}

/// What a look at the files has found.
#[derive(Debug, PartialEq, Eq)]
pub enum Look {
    /// Something new, which is in force.
    New(Found),
    /// Something that cannot be used; the old table stays.
    Failed(Found),
}

/// What there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file, and the line if it is about one.
    pub place: String,
    /// The first thing that is wrong or odd, if anything is.
    pub remark: Option<String>,
}

/// Ends a look, however it went.
struct Ending<'a, T>(&'a Watched<T>);

impl<T> Watched<T> {
    /// Reads a table for the first time, here and now.
    pub fn read(
        paths: Box<[PathBuf]>,
        read: Reader<T>,
        now: Instant,
    ) -> (Self, Vec<Remark>, Vec<(PathBuf, String)>) {
        let mut files = Files::default();
        let Loaded { table, remarks, texts } = read(&paths, &mut files);
        let watched = Self {
            paths,
            read,
            table: RwLock::new(Arc::new(table)),
            born: now,
            looked: AtomicU64::new(0),
            busy: AtomicBool::new(false),
            late: AtomicBool::new(false),
            done: watch::Sender::new(()),
            state: Mutex::new(State { files, told: remarks.clone() }),
        };
        (watched, remarks, texts)
    }

    /// The table as it was when somebody last looked.
    pub fn table(&self) -> Arc<T> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The files or folders that it is read from.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Whether nobody has looked for a while, and a look is worth waiting for.
    pub fn is_stale(&self, now: Instant) -> bool {
        let looked = Duration::from_millis(self.looked.load(Ordering::Acquire));
        let is_fresh = now.saturating_duration_since(self.born + looked) < FRESH;
        let hangs = || self.busy.load(Ordering::Acquire) && self.late.load(Ordering::Acquire);
        !is_fresh && !hangs()
    }
}

impl<T: fmt::Debug> fmt::Debug for Watched<T> {
    /// When it was read, and what was seen then, tells nothing about what it does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table();
        f.debug_struct("Watched")
            .field("paths", &self.paths)
            .field("table", &table)
            .finish_non_exhaustive()
    }
}

impl<T: PartialEq + Send + Sync + 'static> Watched<T> {
    /// Has somebody look whether the files have changed, or waits for the look that is on. Never
    /// longer than two seconds: then what was read last holds.
    pub async fn refresh(self: &Arc<Self>, tell: impl Fn(&Look) + Clone + Send + 'static) {
        // Before anything else, so that no end of a look is missed.
        let mut done = self.done.subscribe();
        if !self.busy.swap(true, Ordering::AcqRel) {
            self.late.store(false, Ordering::Release);
            self.start(tell.clone());
        }
        let ended = tokio::time::timeout(PATIENCE, done.changed()).await;
        if ended.is_err() && !self.late.swap(true, Ordering::AcqRel) {
            tell(&self.failed(format!("reading it takes longer than {} s", PATIENCE.as_secs())));
        }
    }

    fn start(self: &Arc<Self>, tell: impl FnOnce(&Look) + Send + 'static) {
        let watched = Arc::clone(self);
        // Not one of tokio's threads: the end of the daemon would wait for it.
        let started = std::thread::Builder::new().name("rules".into()).spawn(move || {
            let ending = Ending(&watched);
            if let Some(look) = watched.look() {
                tell(&look);
            }
            drop(ending);
        });
        if started.is_err() {
            // Threads are used up. The old table holds, and the next connection tries again.
            drop(Ending(self));
        }
    }

    /// Looks whether the files have changed, and waits for the disk. Nothing if all is as it was.
    fn look(&self) -> Option<Look> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.files.is_current() {
            return None;
        }
        let mut files = Files::default();
        let Loaded { table, remarks, texts } = (self.read)(&self.paths, &mut files);
        state.files = files;
        let failed = remarks.iter().any(|remark| remark.is_error);
        if failed {
            // What was there may come back, and looks as it did then.
            state.files.look_again();
        }
        let is_new = !failed && table != *self.table();
        if is_new {
            *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        }
        // What is read again and again is told once.
        let is_told = !is_new && remarks == state.told;
        state.told = remarks;
        let found = self.found(state.told.first(), &texts);
        (!is_told).then_some(if failed { Look::Failed(found) } else { Look::New(found) })
    }

    fn found(&self, remark: Option<&Remark>, texts: &[(PathBuf, String)]) -> Found {
        let at = remark.and_then(|remark| remark.place.as_ref()).and_then(|(text, at)| {
            let (path, text) = texts.get(*text)?;
            let line = text.get(..at.start)?.matches('\n').count() + 1;
            Some(format!("{}:{line}", path.display()))
        });
        Found {
            place: at.unwrap_or_else(|| self.place()),
            remark: remark.map(|remark| remark.message.clone()),
        }
    }

    fn failed(&self, why: String) -> Look {
        Look::Failed(Found { place: self.place(), remark: Some(why) })
    }

    fn place(&self) -> String {
        let paths = self.paths.iter().map(|path| Path::display(path).to_string());
        paths.collect::<Vec<_>>().join(", ")
    }
}

impl<T> Drop for Ending<'_, T> {
    fn drop(&mut self) {
        let watched = self.0;
        let age = u64::try_from(watched.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        watched.looked.store(age, Ordering::Release);
        watched.busy.store(false, Ordering::Release);
        watched.done.send_replace(());
    }
}

#[cfg(test)]
mod tests;
