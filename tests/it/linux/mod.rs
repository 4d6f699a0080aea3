//! Scenarios of Linux alone.

mod classic;
mod completion;
mod control;
mod descriptors;
mod hardening;
mod ident;
mod identity;
mod inherited;
mod load;
mod logs;
mod mutations;
mod names;
mod notify;
mod originals;
mod orphans;
mod output;
mod programs;
mod real;
mod rpc;
mod selftest;
mod signals;
mod splice;
mod storm;
mod tcpmux;
mod terminal;
mod unix_sockets;
