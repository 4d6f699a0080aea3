//! Accounts: what can be wrong with a name or a password, and where a password comes from.

/// Why a name cannot be used as that of a user or a group.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is no such user.
    #[error("there is no user `{0}`")]
    UnknownUser(String),
    /// There is no such group.
    #[error("there is no group `{0}`")]
    UnknownGroup(String),
    /// It is the name of a group (Windows).
    #[error("`{0}` is a group, not a user")]
    NotAUser(String),
    /// It is the name of a user (Windows).
    #[error("`{0}` is a user, not a group")]
    NotAGroup(String),
    /// Nobody can become it.
    #[error("no program can run as `{0}`, unless inetd itself does and `user` is left out")]
    OnlyItself(String),
    /// This system has no such thing.
    #[error("not available on this system")]
    Unsupported,
    /// The lookup failed.
    #[error("cannot look it up: {0}")]
    System(#[from] std::io::Error),
}

/// Where a password comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// Somebody types it at the console, and it is not shown.
    Console,
    /// The first line of standard input.
    StandardInput,
}

/// Why a password cannot be kept or forgotten. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// This system has no use for passwords.
    #[error(
        "accounts need no password on this system: inetd that runs as root becomes the `user` of a \
         service without one"
    )]
    Unneeded,
    /// There is no such account.
    #[error("{0}")]
    Account(#[from] IdentityError),
    /// It has none.
    #[error("`{0}` has no password: a service can run as it without one")]
    NoPassword(String),
    /// It cannot be read.
    #[error("cannot read the password: {0}")]
    Unreadable(std::io::Error),
    /// It is not the account's.
    #[error("the password of `{0}` is another one: nothing was changed")]
    WrongPassword(String),
    /// There is nothing to forget.
    #[error("no password is kept for `{0}`: `inetd secret list` shows for whom there is one")]
    NotKept(String),
    /// Only an administrator may.
    #[error("passwords are kept and read by administrators only: {0}")]
    NotPermitted(&'static str),
    /// The store of the system has refused it.
    #[error("cannot use the system's store for passwords: {0}")]
    Store(std::io::Error),
}
