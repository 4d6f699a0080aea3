//! Scenarios that hold on every system.

mod access;
mod announce;
mod banners;
mod builtins;
mod config;
mod data;
mod doctor;
mod drain;
mod environment;
mod forward;
mod generated;
mod launch;
mod life;
mod limits;
mod logs;
mod rates;
mod records;
mod relay;
mod reload;
mod selftest;
mod serve;
mod stderr;
mod stdio;
mod stop;
mod tree;
mod wait;
