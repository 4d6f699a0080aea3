//! The log: records, written by a thread of its own, so that a slow reader of it, a full disk or a
//! system log that is busy never hold up a connection.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::batch::Batch;
use super::event::{self, Event, Level};
use super::sink::{Sink, Surroundings};
use crate::config;

/// Bytes of records that may wait for the writer. What comes on top is dropped and counted.
const BUFFER: usize = 2 << 20;

/// How long records gather after others were written.
const GATHER: Duration = Duration::from_millis(5);

/// The value of a field.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// A number.
    Number(u64),
    /// Seconds with three decimals.
    Seconds(Duration),
    /// Anything else. Whatever is in it, it is escaped.
    Text(&'a dyn fmt::Display),
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Seconds(duration) => write!(f, "{:.3}", duration.as_secs_f64()),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// A name and a value.
pub type Field<'a> = (&'static str, Value<'a>);

/// The log. Clones write to the same place.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    surroundings: Surroundings,
    starts_on_stderr: bool,
    state: Mutex<State>,
    level: AtomicU8,
    /// There is something to write.
    work: Condvar,
    /// Everything is written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    batch: Batch,
    /// The sinks to change to, each with the records that still belong to the one before.
    switches: VecDeque<(Batch, Sink)>,
    /// Bytes of all records here.
    waiting: usize,
    dropped: u64,
    /// The writer is between taking records and having written them.
    writing: bool,
    /// The writer waits. Only then is it worth a system call to wake it.
    idle: bool,
    /// Somebody waits until everything is written.
    flushing: bool,
}

impl Log {
    /// A log that goes where the settings say.
    ///
    /// # Errors
    /// As for [`Log::prepare`], or there is no thread to be had.
    pub fn start(settings: &config::Log, surroundings: Surroundings) -> io::Result<Self> {
        let sink = Sink::open(settings, &surroundings)?;
        Self::run(sink, settings.level, surroundings)
    }

    /// A log that goes to this sink.
    #[cfg(test)]
    pub(crate) fn with(sink: Sink, level: Level) -> io::Result<Self> {
        Self::run(sink, level, Surroundings::Console)
    }

    fn run(sink: Sink, level: Level, surroundings: Surroundings) -> io::Result<Self> {
        let log = Self::new(level, surroundings, sink.is_stderr());
        let shared = Arc::clone(&log.shared);
        std::thread::Builder::new()
            .name("log".into())
            .stack_size(128 * 1024)
            .spawn(move || write_all(&shared, sink))?;
        Ok(log)
    }

