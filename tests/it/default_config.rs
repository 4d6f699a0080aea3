//! The configuration that packages bring: each setting in it is one.

#[path = "../../packaging/default_config.rs"]
#[expect(dead_code, reason = "it is a program as well")]
mod generator;

use std::path::Path;

use inetd::sys::Family;

use crate::harness::{Finished, inetd, native, on_windows, probe, toml_list};

/// The lines of a file that are settings, outside of tables that are comments themselves.
fn settings(text: &str) -> Vec<usize> {
    let mut in_comment = false;
    let is_setting = |(number, line): (usize, &str)| {
        if line.starts_with('[') || line.starts_with("#[") {
            in_comment = line.starts_with('#');
        }
        let rest = line.strip_prefix('#').unwrap_or_default();
        (!in_comment && rest.starts_with(char::is_alphabetic)).then_some(number)
    };
    text.lines().enumerate().filter_map(is_setting).collect()
}

/// The text with the comment sign taken away from these lines.
fn uncommented(text: &str, numbers: &[usize]) -> String {
    let lines = text.lines().enumerate().map(|(number, line)| {
        let line = if numbers.contains(&number) { &line[1..] } else { line };
        format!("{line}\n")
    });
    lines.collect()
}

/// The file for the system under test.
fn own() -> String {
    let family = if on_windows() { Family::Windows } else { Family::Unix };
    generator::text(family)
}

fn a_service(name: &str) -> String {
    let run = toml_list(&probe(&["say", "x"]));
    format!("\n[service.{name}]\nlisten = '127.0.0.1:0'\nrun = {run}\n")
}

#[track_caller]
fn accepted(path: &Path) {
    let Finished { code, err, .. } = inetd(&["check", &native(path)]);
    assert_eq!(code, 0, "{err}");
}

#[test]
fn nothing_is_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("inetd.toml");
    std::fs::write(&file, own()).unwrap();
    let Finished { code, err, .. } = inetd(&["check", &native(&file)]);
    assert_eq!(code, 1);
    assert!(err.starts_with("error: there is no service in "), "{err}");
    assert_eq!(err.matches("error").count() + err.matches("warning").count(), 1, "{err}");
}

#[test]
fn every_setting_works_without_its_comment_sign() {
    // The folder of the log is made by the installation.
    let logs = tempfile::tempdir().unwrap();
    let text = own().replace(r"C:\ProgramData\Inetd\", &native(&logs.path().join("")));
    // The keys of services all in one run: a folder, in which each file has defaults of its own.
    let folder = tempfile::tempdir().unwrap();
    let begin = text.find("[defaults]").unwrap();
    let defaults = &text[begin..];
    let keys = settings(defaults);
    assert!(keys.len() > 15, "{}", keys.len());
    for number in keys {
        let text = uncommented(defaults, &[number]) + &a_service(&format!("on{number}"));
        std::fs::write(folder.path().join(format!("{number}.toml")), text).unwrap();
    }
    accepted(folder.path());

    let whole = folder.path().join("whole.toml");
    for number in settings(&text[..begin]) {
        std::fs::write(&whole, uncommented(&text, &[number]) + &a_service("x")).unwrap();
        accepted(&whole);
    }
}

#[test]
fn the_service_in_it_works_when_its_three_lines_do() {
    let text = own();
    let begin = text.lines().position(|line| line == "#[service.hello]").unwrap();
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), uncommented(&text, &[begin, begin + 1, begin + 2])).unwrap();
    accepted(file.path());
}
