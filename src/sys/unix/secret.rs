//! The passwords of accounts that services run as: on Unix none is needed.

use std::io;

use crate::sys::{SecretError, SecretSource};

/// # Errors
/// Always.
pub fn set(
    _account: &str,
    _source: SecretSource,
    _prompt: impl FnOnce(&str),
) -> Result<(String, Option<io::Error>), SecretError> {
    Err(SecretError::Unneeded)
}

/// # Errors
/// Always.
pub fn delete(_account: &str) -> Result<String, SecretError> {
    Err(SecretError::Unneeded)
}

/// # Errors
/// Always.
pub fn list() -> Result<Vec<String>, SecretError> {
    Err(SecretError::Unneeded)
}
