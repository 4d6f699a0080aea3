//! `resolve`: the names of peers, as far as a machine without a network has any.

use crate::harness::{Client, Daemon, inetd, native, probe, service};

#[test]
fn a_program_is_told_the_names_of_both_ends() {
    let env = probe(&["environment"]);
    let config = service("named", &env, "resolve = true") + &service("plain", &env, "");
    let daemon = Daemon::run(&config);
    // Twice: the second time the answer is known already.
    for _ in 0..2 {
        let told = daemon.ask("named", "");
        for line in [
            "env TCPREMOTEHOST=localhost",
            "env TCPLOCALHOST=localhost",
            "env REMOTE_HOST=127.0.0.1",
        ] {
            assert!(told.lines().any(|other| other == line), "{line}:\n{told}");
        }
    }
    assert!(!daemon.ask("plain", "").contains("TCPREMOTEHOST"));
}

#[test]
fn rules_may_be_about_names() {
    let cat = probe(&["cat"]);
    let config = service("allow", &cat, "resolve = true\nallow = ['localhost']")
        + &service("deny", &cat, "resolve = true\ndeny = ['localhost']")
        + &service("address", &cat, "resolve = true\nallow = ['127.0.0.1']\ndeny = ['localhost']");
    let daemon = Daemon::run(&config);
    assert_eq!(daemon.ask("allow", "hello"), "hello");
    daemon.connect("deny").closed();
    assert_eq!(&daemon.record("REFUSE", |_| true)["reason"], "address");
    assert_eq!(daemon.ask("address", "hello"), "hello", "one address is more than a name");

    let file = native(&daemon.config());
    let asked = inetd(&["access", "deny", "127.0.0.1", "-c", &file]);
    assert_eq!(asked.code, 1);
    assert!(
        asked.out.starts_with("refused: localhost (127.0.0.1): deny localhost ("),
        "{}",
        asked.out
    );
}

#[test]
fn sessions_of_a_source_are_counted_while_its_name_is_looked_up() {
    let keys = "resolve = true\nmax_per_source = 1";
    let daemon = Daemon::run(&service("hold", &probe(&["hold"]), keys));
    let mut first = daemon.connect("hold");
    assert!(first.line().starts_with("ready "));
    daemon.connect("hold").closed();
    assert_eq!(&daemon.record("REFUSE", |_| true)["reason"], "per_source_limit");
    drop(first);
    crate::harness::wait_until("a free slot", || Client::connect(daemon.address("hold")).answers());
}
