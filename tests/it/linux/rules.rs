//! The same rules and the same peers, asked here and in the programs that the rules were written
//! for: tcpdmatch(8), which asks libwrap, and tcprulescheck(1).

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::real::{installed, search};
use crate::harness::{command, preload};

/// A folder with files, and with a resolver that knows nobody but whom `hosts` names.
struct Place {
    folder: tempfile::TempDir,
    preload: String,
}

impl Place {
    fn new(hosts: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), preload: preload("hosts.c") };
        place.write("hosts", hosts);
        place
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a program says.
    fn run(&self, mut program: Command) -> String {
        program.current_dir(self.folder.path()).stdin(Stdio::null()).env("PATH", search());
        let said = program.output().unwrap();
        let error = String::from_utf8_lossy(&said.stderr);
        let text = String::from_utf8_lossy(&said.stdout);
        assert!(!text.is_empty(), "{program:?}: {error}");
        text.into_owned()
    }

    /// Whether `inetd access` lets a peer in, and all that it says.
    fn access(&self, service: &str, peer: &str) -> (bool, String) {
        let mut inetd = command(&[]);
        inetd.args(["access", service, peer, "-c", "inetd.toml"]);
        inetd.env("LD_PRELOAD", &self.preload).env("HOSTS_OF_TEST", self.path("hosts"));
        let said = self.run(inetd);
        assert!(said.starts_with("let in: ") || said.starts_with("refused: "), "{peer}: {said}");
        (said.starts_with("let in: "), said)
    }
}

/// Services of TCP wrappers, each on an address of its own.
fn wrapped() -> Place {
    let place = Place::new("");
    let mut config =
        String::from("[daemon]\nhosts_allow = 'hosts.allow'\nhosts_deny = 'hosts.deny'\n");
    for (name, listen) in [("x", "127.0.0.1:7001"), ("xyz", "[::1]:7002"), ("other", "7003")] {
        write!(config, "[service.{name}]\nlisten = '{listen}'\nbuiltin = 'echo'\n").unwrap();
        config.push_str("tcp_wrappers = true\n");
    }
    place.write("inetd.toml", &config);
    place
}

/// Whether libwrap lets a peer in. What it would hand over to another program is refused here.
fn libwrap(place: &Place, daemon: &str, peer: &str) -> bool {
    let mut program = Command::new("tcpdmatch");
    let daemon = if daemon == "x" { "x@127.0.0.1".to_owned() } else { daemon.to_owned() };
    program.args(["-d", "-i", "/dev/null", &daemon, peer]);
    let said = place.run(program);
    let verdict = said.lines().find_map(|line| line.strip_prefix("access:"));
    match verdict.map(str::trim) {
        Some("granted") => true,
        Some("denied" | "delegated") => false,
        _ => panic!("{daemon} {peer}: {said}"),
    }
}

const PEERS: [&str; 5] = ["10.1.1.1", "10.7.0.3", "192.0.2.33", "255.1.1.1", "2001:db8::7"];

/// Patterns for hosts. Each of them is asked for in both files, with EXCEPT and without.
const HOSTS: &str = "ALL|all|KNOWN|UNKNOWN|LOCAL|PARANOID|10.|10.1.1.1|10|10.1|010.1.1.1|.1|.33|.|1.|\
    www.|.example.org|unknown|unk*|?nknown|*|10.*|10.?.?.1|2001*|[2001:db8::?]|10.0.0.0/8|\
    10.0.0.1/8|10.0.0.0/255.0.0.0|10.0.0.0/255.0.255.0|10.1.1.1/255.255.0.255|10.0.0.3/255.0.255.255|\
    012.0.0.0/8|0xa.0.0.0/8|012.0.0.0/0xff.0.0.0|10.1.1.1/32|10.1.1.1/032|10.1.1.0/24x|10.1.1.0/+24|\
    10.1.1.0/0x18|10.0/8|10.0.0.0.0/8|10.0.0.0/33|10.0.0.0/-1|10.0.0.0/|10.1.1.1/255.0|128.0.0.0/1|\
    0.0.0.0/0.0.0.0|[2001:db8::7]|[2001:DB8::7]|[2001:db8::7|2001:db8::7]|[2001:db8::]/32|\
    [2001:db8::1]/32|[2001:db8::]/129|[2001:db8::]/125|[::]/0|[::ffff:10.0.0.0]/104|[10.1.1.1]|[x]|\
    ALL@10.|*@10.|UNKNOWN@10.|unk*@10.|KNOWN@10.|root@10.|.x@10.|u.@10.|10.1.1.1@10.|/no/such/file";