    fn new(level: Level, surroundings: Surroundings, starts_on_stderr: bool) -> Self {
        let shared = Shared {
            surroundings,
            starts_on_stderr,
            state: Mutex::default(),
            level: AtomicU8::new(level as u8),
            work: Condvar::new(),
            written: Condvar::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Whether it went to standard error when it was started.
    pub fn is_stderr(&self) -> bool {
        self.shared.starts_on_stderr
    }

    /// Opens what other settings name, for [`Log::switch`].
    ///
    /// # Errors
    /// It cannot be opened, or the settings do not fit together. The text says which and why.
    pub fn prepare(&self, settings: &config::Log) -> io::Result<Sink> {
        Sink::open(settings, &self.shared.surroundings)
    }

    /// Sends what comes from now on to `sink`. What was logged before still goes where it should.
    pub fn switch(&self, sink: Sink, level: Level) {
        let mut state = self.shared.lock();
        let batch = std::mem::take(&mut state.batch);
        state.switches.push_back((batch, sink));
        self.shared.level.store(level as u8, Ordering::Relaxed);
        self.shared.wake(state);
    }

    /// Writes one event.
    pub fn event(&self, event: &'static Event, fields: &[Field<'_>]) {
        thread_local! {
            /// A record is made outside the lock, in memory that is used again.
            static RECORD: RefCell<Batch> = RefCell::default();
        }
        if event.level as u8 > self.shared.level.load(Ordering::Relaxed) {
            return;
        }
        RECORD.with_borrow_mut(|record| {
            record.clear();
            record.add(event, fields);
            self.append(record);
        });
    }

    fn append(&self, record: &Batch) {
        let mut state = self.shared.lock();
        if state.waiting > BUFFER {
            state.dropped += 1;
            return;
        }
        state.waiting += record.size();
        state.batch.append(record);
        self.shared.wake(state);
    }

    /// Waits until everything is written, for two seconds at the most.
    pub fn flush(&self) {
        let mut state = self.shared.lock();
        state.flushing = true;
        self.shared.work.notify_one();
        let unwritten = |state: &mut State| {
            state.writing || !state.batch.is_empty() || !state.switches.is_empty()
        };
        let wait = self.shared.written.wait_timeout_while(state, Duration::from_secs(2), unwritten);
        drop(wait);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the writer if it sleeps.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        if state.idle {
            state.idle = false;
            drop(state);
            self.work.notify_one();
        }
    }
}

/// The writer: takes what has gathered and writes it in one piece.
fn write_all(shared: &Shared, mut sink: Sink) {
    let mut batch = Batch::default();
    let mut state = shared.lock();
    loop {
        if state.batch.is_empty() && state.switches.is_empty() {
            // Only whoever waits for that is woken; it costs a system call.
            if std::mem::take(&mut state.flushing) {
                shared.written.notify_all();
            }
            state.idle = true;
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let next = match state.switches.pop_front() {
            Some((last, next)) => {
                batch = last;
                Some(next)
            }
            None => {
                std::mem::swap(&mut batch, &mut state.batch);
                None
            }
        };
        state.waiting = state.waiting.saturating_sub(batch.size());
        state.writing = true;
        let dropped = std::mem::take(&mut state.dropped);
        if dropped > 0 {
            batch.add(event::LOG_LOST, &[("lines", Value::Number(dropped))]);
        }
        drop(state);
        sink.write(&batch);
        batch.clear();
        sink = next.unwrap_or(sink);
        state = shared.lock();
        state.writing = false;
        if !state.flushing {
            // Nobody wakes us meanwhile: a storm costs a few hundred wake-ups a second, not one
            // for each line.
            let gather = shared.work.wait_timeout(state, GATHER);
            (state, _) = gather.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::LogTarget;
    use crate::record::file::Rotation;

    fn to_file(path: &Path) -> config::Log {
        let rotation = Rotation { size: None, keep: 0 };
        config::Log { target: LogTarget::File(path.to_owned()), rotation, ..Default::default() }
    }

    fn lines(path: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        // Without the time.
        text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }

    #[test]
    fn what_is_logged_is_written_in_order_and_dropped_records_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let sink = Sink::open(&to_file(&path), &Surroundings::Console).unwrap();
        let log = Log::new(Level::Warn, Surroundings::Console, false);
        log.event(event::STARTED, &[]);
        log.event(event::STOPPING_NOW, &[]);
        log.shared.level.store(Level::Info as u8, Ordering::Relaxed);
        log.event(event::START, &[("session", Value::Number(1))]);
        log.shared.lock().waiting = BUFFER + 1;
        log.event(event::EXIT, &[]);
        let shared = Arc::clone(&log.shared);
        std::thread::spawn(move || write_all(&shared, sink));
        log.flush();
        let expected = [
            "WARN Asked to stop again: sessions are killed",
            "INFO START session=1",
            "WARN The log could not keep up and lost lines lines=1",
        ];
        assert_eq!(lines(&path), expected);
    }

    #[test]
    fn after_a_switch_each_record_is_where_it_belongs() {
        let folder = tempfile::tempdir().unwrap();
        let path = |number: usize| folder.path().join(format!("{number}.log"));
        let log = Log::start(&to_file(&path(0)), Surroundings::Console).unwrap();
        for number in 0..100 {
            let fields = [("number", Value::Number(number as u64))];
            log.event(event::START, &fields);
            log.event(event::EXIT, &fields);
            let settings = to_file(&path(number + 1));
            log.switch(log.prepare(&settings).unwrap(), settings.level);
        }
        log.flush();
        for number in 0..100 {
            let expected =
                [format!("INFO START number={number}"), format!("INFO EXIT number={number}")];
            assert_eq!(lines(&path(number)), expected);
        }
        let missing = to_file(&path(0).join("no/folder"));
        let error = log.prepare(&missing).unwrap_err().to_string();
        assert!(error.contains("cannot open the log file"), "{error}");
    }
}
