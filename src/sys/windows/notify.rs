//! What a service manager is told of our state. In the foreground on Windows nobody asks.

/// Started, or reloaded: everything that can be bound is bound.
pub fn ready(_status: &str) {}

/// Reading the configuration again.
pub fn reloading() {}

/// Ending.
pub fn stopping() {}