/// Whole rules.
const RULES: &[&str] = &[
    "X : ALL",
    "x*: ALL",
    "x?? : ALL",
    "x. : ALL",
    ".z : ALL",
    "KNOWN : ALL",
    "UNKNOWN : ALL",
    "x,xyz : 10., 192.0.2.",
    "x\txyz:10.\t192.",
    "ALL EXCEPT x : ALL",
    "ALL EXCEPT xyz : ALL",
    "ALL EXCEPT x EXCEPT x : ALL",
    "ALL : ALL EXCEPT",
    "ALL EXCEPT : ALL",
    "EXCEPT x : ALL",
    "ALL : ALL EXCEPT 10. EXCEPT 10.7.",
    "ALL : 10.7. ALL EXCEPT 10. 192.",
    ": ALL",
    "ALL :",
    "ALL",
    "ALL ALL",
    "x@127.0.0.1 : ALL",
    "x@127. : ALL",
    "x@127.0.0.2 : ALL",
    "@x : ALL",
    "x@ALL : ALL",
    "ALL@127.0.0.0/8 : ALL",
    "ALL]: ALL",
    "ALL [: ]: ALL",
    "[ALL: ALL",
    "x[1]: ALL",
    "x\\: : ALL",
    "ALL\\: : ALL",
    "  # ALL : ALL",
    "# ALL : ALL",
    "ALL : 10. # ALL",
    "ALL : # ALL",
    "ALL:ALL",
    " \t ",
    "\u{b}",
    ",",
    "ALL \\\n : ALL",
    "ALL :\\\n 10.\\\n 192.0.2.\\\n",
    "ALL : \\\r\n 10.",
    "ALL : ALL \\\r",
    "ALL : ALL\r",
    "x : 10.1.1.1\nx : 10. : deny\nALL : ALL",
    // Options.
    "ALL : ALL :",
    "ALL : ALL ::",
    "ALL : ALL : allow",
    "ALL : ALL : deny",
    "ALL : ALL : ALLOW",
    "ALL : ALL : allow yes",
    "ALL : ALL : allow =",
    "ALL : ALL : allow :",
    "ALL : ALL : deny : allow",
    "ALL : ALL : nonsense",
    "ALL : ALL : ALL : allow",
    "ALL : ALL : severity",
    "ALL:ALL: severity info",
    "ALL : ALL : severity local0.info",
    "ALL : ALL : severity LOCAL7.Debug : allow",
    "ALL : ALL : severity nope",
    "ALL : ALL : severity info.info",
    "ALL : ALL : severity local0.",
    "ALL : ALL : severity warn",
    "ALL : ALL : severity authpriv.info",
    "ALL : ALL : severity .info",
    "ALL : ALL : linger",
    "ALL : ALL : linger 5",
    "ALL : ALL : linger = +5",
    "ALL : ALL : linger==5",
    "ALL : ALL : linger -1",
    "ALL : ALL : linger 5x",
    "ALL : ALL : keepalive",
    "ALL:ALL: keepalive 1",
    "ALL : ALL : nice",
    "ALL : ALL : nice -5",
    "ALL : ALL : nice 5 5",
    "ALL : ALL : rfc931",
    "ALL : ALL : rfc931 7",
    "ALL : ALL : rfc931 0",
    "ALL : ALL : banners",
    "ALL : ALL : banners /no",
    "ALL : ALL : spawn",
    "ALL : ALL : spawn echo \\: allow : deny",
    "ALL:ALL: spawn a \\\\: b : deny",
    "ALL : ALL : setenv",
    "ALL : ALL : setenv A",
    "ALL : ALL : setenv = A",
    "ALL:ALL: setenv A=B C",
    "ALL : ALL : twist /bin/false",
    "ALL : ALL : twist /bin/false : allow",
    "ALL : ALL\\\n : deny",
    "ALL : ALL : user no-such-user",
    "ALL : ALL : aclexec",
    "ALL : ALL : umask 999",
];

