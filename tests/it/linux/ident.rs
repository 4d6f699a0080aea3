//! The service `auth` from a classic line, and `.noident`.

use crate::harness::{Client, Daemon, inetd, native};

fn converted(line: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.conf");
    std::fs::write(&path, line).unwrap();
    let convert = inetd(&["convert", "--format", "freebsd", &native(&path)]);
    assert_eq!(convert.code, 0, "{}", convert.err);
    convert.out
}

// The inetd.conf that FreeBSD comes with has "auth stream tcp nowait root internal auth -r -f -n -o
// UNKNOWN -t 30"; `-f` is refused here (tests/data/bad/auth.conf).
#[test]
fn the_options_of_freebsd_mean_the_same() {
    for (arguments, expected) in [
        ("", "ident"),
        ("auth", "ident"),
        ("auth -r -n -o UNKNOWN -t 30", "ident:real,noident,os=UNKNOWN,timeout=30s"),
        ("auth -rin -d someone", "ident:real,numeric,noident,fallback=someone"),
        ("auth -g -t10.5", "ident:random,timeout=10s 5us"),
    ] {
        let toml = converted(&format!("auth stream tcp nowait root internal {arguments}\n"));
        assert!(toml.contains(&format!("builtin = \"{expected}\"")), "{toml}");
        assert!(toml.contains("listen = \"tcp4://auth\""), "{toml}");
    }
}

#[test]
fn only_one_dialect_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.conf");
    std::fs::write(&path, "auth stream tcp nowait root internal auth -r\n").unwrap();
    let check = |format| inetd(&["check", "--format", format, &native(&path)]);
    let guessed = check("auto");
    assert_eq!(guessed.code, 0, "{}", guessed.err);
    assert!(guessed.err.contains("only freebsd answers `auth` itself"), "{}", guessed.err);
    let refused = check("openbsd");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("only freebsd has options"), "{}", refused.err);
    assert!(refused.err.contains("inetd.conf:1:43"), "{}", refused.err);
}

// inetd(8) of FreeBSD: "-n If the file .noident exists in the home directory of the identified user,
// return "ERROR : HIDDEN-USER"." "-i Return numeric user IDs instead of usernames."
#[test]
fn a_number_can_be_told_and_a_user_can_hide() {
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from).unwrap();
    let uid = std::process::Command::new("id").arg("-u").output().unwrap();
    let uid = String::from_utf8(uid.stdout).unwrap();
    let daemon = Daemon::run(
        "[service.ident]\nlisten = '127.0.0.1:0'\nbuiltin = 'ident:real,numeric,noident,os=UNIX'\n",
    );
    let address = daemon.address("ident");
    let mut client = Client::connect(address);
    // Its own connection, as it looks from the other side.
    let (ours, theirs) = (address.port(), client.local().port());
    client.send(format!("{ours},{theirs}\r\n").as_bytes());
    let hides = home.join(".noident").exists();
    let end = if hides {
        "ERROR : HIDDEN-USER".to_owned()
    } else {
        format!("USERID : UNIX : {}", uid.trim())
    };
    assert_eq!(client.rest(), format!("{ours} , {theirs} : {end}\n"));
}
