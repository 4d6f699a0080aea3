//! The command line of `inetd serve`, and the file that it prints.

use std::ffi::OsString;

use super::super::keys::Key;
use super::super::*;
use super::runs;
use crate::sys::{FAMILY, Family, identity};

#[test]
fn a_user_that_cannot_be_become_is_an_error_only_to_run() {
    if FAMILY == Family::Windows {
        return;
    }
    let line = CommandLine {
        listen: vec!["0".into()],
        run: vec!["tests/data/bin/hello".into()],
        settings: vec![(Key::User, "1".into())],
        name: None,
    };
    let (config, checked) = from_command_line(&line, Purpose::Check).unwrap();
    let identity = runs(&config.services[0]).identity.clone();
    let may = identity.is_none_or(|it| identity::obstacle(&it).is_none());
    assert_eq!(checked.warnings(), usize::from(!may));
    assert_eq!(from_command_line(&line, Purpose::Run).is_ok(), may);
}

fn command_line(settings: &[(Key, &str)]) -> CommandLine {
    CommandLine {
        listen: vec!["127.0.0.1:7000".into(), "tcp6://7001".into()],
        run: ["tests/data/bin/hello", "two words", "\"quoted\"", ""].map(OsString::from).to_vec(),
        settings: settings.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(),
        name: None,
    }
}

#[test]
fn a_printed_command_line_is_the_same_service() {
    let line = command_line(&[
        (Key::MaxSessions, "40"),
        (Key::Nodelay, "true"),
        (Key::SendBuffer, "64k"),
        (Key::Env, "A=1"),
        (Key::Env, "B=x = y"),
        (Key::PassEnv, "PATH,HOME"),
        (Key::SessionTimeout, "1h"),
        (Key::OverLimit, "reject"),
        (Key::Stderr, "file:target.log"),
    ]);
    let (config, report) = from_command_line(&line, Purpose::Run).unwrap();
    assert!(report.is_empty(), "{}", report.render());
    assert_eq!(config.daemon.control, Control::Off);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    let text = to_toml(&line);
    std::fs::write(&path, &text).unwrap();
    let loaded = load(&path, FileFormat::Auto, Purpose::Run);
    let (loaded, _) = loaded.unwrap_or_else(|report| panic!("{text}\n{}", report.render()));
    let (a, b) = (&config.services[0], &loaded.services[0]);
    assert_eq!(&*a.name, "hello");
    assert_eq!(a.bind_retry, None);
    assert_eq!(runs(a).cwd, std::env::current_dir().unwrap());
    let parts = |s: &ServiceConfig| {
        let limits =
            (s.max_sessions, s.gate.over_limit, s.timeouts.session, s.timeouts.stop, s.bind_retry);
        (s.name.clone(), s.listen.clone(), s.socket.clone(), s.wait, s.work.clone(), limits)
    };
    assert_eq!(parts(a), parts(b), "{text}");
}

#[test]
fn a_command_line_is_explained_like_a_file() {
    let mut line = command_line(&[
        (Key::MaxSessions, "many"),
        (Key::Env, "A"),
        (Key::Tree, "kill"),
        (Key::Tree, "leave"),
        (Key::Tls, "x=y"),
    ]);
    line.listen = vec!["70000".into()];
    let report = from_command_line(&line, Purpose::Run).unwrap_err();
    assert_eq!(report.errors(), 5, "{}", report.render());
    let text = report.render();
    assert!(text.contains(" --> command line:1:28\n"), "{text}");
    assert!(text.contains("--tree is given twice"), "{text}");
    line.listen.clear();
    line.run.clear();
    assert!(from_command_line(&line, Purpose::Run).is_err());
}

#[test]
fn a_variable_may_have_both_kinds_of_quotes_in_its_name() {
    let line = CommandLine {
        listen: vec!["7000".into()],
        run: vec!["x".into()],
        settings: vec![(Key::Env, "\"'=a".into())],
        name: Some("'\" = 0".into()),
    };
    let text = to_toml(&line);
    let file: toml::Table = text.parse().unwrap_or_else(|error| panic!("{text}{error}"));
    assert_eq!(file["service"]["'\" = 0"]["env"]["\"'"].as_str(), Some("a"));
}

#[test]
fn a_printed_file_finds_its_quotes_from_any_folder() {
    let line = CommandLine {
        listen: vec!["7000".into()],
        run: Vec::new(),
        settings: vec![(Key::Builtin, "qotd:quotes.txt".into())],
        name: None,
    };
    let file: toml::Table = to_toml(&line).parse().unwrap();
    let service = file["service"].as_table().unwrap().values().next().unwrap();
    let quotes = std::env::current_dir().unwrap().join("quotes.txt");
    assert_eq!(service["builtin"].as_str().unwrap(), format!("qotd:{}", quotes.display()));
    assert!(service.get("run").is_none() && service.get("cwd").is_none(), "{service}");
}
