//! Logins, and commands for others.

use std::fs::Permissions;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::page::Server;
use super::{client, finish, run, text};
use crate::harness::{Finished, Process, own_port, wait_until};

/// A client that is killed on drop.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn sshd_runs_a_command() {
    let programs = ["sshd", "ssh", "ssh-keygen"];
    let Some(mut server) = Server::of("sshd", &programs) else { return };
    let config = server.moved("/etc/ssh/sshd_config", "sshd_config");
    let at = |name: &str| server.at(name);
    for key in ["host_key", "user_key"] {
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", text(&at(key))]);
    }
    // Where sshd locks itself in before somebody has logged in; Debian's service makes it.
    std::fs::create_dir_all("/run/sshd").unwrap();
    let text_of_config = format!(
        "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
         PermitRootLogin prohibit-password\nPasswordAuthentication no\n",
        at("host_key").display(),
        at("user_key.pub").display(),
    );
    std::fs::write(config, text_of_config).unwrap();
    let key = at("user_key");
    server.each(|served| {
        let port = served.port();
        let options = ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"];
        let known = ["-o", "UserKnownHostsFile=/dev/null", "-i", text(&key), "-p", &port];
        let command = ["root@127.0.0.1", "echo one two; cat /dev/null; exit 0"];
        let answer = run("ssh", &[&options[..], &known, &command].concat());
        assert_eq!(answer.out, "one two\n");
    });
}

#[test]
fn telnetd_asks_for_a_login() {
    let programs = ["telnetd", "tcpd", "inetutils-telnet", "login"];
    let Some(server) = Server::of("telnetd", &programs) else { return };
    server.each(|served| {
        let (home, screen) = (served.at(""), served.at("screen"));
        let arguments = ["127.0.0.1", &served.port()];
        let mut command = client("inetutils-telnet", &arguments, &home);
        let (reader, mut writer) = std::io::pipe().unwrap();
        command.stdin(Stdio::from(reader)).stdout(std::fs::File::create(&screen).unwrap());
        let telnet = Guard(command.spawn().unwrap());
        // login(1) forgets what was typed before it asks.
        let mut after = |what: &str, typed: &str| {
            wait_until(what, || {
                let bytes = std::fs::read(&screen).unwrap();
                String::from_utf8_lossy(&bytes).contains(what)
            });
            writer.write_all(typed.as_bytes()).unwrap();
        };
        after("login: ", "no-such-user\n");
        after("Password: ", "no-password\n");
        after("Login incorrect", "");
        drop(telnet);
    });
}

