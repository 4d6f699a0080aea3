//! The Event Log is a thing of Windows. Here the service manager keeps what we write to standard
//! error.

/// Tells of an error.
pub fn error(_text: &str) {}
