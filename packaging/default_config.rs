//! Prints the `inetd.toml` that packages bring: every key of the system with its value, as a comment.
//! It is made from the table of keys, and `tests/it/default_config.rs` loads every line of it.
//!
//! Usage: cargo run --example default_config -- windows|linux

#![expect(clippy::print_stdout, reason = "that is what it is for")]
#![expect(clippy::unwrap_used, reason = "a tool for people who build packages")]

use std::fmt::Write;

use inetd::config::keys::{Availability, DAEMON, Group, KeyInfo, LOG, SERVICE, SubKey};
use inetd::sys::Family;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("windows") => print!("{}", text(Family::Windows)),
        Some("linux") => print!("{}", text(Family::Unix)),
        _ => panic!("say for which system: windows or linux"),
    }
}

const GROUPS: [Group; 7] = [
    Group::Listening,
    Group::Program,
    Group::Admission,
    Group::Time,
    Group::Wrapping,
    Group::OnDemand,
    Group::Builtin,
];

fn is_there(availability: Availability, family: Family) -> bool {
    match availability {
        Availability::Everywhere => true,
        Availability::Unix => family == Family::Unix,
        Availability::Windows => family == Family::Windows,
        Availability::Later => false,
    }
}

/// A value for a key that has none by itself. The tests below load each of them.
fn example(key: &str, family: Family) -> Option<&'static str> {
    let windows = family == Family::Windows;
    Some(match key {
        "access_times" => r#"["8:00-17:30"]"#,
        "allow" => r#"["192.0.2.0/24", "::1"]"#,
        "arg0" => r#""hello""#,
        "banner" => r#""Welcome""#,
        "banner_reject" => r#""Come back later""#,
        "compat_env" => r#"["ncat"]"#,
        "control" if windows => r"'\\.\pipe\inetd'",
        "control" => r#""/run/inetd/control.sock""#,
        "cwd" if windows => r"'C:\ProgramData'",
        "cwd" => r#""/var/tmp""#,
        "deny" => r#"["192.0.2.13"]"#,
        "env" => r#"{ LEVEL = "3" }"#,
        "file" if windows => r"'C:\ProgramData\Inetd\inetd.log'",
        "file" => r#""/var/log/inetd.log""#,
        "group" => r#""nogroup""#,
        "groups" => "[]",
        "hosts_allow" if windows => r"'C:\ProgramData\Inetd\hosts.allow'",
        "hosts_allow" => r#""/etc/hosts.allow""#,
        "hosts_deny" if windows => r"'C:\ProgramData\Inetd\hosts.deny'",
        "hosts_deny" => r#""/etc/hosts.deny""#,
        "http" => r#""127.0.0.1:9790""#,
        "idle_timeout" => r#""10m""#,
        "interface" => r#""lo""#,
        "limits" if windows => r#"{ memory = "256m", processes = 8 }"#,
        "limits" => "{ nofile = 64, cpu = 60 }",
        "nice" => "10",
        "over_rate" => r#""pause""#,
        "receive_buffer" | "send_buffer" => r#""256k""#,
        "rpc" => r#""rusersd/1-3""#,
        "socket_group" if windows => r#""Users""#,
        "socket_group" => r#""root""#,
        "socket_mode" => r#""0660""#,
        "socket_user" if windows => r#""LocalService""#,
        "socket_user" => r#""root""#,
        "tls" if windows => {
            r"{ cert = 'C:\ProgramData\Inetd\cert.pem', key = 'C:\ProgramData\Inetd\key.pem' }"
        }
        "tls" => r#"{ cert = "/etc/inetd/cert.pem", key = "/etc/inetd/key.pem" }"#,
        "trusted_proxies" => r#"["192.0.2.1"]"#,
        "user" if windows => r#""NT AUTHORITY\\LocalService""#,
        "user" => r#""nobody""#,
        "websocket" => r#"{ path = "/" }"#,
        _ => return None,
    })
}

/// What a key of `[daemon]` or `[daemon.log]` is for.
fn about(key: &str) -> &'static str {
    match key {
        "control" => "Where `inetd status`, `reload` and `stop` reach the daemon",
        "facility" => "For syslog and the journal: daemon, local0 and others",
        "file" => "Its file; then target = \"file\" need not be written",
        "format" => "text, json",
        "http" => "Dashboard and metrics; not there without it",
        "hosts_allow" | "hosts_deny" => "A file of TCP wrappers, for tcp_wrappers = true",
        "level" => "error, warn, info, debug",
        "max_sessions" => "Sessions of all services together; 0 is no limit",
        "rotate_keep" => "How many old log files are kept",
        "rotate_size" => "A larger log file gives way to a new one; 0: never",
        "target" => "Where it goes: see docs/configuration.md",
        other => panic!("say in packaging/default_config.rs what `{other}` of [daemon] is for"),
    }
}

/// A key as a comment, with what is known about it.
fn line(name: &str, default: &str, doc: &str, family: Family) -> String {
    let value = match default {
        "none" | "required" => example(name, family).unwrap_or_else(|| {
            panic!("give an example of `{name}` in packaging/default_config.rs: it has no default")
        }),
        default => default,
    };
    let setting = format!("#{name} = {value}");
    format!("{setting:<36}  # {doc}\n")
}

fn table(header: &str, keys: &[SubKey], family: Family) -> String {
    let keys = keys.iter().filter(|key| key.name != "log" && is_there(key.availability, family));
    let lines = keys.map(|key| line(key.name, key.default, about(key.name), family));
    format!("\n{header}\n{}", lines.collect::<String>())
}

/// The file for a system.
pub fn text(family: Family) -> String {
    let (program, start) = if family == Family::Windows {
        (r"['C:\Windows\System32\cmd.exe', '/c', 'ver']", "inetd service start")
    } else {
        (r#"["/bin/date"]"#, "inetd service install, then inetd service start")
    };
    let mut text = format!(
        "\
# What inetd listens on, and what it runs. Every setting is a comment: take the # in front of it
# away to use it. Its value is what holds without it, or an example where nothing does.
#
#   inetd check                 every mistake in this file, with its place
#   inetd reload                use the changed file; sessions go on
#   {start}
#
# docs/configuration.md explains every key.

# More files, relative to this one.
#include = [\"conf.d/*.toml\"]
{}{}
# A service: a name, where it listens, what it runs. In place of run there can be
# forward = \"HOST:PORT\" or builtin = \"echo\".
#[service.hello]
#listen = \"127.0.0.1:7000\"
#run = {program}

# What holds for all services of this file. Each of these keys can stand in a service as well, and
# then holds for that one.
[defaults]
",
        table("[daemon]", DAEMON, family),
        table("[daemon.log]", LOG, family),
    );
    // What a service is for cannot be the same for all, and a table must be there to be named.
    let own = ["listen", "run", "forward", "builtin", "sensor", "access"];
    let of_service = |key: &&KeyInfo| !own.contains(&key.name);
    for group in GROUPS {
        let keys = SERVICE.iter().filter(of_service).filter(|key| key.group == group);
        let mut keys = keys.filter(|key| is_there(key.availability, family)).peekable();
        if keys.peek().is_some() {
            write!(text, "\n# {}\n", group.heading()).unwrap();
        }
        for key in keys {
            text += &line(key.name, key.default, key.doc, family);
        }
    }
    text
}