#[test]
fn libwrap_lets_in_whom_these_rules_let_in() {
    let Some(()) = installed(&["tcpdmatch"]) else { return };
    let place = wrapped();
    let compare = |allow: &str, deny: &str, daemon: &str, peer: &str| {
        place.write("hosts.allow", allow);
        place.write("hosts.deny", deny);
        let theirs = libwrap(&place, daemon, peer);
        let (ours, said) = place.access(daemon, peer);
        assert_eq!(ours, theirs, "{allow:?} {deny:?} {daemon} {peer}: {said}");
    };
    for pattern in HOSTS.split('|') {
        for peer in PEERS {
            let rule = format!("ALL : {pattern}\n");
            compare(&rule, "ALL : ALL\n", "x", peer);
            compare("", &rule, "x", peer);
        }
        let except = format!("ALL : ALL EXCEPT {pattern}\n");
        compare(&except, "ALL : ALL\n", "x", PEERS[0]);
        compare("", &except, "x", PEERS[0]);
    }
    let long = |length: usize| format!("y : ALL{}", " ".repeat(length - 7));
    let broken =
        ["y : ALL", "ALL : ALL", "# comment", "y : \\\n", "ALL : 10.\\\n"].map(str::to_owned);
    let lengths = [2046, 2047, 4000].map(|length| format!("{}\nx : ALL\n", long(length)));
    for rules in broken.iter().chain(&lengths) {
        for peer in PEERS {
            compare(rules, "", "x", peer);
            compare(rules, "ALL : ALL\n", "x", peer);
            compare("", rules, "x", peer);
        }
    }
    for rule in RULES {
        let rule = format!("{rule}\n");
        for (daemon, peer) in [("x", PEERS[0]), ("x", PEERS[2]), ("xyz", PEERS[4])] {
            compare(&rule, "ALL : ALL\n", daemon, peer);
            compare("", &rule, daemon, peer);
        }
    }
}

/// Where libwrap lets somebody in and we do not: what cannot be done here, and what it takes for an
/// error by mistake.
#[test]
fn where_this_differs_from_libwrap_it_is_stricter() {
    let Some(()) = installed(&["tcpdmatch"]) else { return };
    let place = wrapped();
    place.write("more", "10.1.\n");
    place.write("patterns", &format!("{}\n", place.path("more").display()));
    let nested = format!("ALL : {}\n", place.path("patterns").display());
    for (allow, deny) in [
        ("ALL : ALL : user root\n", ""),
        ("ALL : ALL : group root\n", ""),
        ("ALL : ALL : umask 022\n", ""),
        ("ALL : ALL : aclexec /bin/true\n", ""),
        ("ALL : ALL : setenv PROTO x\n", ""),
        ("ALL : ALL : setenv %d x\n", ""),
        ("", "ALL : 0.0.0.0/0\n"),
        ("", "ALL : 10.1.1.1/255.255.255.255\n"),
        ("", "ALL : @friends\n"),
        (&nested, "ALL : ALL\n"),
    ] {
        place.write("hosts.allow", allow);
        place.write("hosts.deny", deny);
        let (ours, said) = place.access("x", PEERS[0]);
        assert!(!ours, "{allow:?} {deny:?}: {said}");
        assert!(libwrap(&place, "x", PEERS[0]), "{allow:?} {deny:?}: it is as here");
    }
}

