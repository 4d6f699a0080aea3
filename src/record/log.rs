//! The log: lines of text or JSON objects, written by a thread of its own, so that a slow reader
//! of it never holds up a connection.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::event::{self, Event, Level};

/// Bytes that may wait for the writer. What comes on top is dropped and counted.
const BUFFER: usize = 1 << 20;

/// How long lines gather after others were written.
const GATHER: Duration = Duration::from_millis(5);

/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `TIME LEVEL EVENT key=value ...`
    Text,
    /// One JSON object a line.
    Json,
}

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
    state: Mutex<State>,
    /// The same as in the state, to be read without the lock.
    level: AtomicU8,
    json: AtomicBool,
    /// There is something to write.
    work: Condvar,
    /// Everything is written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    buffer: Vec<u8>,
    dropped: u64,
    /// The writer is between taking a buffer and having written it.
    writing: bool,
    /// The writer waits. Only then is it worth a system call to wake it.
    idle: bool,
    /// Somebody waits until everything is written.
    flushing: bool,
}

impl Log {
    /// A log that is written to `sink` by a thread of its own.
    pub fn to(
        mut sink: impl io::Write + Send + 'static,
        format: Format,
        level: Level,
    ) -> io::Result<Self> {
        let log = Self::new(format, level);
        let shared = Arc::clone(&log.shared);
        std::thread::Builder::new()
            .name("log".into())
            .stack_size(64 * 1024)
            .spawn(move || write_all(&shared, &mut sink))?;
        Ok(log)
    }

    fn new(format: Format, level: Level) -> Self {
        let shared = Shared {
            state: Mutex::default(),
            level: AtomicU8::default(),
            json: AtomicBool::default(),
            work: Condvar::new(),
            written: Condvar::new(),
        };
        let log = Self { shared: Arc::new(shared) };
        log.set(format, level);
        log
    }

    /// Changes format and level from now on.
    pub fn set(&self, format: Format, level: Level) {
        self.shared.json.store(format == Format::Json, Ordering::Relaxed);
        self.shared.level.store(level as u8, Ordering::Relaxed);
    }

