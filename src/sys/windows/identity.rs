//! Users and groups. Programs run as the daemon's own user on Windows.

use std::io;

/// Who a program runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub user: u32,
    /// Group id.
    pub group: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// The user's name, for records.
    pub name: String,
}

/// Why a name cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is no such user.
    #[error("there is no user `{0}`")]
    UnknownUser(String),
    /// There is no such group.
    #[error("there is no group `{0}`")]
    UnknownGroup(String),
    /// This system has no such thing.
    #[error("not available on this system")]
    Unsupported,
    /// The lookup failed.
    #[error("cannot look it up: {0}")]
    System(#[from] io::Error),
}

/// Looks up who a program shall run as. `None` is the daemon's own user.
///
/// # Errors
/// `Unsupported` if anybody is named.
pub fn resolve(
    user: Option<&str>,
    group: Option<&str>,
    groups: Option<&[String]>,
) -> Result<Option<Identity>, IdentityError> {
    if user.is_none() && group.is_none() && groups.is_none() {
        return Ok(None);
    }
    Err(IdentityError::Unsupported)
}

/// The user id of a name or a number: there are none here.
pub fn user_id(_name: &str) -> Result<u32, IdentityError> {
    Err(IdentityError::Unsupported)
}

/// The group id of a name or a number: there are none here.
pub fn group_id(_name: &str) -> Result<u32, IdentityError> {
    Err(IdentityError::Unsupported)
}

/// Whether this process may start programs as `identity`.
pub fn may_become(_identity: &Identity) -> bool {
    false
}
