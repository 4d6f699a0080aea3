//! Rules in the files of other superservers: `access` and `tcp_wrappers`.

use std::net::IpAddr;
use std::path::Path;

use crate::harness::{Client, Daemon, Start, inetd, native, probe, service, wait_until};

fn env() -> Vec<String> {
    probe(&["environment"])
}

fn from(daemon: &Daemon, name: &str, source: &str) -> Client {
    Client::connect_from(source, daemon.address(name))
}

/// A file in a folder, complete from one moment to the next.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

fn access(daemon: &Daemon, name: &str, address: &str) -> (i32, String) {
    let asked = inetd(&["access", name, address, "-c", &native(&daemon.config())]);
    (asked.code, asked.out.lines().next().unwrap_or_default().to_owned())
}

#[test]
fn tcprules_decide_and_set_variables() {
    let start = Start::run("");
    let rules = start.folder().join("rules");
    std::fs::write(&rules, "127.0.0.2:allow,RELAYCLIENT=\"\",LANG=\"rule\"\n127.0.0.3:deny\n")
        .unwrap();
    let keys = "access = 'tcprules:rules'\nenv = { LANG = 'mine' }";
    let daemon = start.services(&service("smtp", &env(), keys)).ready();
    let told = from(&daemon, "smtp", "127.0.0.2").rest();
    let of = |name: &str| {
        told.lines().filter(|l| l.starts_with(name)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of("env RELAYCLIENT="), ["env RELAYCLIENT="]);
    assert_eq!(of("env LANG="), ["env LANG=rule"], "the rule's, once");
    from(&daemon, "smtp", "127.0.0.3").closed();
    assert_eq!(&daemon.record("REFUSE", |_| true)["reason"], "address");
    assert!(!from(&daemon, "smtp", "127.0.0.4").rest().contains("RELAYCLIENT"), "no rule: allow");

    let (code, said) = access(&daemon, "smtp", "127.0.0.3");
    assert!(
        code == 1 && said.starts_with("refused: deny by `access` (") && said.ends_with("rules:2)"),
        "{said}"
    );

    let (code, said) = access(&daemon, "smtp", "127.0.0.4");
    let sought = "127.0.0.4, 127.0.0., 127.0., 127., the empty address";
    let expected = format!("rules is about 127.0.0.4: it has none of {sought}");
    assert!(code == 0 && said.starts_with("let in: allow by `access`: no rule in "), "{said}");
    assert!(said.ends_with(&expected) && said.contains(&native(&rules)), "{said}");

    // A change holds without a reload; what cannot be used changes nothing.
    replace(&rules, ":deny\n");
    wait_until("the new rules", || !from(&daemon, "smtp", "127.0.0.2").answers());
    daemon.log().wait_for("that they were read", |line| line.contains("Read changed rules"));
    replace(&rules, "10.:nonsense\n");
    wait_until("that it is told", || {
        from(&daemon, "smtp", "127.0.0.2").closed();
        daemon.log().all().iter().any(|line| line.contains("Changed rules cannot be used"))
    });
}

#[test]
fn s6_directories_refuse_whom_no_rule_is_about() {
    let start = Start::run("");
    let rule = start.folder().join("rules/ip4/127.0.0.0_30");
    std::fs::create_dir_all(rule.join("env")).unwrap();
    std::fs::write(rule.join("allow"), "").unwrap();
    std::fs::write(rule.join("env/WHO"), "near\n").unwrap();
    std::fs::write(rule.join("env/MINE"), "").unwrap();
    let keys = "access = 's6:rules'\nenv = { MINE = '1', OTHER = '2' }";
    let daemon = start.services(&service("hello", &env(), keys)).ready();
    let told = from(&daemon, "hello", "127.0.0.2").rest();
    assert!(told.contains("env WHO=near\n") && told.contains("env OTHER=2\n"), "{told}");
    assert!(!told.contains("env MINE"), "a file without anything takes it away: {told}");
    from(&daemon, "hello", "127.0.0.4").closed();
    let (code, said) = access(&daemon, "hello", "127.0.0.4");
    let folder = native(rule.ancestors().nth(2).unwrap());
    let expected = format!(
        "refused: deny by `access`: no rule in {folder} is about 127.0.0.4: \
         it has none of ip4/127.0.0.4_32 to ip4/0.0.0.0_0"
    );
    assert_eq!((code, said), (1, expected));
    std::fs::remove_file(rule.join("allow")).unwrap();
    wait_until("the new rules", || !from(&daemon, "hello", "127.0.0.2").answers());
    daemon.log().wait_for("that they were read", |line| {
        line.contains("Read changed rules") && line.contains("rules")
    });
}

/// A daemon with these files of TCP wrappers.
fn wrapped(allow: &str, deny: &str, config: &str) -> Daemon {
    let start = Start::run(config);
    for (name, text) in [("hosts.allow", allow), ("hosts.deny", deny)] {
        std::fs::write(start.folder().join(name), text).unwrap();
    }
    start.daemon("hosts_allow = 'hosts.allow'\nhosts_deny = 'hosts.deny'").ready()
}

#[test]
fn hosts_allow_and_hosts_deny_are_obeyed() {
    let config = service("wrapped", &env(), "tcp_wrappers = true\narg0 = '/usr/sbin/in.probed'")
        + &service("other", &env(), "tcp_wrappers = true")
        + &service("open", &env(), "");
    let allow = "in.probed: 127.0.0.2: setenv WHERE %a\nin.probed: 127.0.0.5: twist /bin/false\n";
    let daemon = wrapped(allow, "ALL EXCEPT probe: ALL\n", &config);
    assert!(from(&daemon, "wrapped", "127.0.0.2").rest().contains("env WHERE=127.0.0.2\n"));
    from(&daemon, "wrapped", "127.0.0.3").closed();
    from(&daemon, "wrapped", "127.0.0.5").closed();
    assert!(from(&daemon, "open", "127.0.0.3").answers());
    assert!(from(&daemon, "other", "127.0.0.3").answers(), "its program is called probe");
    let reasons: Vec<_> =
        daemon.records(2, "REFUSE").iter().map(|r| r["reason"].to_owned()).collect();
    assert_eq!(reasons, ["libwrap", "libwrap"]);
    let (code, said) = access(&daemon, "other", "127.0.0.3");
    assert!(code == 0 && said.starts_with("let in: allow by tcp_wrappers: no rule in "), "{said}");
    assert!(said.contains("hosts.allow or ") && said.contains("hosts.deny is about "), "{said}");
    let (code, said) = access(&daemon, "wrapped", "127.0.0.3");
    assert!(
        code == 1
            && said.starts_with("refused: deny by tcp_wrappers (")
            && said.ends_with("hosts.deny:1)"),
        "{said}"
    );
    // The next connection after an edit already finds it, if the last look is a second old.
    replace(&daemon.folder().join("hosts.deny"), "probe: 127.0.0.3\n");
    wait_until("the new rules", || !from(&daemon, "other", "127.0.0.3").answers());
    assert!(from(&daemon, "wrapped", "127.0.0.3").answers());
}

#[test]
fn a_service_may_have_a_name_of_its_own_there_and_rules_may_be_about_our_addresses() {
    let listening = |name: &str, listen: &str| {
        service(name, &env(), &format!("listen = '{listen}'\ntcp_wrappers = 'In.Named'"))
    };
    let config = listening("all", "tcp4://0.0.0.0:0") + &listening("one", "127.0.0.3:0");
    let daemon = wrapped("in.named@127.0.0.2: ALL\nx: ALL\n", "ALL: ALL\n", &config);
    let port = daemon.address("all").port();
    let at = |ours: &str| {
        let ours: IpAddr = ours.parse().unwrap();
        Client::connect_from("127.0.0.1", (ours, port).into())
    };
    assert!(at("127.0.0.2").answers());
    at("127.0.0.1").closed();
    from(&daemon, "one", "127.0.0.1").closed();
    let (code, said) = access(&daemon, "one", "127.0.0.1");
    assert!(code == 1 && said.starts_with("refused: at 127.0.0.3 deny by tcp_wrappers"), "{said}");
    let (code, said) = access(&daemon, "all", "127.0.0.1");
    assert!(code == 1 && said.starts_with("refused: at 127.0.0.1 deny by tcp_wrappers"), "{said}");
    replace(&daemon.folder().join("hosts.allow"), "in.named@127.0.0.1: ALL\n");
    let (code, said) = access(&daemon, "all", "127.0.0.1");
    assert!(code == 0 && said.starts_with("let in: at 127.0.0.1 allow by tcp_wrappers"), "{said}");
}

#[test]
fn names_are_asked_for_where_a_rule_needs_one() {
    let config = service("hello", &env(), "tcp_wrappers = true");
    let daemon = wrapped("ALL: localhost\n", "ALL: ALL\n", &config);
    let told = daemon.ask("hello", "");
    assert!(told.contains("env PROTO=TCP\n") && !told.contains("TCPREMOTEHOST"), "{told}");
}

#[test]
fn odd_rules_are_told_with_their_place_and_broken_ones_stop_the_start() {
    let config = service("hello", &env(), "tcp_wrappers = true");
    let daemon = wrapped("ALL: @friends\n", "", &config);
    let file = native(&daemon.config());
    let check = inetd(&["check", "-c", &file]);
    assert_eq!(check.code, 0, "{}", check.err);
    assert!(check.err.contains("warning: netgroups are not looked up"), "{}", check.err);
    assert!(check.err.contains("hosts.allow:1:6"), "{}", check.err);

    let start = Start::run(&service("hello", &env(), "access = 'cdb:broken'"));
    std::fs::write(start.folder().join("broken"), "this is no database").unwrap();
    let failed = start.fails();
    assert_eq!(failed.code, 1);
    assert!(failed.err.contains("is no table of tcprules"), "{}", failed.err);
}