    /// Writes one event.
    pub fn event(&self, event: &Event, fields: &[Field<'_>]) {
        thread_local! {
            /// A line is made outside the lock, in memory that is used again.
            static LINE: RefCell<Vec<u8>> = RefCell::default();
        }
        if event.level as u8 > self.shared.level.load(Ordering::Relaxed) {
            return;
        }
        LINE.with_borrow_mut(|line| {
            line.clear();
            format_line(line, self.shared.format(), event, fields);
            self.append(line);
        });
    }

    fn append(&self, line: &[u8]) {
        let mut state = self.shared.lock();
        if state.buffer.len() > BUFFER {
            state.dropped += 1;
            return;
        }
        state.buffer.extend_from_slice(line);
        if state.idle {
            state.idle = false;
            drop(state);
            self.shared.work.notify_one();
        }
    }

    /// Waits until everything is written, for two seconds at the most.
    pub fn flush(&self) {
        let mut state = self.shared.lock();
        state.flushing = true;
        self.shared.work.notify_one();
        let unwritten = |state: &mut State| state.writing || !state.buffer.is_empty();
        let wait = self.shared.written.wait_timeout_while(state, Duration::from_secs(2), unwritten);
        drop(wait);
    }
}

impl Shared {
    fn format(&self) -> Format {
        if self.json.load(Ordering::Relaxed) { Format::Json } else { Format::Text }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer: takes what has gathered and writes it in one piece.
fn write_all(shared: &Shared, sink: &mut impl io::Write) {
    let mut lines = Vec::new();
    let mut state = shared.lock();
    loop {
        if state.buffer.is_empty() {
            // Only whoever waits for that is woken; it costs a system call.
            if std::mem::take(&mut state.flushing) {
                shared.written.notify_all();
            }
            state.idle = true;
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        std::mem::swap(&mut lines, &mut state.buffer);
        state.writing = true;
        let dropped = std::mem::take(&mut state.dropped);
        if dropped > 0 {
            let fields = [("lines", Value::Number(dropped))];
            format_line(&mut lines, shared.format(), event::LOG_LOST, &fields);
        }
        drop(state);
        // There is nobody to tell that the log cannot be written.
        drop(sink.write_all(&lines));
        lines.clear();
        // Not to keep the memory of one storm for ever.
        lines.shrink_to(64 * 1024);
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

fn format_line(out: &mut Vec<u8>, format: Format, event: &Event, fields: &[Field<'_>]) {
    let time = humantime::format_rfc3339_millis(SystemTime::now());
    // Writing to memory cannot fail.
    drop(match format {
        Format::Text => text(out, time, event, fields),
        Format::Json => json(out, time, event, fields),
    });
    out.push(b'\n');
}

fn text(
    out: &mut Vec<u8>,
    time: impl fmt::Display,
    event: &Event,
    fields: &[Field<'_>],
) -> io::Result<()> {
    write!(out, "{time} {} {}", event.level.as_str(), event.text)?;
    let mut scratch = String::new();
    for (name, value) in fields {
        match value {
            Value::Number(number) => write!(out, " {name}={number}")?,
            Value::Seconds(duration) => write!(out, " {name}={:.3}s", duration.as_secs_f64())?,
            Value::Text(value) => {
                scratch.clear();
                // Writing to memory cannot fail.
                let Ok(()) = write!(scratch, "{value}") else { continue };
                if is_plain(&scratch) {
                    write!(out, " {name}={scratch}")?;
                } else {
                    write!(out, " {name}=\"{}\"", Escaped(&scratch))?;
                }
            }
        }
    }
    Ok(())
}

fn json(
    out: &mut Vec<u8>,
    time: impl fmt::Display,
    event: &Event,
    fields: &[Field<'_>],
) -> io::Result<()> {
    write!(out, "{{\"time\":\"{time}\",\"level\":\"{}\"", event.level.as_str())?;
    write!(out, ",\"event_id\":{},\"event\":\"{}\"", event.id, event.text)?;
    for (name, value) in fields {
        write!(out, ",\"{name}\":")?;
        match value {
            Value::Number(number) => write!(out, "{number}")?,
            Value::Seconds(duration) => write!(out, "{:.3}", duration.as_secs_f64())?,
            Value::Text(value) => json_string(out, &value.to_string())?,
        }
    }
    out.push(b'}');
    Ok(())
}

/// A JSON string without anything that ends a line or reaches a terminal, which JSON allows.
fn json_string(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let quoted = serde_json::to_string(text)?;
    for c in quoted.chars() {
        if is_unsafe(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}")?;
            }
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Ok(())
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:/@+-[]%,~".contains(&b))
}

/// Text without anything that could start a new line, fake a field or reach a terminal.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if is_unsafe(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// What can start a line or change what a terminal shows: controls (C1 too), line and paragraph
/// separators, direction marks.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, fields: &[Field<'_>]) -> String {
        let mut out = Vec::new();
        format_line(&mut out, format, event::START, fields);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_value_can_neither_fake_a_field_nor_a_line_nor_move_the_cursor() {
        let evil = "x pid=1\r\n2026 INFO EXIT \"\\ \x1b[2J \u{202e}";
        let fields = [("line", Value::Text(&evil)), ("pid", Value::Number(7))];
        let text = written(Format::Text, &fields);
        assert!(
            text.ends_with(
                " INFO START line=\"x pid=1\\r\\n2026 INFO EXIT \\\"\\\\ \\u{1b}[2J \\u{202e}\" pid=7\n"
            ),
            "{text}"
        );
        let json: serde_json::Value =
            serde_json::from_str(written(Format::Json, &fields).trim_end()).unwrap();
        assert_eq!(json["line"], evil);
        assert_eq!(json["pid"], 7);
        assert_eq!(json["event"], "START");
        assert_eq!(json["event_id"], 3001);
        let line =
            written(Format::Json, &[("line", Value::Text(&"a\u{85}\u{2028}\u{9b}2J\u{202e}"))]);
        assert!(line.contains("\"a\\u0085\\u2028\\u009b2J\\u202e\""), "{line}");
    }

    #[test]
    fn what_is_logged_is_written_in_order_and_dropped_lines_are_counted() {
        let log = Log::new(Format::Text, Level::Info);
        log.set(Format::Text, Level::Warn);
        log.event(event::STARTED, &[]);
        log.set(Format::Text, Level::Info);
        log.event(event::STOPPING, &[]);
        log.shared.lock().buffer.resize(BUFFER + 1, b'.');
        log.event(event::STOPPED, &[]);
        let (sink, lines) = std::sync::mpsc::channel::<Vec<u8>>();
        struct Sink(std::sync::mpsc::Sender<Vec<u8>>);
        impl io::Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.send(bytes.to_vec()).unwrap();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let shared = Arc::clone(&log.shared);
        std::thread::spawn(move || write_all(&shared, &mut Sink(sink)));
        let lines = String::from_utf8(lines.recv().unwrap()).unwrap();
        assert!(lines.contains("INFO Stopping"));
        assert!(!lines.contains("Started") && !lines.contains("Stopped"));
        assert!(lines.contains("lost lines lines=1"));
        log.flush();
        assert!(log.shared.lock().buffer.is_empty());
    }
}
