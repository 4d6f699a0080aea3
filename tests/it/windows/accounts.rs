//! Programs that run as somebody else. Wine logs nobody on and has one account, so what is shown
//! here is who is refused, and with which words.

use crate::harness::{Daemon, Start, inetd, native, probe, service, wine};

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn who_lacks_a_privilege_is_told_which_one_and_how_to_get_it() {
    // No console has it, not even an administrator's.
    let config = service("x", &probe(&["identity"]), "user = 'local-service'");
    let finished = Start::run(&config).fails();
    assert_eq!(finished.code, 1);
    let error = &finished.err;
    let named = r"this process cannot become the user `NT AUTHORITY\LocalService`";
    assert!(error.contains(named) && error.contains("inetd.toml:7:8"), "{error}");
    assert!(error.contains("it lacks SeAssignPrimaryTokenPrivilege"), "{error}");
    assert!(error.contains("`inetd service install`"), "{error}");
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn our_own_account_needs_no_change() {
    let daemon = Daemon::run(&service("who", &probe(&["identity"]), ""));
    let answer = daemon.ask("who", "");
    let user = answer.lines().find_map(|line| line.strip_prefix("user ")).unwrap();
    daemon.reload_with(&service("who", &probe(&["identity"]), &format!("user = '{user}'")));
    assert_eq!(daemon.ask("who", ""), answer);
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_reload_with_an_account_that_cannot_be_used_changes_nothing() {
    let daemon = Daemon::run(&service("say", &probe(&["say", "first"]), ""));
    daemon.rewrite(&service("say", &probe(&["say", "second"]), "user = 'NetworkService'"));
    let reload = daemon.reload();
    assert_eq!(reload.code, 1, "{}", reload.out);
    assert!(reload.err.contains("it lacks"), "{}", reload.err);
    assert_eq!(daemon.ask("say", ""), "first\n");
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn the_installation_says_which_rights_an_account_gets() {
    let folder = tempfile::tempdir().unwrap();
    let plan = |keys: &str, options: &[&str]| {
        let path = folder.path().join("inetd.toml");
        std::fs::write(&path, service("x", &probe(&["identity"]), keys)).unwrap();
        let path = native(&path);
        let arguments = ["service", "install", "--print", "--config", &path];
        inetd(&[&arguments, options].concat())
    };
    let nobody = plan("", &[]);
    assert!(!nobody.out.contains("right"), "{}", nobody.out);
    let service = plan("user = 'LocalService'", &[]);
    for right in ["SeAssignPrimaryTokenPrivilege", "SeIncreaseQuotaPrivilege", "SeTcbPrivilege"] {
        assert!(service.out.contains(&format!("right    {right}\n")), "{}", service.out);
    }
    let system = plan("user = 'LocalService'", &["--account", "LocalSystem"]);
    assert!(!system.out.contains("right"), "{}", system.out);
    let refused = plan("user = 'LocalService'\nprofile = true", &[]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.ends_with("use --account LocalSystem\n"), "{}", refused.err);
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn passwords_are_for_accounts_that_have_one() {
    let refused = |arguments: &[&str], text: &str| {
        let arguments: Vec<_> = ["secret"].iter().chain(arguments).copied().collect();
        let finished = inetd(&arguments);
        assert_eq!(finished.code, 1, "{}", finished.out);
        assert!(finished.err.contains(text), "{}", finished.err);
    };
    refused(&["set", "NetworkService"], "has no password: a service can run as it without one");
    refused(&["set", "no-such-account"], "there is no user `no-such-account`");
    if wine() {
        // Nothing is there, as on a new machine; an ordinary user may not even ask on Windows.
        refused(&["delete", "no-such-account"], "no password is kept for `no-such-account`");
        assert_eq!(inetd(&["secret", "list"]).out, "");
    }
}
