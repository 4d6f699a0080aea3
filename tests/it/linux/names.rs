//! `resolve` with names that are made up: `tests/programs/hosts.c` shows the daemon a hosts file of
//! ours.

use std::path::Path;

use crate::harness::{Client, Daemon, Start, inetd, native, preload, probe, service};

/// A daemon whose resolver reads `hosts` in its folder.
fn daemon(config: &str, make_hosts: impl FnOnce(&Path)) -> Daemon {
    let start = Start::run(config);
    let hosts = start.folder().join("hosts");
    make_hosts(&hosts);
    start
        .env("LD_PRELOAD", &preload("hosts.c"))
        .env("HOSTS_OF_TEST", hosts.to_str().unwrap())
        .ready()
}

#[test]
fn names_and_domains_decide() {
    let keys = "resolve = true\nallow = ['.example.org', '127.0.0.0/29']\n\
                deny = ['bad.example.org', '.guest.example.org']";
    let config = service("hello", &probe(&["environment"]), keys);
    let write = |hosts: &Path| {
        let text = "127.0.0.2 good.example.org\n127.0.0.3 bad.example.org\n\
                    127.0.0.4 x.guest.example.org\n127.0.0.9 other.example.net\n\
                    127.0.0.11 liar.example.org 192.0.2.1\n\
                    127.0.0.10 far.example.org\n";
        std::fs::write(hosts, text).unwrap();
    };
    let daemon = daemon(&config, write);
    let from = |source| Client::connect_from(source, daemon.address("hello"));
    assert!(from("127.0.0.2").rest().contains("TCPREMOTEHOST=good.example.org\n"));
    from("127.0.0.3").closed();
    from("127.0.0.4").closed();
    from("127.0.0.5").closed(); // It has no name, and could be one of those who are denied.
    from("127.0.0.9").closed();
    from("127.0.0.11").closed(); // Its name is somebody else's.
    assert!(from("127.0.0.10").rest().contains("TCPREMOTEHOST=far.example.org\n"));
    let reasons: Vec<_> =
        daemon.records(5, "REFUSE").iter().map(|r| r["reason"].to_owned()).collect();
    assert_eq!(reasons, ["address"; 5]);
    let asked = inetd(&["access", "hello", "127.0.0.200", "-c", &native(&daemon.config())]);
    assert!(asked.out.contains("127.0.0.200 has no name that leads back to it"), "{}", asked.out);
}

#[test]
fn a_resolver_that_hangs_holds_up_nobody_else() {
    let config = service("named", &probe(&["cat"]), "resolve = true\nallow = ['.example.org']")
        + &service("plain", &probe(&["cat"]), "")
        + &service("address", &probe(&["cat"]), "resolve = true\ndeny = ['127.0.0.0/8']");
    // Nobody ever opens the other end, so whoever reads the file waits.
    let fifo = |hosts: &Path| {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, hosts, kind, mode, 0).unwrap();
    };
    let daemon = daemon(&config, fifo);
    let mut slow: Vec<_> = (0..50).map(|_| daemon.connect("named")).collect();
    assert_eq!(daemon.ask("plain", "hello"), "hello");
    daemon.connect("address").closed();
    // The resolver never answers; it is not waited for any longer after a while.
    for client in &mut slow {
        client.closed();
    }
    assert_eq!(daemon.records(51, "REFUSE").len(), 51);
    assert_eq!(daemon.stop().code, 0);
}

// hosts_access(5): "PARANOID Matches any host whose name does not match its address."
#[test]
fn tcp_wrappers_tell_a_liar_from_one_without_a_name() {
    let config = service("hello", &probe(&["cat"]), "tcp_wrappers = true");
    let start = Start::run(&config).daemon("hosts_allow = 'allow'\nhosts_deny = 'deny'");
    let hosts = start.folder().join("hosts");
    std::fs::write(&hosts, "127.0.0.2 liar.example.org 192.0.2.1\n127.0.0.3 good.example.org\n")
        .unwrap();
    std::fs::write(start.folder().join("deny"), "ALL: PARANOID .example.org\n").unwrap();
    let start = start.env("LD_PRELOAD", &preload("hosts.c"));
    let daemon = start.env("HOSTS_OF_TEST", hosts.to_str().unwrap()).ready();
    let from = |source| Client::connect_from(source, daemon.address("hello"));
    from("127.0.0.2").closed();
    from("127.0.0.3").closed();
    let mut nameless = from("127.0.0.4");
    nameless.send(b"hello");
    nameless.half_close();
    assert_eq!(nameless.rest(), "hello");
    let reasons: Vec<_> =
        daemon.records(2, "REFUSE").iter().map(|r| r["reason"].to_owned()).collect();
    assert_eq!(reasons, ["libwrap"; 2]);
}
