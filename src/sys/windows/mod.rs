//! Windows 10 or Windows Server 2016 and later.

pub mod clock;
pub mod control;
pub mod desktop;
pub mod files;
pub mod identity;
pub mod inherited;
pub mod machine;
pub mod names;
pub mod notify;
pub mod owner;
pub mod paths;
pub mod pipe;
pub mod poll;
pub mod process;
pub mod program;
pub mod secret;
pub mod selftest;
pub mod service;
pub mod signals;
pub mod socket;
pub mod spawn;
pub mod splice;
pub mod startup;
pub mod stdio;
pub mod system_log;
pub mod terminal;
pub mod trust;

mod account;
mod create;
mod environment;
mod handle;
mod job;
mod logon;
mod lsa;
mod pipe_name;
mod privileges;
mod profile;
mod quote;
mod registry;
mod security;
#[cfg(test)]
mod testing;
mod token;
mod wait;

/// Tokens of [`poll::Poller`] are 64 bits and travel in completion keys, which are pointers.
const _: () = assert!(size_of::<usize>() == size_of::<u64>(), "inetd needs 64-bit Windows");
