//! What the Service Control Manager is told of our state. In the foreground nobody asks.

use super::service;

/// A step of the start is done.
pub fn starting() {
    service::starting();
}

/// The configuration is read and the control endpoint is there: whoever waits for the service can
/// go on. What has to be bound may take longer.
pub fn started() {
    service::started();
}

/// Started, or reloaded: everything that can be bound is bound. The manager knows no such state.
pub fn ready(_status: &str) {}

/// Reading the configuration again.
pub fn reloading() {}

/// Ending.
pub fn stopping() {
    service::stopping();
}

/// Still ending: sessions take their time.
pub fn still_stopping() {
    service::stopping();
}
