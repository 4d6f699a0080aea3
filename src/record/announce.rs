//! Announcements on standard output: `listening SERVICE ADDRESS`, `ready`. A thread writes them, so
//! that whoever started us and does not read cannot hold the daemon up.

use std::io::{self, Write};
use std::sync::mpsc::{self, Sender};

/// Where announcements go.
#[derive(Debug)]
pub struct Announcer {
    lines: Sender<String>,
}

impl Announcer {
    /// Announces on standard output.
    pub fn start() -> io::Result<Self> {
        let (lines, waiting) = mpsc::channel::<String>();
        std::thread::Builder::new().name("announce".into()).stack_size(64 * 1024).spawn(
            move || {
                for text in waiting {
                    let mut out = io::stdout().lock();
                    // Nobody is left to tell if nobody reads.
                    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
                }
            },
        )?;
        Ok(Self { lines })
    }

    /// Writes these lines, soon.
    pub fn say(&self, lines: String) {
        // The thread ends with the process.
        self.lines.send(lines).ok();
    }
}
