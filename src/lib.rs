//! An Internet superserver: it listens on many sockets and starts a program
//! only when somebody connects. The program's standard input, output and error
//! are the connection, so any character-mode program is a network server.
//!
//! # The life of a connection
//!
//! ```text
//! listener --> admission --> launch --> session --> reap --> record
//! (accepts)   (may it come   (start the  (lives)    (ended,   (log lines,
//!             in, is there    program,               slot      counters)
//!             room?)          hand over)             free)
//! ```
//!
//! * [`config`] turns every file format into one checked [`config::Config`].
//!   Nothing after it knows a file format.
//! * [`front`] is the loop that a few threads run: wait for one event, then let
//!   a listener accept, or a finished program be reaped.
//! * [`supervisor`] is the other half: signals, timers, reload, control and
//!   the stop ladder. It runs on the main thread and never on the way of a connection.
//! * [`relay`] moves bytes for programs that do not get the connection itself.
//! * [`rpcbind`] tells rpcbind where RPC services are.
//! * [`sys`] is the only place with `unsafe` code and with `cfg(unix)` or
//!   `cfg(windows)`.

pub mod admission;
mod aside;
pub mod cli;
pub mod config;
pub mod control;
pub mod doctor;
pub mod front;
pub mod launch;
pub mod listener;
pub mod reap;
pub mod record;
pub mod relay;
pub mod rpcbind;
pub mod service;
pub mod session;
pub mod supervisor;
pub mod sys;
