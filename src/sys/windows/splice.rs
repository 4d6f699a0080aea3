//! Moving bytes between two sockets without reading them, which Windows cannot do.

use std::io;
use std::task::{Context, Poll};

use super::socket::Stream;

/// Nothing: there never is one.
#[derive(Debug)]
pub enum Tube {}

impl Tube {
    /// `None`: bytes have to be copied.
    pub fn take() -> Option<Self> {
        None
    }

    /// Keeps an empty one for the next who takes one.
    pub fn give_back(self) {
        match self {}
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        match *self {}
    }

    /// Takes what a socket has; 0 is its end.
    pub fn poll_fill(
        &mut self,
        _context: &mut Context<'_>,
        _from: &Stream,
    ) -> Poll<io::Result<usize>> {
        match *self {}
    }

    /// Gives what is in it to a socket.
    pub fn poll_drain(
        &mut self,
        _context: &mut Context<'_>,
        _to: &Stream,
    ) -> Poll<io::Result<usize>> {
        match *self {}
    }
}
