//! Every broken configuration of `tests/data/bad` is explained as the file beside it says, and
//! every one of `tests/data/good` loads. `UPDATE_EXPECT=1` writes the explanations anew.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use inetd::config::{self, FileFormat, Purpose};
use inetd::sys::{FAMILY, Family};

const BAD: &str = "tests/data/bad";

/// What the first lines of a test file say about it.
struct Header {
    format: FileFormat,
    runs_here: bool,
}

fn header(path: &Path) -> Header {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let value = |name: &str| {
        let text = text.trim_start_matches("\u{feff}");
        let mut comments = text.lines().take_while(|line| line.starts_with("# "));
        comments.find_map(|line| line.strip_prefix(&format!("# {name}: ")).map(str::to_owned))
    };
    let here = if FAMILY == Family::Windows { "windows" } else { "unix" };
    Header {
        format: value("format").map_or(FileFormat::Auto, |name| name.parse().unwrap()),
        runs_here: value("only").is_none_or(|only| only == here),
    }
}

/// The configurations of a folder, sorted.
fn configurations(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "toml" || e == "conf"));
    paths.sort();
    paths
}

/// A text without the place of the tree, and without what only an ordinary user is told.
fn relative(text: &str, folder: &str) -> String {
    let absolute = std::path::absolute(folder).unwrap();
    let above = absolute.parent().unwrap().display().to_string();
    let is_general = |problem: &&str| {
        !problem.contains("this process cannot become the user")
            && !problem.contains(" can change the configuration ")
            && !problem.contains(" can change the folder ")
    };
    let text = text.split("\n\n").filter(is_general).collect::<Vec<_>>().join("\n\n");
    let text = text.replace(&absolute.display().to_string(), "$DIR").replace(&above, "$DIR/..");
    text.replace(&format!("{folder}/"), "").replace(&format!("{folder}\\"), "")
}

/// A text without the direction of slashes and the kind of line ends.
fn plain(text: &str) -> String {
    text.replace('\\', "/").replace("\r\n", "\n")
}

fn explanation(path: &Path, format: FileFormat) -> String {
    match config::load(path, format, Purpose::Check) {
        Ok((_, report)) => panic!("{} loads:\n{}", path.display(), report.render()),
        Err(report) => {
            assert!(report.errors() > 0, "{}: {}", path.display(), report.render());
            format!("{}{}\n", report.render(), report.summary())
        }
    }
}

#[test]
fn every_broken_configuration_is_explained() {
    let update = std::env::var("UPDATE_EXPECT").is_ok_and(|value| value == "1");
    let paths = configurations(BAD);
    assert!(paths.len() >= 45, "{} files", paths.len());
    let mut different = String::new();
    for path in paths {
        let Header { format, runs_here } = header(&path);
        if !runs_here {
            continue;
        }
        let actual = relative(&explanation(&path, format), BAD);
        let mut beside = path.clone().into_os_string();
        beside.push(".expected");
        if update {
            std::fs::write(&beside, &actual).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if plain(&actual) != plain(&expected) {
            let name = path.display();
            writeln!(different, "== {name}: expected\n{expected}== {name}: actual\n{actual}")
                .unwrap();
        }
    }
    assert!(different.is_empty(), "{different}");
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let report = config::load(Path::new("no/such/inetd.toml"), FileFormat::Auto, Purpose::Check);
    let report = report.unwrap_err();
    assert!(report.summary().starts_with("cannot read "), "{}", report.summary());
    let folder = tempfile::tempdir().unwrap();
    let report = config::load(folder.path(), FileFormat::Auto, Purpose::Check).unwrap_err();
    assert!(report.render().contains("there is no configuration in the folder"));
    let large = folder.path().join("large.toml");
    std::fs::write(&large, vec![b'\n'; (16 << 20) + 1]).unwrap();
    let report = config::load(&large, FileFormat::Auto, Purpose::Check).unwrap_err();
    assert!(report.summary().contains("larger than 16 MiB"), "{}", report.summary());
}

#[test]
fn every_good_configuration_loads() {
    let paths = configurations("tests/data/good");
    assert!(paths.len() >= 10, "{paths:?}");
    for path in paths {
        let Header { format, runs_here } = header(&path);
        if runs_here {
            let loaded = config::load(&path, format, Purpose::Check);
            let (config, _) = loaded.unwrap_or_else(|report| panic!("{}", report.render()));
            assert!(!config.services.is_empty(), "{}", path.display());
        }
    }
}

/// What the defaults of another format become is nobody's mistake.
#[test]
fn what_is_not_written_is_no_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let entry = |keys: &str| format!("service echo\n{{\ntype = INTERNAL\nuser = root\n{keys}}}\n");
    let dgram = entry("id = datagrams\nsocket_type = dgram\nwait = yes\n");
    let few = entry("socket_type = stream\nwait = no\ninstances = 4\n");
    let mut paths = vec![file("xinetd.conf", &(dgram + &few))];
    if FAMILY == Family::Unix {
        file("x.service", "[Service]\nExecStart=/bin/cat\n");
        paths.push(file("x.socket", "[Socket]\nListenStream=/run/x\n"));
    }
    for path in paths {
        let loaded = config::load(&path, FileFormat::Auto, Purpose::Check);
        let (_, report) = loaded.unwrap_or_else(|report| panic!("{}", report.render()));
        assert!(!report.render().contains("no effect"), "{}", report.render());
    }
}

