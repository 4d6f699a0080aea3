//! Linux.

pub mod clock;
pub mod control;
pub mod desktop;
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
