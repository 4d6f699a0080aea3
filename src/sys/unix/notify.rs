//! What systemd is told (sd_notify(3)), and the process that waits until we are in the background.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sd_notify::NotifyState;

/// How much longer the end may take, from each [`still_stopping`] on.
const EXTENSION: Duration = Duration::from_secs(30);

/// A step of the start is done. Only the whole of it interests systemd.
pub fn starting() {}

/// The configuration is read and the control endpoint is there. systemd waits until we are ready.
pub fn started() {}

/// Started, or reloaded: everything that can be bound is bound.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
    super::startup::release_starter();
}

/// Reading the configuration again.
pub fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    let now = Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0));
    let micros = i128::try_from(now.as_micros()).unwrap_or(0);
    send(&[NotifyState::Reloading, NotifyState::MonotonicUsec(micros)]);
}

/// Ending.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Still ending: sessions take their time.
pub fn still_stopping() {
    let micros = u32::try_from(EXTENSION.as_micros()).unwrap_or(u32::MAX);
    send(&[NotifyState::ExtendTimeoutUsec(micros)]);
}

fn send(state: &[NotifyState<'_>]) {
    // A service manager that does not listen is no reason not to work.
    drop(sd_notify::notify(state));
}
