//! What the account of the service needs so that it can start programs as somebody else. It is
//! given to the service's own account alone, with the installation, and taken away with it.

use std::io;

use super::super::account::{Account, Kind, SYSTEM};
use super::super::identity::needed;
use super::super::lsa::{Access, Policy};
use super::super::privileges::Privilege;
use super::super::security::Sid;
use super::security::{SERVICE_SID, VIRTUAL_ACCOUNT};
use crate::sys::{Installation, ServiceError};

/// The privileges that `account`, which the service runs as, has to be given.
///
/// # Errors
/// It cannot be given what it needs.
pub(super) fn needed_by(
    account: &str,
    installation: &Installation,
) -> Result<Vec<Privilege>, ServiceError> {
    let own = match Account::find(account) {
        Ok(own) => own.sid,
        // It exists as soon as the service does.
        Err(_) => SERVICE_SID.to_owned(),
    };
    let others = installation.users.iter().filter(|user| user.account.sid != own);
    let users: Vec<_> = others.collect();
    if users.is_empty() || own == SYSTEM {
        return Ok(Vec::new());
    }
    let refused = |why: String| {
        let help = "use --account LocalSystem";
        Err(ServiceError::Refused(format!("cannot install the service: {why}: {help}")))
    };
    if account != VIRTUAL_ACCOUNT {
        let name = &users[0].name;
        return refused(format!("{account} may not run programs as `{name}`"));
    }
    if let Some(user) = users.iter().find(|user| user.account.kind == Kind::Person) {
        return refused(format!(
            "the password of `{}`, which a service runs as, is kept where only LocalSystem and \
             administrators can read it",
            user.name
        ));
    }
    if installation.profiles {
        return refused("only LocalSystem and administrators can load a profile".into());
    }
    let mut privileges = Vec::new();
    for user in users {
        let more = needed(user.account.kind).iter().copied();
        privileges
            .extend(more.filter(|privilege| !privileges.contains(privilege)).collect::<Vec<_>>());
    }
    Ok(privileges)
}

/// Gives the service's own account these privileges.
pub(super) fn give(privileges: &[Privilege]) -> io::Result<()> {
    let names: Vec<_> = privileges.iter().map(|privilege| privilege.name()).collect();
    Policy::open(Access::Rights)?.add_rights(&Sid::parse(SERVICE_SID)?, &names)
}

/// Takes away what [`give`] can have given.
pub(super) fn take_away() -> io::Result<()> {
    let names = needed(Kind::Service).iter().map(|privilege| privilege.name());
    let names: Vec<_> = names.collect();
    Policy::open(Access::Rights)?.remove_rights(&Sid::parse(SERVICE_SID)?, &names)
}

#[cfg(test)]
mod tests {
    use super::super::super::identity::Identity;
    use super::*;

    fn installation(users: &[(&str, Kind)], profiles: bool) -> Installation {
        let user = |(name, kind): &(&str, Kind)| {
            let (name, kind) = ((*name).to_owned(), *kind);
            let account = Account { name: name.clone(), sid: "S-1-5-21-1-2-3-1001".into(), kind };
            Identity { name, account }
        };
        Installation {
            executable: r"C:\inetd.exe".into(),
            config: r"C:\inetd.toml".into(),
            format: None,
            account: None,
            start: None,
            users: users.iter().map(user).collect(),
            profiles,
        }
    }

    #[test]
    fn a_service_gets_what_its_users_need_and_no_more() {
        let needed = |users: &[(&str, Kind)]| {
            needed_by(VIRTUAL_ACCOUNT, &installation(users, false)).unwrap()
        };
        assert_eq!(needed(&[]), []);
        let all = [Privilege::AssignPrimaryToken, Privilege::IncreaseQuota, Privilege::Tcb];
        let own = Account::find("NetworkService").unwrap();
        let mut only_itself = installation(&[("NetworkService", Kind::Service)], false);
        only_itself.users[0].account.sid.clone_from(&own.sid);
        assert_eq!(needed_by(&own.name, &only_itself).unwrap(), []);
        let (service, managed) = (("LocalService", Kind::Service), (r"D\a$", Kind::Managed));
        assert_eq!(needed(&[service]), all);
        assert_eq!(needed(&[service, managed, service]), all);
    }

    #[test]
    fn what_cannot_work_is_refused_with_a_remedy() {
        let person = installation(&[(r"PC\alice", Kind::Person)], false);
        let service = installation(&[("LocalService", Kind::Service)], false);
        let profile = installation(&[("LocalService", Kind::Service)], true);
        for (account, installation) in [
            (VIRTUAL_ACCOUNT, &person),
            (VIRTUAL_ACCOUNT, &profile),
            (r"NT AUTHORITY\LocalService", &service),
        ] {
            let error = needed_by(account, installation).unwrap_err().to_string();
            assert!(error.ends_with("use --account LocalSystem"), "{error}");
        }
        for installation in [&person, &service, &profile] {
            assert_eq!(needed_by("LocalSystem", installation).unwrap(), []);
        }
    }
}
