//! `docs/windows.md` and `examples/windows`: what they show works.

use std::path::{Path, PathBuf};

use crate::harness::{Daemon, Finished, example, inetd, native, probe, service, wine};

const PAGE: &str = include_str!("../../../docs/windows.md");
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/windows");

/// The blocks of the page in a language, without their fences.
fn blocks(language: &str) -> Vec<&'static str> {
    let mut blocks = Vec::new();
    let mut rest = PAGE;
    let fence = format!("```{language}\n");
    while let Some(begin) = rest.find(&fence) {
        rest = &rest[begin + fence.len()..];
        let end = rest.find("```").unwrap();
        blocks.push(&rest[..end]);
        rest = &rest[end + 3..];
    }
    assert!(!blocks.is_empty(), "{language}");
    blocks
}

/// A Windows program, as Linux knows it.
fn stub() -> PathBuf {
    let path = probe(&[]).remove(0);
    path.strip_prefix("Z:").unwrap().replace('\\', "/").into()
}

/// Puts something in the place of every program of a configuration that is not on this machine, in
/// the Wine prefix of the tests.
fn make_programs(text: &str) {
    let drive = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("wine/drive_c");
    for path in text.split('\'').filter_map(|part| part.strip_prefix(r"C:\")) {
        // As Wine spells it: a second folder that differs in case only would hide the first.
        let path = path.replace('\\', "/").replace("Windows/System32", "windows/system32");
        let path = drive.join(path);
        if path.extension().is_some() && !path.exists() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::copy(stub(), &path).unwrap();
        }
    }
}

#[track_caller]
fn accepted(path: &Path) {
    let Finished { code, err, .. } = inetd(&["check", &native(path)]);
    assert_eq!(code, 0, "{}\n{err}", std::fs::read_to_string(path).unwrap());
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn every_configuration_on_the_page_is_one() {
    if !wine() {
        return; // Nothing is put on a machine that belongs to somebody.
    }
    let folder = tempfile::tempdir().unwrap();
    for (number, block) in blocks("toml").into_iter().enumerate() {
        // These accounts are nowhere but in the page.
        let mut text = block.replace(r"'CORP\greeter$'", "'LocalService'");
        text = text.replace("'alice'", "'LocalService'");
        make_programs(&text);
        if !text.contains("[service.") {
            text += &service("any", &probe(&["cat"]), "");
        }
        let path = folder.path().join(format!("{number}.toml"));
        std::fs::write(&path, text).unwrap();
        accepted(&path);
    }
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn the_examples_are_the_programs_of_the_page() {
    for (language, file) in [
        ("bat", "greet.cmd"),
        ("powershell", "greet.ps1"),
        ("python", "greet.py"),
        ("js", "greet.js"),
    ] {
        let program = std::fs::read_to_string(Path::new(FOLDER).join(file)).unwrap();
        let is_it = |block: &&str| {
            let mut lines = block.lines().filter(|line| !line.starts_with("import "));
            lines.all(|line| program.contains(&line.replace("%name%", "%%name%%")))
        };
        assert!(blocks(language).iter().any(is_it), "{file}");
    }
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn the_configuration_of_the_examples_is_one() {
    if !wine() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(FOLDER).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    // Nobody has compiled it.
    std::fs::copy(stub(), folder.path().join("Greet.exe")).unwrap();
    let path = folder.path().join("inetd.toml");
    make_programs(&std::fs::read_to_string(&path).unwrap());
    accepted(&path);
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn the_batch_file_greets_and_runs_nothing_that_a_client_sends() {
    let daemon = Daemon::run(&service("batch", &example("windows/greet.cmd"), ""));
    let answer = daemon.ask("batch", "Ann & echo HACKED\r\n");
    assert_eq!(answer.trim_end(), "Hello Ann & echo HACKED, you come from 127.0.0.1.");
}