/// The server reads `/root/.rhosts`, so it has a `/root` of its own.
#[test]
fn rshd_runs_a_command() {
    let programs = ["in.rshd", "rsh-redone-rsh", "tcpd", "unshare", "mount"];
    let Some(mut server) = Server::of("rsh-redone-server", &programs) else { return };
    let home = server.at("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join(".rhosts"), "localhost root\n127.0.0.1 root\n").unwrap();
    let script = server.moved("/usr/sbin/in.rshd", "in.rshd");
    let text_of_script = format!(
        "#!/bin/sh\nexec unshare --mount sh -c 'mount --bind {} /root && exec /usr/sbin/in.rshd'\n",
        home.display()
    );
    std::fs::write(&script, text_of_script).unwrap();
    std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    server.each(|served| {
        let port = served.port();
        let command = "echo one two; ls -A /root";
        let answer = run("rsh-redone-rsh", &["-p", &port, "-l", "root", "127.0.0.1", command]);
        assert_eq!(answer.out, "one two\n.rhosts\n");
    });
}

#[test]
fn distccd_compiles_a_file() {
    let programs = ["distccd", "distcc", "gcc"];
    let Some(server) = Server::of("distccd", &programs) else { return };
    let source = server.at("square.c");
    std::fs::write(&source, "int square(int x) { return x * x; }\n").unwrap();
    server.each(|served| {
        let object = served.at("square.o");
        let arguments = ["gcc", "-c", text(&source), "-o", text(&object)];
        let mut command = client("distcc", &arguments, &served.at(""));
        let (host, state) = (served.address.to_string(), served.at("state"));
        std::fs::create_dir(&state).unwrap();
        command.env("DISTCC_HOSTS", host).env("DISTCC_DIR", state);
        // Without this it would compile the file itself if the server did not.
        command.env("DISTCC_FALLBACK", "0");
        finish(command);
        assert!(run("nm", &[text(&object)]).out.contains("T square"));
        served.daemon.record("START", |_| true);
    });
}

/// A Kerberos realm with a server of its own, whose files are in a folder.
struct Realm {
    folder: PathBuf,
    port: u16,
}

impl Realm {
    fn new(folder: PathBuf) -> Self {
        let port = own_port();
        let at = |name: &str| folder.join(name).display().to_string();
        let client = format!(
            "[libdefaults]\ndefault_realm = TEST\ndns_lookup_kdc = false\n\
             dns_canonicalize_hostname = false\nrdns = false\n\
             [realms]\nTEST = {{\nkdc = 127.0.0.1:{port}\n}}\n"
        );
        let server = format!(
            "[kdcdefaults]\nkdc_listen = 127.0.0.1:{port}\nkdc_tcp_listen = 127.0.0.1:{port}\n\
             [realms]\nTEST = {{\ndatabase_name = {}\nkey_stash_file = {}\nacl_file = {}\n}}\n",
            at("principal"),
            at("stash"),
            at("acl"),
        );
        std::fs::write(folder.join("krb5.conf"), client).unwrap();
        std::fs::write(folder.join("kdc.conf"), server).unwrap();
        Self { folder, port }
    }

    /// A program of Kerberos, which finds this realm.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = client(program, arguments, &self.folder);
        let at = |name: &str| self.folder.join(name);
        command.env("KRB5_CONFIG", at("krb5.conf")).env("KRB5_KDC_PROFILE", at("kdc.conf"));
        command.env("KRB5CCNAME", format!("FILE:{}", at("tickets").display()));
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Finished {
        finish(self.command(program, arguments))
    }

    /// Makes a principal and a file with its key.
    fn principal(&self, name: &str, keytab: &Path) {
        self.run("kadmin.local", &["-q", &format!("addprinc -randkey {name}")]);
        self.run("kadmin.local", &["-q", &format!("ktadd -k {} {name}", text(keytab))]);
    }
}

#[test]
fn remctld_runs_a_command_for_a_ticket() {
    let programs = ["remctld", "remctl", "tcpd", "krb5kdc", "kadmin.local", "kdb5_util", "kinit"];
    let Some(mut server) = Server::of("remctl", &programs) else { return };
    let config = server.moved("/etc/remctl/remctl.conf", "remctl.conf");
    let keytab = server.moved("/etc/krb5.keytab", "server.keytab");
    std::fs::write(config, "test hello /bin/echo ANYUSER\n").unwrap();
    let realm = Realm::new(server.at(""));
    realm.run("kdb5_util", &["create", "-r", "TEST", "-s", "-P", "master"]);
    realm.principal("host/localhost", &keytab);
    realm.principal("tester", &server.at("user.keytab"));
    let _kdc = Process::start(realm.command("krb5kdc", &["-n"]));
    let kdc = SocketAddr::from(([127, 0, 0, 1], realm.port));
    wait_until("the Kerberos server", || TcpStream::connect(kdc).is_ok());
    realm.run("kinit", &["-k", "-t", text(&server.at("user.keytab")), "tester"]);
    server.each(|served| {
        let place = ["-p", &served.port(), "-s", "host/localhost@TEST", "127.0.0.1"];
        let answer = realm.run("remctl", &[&place[..], &["test", "hello", "there"]].concat());
        assert_eq!(answer.out, "hello there\n");
    });
}
