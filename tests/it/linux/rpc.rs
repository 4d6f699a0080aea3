//! `rpc`: services of Sun RPC, with Debian's rpcbind and rpcinfo in a network of their own.

use std::process::{Child, Command, Stdio};

use crate::harness::{Daemon, Start, inetd, native, probe, service, wait_until};

/// A network and a `/run` that nobody else has, with rpcbind in it.
struct Network {
    /// Keeps both.
    holder: Child,
    rpcbind: Option<Child>,
}

impl Network {
    /// None if this machine has not got what it takes.
    fn new() -> Option<Self> {
        let has = |program: &str| {
            let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
            folders.iter().any(|folder| std::path::Path::new(folder).join(program).exists())
        };
        let missing = ["rpcbind", "rpcinfo", "unshare", "nsenter"].into_iter().find(|p| !has(p));
        let is_root = std::fs::metadata("/proc/self")
            .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        if missing.is_some() || !is_root {
            let why = missing.unwrap_or("the right to make a network");
            assert!(std::env::var_os("CI").is_none(), "{why} is missing");
            return None;
        }
        let script = "mount -t tmpfs none /run && ip link set lo up && echo up && exec cat";
        let mut holder = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut up = [0; 3];
        std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut up).unwrap();
        Some(Self { holder, rpcbind: None })
    }

    /// A command that runs another one in it.
    fn prefix(&self) -> Vec<String> {
        let id = self.holder.id().to_string();
        ["nsenter", "--target", &id, "--net", "--mount", "--"].map(str::to_owned).to_vec()
    }

    fn command(&self, words: &[&str]) -> Command {
        let prefix = self.prefix();
        let mut command = Command::new(&prefix[0]);
        command.args(&prefix[1..]).args(words);
        command
    }

    fn start_rpcbind(&mut self) {
        // In the foreground; without the network of others it listens on the loopback alone.
        let rpcbind = self.command(&["rpcbind", "-f"]).stderr(Stdio::null()).spawn().unwrap();
        self.rpcbind = Some(rpcbind);
        wait_until("rpcbind", || self.list().contains("portmapper"));
    }

    fn stop_rpcbind(&mut self) {
        if let Some(mut rpcbind) = self.rpcbind.take() {
            rpcbind.kill().unwrap();
            rpcbind.wait().unwrap();
        }
    }

    /// `rpcinfo`: program, version, netid, address, service, owner.
    fn list(&self) -> String {
        let output = self.command(&["rpcinfo"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What rpcbind knows of a program: `VERSION NETWORK ADDRESS OWNER`, sorted.
    fn known(&self, program: u32) -> Vec<String> {
        let list = self.list();
        let mut known: Vec<String> = list
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|words| words.first() == Some(&program.to_string().as_str()))
            .map(|words| {
                format!("{} {} {} {}", words[1], words[2], words[3], words.last().unwrap())
            })
            .collect();
        known.sort();
        known
    }

    fn wait_for(&self, program: u32, expected: &[String]) {
        wait_until(&format!("{expected:?}, there is {:?}", self.known(program)), || {
            self.known(program) == expected
        });
    }

    fn daemon(&self, services: &str) -> Daemon {
        let prefix = self.prefix();
        let prefix: Vec<&str> = prefix.iter().map(String::as_str).collect();
        Start::run(services).through(&prefix, Stdio::null()).ready()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.stop_rpcbind();
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

const PROGRAM: u32 = 0x2000_0001;

/// A service with that many versions.
fn rpc(listen: &str, versions: &str) -> String {
    let keys = format!("listen = '{listen}'\nrpc = '{PROGRAM}/{versions}'");
    service("rpc", &probe(&["cat"]), &keys)
}

/// What rpcbind shows for these versions of a service on IPv4.
fn expected(daemon: &Daemon, versions: &[u32]) -> Vec<String> {
    let port = daemon.address("rpc").port();
    let line = |version| format!("{version} tcp 127.0.0.1.{}.{} superuser", port >> 8, port & 255);
    versions.iter().map(line).collect()
}

// RFC 1833, section 2: RPCBPROC_SET and RPCBPROC_UNSET. inetd(8) of FreeBSD: "This can simply be a
// single numeric argument or a range of versions. A range is bounded by the low version to the high
// version - "rusers/1-3"."
#[test]
fn rpcbind_knows_where_services_are_as_long_as_they_are_there() {
    let Some(mut network) = Network::new() else { return };
    network.start_rpcbind();
    let mut daemon = network.daemon(&rpc("127.0.0.1:0", "1-3"));
    network.wait_for(PROGRAM, &expected(&daemon, &[1, 2, 3]));
    daemon.rewrite(&rpc("127.0.0.1:0", "2-4"));
    assert_eq!(daemon.reload().code, 0);
    network.wait_for(PROGRAM, &expected(&daemon, &[2, 3, 4]));
    // A new rpcbind knows nothing, and is told.
    network.stop_rpcbind();
    network.start_rpcbind();
    network.wait_for(PROGRAM, &expected(&daemon, &[2, 3, 4]));
    assert_eq!(daemon.stop().code, 0);
    assert_eq!(daemon.exit_code(), 0);
    assert_eq!(network.known(PROGRAM), [""; 0]);
}

#[test]
fn it_may_come_later_and_what_a_killed_daemon_has_left_is_replaced() {
    let Some(mut network) = Network::new() else { return };
    let daemon = network.daemon(&rpc("127.0.0.1:0", "7"));
    daemon.log().wait_for("a warning", |line| line.contains("Cannot reach rpcbind"));
    network.start_rpcbind();
    let old = expected(&daemon, &[7]);
    network.wait_for(PROGRAM, &old);
    drop(daemon.kill());
    assert_eq!(network.known(PROGRAM), old);
    let daemon = network.daemon(&rpc("127.0.0.1:0", "7"));
    network.wait_for(PROGRAM, &expected(&daemon, &[7]));
}

#[test]
fn all_networks_of_a_service_are_registered() {
    let Some(mut network) = Network::new() else { return };
    network.start_rpcbind();
    let services = format!(
        "[service.rpc]\nlisten = ['udp://[::]:2049', 'tcp6://[::1]:2049']\nrpc = '{PROGRAM}/1'\n\
         run = ['/bin/cat']\n"
    );
    let daemon = network.daemon(&services);
    let expected = ["1 tcp6 ::1.8.1", "1 udp 0.0.0.0.8.1", "1 udp6 ::.8.1"];
    network.wait_for(PROGRAM, &expected.map(|line| format!("{line} superuser")));
    drop(daemon);
}

// An example of inetd(8) of FreeBSD: "rstatd/1-3 dgram rpc/udp wait root /usr/libexec/rpc.rstatd
// rpc.rstatd".
#[test]
fn classic_lines_and_entries_of_xinetd_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let converted = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let convert = inetd(&["convert", &native(&path)]);
        assert_eq!(convert.code, 0, "{}", convert.err);
        convert.out
    };
    let lines = "rstatd/1-3 dgram rpc/udp wait root /bin/cat cat\n\
                 536870913/2 stream rpc/tcp nowait root /bin/cat cat\n";
    let toml = converted("inetd.conf", lines);
    for expected in [
        "listen = \"udp4://0\"",
        "rpc = \"rstatd/1-3\"",
        "listen = \"tcp4://0\"",
        "rpc = \"536870913/2\"",
        "[service.\"rstatd/1-3\"]",
    ] {
        assert!(toml.contains(expected), "{expected}: {toml}");
    }
    let entry = "service rstatd\n{\n\ttype = RPC\n\tsocket_type = dgram\n\tprotocol = udp\n\t\
                 rpc_version = 2-4\n\tuser = root\n\twait = yes\n\tserver = /bin/cat\n}\n\
                 service own\n{\n\ttype = RPC UNLISTED\n\tsocket_type = stream\n\tprotocol = tcp\n\t\
                 rpc_version = 1\n\trpc_number = 300019\n\tuser = root\n\twait = no\n\t\
                 server = /bin/cat\n}\n";
    let toml = converted("xinetd.conf", entry);
    for expected in ["rpc = \"rstatd/2-4\"", "listen = \"udp://0\"", "rpc = \"300019/1\""] {
        assert!(toml.contains(expected), "{expected}: {toml}");
    }
    let check = inetd(&["check", &native(&folder.path().join("inetd.conf"))]);
    assert_eq!(check.code, 0, "{}", check.err);
}
