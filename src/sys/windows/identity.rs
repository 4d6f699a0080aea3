//! Users and groups. They are looked up once, when the configuration is loaded; that a program runs
//! with another group is Unix's.

use super::account::{self, Account, Kind};
use super::privileges::{self, Privilege};
use super::security::own_user;
use super::token;
use crate::sys::IdentityError;

/// How an account is written, for an error message.
pub const SPELLINGS: &str = "write LocalService, NetworkService, 'NT SERVICE\\NAME', 'name' for an \
                             account of this machine, 'DOMAIN\\name' or name@domain, or \
                             'DOMAIN\\name$' for a managed service account";

/// Who a program runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account's name, for records.
    pub name: String,
    pub(super) account: Account,
}

/// Looks up who a program shall run as. `None` is the daemon's own user.
///
/// # Errors
/// There is no such account, or nobody can become it; there are no groups to choose.
pub fn resolve(
    user: Option<&str>,
    group: Option<&str>,
    groups: Option<&[String]>,
) -> Result<Option<Identity>, IdentityError> {
    if group.is_some() || groups.is_some() {
        return Err(IdentityError::Unsupported);
    }
    let Some(user) = user else { return Ok(None) };
    let account = Account::find(user)?;
    if account.sid == own_user()? {
        return Ok(None);
    }
    if account.kind == Kind::System {
        return Err(IdentityError::OnlyItself(account.name));
    }
    Ok(Some(Identity::of(account)))
}

impl Identity {
    pub(super) fn of(account: Account) -> Self {
        Self { name: account.name.clone(), account }
    }
}

/// A user or a group: its SID as text.
pub type AccountId = String;

/// The user with this name or SID.
pub fn user_id(name: &str) -> Result<AccountId, IdentityError> {
    account::sid(name).map_or_else(|| Ok(Account::find(name)?.sid), Ok)
}

/// The group with this name or SID.
pub fn group_id(name: &str) -> Result<AccountId, IdentityError> {
    account::sid(name).map_or_else(|| account::group(name), Ok)
}

/// Whether this process can do what ordinary users cannot: it is an administrator or the system,
/// or can become them.
pub fn is_privileged() -> bool {
    token::is_administrator().unwrap_or(false) || token::has_powers().unwrap_or(false)
}

/// Names of users that somebody may have meant.
pub fn known_users() -> Vec<String> {
    account::names()
}

/// Why this process cannot start programs as `identity`, and what to do about it; `None` if it can,
/// as far as that can be told before it is tried.
pub fn obstacle(identity: &Identity) -> Option<String> {
    let kind = identity.account.kind;
    let needed = needed(kind);
    let token = token::own(token::QUERY).ok()?;
    let held = privileges::held(&token, needed).ok()?;
    let service = "run inetd as a service that was installed with this configuration (`inetd \
                   service install`), or with `inetd service install --account LocalSystem`";
    if let Some(missing) = needed.iter().find(|privilege| !held.contains(privilege)) {
        let (name, policy) = (missing.name(), missing.policy());
        return Some(format!("it lacks {name} (\"{policy}\"): {service}"));
    }
    if kind == Kind::Person && !token::is_administrator().ok()? {
        return Some(
            "only administrators and LocalSystem can read the password that `inetd secret set` \
             has kept: use `inetd service install --account LocalSystem`"
                .into(),
        );
    }
    None
}

/// What it takes to start programs as an account of this kind.
pub(super) fn needed(kind: Kind) -> &'static [Privilege] {
    const ALWAYS: [Privilege; 3] =
        [Privilege::AssignPrimaryToken, Privilege::IncreaseQuota, Privilege::Tcb];
    match kind {
        // With its password anybody may log an account on.
        Kind::Person => &ALWAYS[..2],
        Kind::System | Kind::Service | Kind::Managed => &ALWAYS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_user_needs_no_change() {
        let user = std::env::var("USERNAME").unwrap();
        assert_eq!(resolve(Some(&user), None, None).unwrap(), None);
        assert_eq!(resolve(None, None, None).unwrap(), None);
        assert!(resolve(None, Some("Users"), None).is_err());
    }

    #[test]
    fn nobody_becomes_the_system() {
        let error = resolve(Some("LocalSystem"), None, None).unwrap_err().to_string();
        assert!(error.contains("no program can run as `LocalSystem`"), "{error}");
    }

    #[test]
    fn a_missing_privilege_is_named() {
        let identity = resolve(Some("LocalService"), None, None).unwrap().unwrap();
        let token = token::own(token::QUERY).unwrap();
        let all = needed(identity.account.kind);
        let held = privileges::held(&token, all).unwrap();
        match obstacle(&identity) {
            None => assert_eq!(held.len(), all.len()),
            Some(text) => {
                let missing = all.iter().find(|privilege| !held.contains(privilege)).unwrap();
                assert!(text.contains(missing.name()), "{text}");
                assert!(text.contains("inetd service install"), "{text}");
            }
        }
    }

    #[test]
    fn users_and_groups_are_told_apart() {
        let service = user_id(r"NT AUTHORITY\LocalService").unwrap();
        assert_eq!(service, "S-1-5-19");
        assert_eq!(user_id("S-1-5-19").unwrap(), service);
        let users = group_id("Users").unwrap();
        assert_eq!(users, "S-1-5-32-545");
        assert!(matches!(user_id("Users"), Err(IdentityError::NotAUser(_))));
        let everyone = group_id("Everyone").unwrap();
        assert_eq!(everyone, "S-1-1-0");
        let own = std::env::var("USERNAME").unwrap();
        user_id(&own).unwrap();
        assert!(matches!(group_id(&own), Err(IdentityError::NotAGroup(_))));
    }

    #[test]
    fn who_does_not_exist_is_told() {
        for name in ["no-such-account-anywhere", "", "S-1-", "a\0"] {
            assert!(user_id(name).is_err() && group_id(name).is_err(), "{name:?}");
        }
    }
}
