//! End-to-end tests: each starts the real binary in a folder of its own, talks to it over real
//! sockets, and reads what it says.
//!
//! The binary under test is the one that cargo has just built, or the one that `INETD_UNDER_TEST`
//! names. With `INETD_WINE=1` that one is a Windows program and runs under Wine, while the tests
//! stay on Linux and reach it over the loopback interface. `both` holds for every system, `linux`
//! and `windows` for one; `ci/test` picks by these names.

#![expect(clippy::disallowed_methods, reason = "tests start the binary under test themselves")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "what a failed test has to tell")]
#![expect(unreachable_pub, reason = "a test binary has no public interface")]
#![cfg_attr(windows, allow(dead_code, unused_imports, reason = "for the scenarios of Linux"))]

mod harness;

mod both;
mod config_errors;
mod default_config;
#[cfg(unix)]
mod linux;
mod windows;
