//! Requests from outside. In a console: Ctrl-C, Ctrl-Break, its window closed, the system going
//! down, which all ask the daemon to stop; a reload is asked for over the control pipe. In a
//! service: what the Service Control Manager asks for.

use std::io;

use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
};
use tokio::sync::mpsc::UnboundedReceiver;

use super::service;
use crate::sys::Request;

/// Whatever asks something of the daemon.
#[derive(Debug)]
pub enum Signals {
    /// The events of a console.
    Console(Console),
    /// The requests of the Service Control Manager. It tells of a shutdown by itself, so the
    /// events of the console, which may come as well, do not count: twice asked to stop means to
    /// stop at once.
    Service(UnboundedReceiver<Request>),
}

/// The console events that ask the daemon to stop.
#[derive(Debug)]
pub struct Console {
    interrupt: CtrlC,
    quit: CtrlBreak,
    close: CtrlClose,
    shutdown: CtrlShutdown,
}

impl Signals {
    /// For use inside the tokio runtime, after [`super::startup::prepare`].
    pub fn new() -> io::Result<Self> {
        if let Some(requests) = service::requests() {
            return Ok(Self::Service(requests));
        }
        Ok(Self::Console(Console {
            interrupt: ctrl_c()?,
            quit: ctrl_break()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
        }))
    }

    /// The next request. Cancel safe.
    pub async fn next(&mut self) -> io::Result<Request> {
        let request = match self {
            Self::Console(console) => console.next().await,
            Self::Service(requests) => requests.recv().await,
        };
        request.ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl Console {
    async fn next(&mut self) -> Option<Request> {
        let event = tokio::select! {
            event = self.interrupt.recv() => event,
            event = self.quit.recv() => event,
            event = self.close.recv() => event,
            event = self.shutdown.recv() => event,
        };
        event.map(|()| Request::Stop)
    }
}
