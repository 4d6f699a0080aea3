//! The multiplexer as the old formats have it, and who its programs run as.

use crate::harness::{Daemon, inetd, native, probe};

/// What a peer of the service `tcpmux` gets.
fn answer(daemon: &Daemon, request: &str) -> String {
    daemon.ask("tcpmux", request)
}

/// `inetd convert` of a file, with the port 1 replaced by a free one.
fn converted(name: &str, text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let convert = inetd(&["convert", &native(&path)]);
    assert_eq!(convert.code, 0, "{}", convert.err);
    let toml = convert.out.replace("\"tcp4://tcpmux\"", "\"127.0.0.1:0\"");
    let toml = toml.replace("listen = \"tcpmux\"", "listen = \"127.0.0.1:0\"");
    assert!(toml.contains("127.0.0.1:0"), "{toml}");
    toml.replace("[daemon]\nmax_sessions = 0\n", "")
}

fn me() -> String {
    let output = std::process::Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

// inetd(8) of FreeBSD: "For any TCPMUX-based service to function, the following line must be included
// in inetd.conf: tcpmux stream tcp nowait root internal". "If the TCPMUX service name begins with a
// "+", inetd returns the positive reply for the program."
#[test]
fn the_classic_lines_mean_the_same() {
    let program = probe(&["cat"]).remove(0);
    let user = me();
    let lines = format!(
        "tcpmux/+cat stream tcp nowait {user} {program} {program} cat\n\
         tcpmux/own stream tcp nowait {user} {program} {program} say +\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.conf");
    std::fs::write(&path, &lines).unwrap();
    let check = inetd(&["check", &native(&path)]);
    assert_eq!(check.code, 0, "{}", check.err);
    assert!(check.err.contains("nobody can reach tcpmux://+cat"), "{}", check.err);
    // inetutils-inetd listens by itself.
    let check = inetd(&["check", "--format", "inetutils", &native(&path)]);
    assert!(check.out.contains("tcpmux       tcp://0.0.0.0:1 -> built-in tcpmux"), "{}", check.out);
    let all = format!("{lines}tcpmux stream tcp nowait root internal\n");
    let daemon = Daemon::run(&converted("inetd.conf", &all));
    assert_eq!(answer(&daemon, "CAT\r\nhello"), "+Go\nhello");
    assert_eq!(answer(&daemon, "own\r\n"), "+\n");
    assert_eq!(answer(&daemon, "help\r\n"), "cat\nown\n");
}

// xinetd.conf(5), "type": "TCPMUX/TCPMUXPLUS if this is a service that will be started according to the
// RFC 1078 protocol on the TCPMUX well-known port"; a user that such a service had was forgotten once (CVE-2013-4342).
#[test]
fn a_service_of_xinetd_keeps_its_user() {
    let program = probe(&["identity"]).remove(0);
    let is_root = me() == "root";
    let user = if is_root { "daemon".to_owned() } else { me() };
    let toml = converted(
        "xinetd.conf",
        &format!(
            "service tcpmux\n{{\n\ttype = INTERNAL\n\tsocket_type = stream\n\twait = no\n}}\n\
             service who\n{{\n\ttype = TCPMUXPLUS\n\tsocket_type = stream\n\tprotocol = tcp\n\t\
             wait = no\n\tuser = {user}\n\tserver = {program}\n\tserver_args = identity\n}}\n"
        ),
    );
    let daemon = Daemon::run(&toml);
    let id = std::process::Command::new("id").args(["-u", &user]).output().unwrap();
    let id = String::from_utf8(id.stdout).unwrap();
    let who = answer(&daemon, "who\r\n");
    let expected = format!("+Go\nuid {0} {0}\n", id.trim());
    assert!(who.starts_with(&expected), "{who}");
}
