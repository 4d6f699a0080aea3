//! `docs/windows.md` and `examples/windows`: what they show works.

use std::path::{Path, PathBuf};

use crate::harness::{Daemon, Finished, example, inetd, native, probe, service, wine};

const PAGE: &str = include_str!("../../../docs/windows.md");
/// Other pages with commands for PowerShell.
const OTHERS: [&str; 3] = [
    include_str!("../../../docs/guide.md"),
    include_str!("../../../docs/control.md"),
    include_str!("../../../docs/windows-untested.md"),
];
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/windows");

/// The blocks of the page in a language, without their fences.
fn blocks(language: &str) -> Vec<&'static str> {
    blocks_of(PAGE, language)
}

fn blocks_of<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let mut blocks = Vec::new();
    let mut rest = page;
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

/// The commands of `inetd` in the blocks for PowerShell, without comments, as words.
fn commands(blocks: &[&'static str]) -> Vec<Vec<&'static str>> {
    let lines = blocks.iter().flat_map(|block| block.lines());
    let commands = lines.flat_map(|line| line.split(" #").next().unwrap_or_default().split(';'));
    let commands = commands.map(|command| command.split('|').next().unwrap_or_default());
    let words = commands.map(|command| command.split_whitespace().collect::<Vec<_>>());
    words
        .filter(|words| words.first() == Some(&"inetd"))
        .map(|words| words[1..].iter().map(|word| word.trim_matches('\'')).collect())
        .collect()
}

/// The block for PowerShell below a heading.
fn block_of(heading: &str) -> &'static str {
    let (_, section) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    blocks_of(section, "powershell")[0]
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

/// `--help` says nothing if there is no such command or option.
#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn every_command_on_the_pages_is_one() {
    let mut pages: Vec<_> = OTHERS.iter().flat_map(|page| blocks_of(page, "powershell")).collect();
    pages.extend(blocks("powershell"));
    let commands = commands(&pages);
    for command in ["reload", "drain", "resize", "doctor", "convert", "secret", "service"] {
        assert!(commands.iter().any(|words| words[0] == command), "{command}");
    }
    for words in commands {
        let finished = inetd(&[&words[..], &["--help"]].concat());
        assert_eq!(finished.code, 0, "{words:?}: {}", finished.err);
        let unknown = inetd(&[&words[..], &["--no-such-option"]].concat());
        assert_eq!(unknown.code, 2, "{words:?}");
    }
}

/// In double quotes PowerShell takes `$` for the beginning of a variable, and a colon for the end of
/// a scope (about_Quoting_Rules, about_Scopes).
#[test]
fn the_texts_for_powershell_name_variables_and_nothing_else() {
    let mut pages: Vec<_> = OTHERS.iter().flat_map(|page| blocks_of(page, "powershell")).collect();
    pages.extend(blocks("powershell"));
    let mut variables = 0;
    let mut is_text = false;
    for line in pages.iter().flat_map(|block| block.lines()) {
        // Nothing is a variable from @' to '@.
        if is_text || line.ends_with("@'") {
            is_text = line != "'@";
            continue;
        }
        let (mut quote, mut rest) = (None, line.chars());
        while let Some(c) = rest.next() {
            match (c, quote) {
                ('#', None) => break,
                ('\'' | '"', None) => quote = Some(c),
                (_, Some(open)) if c == open => quote = None,
                ('$', Some('"')) => {
                    let next = rest.clone().next();
                    assert!(next.is_some_and(|c| c.is_ascii_alphabetic()), "{line}");
                    variables += 1;
                }
                _ => {}
            }
        }
        assert!(quote.is_none(), "an open quote: {line}");
    }
    assert!(variables > 3);
}

/// The batch file of the first two minutes, and every command below *Control*.
#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn the_first_service_answers_and_obeys() {
    let first = block_of("Two minutes");
    assert!(first.starts_with("msiexec"), "{first}");
    let made = PAGE.lines().find(|line| line.starts_with("Set-Content")).unwrap();
    // The lines are between single quotes, and so is nothing else.
    let lines: Vec<_> = made.split('\'').skip(1).step_by(2).collect();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("hello.cmd");
    std::fs::write(&script, lines.join("\r\n") + "\r\n").unwrap();
    let (_, added) = PAGE.split_once("Add-Content").unwrap();
    let (added, _) = added.split_once("@'\n").unwrap().1.split_once("\n'@").unwrap();
    let text = added.replace(r"C:\Services\hello.cmd", &native(&script));
    let text = text.replace("\"7000\"", "\"127.0.0.1:0\"");
    assert_ne!(text, added);
    let hold = service("hold", &probe(&["hold"]), "");
    let daemon = Daemon::run(&(text.clone() + "\n" + &hold));
    let answer = daemon.connect("hello").rest();
    assert!(answer.starts_with("Hello 127.0.0.1, this is "), "{answer}");

    let _client = daemon.connect("hold");
    let id = daemon.record("START", |start| &start["service"] == "hold")["session"].to_owned();
    let config = native(&daemon.config());
    let mut done = Vec::new();
    for mut words in commands(&[block_of("Control")]) {
        words.iter_mut().filter(|word| **word == "17").for_each(|word| *word = &id);
        let finished = match words[0] {
            "check" | "access" => inetd(&[&words[..], &["-c", &config]].concat()),
            _ => daemon.tell(&words),
        };
        match words[0] {
            // Not at a terminal.
            "resize" => assert!(finished.err.contains("the session has no terminal")),
            "access" => assert!(finished.out.starts_with("let in"), "{}", finished.out),
            _ => assert_eq!(finished.code, 0, "{words:?}: {}", finished.err),
        }
        done.push(words[0].to_owned());
    }
    let all =
        ["status", "sessions", "check", "reload", "drain", "resume", "resize", "kill", "access"];
    assert_eq!(done, all);
    assert!(daemon.connect("hello").rest().starts_with("Hello 127.0.0.1"));
}

