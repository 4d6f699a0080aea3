//! What the commands make of a configuration file: `check`, `run` and `reload` agree about it, and
//! the clients of a daemon find in it where the daemon is.

use crate::harness::{Daemon, Start, inetd, native, probe, service};

const EMPTY: &str = "there is no service in ";

#[test]
fn a_configuration_without_services_is_refused_by_all_alike() {
    let daemon = Daemon::run(&service("x", &probe(&["say", "x"]), ""));
    daemon.rewrite("");
    let check = inetd(&["check", &native(&daemon.config())]);
    let run = Start::run("").fails();
    let reload = daemon.reload();
    for finished in [check, run, reload] {
        assert_eq!(finished.code, 1, "{}", finished.err);
        assert_eq!(finished.err.matches(EMPTY).count(), 1, "{}", finished.err);
    }
    assert_eq!(daemon.ask("x", ""), "x\n");
}

#[test]
fn clients_find_the_daemon_by_its_file_even_while_that_is_broken() {
    let daemon = Daemon::run(&service("x", &probe(&["say", "x"]), ""));
    daemon.rewrite("[service.x]\nlistne = 7000\nrun = [\n");
    let config = native(&daemon.config());
    let status = inetd(&["status", "-c", &config]);
    assert_eq!((status.code, &*status.err), (0, ""));
    let stop = inetd(&["stop", "-c", &config]);
    assert_eq!((stop.code, &*stop.err), (0, ""));
}

#[test]
fn a_daemon_without_a_control_endpoint_cannot_be_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    std::fs::write(&path, "[daemon]\ncontrol = ''\n").unwrap();
    let status = inetd(&["status", "-c", &native(&path)]);
    assert_eq!(status.code, 4);
    assert!(status.err.contains("there is no control endpoint"), "{}", status.err);
}

// Each file that is being read takes some of the stack, and a daemon without stack is no more.
#[test]
fn files_that_include_each_other_without_end_are_refused() {
    const FILES: usize = 3000;
    let folder = tempfile::tempdir().unwrap();
    for (format, end) in [("toml", "toml"), ("xinetd", "conf"), ("netbsd", "inc")] {
        for number in 0..FILES {
            let next = format!("{}.{end}", number + 1);
            let text = match format {
                "toml" => format!("include = ['{next}']\n"),
                "xinetd" => format!("include {next}\n"),
                _ => format!(".include {next}\n"),
            };
            std::fs::write(folder.path().join(format!("{number}.{end}")), text).unwrap();
        }
        let first = native(&folder.path().join(format!("0.{end}")));
        let check = inetd(&["check", "--format", format, &first]);
        assert_eq!(check.code, 1, "{format}: {}", check.err);
        assert!(check.err.contains("it is 32 files below the first"), "{format}: {}", check.err);
        assert!(check.err.contains(&format!("32.{end}` is not read")), "{format}: {}", check.err);
    }
    let daemon = Daemon::run(&service("x", &probe(&["say", "x"]), ""));
    let first = native(&folder.path().join("0.toml"));
    daemon.rewrite(&format!("include = ['{first}']\n"));
    assert_eq!(daemon.reload().code, 1);
    assert_eq!(daemon.ask("x", ""), "x\n");
}
