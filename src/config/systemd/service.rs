//! The section `[Service]`.

use super::Pair;
use super::environment::Variables;
use super::syntax::{Setting, commands};
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

pub(super) fn translate(settings: &[Setting], accept: bool, pair: &mut Pair<'_>, at: Span) {
    let mut limits: Vec<(Spanned<String>, Value)> = Vec::new();
    let mut limits_at = None;
    let mut is_inetd_style = false;
    for setting in settings {
        let text = setting.value.value.as_str();
        match setting.name.value.as_str() {
            // When all variables are known.
            "ExecStart" | "Environment" | "EnvironmentFile" => {}
            "User" => pair.text(Key::User, setting),
            "Group" => pair.text(Key::Group, setting),
            "SupplementaryGroups" => {
                let groups: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
                pair.extend(Key::Groups, setting, groups);
            }
            "WorkingDirectory" => pair.text(Key::Cwd, setting),
            "UMask" => pair.text(Key::Umask, setting),
            "Nice" => pair.integer(Key::Nice, setting),
            "PassEnvironment" => {
                let names: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
                pair.extend(Key::PassEnv, setting, names);
            }
            "StandardInput" => is_inetd_style = text == "socket",
            "StandardOutput" if text == "socket" || text == "inherit" => {}
            "StandardOutput" => pair.refuse(setting, "standard output is the connection"),
            "StandardError" => stderr(pair, setting),
            "TimeoutStopSec" => pair.time(Key::StopTimeout, setting),
            "RuntimeMaxSec" => pair.time(Key::SessionTimeout, setting),
            "KillMode" => {
                let tree = if text == "process" { "leave" } else { "kill" };
                pair.add(Key::Tree, setting, Data::Text(tree.to_owned()));
            }
            // It may be what makes the start safe, or decides about it.
            "ExecStartPre" | "ExecCondition" => before(pair, setting),
            "PAMName" => pair.refuse(setting, "no session of PAM is opened for the program"),
            "ExecStartPost" => pair.ignore(setting, "nothing is run besides the program"),
            "ExecStop" => pair.ignore(setting, "the program is ended by a signal"),
            "ExecStopPost" => pair.ignore(setting, "nothing is run after the program"),
            "ExecReload" => pair.ignore(setting, "the program is not told of a reload"),
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
                    pair.ignore(setting, "the program runs without this protection");
                }
                None if MANAGER.contains(&name) => {
                    pair.ignore(setting, "inetd starts programs in one way only");
                }
                None => {
                    let problem = Problem::warning(setting.name.span, format!("{name} is ignored"));
                    pair.problems.push(problem.label("it has no counterpart here"));
                }
            },
        }
    }
    let variables = Variables::read(settings, pair);
    let starts: Vec<_> = settings.iter().filter(|s| s.name.value == "ExecStart").collect();
    for setting in &starts {
        command(pair, setting, &variables);
    }
    if let [first, .., last] = starts[..] {
        let problem = Problem::error(last.name.span, "there is more than one ExecStart");
        pair.problems.push(
            problem
                .label("one program is started")
                .related(first.name.span, "the first one is here")
                .help("an empty `ExecStart=` in front takes back those before it"),
        );
    }
    variables.add(pair);
    if let Some(setting) = limits_at {
        pair.add(Key::Limits, setting, Data::Table(limits));
    }
    if accept && !is_inetd_style {
        pair.problems.push(
            Problem::error(at, "the program does not get the connection as standard input")
                .help("only services with StandardInput=socket can be read"),
        );
    }
    // A command that is wrong was told about already.
    if starts.is_empty() {
        let problem = Problem::error(at, "there is no ExecStart in [Service]");
        pair.problems.push(problem.help("write ExecStart=/path/of/program arguments"));
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
fn command(pair: &mut Pair<'_>, setting: &Setting, variables: &Variables<'_>) {
    let text = setting.value.value.as_str();
    let rest = text.trim_start_matches(['-', '@', ':', '+', '!', '|']);
    let prefixes = &text[..text.len() - rest.len()];
    if let Some(prefix) = prefixes.chars().find(|c| matches!(c, '+' | '!' | '|')) {
        pair.wrong(setting, &format!("the program without `{prefix}` in front"));
        return;
    }
    let Some(commands) = commands(rest) else {
        pair.wrong(setting, "a program and its arguments, with all quotes closed");
        return;
    };
    let [words] = &commands[..] else {
        pair.wrong(setting, "one command without `;`, or `\\;` for an argument");
        return;
    };
    let expanded: Option<Vec<_>> = words.iter().map(|word| pair.expanded(word, setting)).collect();
    let Some(mut words) = expanded else { return };
    if !prefixes.contains(':') {
        let Some(expanded) = variables.expanded(words, setting, pair) else { return };
        words = expanded;
    }
    if prefixes.contains('@') && words.len() > 1 {
        let name = words.remove(1);
        pair.add(Key::Arg0, setting, Data::Text(name));
    }
    pair.entries.retain(|entry| entry.key != Key::Run);
    pair.extend(Key::Run, setting, words);
}

/// A command that has to succeed before the program is started.
fn before(pair: &mut Pair<'_>, setting: &Setting) {
    let message = format!("{} cannot be honoured", setting.name.value);
    let label = "the program would run without what this does first";
    let problem = Problem::error(setting.name.span, message).label(label);
    pair.problems.push(problem.help(format!(
        "start a script that does both; an empty `{}=` in a drop-in takes this line back",
        setting.name.value
    )));
}

fn stderr(pair: &mut Pair<'_>, setting: &Setting) {
    let to = match setting.value.value.as_str() {
        "socket" | "inherit" => "socket".to_owned(),
        "null" => "null".to_owned(),
        "journal" | "syslog" | "kmsg" | "journal+console" | "syslog+console" => "log".to_owned(),
        other => match other.strip_prefix("append:").or_else(|| other.strip_prefix("file:")) {
            Some(path) => format!("file:{path}"),
            None => {
                pair.wrong(setting, "socket, inherit, null, journal, or append:PATH");
                return;
            }
        },
    };
    pair.add(Key::Stderr, setting, Data::Text(to));
}
