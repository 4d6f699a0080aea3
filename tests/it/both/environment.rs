//! What a program is told about its connection, name by name.

use std::collections::BTreeMap;

use crate::harness::{Daemon, Start, on_windows, probe, service};

/// The variables that a probe has printed.
fn variables(answer: &str) -> BTreeMap<&str, &str> {
    let lines = answer.lines().filter_map(|line| line.strip_prefix("env "));
    lines.map(|line| line.split_once('=').unwrap()).collect()
}

#[test]
fn the_facts_of_a_tcp_connection() {
    let daemon = Daemon::run(&service("env", &probe(&["environment"]), ""));
    let mut client = daemon.connect("env");
    let answer = client.rest();
    let variables = variables(&answer);
    let (local, remote) = (daemon.address("env"), client.local());
    let (local_port, remote_port) = (local.port().to_string(), remote.port().to_string());
    let (local, remote) = (local.to_string(), remote.to_string());
    let expected = [
        ("PROTO", "TCP"),
        ("TCPLOCALIP", "127.0.0.1"),
        ("TCPLOCALPORT", &local_port),
        ("TCPREMOTEIP", "127.0.0.1"),
        ("TCPREMOTEPORT", &remote_port),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_PORT", &remote_port),
        ("REMOTE_HOST", "127.0.0.1"),
        ("INETD_SERVICE", "env"),
        ("INETD_SESSION", "1"),
        ("INETD_LOCAL", &local),
        ("INETD_REMOTE", &remote),
    ];
    for (name, value) in expected {
        assert_eq!(variables.get(name), Some(&value), "{name} in {answer}");
    }
    let socket: u64 = variables["Inetd_SOCK"].parse().unwrap();
    assert_eq!(socket == 0, !on_windows(), "a descriptor on Unix, a handle on Windows: {socket}");
    for absent in ["LISTEN_FDS", "LISTEN_PID", "TCPLOCALHOST", "TCPREMOTEHOST", "TLS_PROTOCOL"] {
        assert_eq!(variables.get(absent), None, "{absent}");
    }
}

#[test]
fn of_the_daemons_own_environment_only_what_is_passed() {
    let config = service("plain", &probe(&["environment"]), "")
        + &service(
            "given",
            &probe(&["environment"]),
            "pass_env = ['SECRET_*']\nenv = { COLOUR = 'green' }",
        );
    let daemon = Start::run(&config).env("SECRET_TOKEN", "s3cret").env("LC_ALL", "C").ready();
    let answer = daemon.ask("plain", "");
    let plain = variables(&answer);
    assert_eq!(plain.get("SECRET_TOKEN"), None);
    assert_eq!(plain.get("LC_ALL"), Some(&"C"));
    assert!(plain.keys().any(|name| name.eq_ignore_ascii_case("path")));

    let answer = daemon.ask("given", "");
    let given = variables(&answer);
    assert_eq!(given.get("SECRET_TOKEN"), Some(&"s3cret"));
    assert_eq!(given.get("LC_ALL"), None);
    assert_eq!(given.get("COLOUR"), Some(&"green"));
}

#[test]
fn the_facts_of_a_connection_cannot_be_forged() {
    for name in ["TCPREMOTEIP", "INETD_SERVICE", "Inetd_SOCK", "LISTEN_PID"] {
        let config = service("env", &probe(&["environment"]), &format!("env.{name} = 'forged'"));
        let finished = Start::run(&config).fails();
        assert_eq!(finished.code, 1, "{name}");
        assert!(finished.err.contains(name), "{}", finished.err);
    }
}

#[test]
fn each_name_is_there_once() {
    let keys = "pass_env = ['PATH', 'P*']\nenv = { PATH = 'here' }";
    let daemon = Daemon::run(&service("env", &probe(&["environment"]), keys));
    let answer = daemon.ask("env", "");
    let mut names: Vec<_> = answer
        .lines()
        .filter_map(|line| line.strip_prefix("env ")?.split('=').next())
        .map(str::to_ascii_uppercase)
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "{answer}");
}

#[test]
fn the_working_directory() {
    let folder = tempfile::tempdir().unwrap();
    let path = std::fs::canonicalize(folder.path()).unwrap();
    let keys = format!("cwd = '{}'", crate::harness::native(&path));
    let daemon = Daemon::run(&service("env", &probe(&["environment"]), &keys));
    let answer = daemon.ask("env", "");
    let expected = format!("\ncwd {}\n", crate::harness::native(&path));
    assert!(answer.contains(&expected), "{expected} in {answer}");
}