/// The tables of *When it does not work* and of *Moving over*: what is said to be seen is.
#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn what_the_tables_show_is_what_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    let check = |text: &[u8]| {
        std::fs::write(&path, text).unwrap();
        inetd(&["check", &native(&path)]).err
    };
    // As PowerShell 5 writes it with `>`.
    let text = "[service.x]\r\nlisten = \"7000\"\r\n";
    let utf16: Vec<u8> =
        [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let nowhere = b"[service.x]\nlisten = \"127.0.0.1:0\"\nrun = [\"nowhere\"]\n";
    for (seen, said) in [
        ("this is not a text file in the encoding UTF-8", check(&utf16)),
        ("there is no program", check(nowhere)),
    ] {
        assert!(PAGE.contains(&format!("| `{seen}` |")), "{seen}");
        assert!(said.contains(seen), "{seen}: {said}");
    }

    let row = PAGE.lines().find(|line| line.starts_with("| `7001 none")).unwrap();
    let cells: Vec<_> = row.split('`').skip(1).step_by(2).collect();
    let old = folder.path().join("wininetd.conf");
    let users = "7002 alice:secret C:\\tools\\greet.exe\n";
    std::fs::write(&old, format!("{}\n{users}", cells[0])).unwrap();
    let path = folder.path().join("converted.toml");
    let converted = inetd(&["convert", &native(&old), "-o", &native(&path)]);
    assert_eq!(converted.code, 0, "{}", converted.err);
    let new: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    let services: Vec<_> = new["service"].as_table().unwrap().values().collect();
    for cell in &cells[1..] {
        let wanted: toml::Table = cell.parse().unwrap();
        let (key, value) = wanted.iter().next().unwrap();
        assert!(services.iter().any(|service| service.get(key) == Some(value)), "{cell}: {new}");
    }
    let alice = toml::Value::from("alice");
    assert!(services.iter().any(|service| service.get("user") == Some(&alice)), "{new}");
    assert!(!new.to_string().contains("secret"), "{new}");
}

/// The way of the page for programs of Pragma InetD.
#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_batch_file_gives_the_socket_another_name() {
    let command = "set PRAGMASYS_INETD_SOCK=%Inetd_SOCK%";
    assert!(PAGE.contains(&format!("`{command}`")));
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("pragma.cmd");
    let program = probe(&["environment"]).join(" ");
    std::fs::write(&script, format!("@{command}\r\n@{program}\r\n")).unwrap();
    let daemon = Daemon::run(&service("pragma", &[native(&script)], ""));
    let answer = daemon.connect("pragma").rest();
    let value = |name: &str| {
        let prefix = format!("env {name}=");
        answer.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
    };
    assert!(value("Inetd_SOCK").is_some_and(|socket| socket.parse::<u64>().is_ok()), "{answer}");
    assert_eq!(value("PRAGMASYS_INETD_SOCK"), value("Inetd_SOCK"));
}
