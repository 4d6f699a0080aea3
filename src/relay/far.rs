//! What a peer is relayed to: a program's standard input and output, another server, or something
//! that inetd answers itself.

pub(crate) mod builtin;
mod echo;
pub mod ident;
mod line;
pub(super) mod server;
pub mod tcpmux;

pub(super) use self::echo::echo;
use crate::config::{Builtin, Target};
use crate::launch::OurEnd;

/// The other side of a relay, before the relay begins.
#[derive(Debug)]
pub enum Far {
    /// A program that runs.
    Program(OurEnd),
    /// A server that is to be connected to.
    Server(Target),
    /// A service that needs no program.
    Builtin(Builtin),
}
