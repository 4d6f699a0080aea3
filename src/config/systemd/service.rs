//! The section `[Service]`.

use super::Unit;
use super::environment::Variables;
use super::syntax::{Setting, words};
use crate::config::keys::Key;
use crate::config::raw::{Data, Value};
use crate::config::report::Problem;
use crate::config::source::{Span, Spanned};

/// Settings that restrict what a service may do. Without them it runs with more rights than it
/// should, which the administrator has to know.
const SANDBOX: [&str; 9] = [
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    "DynamicUser",
    "NoNewPrivileges",
    "Private",
    "Protect",
    "Restrict",
    "RootDirectory",
    "SystemCall",
];

/// Settings that lose their meaning with the manager that they are for.
const MANAGER: [&str; 12] = [
    "Type",
    "Restart",
    "RestartSec",
    "RemainAfterExit",
    "SyslogIdentifier",
    "SyslogFacility",
    "SyslogLevel",
    "SuccessExitStatus",
    "TimeoutStartSec",
    "TimeoutSec",
    "Slice",
    "OOMScoreAdjust",
];

pub(super) fn translate(settings: &[Setting], accept: bool, unit: &mut Unit<'_>, file: u16) {
    let of_service = || settings.iter().filter(|setting| setting.section == "Service");
    let mut limits: Vec<(Spanned<String>, Value)> = Vec::new();
    let mut limits_at = None;
    let mut is_inetd_style = false;
    for setting in of_service() {
        let text = setting.value.value.as_str();
        match setting.name.value.as_str() {
            // When all variables are known.
            "ExecStart" | "Environment" | "EnvironmentFile" => {}
            "User" => unit.text(Key::User, setting),
            "Group" => unit.text(Key::Group, setting),
            "SupplementaryGroups" => {
                let groups: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
                unit.extend(Key::Groups, setting, groups);
            }
            "WorkingDirectory" => unit.text(Key::Cwd, setting),
            "UMask" => unit.text(Key::Umask, setting),
            "Nice" => unit.integer(Key::Nice, setting),
            "PassEnvironment" => {
                let names: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
                unit.extend(Key::PassEnv, setting, names);
            }
            "StandardInput" => is_inetd_style = text == "socket",
            "StandardOutput" if text == "socket" || text == "inherit" => {}
            "StandardOutput" => unit.refuse(setting, "standard output is the connection"),
            "StandardError" => stderr(unit, setting),
            "TimeoutStopSec" => unit.time(Key::StopTimeout, setting),
            "RuntimeMaxSec" => unit.time(Key::SessionTimeout, setting),
            "KillMode" => {
                let tree = if text == "process" { "leave" } else { "kill" };
                unit.add(Key::Tree, setting, Data::Text(tree.to_owned()));
            }
            "ExecStartPre" | "ExecStartPost" | "ExecStop" | "ExecStopPost" | "ExecCondition"
            | "PAMName" => {
                unit.refuse(setting, "one program is started, with variables of this file");
            }
            "Sockets" => {}
            name => match name.strip_prefix("Limit").and_then(limit) {
                Some(key) => {
                    limits_at = Some(setting);
                    // "soft:hard": the soft one is what a program has at first.
                    let value = text.split(':').next().unwrap_or_default();
                    let data = match value.parse() {
                        Ok(value) => Data::Integer { value, octal: false },
                        Err(_) => Data::Text(value.replace("infinity", "unlimited").to_lowercase()),
                    };
                    let span = setting.value.span;
                    limits.retain(|(other, _)| other.value != key);
                    let name = Spanned { value: key.to_owned(), span: setting.name.span };
                    limits.push((name, Spanned { value: data, span }));
                }
                None if SANDBOX.iter().any(|prefix| name.starts_with(prefix)) => {
                    unit.ignore(setting, "the program runs without this protection");
                }
                None if MANAGER.contains(&name) => {
                    unit.ignore(setting, "inetd starts programs in one way only");
                }
                None => {
                    let problem = Problem::warning(setting.name.span, format!("{name} is ignored"));
                    unit.problems.push(problem.label("it has no counterpart here"));
                }
            },
        }
    }
    let variables = Variables::read(&of_service().collect::<Vec<_>>(), unit);
    for setting in of_service().filter(|setting| setting.name.value == "ExecStart") {
        command(unit, setting, &variables);
    }
    variables.add(unit);
    if let Some(setting) = limits_at {
        unit.add(Key::Limits, setting, Data::Table(limits));
    }
    let at = of_service().next().map_or(Span::new(file, 0..0), |setting| setting.name.span);
    if accept && !is_inetd_style {
        unit.problems.push(
            Problem::error(at, "the program does not get the connection as standard input")
                .help("only services with StandardInput=socket can be read"),
        );
    }
    let has_command = of_service()
        .any(|setting| setting.name.value == "ExecStart" && !setting.value.value.is_empty());
    let is_empty = unit.entries.iter().all(|entry| entry.key != Key::Run);
    // A command that is wrong was told about already.
    if is_empty && !has_command {
        let problem = Problem::error(at, "there is no ExecStart in [Service]");
        unit.problems.push(problem.help("write ExecStart=/path/of/program arguments"));
    }
}