/// What tcprulescheck says: the verdict, and the variables.
fn tcprules(place: &Place, peer: &str, name: Option<&str>) -> (bool, Vec<String>) {
    let mut program = Command::new("tcprulescheck");
    program.arg("rules.cdb").env_remove("TCPREMOTEINFO").env_remove("TCPREMOTEHOST");
    program.env("TCPREMOTEIP", peer);
    if let Some(name) = name {
        program.env("TCPREMOTEHOST", name);
    }
    let said = place.run(program);
    let mut sets: Vec<String> = Vec::new();
    for variable in said.lines().filter_map(|line| line.strip_prefix("set environment variable ")) {
        let name = variable.split_inclusive('=').next().unwrap();
        // The last one counts.
        sets.retain(|other| !other.starts_with(name));
        sets.push(variable.to_owned());
    }
    let allows = said.lines().any(|line| line == "allow connection");
    assert!(allows || said.lines().any(|line| line == "deny connection"), "{peer}: {said}");
    (allows, if allows { sets } else { Vec::new() })
}

#[test]
fn tcpserver_lets_in_whom_these_rules_let_in() {
    let Some(()) = installed(&["tcprules", "tcprulescheck"]) else { return };
    let peers = [
        ("127.0.0.1", Some("localhost")),
        ("10.1.2.3", None),
        ("10.1.3.9", Some("a.example.net")),
        ("10.2.3.9", Some("example.net")),
        ("10.9.255.1", None),
        ("172.0.1.1", Some("b.c")),
        ("192.0.2.7", None),
    ];
    let mut hosts = String::new();
    for (peer, name) in peers {
        if let Some(name) = name {
            writeln!(hosts, "{peer} {name}").unwrap();
        }
    }
    let place = Place::new(&hosts);
    let service = |format, port| {
        let access = format!("access = '{format}'");
        format!("[service.{port}]\nlisten = '127.0.0.1:{port}'\nbuiltin = 'echo'\n{access}\n")
    };
    let config = service("tcprules:rules", "7001") + &service("cdb:rules.cdb", "7002");
    place.write("inetd.toml", &config);
    for rules in [
        "127.0.0.1:allow,RELAY=\"\",WHO=/local host/\n10.1.:allow,WHO=\"lan\"\n=.example.net:deny\n:deny\n",
        "10.1.2.3:deny\n10.1.:allow\n10.:deny\n=:allow,NAMED=\"1\"\n",
        "10.1-2.3.:deny\n10.9.250-300.:deny\n172.-1.:deny\n192.0.2.5-7:deny\n",
        "10.1.2-3.1-9:deny\n10.1.9-2.:deny\n10-172.:allow,A=\"1\",B=\"2\",A=\"3\"\n:deny\n",
        "10.1.2.3:deny \t\n \t\n# comment\nno rule\n  no rule, either\n\n10.:allow\n:deny\t\n",
        " 10.1.:deny\n10.1.2.03:deny\n010.:deny\n10.300.:deny\n10.1:deny\n10.1..:deny\n",
        "=localhost:deny\n=LOCALHOST:allow\n=.net:allow\n=.c:deny\n=.:deny\n=b.c:allow,X=,a,\n:allow\n",
        "10.1.:deny\n10.1.:allow\njoe@10.2.3.9:deny\n@:deny\n:allow,A=\"x,y=z:deny\"\n",
        "=a-b.example.net:deny\n=:deny\n10.2.3.9:allow\n",
        "",
    ] {
        place.write("rules", rules);
        let mut program = Command::new("tcprules");
        program.env("PATH", search());
        program
            .args(["rules.cdb", "rules.tmp"])
            .stdin(std::fs::File::open(place.path("rules")).unwrap());
        assert!(program.current_dir(place.folder.path()).status().unwrap().success(), "{rules:?}");
        for (peer, name) in peers {
            let theirs = tcprules(&place, peer, name);
            for service in ["7001", "7002"] {
                let (allows, said) = place.access(service, peer);
                let first = said.lines().next().unwrap();
                let sets = theirs.1.iter().map(|set| format!(" {set}")).collect::<String>();
                assert_eq!(allows, theirs.0, "{rules:?} {peer}: {said}");
                let is_told = sets.is_empty() || first.ends_with(&format!("){sets}"));
                assert!(is_told && (!sets.is_empty() || !first.contains('=')), "{sets}: {said}");
            }
        }
    }
}
