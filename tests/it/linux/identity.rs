//! As whom and under which limits a program runs. Only root can become somebody else; without
//! root these tests check what anybody can do.

use crate::harness::unix::is_root;
use crate::harness::{Daemon, inetd, probe, service};

/// What the probe prints in this mode under these keys.
fn ask(mode: &str, keys: &str) -> String {
    Daemon::run(&service("who", &probe(&[mode]), keys)).ask("who", "")
}

/// The number that id(1) gives.
fn id(arguments: &[&str]) -> String {
    let output = std::process::Command::new("id").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_program_runs_as_the_daemon_unless_told_otherwise() {
    let (uid, gid) = (id(&["-u"]), id(&["-g"]));
    let answer = ask("identity", "");
    assert!(answer.starts_with(&format!("uid {uid} {uid}\ngid {gid} {gid}\n")), "{answer}");
}

#[test]
fn a_user_brings_its_groups() {
    if !is_root() {
        return;
    }
    let (uid, gid) = (id(&["-u", "daemon"]), id(&["-g", "daemon"]));
    let groups = id(&["-G", "daemon"]);
    let expected = format!("uid {uid} {uid}\ngid {gid} {gid}\ngroups {groups}\n");
    assert_eq!(ask("identity", "user = 'daemon'"), expected);
}

#[test]
fn group_and_groups_replace_those_of_the_user() {
    if !is_root() {
        return;
    }
    let uid = id(&["-u", "daemon"]);
    let keys = "user = 'daemon'\ngroup = 'games'\ngroups = ['games', 'mail']";
    let (games, mail) = (group("games"), group("mail"));
    let answer = ask("identity", keys);
    let mut lines = answer.lines();
    assert_eq!(lines.next(), Some(format!("uid {uid} {uid}").as_str()));
    assert_eq!(lines.next(), Some(format!("gid {games} {games}").as_str()));
    let mut groups: Vec<_> = lines.next().unwrap().split(' ').skip(1).collect();
    groups.sort_unstable();
    let mut expected = [games.as_str(), mail.as_str()];
    expected.sort_unstable();
    groups.dedup();
    assert_eq!(groups, expected);
}

fn group(name: &str) -> String {
    let groups = std::fs::read_to_string("/etc/group").unwrap();
    let line = groups.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
    line.split(':').nth(2).unwrap().to_owned()
}

#[test]
fn an_unknown_user_is_a_problem_at_load() {
    let config = service("who", &probe(&["identity"]), "user = 'nobody-knows'");
    let finished = crate::harness::Start::run(&config).fails();
    assert_eq!(finished.code, 1);
    assert!(finished.err.contains("nobody-knows"), "{}", finished.err);
}

#[test]
fn umask_nice_and_limits() {
    let keys = "umask = '027'\nnice = 5\nlimits = { nofile = 77, core = 0, fsize = '1m', cpu = 9 }";
    let answer = ask("environment", keys);
    for line in [
        "umask 027",
        "nice 5",
        "limit nofile 77",
        "limit core 0",
        "limit fsize 1048576",
        "limit cpu 9",
    ] {
        assert!(answer.contains(&format!("\n{line}\n")), "{line} in {answer}");
    }
}

#[test]
fn signals_and_the_process_group_are_as_after_a_login() {
    let answer = ask("environment", "");
    let value = |name: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {answer}")).trim().to_owned()
    };
    for set in ["SigBlk", "SigIgn", "SigPnd"] {
        assert_eq!(signals(&value(&format!("signals {set}:"))), 0, "{set}");
    }
    assert_eq!(value("pid "), value("pgid "));
    assert_eq!(value("umask "), "022");
    assert_eq!(value("cwd "), "/");
}

/// A set of /proc/PID/status without the two signals that belong to the C library itself: its
/// posix_spawn(3), with which the tests start the daemon, ignores them, and nobody else can use
/// them.
fn signals(mask: &str) -> u64 {
    u64::from_str_radix(mask, 16).unwrap() & !(3 << 31)
}

#[test]
fn ignored_signals_and_a_strange_umask_of_the_daemon_do_not_reach_programs() {
    let shell = ["sh", "-c", "trap '' HUP PIPE QUIT; umask 077; exec \"$@\"", "sh"];
    let config = service("env", &probe(&["environment"]), "");
    let daemon =
        crate::harness::Start::run(&config).through(&shell, std::process::Stdio::null()).ready();
    let answer = daemon.ask("env", "");
    let ignored = answer.lines().find_map(|line| line.strip_prefix("signals SigIgn:")).unwrap();
    assert_eq!(signals(ignored.trim()), 0, "{answer}");
    assert!(answer.contains("\numask 022\n"), "{answer}");
}

#[test]
fn the_limit_on_descriptors_is_the_one_that_the_daemon_was_started_with() {
    let shell = ["sh", "-c", "ulimit -S -n 300; exec \"$@\"", "sh"];
    let config = service("env", &probe(&["environment"]), "");
    let daemon =
        crate::harness::Start::run(&config).through(&shell, std::process::Stdio::null()).ready();
    let answer = daemon.ask("env", "");
    assert!(answer.contains("\nlimit nofile 300\n"), "{answer}");
}

#[test]
fn no_account_needs_a_password() {
    for arguments in [&["set", "nobody"][..], &["delete", "nobody"], &["list"]] {
        let arguments: Vec<_> = ["secret"].iter().chain(arguments).copied().collect();
        let refused = inetd(&arguments);
        assert_eq!(refused.code, 1);
        assert!(refused.err.contains("accounts need no password"), "{}", refused.err);
    }
}