/// The name of a limit: `NOFILE` is `nofile`.
fn limit(name: &str) -> Option<&'static str> {
    Some(match name {
        "AS" => "as",
        "CORE" => "core",
        "CPU" => "cpu",
        "DATA" => "data",
        "FSIZE" => "fsize",
        "NOFILE" => "nofile",
        "NPROC" => "nproc",
        "STACK" => "stack",
        _ => return None,
    })
}

/// `ExecStart=`: a program with prefixes, and arguments in quotes, with specifiers and variables.
fn command(unit: &mut Unit<'_>, setting: &Setting, variables: &Variables<'_>) {
    let text = setting.value.value.as_str();
    if text.is_empty() {
        unit.entries.retain(|entry| !matches!(entry.key, Key::Run | Key::Arg0));
        return;
    }
    let rest = text.trim_start_matches(['-', '@', ':', '+', '!', '|']);
    let prefixes = &text[..text.len() - rest.len()];
    if let Some(prefix) = prefixes.chars().find(|c| matches!(c, '+' | '!' | '|')) {
        unit.wrong(setting, &format!("the program without `{prefix}` in front"));
        return;
    }
    let Some(mut words) = words(rest) else {
        unit.wrong(setting, "a program and its arguments, with all quotes closed");
        return;
    };
    for word in &mut words {
        let Some(plain) = without_specifiers(word) else {
            let message = format!("`{word}` stands for something that only systemd knows");
            let problem = Problem::error(setting.value.span, message);
            unit.problems.push(problem.help("write what it stands for; `%%` is %"));
            return;
        };
        *word = plain;
    }
    if !prefixes.contains(':') {
        let Some(expanded) = variables.expanded(words, setting, unit) else { return };
        words = expanded;
    }
    if prefixes.contains('@') && words.len() > 1 {
        let name = words.remove(1);
        unit.add(Key::Arg0, setting, Data::Text(name));
    }
    unit.entries.retain(|entry| entry.key != Key::Run);
    unit.extend(Key::Run, setting, words);
}

/// Replaces `%%`; `None` if there is another specifier.
pub(super) fn without_specifiers(word: &str) -> Option<String> {
    let mut result = String::with_capacity(word.len());
    let mut characters = word.chars();
    while let Some(c) = characters.next() {
        if c == '%' && characters.next() != Some('%') {
            return None;
        }
        result.push(c);
    }
    Some(result)
}

fn stderr(unit: &mut Unit<'_>, setting: &Setting) {
    let to = match setting.value.value.as_str() {
        "socket" | "inherit" => "socket".to_owned(),
        "null" => "null".to_owned(),
        "journal" | "syslog" | "kmsg" | "journal+console" | "syslog+console" => "log".to_owned(),
        other => match other.strip_prefix("append:").or_else(|| other.strip_prefix("file:")) {
            Some(path) => format!("file:{path}"),
            None => {
                unit.wrong(setting, "socket, inherit, null, journal, or append:PATH");
                return;
            }
        },
    };
    unit.add(Key::Stderr, setting, Data::Text(to));
}
