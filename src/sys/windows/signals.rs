//! Requests from the console: Ctrl-C, Ctrl-Break, its window closed, the system going down. All
//! of them ask the daemon to stop; a reload is asked for over the control pipe.

use std::io;

use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
};

use crate::sys::Request;

/// The console events that ask something of the daemon.
#[derive(Debug)]
pub struct Signals {
    interrupt: CtrlC,
    quit: CtrlBreak,
    close: CtrlClose,
    shutdown: CtrlShutdown,
}

impl Signals {
    /// For use inside the tokio runtime, after [`super::startup::prepare`].
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            quit: ctrl_break()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// The next request. Cancel safe.
    pub async fn next(&mut self) -> io::Result<Request> {
        let event = tokio::select! {
            event = self.interrupt.recv() => event,
            event = self.quit.recv() => event,
            event = self.close.recv() => event,
            event = self.shutdown.recv() => event,
        };
        event.map(|()| Request::Stop).ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}
