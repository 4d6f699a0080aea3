//! Real servers of the classic inetd world with their real clients, from a plain inetd.conf. A
//! server that is not installed is left out, but never in CI, where `ci/test` installs them all.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::unix::is_root;
use crate::harness::{Daemon, Finished, Generated, Process, Start, checksum, left_out};

/// The absolute paths of these programs, if all are installed.
fn installed<const N: usize>(names: [&str; N]) -> Option<[PathBuf; N]> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    let find = |name| {
        let mut candidates = path.split(':').map(|folder| Path::new(folder).join(name));
        candidates.find(|candidate| candidate.exists())
    };
    let found = names.map(find);
    if let Some(missing) = found.iter().position(Option::is_none) {
        let missing = names[missing];
        left_out(&format!("{missing} is not installed"));
        return None;
    }
    Some(found.map(Option::unwrap_or_default))
}

/// A daemon with one line of inetd.conf, run as whoever we are.
fn serve(program: &Path, arguments: &str) -> Daemon {
    let user = run("id", &["-un"]).out;
    let path = program.display();
    let name = program.file_name().unwrap().display();
    let user = user.trim();
    // The classic file knows no port 0.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let line = format!("127.0.0.1:{port} stream tcp nowait {user} {path} {name} {arguments}\n");
    Start::classic(&line).ready()
}

/// Runs a client to its end, which must be a good one.
#[track_caller]
fn run(program: &str, arguments: &[&str]) -> Finished {
    let mut command = Command::new(program);
    command.args(arguments).stdin(std::process::Stdio::null()).env("GIT_TERMINAL_PROMPT", "0");
    let finished = Process::start(command).finish();
    assert_eq!(finished.code, 0, "{program} {arguments:?}: {}{}", finished.out, finished.err);
    finished
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A tree with a few files, one of them large and binary.
fn make_tree(root: &Path) {
    std::fs::create_dir_all(root.join("deep/er")).unwrap();
    std::fs::write(root.join("hello.txt"), "hello\n").unwrap();
    std::fs::write(root.join("deep/er/empty"), "").unwrap();
    let mut large = std::fs::File::create(root.join("deep/large.bin")).unwrap();
    std::io::copy(&mut Generated::new(3, 8 << 20), &mut large).unwrap();
}

fn assert_same_tree(one: &Path, other: &Path) {
    run("diff", &["-r", "-x", ".git", text(one), text(other)]);
}

#[test]
fn sshd_runs_a_command() {
    let Some([sshd, _, _]) = installed(["sshd", "ssh", "ssh-keygen"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for key in ["host_key", "user_key"] {
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", text(&at(key))]);
    }
    // Where sshd locks itself in before somebody has logged in; Debian's service makes it.
    if rustix::process::geteuid().is_root() {
        std::fs::create_dir_all("/run/sshd").unwrap();
    }
    let config = format!(
        "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
         PermitRootLogin prohibit-password\nPasswordAuthentication no\n",
        at("host_key").display(),
        at("user_key.pub").display(),
    );
    std::fs::write(at("sshd_config"), config).unwrap();
    let daemon = serve(&sshd, &format!("-i -f {}", at("sshd_config").display()));

    let port = daemon.only_address().port().to_string();
    let user = run("id", &["-un"]).out;
    let host = format!("{}@127.0.0.1", user.trim());
    let key = at("user_key");
    let options = ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"];
    let known = ["-o", "UserKnownHostsFile=/dev/null", "-i", text(&key), "-p", &port, &host];
    let command = ["echo one two; cat /dev/null; exit 0"];
    let answer = run("ssh", &[&options[..], &known, &command].concat());
    assert_eq!(answer.out, "one two\n");
}

#[test]
fn git_daemon_is_cloned_from() {
    let Some([git]) = installed(["git"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let origin = folder.path().join("origin");
    make_tree(&origin);
    let origin_text = text(&origin);
    run("git", &["init", "-q", "-b", "main", origin_text]);
    run("git", &["-C", origin_text, "add", "."]);
    let who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"];
    let commit = ["-C", origin_text, "commit", "-q", "-m", "all"];
    run("git", &[&who[..], &commit].concat());
    let base = folder.path().display();
    let arguments = format!("daemon --inetd --export-all --base-path={base} {base}");
    let daemon = serve(&git, &arguments);

    let clone = folder.path().join("clone");
    let url = format!("git://{}/origin", daemon.only_address());
    run("git", &["clone", "-q", &url, text(&clone)]);
    assert_same_tree(&origin, &clone);
}

#[test]
fn rsync_copies_a_tree_both_ways() {
    let Some([rsync]) = installed(["rsync"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    make_tree(&at("source"));
    std::fs::create_dir(at("module")).unwrap();
    let config = format!(
        "use chroot = no\nlog file = {}\n[module]\npath = {}\nread only = no\n{}",
        at("rsync.log").display(),
        at("module").display(),
        if rustix::process::geteuid().is_root() { "uid = root\ngid = root\n" } else { "" },
    );
    std::fs::write(at("rsyncd.conf"), config).unwrap();
    let arguments = format!("--daemon --config={}", at("rsyncd.conf").display());
    let daemon = serve(&rsync, &arguments);

    let url = format!("rsync://{}/module/", daemon.only_address());
    run("rsync", &["-a", &format!("{}/", at("source").display()), &url]);
    assert_same_tree(&at("source"), &at("module"));
    run("rsync", &["-a", &url, text(&at("copy"))]);
    assert_same_tree(&at("source"), &at("copy"));
}

#[test]
fn vsftpd_takes_and_gives_a_file() {
    let Some([vsftpd, _]) = installed(["vsftpd", "curl"]) else { return };
    // vsftpd locks itself in, which only root can.
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let readable = || Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), readable()).unwrap();
    for name in ["empty", "root", "root/incoming"] {
        std::fs::create_dir(at(name)).unwrap();
        std::fs::set_permissions(at(name), readable()).unwrap();
    }
    std::fs::set_permissions(at("root/incoming"), Permissions::from_mode(0o777)).unwrap();
    let config = format!(
        "listen=NO\nanonymous_enable=YES\nno_anon_password=YES\nwrite_enable=YES\n\
         anon_upload_enable=YES\nanon_umask=022\nftp_username=daemon\nseccomp_sandbox=NO\n\
         anon_root={}\nsecure_chroot_dir={}\n",
        at("root").display(),
        at("empty").display(),
    );
    std::fs::write(at("vsftpd.conf"), config).unwrap();
    let daemon = serve(&vsftpd, text(&at("vsftpd.conf")));

    let size = 4 << 20;
    let mut original = std::fs::File::create(at("original")).unwrap();
    std::io::copy(&mut Generated::new(4, size), &mut original).unwrap();
    let url = format!("ftp://{}/incoming/file.bin", daemon.only_address());
    run("curl", &["-sS", "--max-time", "60", "-T", text(&at("original")), &url]);
    run("curl", &["-sS", "--max-time", "60", "-o", text(&at("copy")), &url]);
    let copy = std::fs::File::open(at("copy")).unwrap();
    assert_eq!(checksum(copy), checksum(Generated::new(4, size)));
}
