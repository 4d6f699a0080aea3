//! `stderr = "log"`: what a program writes to standard error, line by line in the log, each line
//! with service, session and pid. The log never makes the program wait: what is too much is
//! read, dropped and counted.

use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::record::event;
use crate::record::log::{Log, Value};
use crate::record::throttle::Throttle;
use crate::session::SessionId;
use crate::sys::stdio::PipeReader;

/// Bytes of a line. A longer one is logged in pieces.
const LONGEST_LINE: usize = 4096;

/// The reading end of a program's standard error.
#[derive(Debug)]
pub struct StderrPipe {
    /// The service's name.
    pub service: Arc<str>,
    /// The session.
    pub session: SessionId,
    /// The program's process id.
    pub pid: u32,
    /// The pipe.
    pub reader: PipeReader,
}

impl StderrPipe {
    /// Logs lines until every process that holds the other end has closed it.
    pub async fn follow(self, log: Log) {
        let tag = Tag { service: self.service, session: self.session, pid: self.pid };
        match self.reader.into_async() {
            Ok(pipe) => tag.follow(pipe, &log).await,
            Err(error) => {
                log.event(event::STDERR_UNREADABLE, &tag.fields(&error));
            }
        }
    }
}

struct Tag {
    service: Arc<str>,
    session: SessionId,
    pid: u32,
}

impl Tag {
    async fn follow(&self, mut pipe: impl AsyncRead + Unpin, log: &Log) {
        let throttle = Throttle::new(1000, 100);
        let mut buffer = Vec::new();
        loop {
            buffer.reserve(LONGEST_LINE);
            // An error means what the end of the file means: nothing more will come.
            let Ok(1..) = pipe.read_buf(&mut buffer).await else { break };
            let mut start = 0;
            while let Some(length) = buffer[start..].iter().position(|b| *b == b'\n') {
                self.line(&buffer[start..start + length], log, &throttle);
                start += length + 1;
            }
            buffer.drain(..start);
            if buffer.len() >= LONGEST_LINE {
                self.line(&buffer, log, &throttle);
                buffer.clear();
            }
        }
        if !buffer.is_empty() {
            self.line(&buffer, log, &throttle);
        }
        self.lost(throttle.suppressed(), log);
    }

    fn line(&self, line: &[u8], log: &Log, throttle: &Throttle) {
        let Some(suppressed) = throttle.pass(Instant::now()) else { return };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        log.event(event::STDERR, &self.fields(&String::from_utf8_lossy(line)));
        self.lost(suppressed, log);
    }

    fn lost(&self, lines: u64, log: &Log) {
        if lines > 0 {
            log.event(event::STDERR_LOST, &self.fields(&lines));
        }
    }

    fn fields<'a>(&'a self, line: &'a dyn std::fmt::Display) -> [(&'static str, Value<'a>); 4] {
        [
            ("service", Value::Text(&self.service)),
            ("session", Value::Number(self.session)),
            ("pid", Value::Number(self.pid.into())),
            ("line", Value::Text(line)),
        ]
    }
}