#[test]
fn a_command_that_is_wrong_is_not_missing() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("x.socket", "[Socket]\nListenStream=7000\n");
    write("x.service", "[Service]\nUser=root\nExecStart=/bin/cat %m\n");
    let path = folder.path().join("x.socket");
    let report = config::load(&path, FileFormat::Auto, Purpose::Check).unwrap_err();
    assert_eq!(report.errors(), 1, "{}", report.render());
    assert!(report.render().contains("stands for something"), "{}", report.render());
}

#[test]
fn a_unit_takes_the_variables_of_its_files() {
    if FAMILY == Family::Windows {
        return; // Paths of units begin with a slash.
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let variables = "# c\nOPTIONS=\"-a 1  -b\"\nWHO=two \\\nlines\nno assignment\n";
    std::fs::write(at("variables"), variables).unwrap();
    std::fs::write(at("x.socket"), "[Socket]\nListenStream=7000\nAccept=yes\n").unwrap();
    let unit = |command: &str| {
        let text = format!(
            "[Service]\nExecStart={command}\nStandardInput=socket\nEnvironment=WHO=one KEPT=it\n\
             EnvironmentFile={}\nEnvironmentFile=-/no/such/file\n",
            at("variables").display(),
        );
        std::fs::write(at("x@.service"), text).unwrap();
        config::convert(&at("x.socket"), FileFormat::Auto)
    };
    let (text, report) = unit("/bin/sh $OPTIONS ${OPTIONS} a${WHO}b $$x $KEPT$ $3 $NONE").unwrap();
    let run =
        r#"run = ["/bin/sh", "-a", "1", "-b", "-a 1  -b", "atwo linesb", "$x", "$KEPT$", "$3"]"#;
    assert!(text.contains(run), "{text}");
    let environment = r#"env = { KEPT = "it", OPTIONS = "-a 1  -b", WHO = "two lines" }"#;
    assert!(text.contains(environment), "{text}");
    assert_eq!((report.errors(), report.warnings()), (0, 1), "{}", report.render());
    assert!(report.render().contains("`NONE` is set nowhere"), "{}", report.render());

    for (command, wrong) in [
        ("$OPTIONS", "write a program that is no variable"),
        ("/bin/sh ${REMOTE_ADDR}", "`REMOTE_ADDR` is set by systemd"),
        ("/bin/sh %m", "only systemd knows"),
        ("/bin/sh %i", "`%i` is different for each connection"),
        ("/bin/sh a ; /bin/sh b", "write one command"),
    ] {
        let report = unit(command).unwrap_err();
        assert_eq!(report.errors(), 1, "{}", report.render());
        assert!(report.render().contains(wrong), "{}", report.render());
    }
    std::fs::remove_file(at("variables")).unwrap();
    let report = unit("/bin/sh").unwrap_err();
    assert!(report.render().contains("there is no file "), "{}", report.render());
}

#[test]
fn units_are_made_from_templates_and_can_be_masked() {
    if FAMILY == Family::Windows {
        return; // Paths of units begin with a slash.
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let write = |name: &str, text: &str| {
        std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        std::fs::write(at(name), text).unwrap();
    };
    write("a@.service", "[Service]\nExecStart=/bin/sh %i %I $HERE\n");
    write("a@.service.d/10.conf", "[Service]\nEnvironment=HERE=%n\n");
    write("a@two.service.d/10.conf", "[Service]\nEnvironment=HERE=second\n");
    for (name, port) in [("a@one-1.socket", 7001), ("a@two.socket", 7002)] {
        write(name, &format!("[Socket]\nListenStream=127.0.0.1:{port}\n"));
    }
    write("masked.socket", "");
    let (config, report) = config::load(folder.path(), FileFormat::Auto, Purpose::Check).unwrap();
    let names: Vec<_> = config.services.iter().map(|service| service.name.to_string()).collect();
    assert_eq!(names, ["a_one-1", "a_two"]);
    assert_eq!((report.errors(), report.warnings()), (0, 1), "{}", report.render());
    assert!(report.render().contains("masked.socket is masked"), "{}", report.render());
    let run = |name: &str| config::convert(&at(name), FileFormat::Auto).unwrap().0;
    let first = run("a@one-1.socket");
    assert!(first.contains(r#"["/bin/sh", "one-1", "one/1", "a@one-1.service"]"#), "{first}");
    let second = run("a@two.socket");
    assert!(second.contains(r#"["/bin/sh", "two", "two", "second"]"#), "{second}");

    write("b@.socket", "[Socket]\nListenStream=7003\n");
    write("c.socket", "[Socket]\nListenStream=7003\nService=c\n");
    write("d.socket", "[Socket]\nListenStream=7003\n");
    write("d.service", "");
    for (name, wrong) in [
        ("b@.socket", ":1:1: "),
        ("b@.socket", "is a template"),
        ("c.socket", "c.socket:3:9: `c` is not a value of Service"),
        ("d.socket", "d.service is masked"),
    ] {
        let report = config::convert(&at(name), FileFormat::Auto).unwrap_err();
        assert!(report.summary().contains(wrong), "{}", report.render());
    }
}

/// Each of a thousand entries has a problem: converting them once looked at every problem for every
/// entry, and for each of those at every entry again, which took minutes.
#[test]
fn a_problem_in_each_of_many_services_takes_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("xinetd.conf");
    let entry = |number: usize| format!("service s{number}\n{{\nsocket_type=stream\n}}\n");
    std::fs::write(&path, (0..1000).map(entry).collect::<String>()).unwrap();
    let begin = std::time::Instant::now();
    let report = config::convert(&path, FileFormat::Auto).unwrap_err();
    assert!(report.errors() >= 1000);
    assert!(begin.elapsed().as_secs() < 60, "{:?}", begin.elapsed());
}
