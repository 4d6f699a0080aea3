//! Who may come in: `allow`, `deny`, and `inetd access`, which explains them.

use std::net::SocketAddr;

use crate::harness::{Client, Daemon, Start, inetd, native, probe, service};

/// Prints the variables of its connection.
fn env() -> Vec<String> {
    probe(&["environment"])
}

fn status(daemon: &Daemon) -> serde_json::Value {
    let status = inetd(&["status", "--json", "--control", daemon.control()]);
    serde_json::from_str(&status.out).unwrap()
}

/// What `inetd access` says first, with the file without its folder.
#[track_caller]
fn access(daemon: &Daemon, name: &str, address: &str) -> (i32, String) {
    let asked = inetd(&["access", name, address, "-c", &native(&daemon.config())]);
    assert_eq!(asked.err, "");
    let (verdict, place) = asked.out.lines().next().unwrap().rsplit_once('(').unwrap();
    let place = place.rsplit(['/', '\\']).next().unwrap();
    (asked.code, format!("{verdict}({place}"))
}

#[test]
fn a_denied_peer_is_turned_away_before_a_program_starts() {
    let config = service("hello", &env(), "deny = ['127.0.0.1']");
    let daemon = Daemon::run(&config);
    let mut refused = daemon.connect("hello");
    refused.closed();
    let record = daemon.record("REFUSE", |_| true);
    assert_eq!(&record["service"], "hello");
    assert_eq!(&record["reason"], "address");
    assert_eq!(&record["peer"], refused.local().to_string());

    let mut other = Client::connect_from("127.0.0.2", daemon.address("hello"));
    assert!(other.rest().contains("REMOTE_ADDR=127.0.0.2\n"));
    assert_eq!(daemon.records(1, "START").len(), 1, "none for the peer that was turned away");
    let hello = status(&daemon)["services"][0].clone();
    assert_eq!(hello["refused"], 1);
    assert_eq!(hello["refused_for"], serde_json::json!({ "address": 1 }));
}

#[test]
fn an_allow_list_is_complete_and_the_narrowest_rule_wins() {
    let rules = "allow = ['127.0.0.0/8']\ndeny = ['127.0.0.2-127.0.0.5']";
    let daemon = Daemon::run(&service("hello", &env(), rules));
    let from = |source| Client::connect_from(source, daemon.address("hello"));
    assert!(from("127.0.0.1").answers());
    from("127.0.0.2").closed();
    from("127.0.0.5").closed();
    assert!(from("127.0.0.6").answers());
    daemon.rewrite(&service("hello", &env(), "allow = ['127.0.0.2']"));
    assert_eq!(daemon.reload().code, 0);
    from("127.0.0.1").closed();
    assert!(from("127.0.0.2").answers());
    daemon.reload_with(&service("hello", &env(), "allow = []"));
    from("127.0.0.2").closed();
}

#[test]
fn an_ipv4_peer_of_an_ipv6_listener_is_an_ipv4_peer() {
    let config = service("hello", &env(), "listen = '[::]:0'\ndeny = ['127.0.0.1']");
    let daemon = Daemon::run(&config);
    let port = daemon.address("hello").port();
    let v4 = SocketAddr::from(([127, 0, 0, 1], port));
    Client::connect(v4).closed();
    assert!(Client::connect_from("127.0.0.2", v4).answers());
    assert!(Client::connect(SocketAddr::new("::1".parse().unwrap(), port)).answers());
}

#[test]
fn a_peer_that_is_turned_away_takes_no_slot_and_hears_the_first_reason() {
    let keys = "max_sessions = 1\nover_limit = 'reject'\ndeny = ['127.0.0.2']";
    let daemon = Daemon::run(&service("hold", &probe(&["hold"]), keys));
    let from = |source| Client::connect_from(source, daemon.address("hold"));
    for _ in 0..5 {
        from("127.0.0.2").closed();
    }
    let mut held = from("127.0.0.1");
    assert!(held.line().starts_with("ready "));
    // Full now: the address counts first all the same.
    from("127.0.0.2").closed();
    daemon.records(6, "REFUSE");
    from("127.0.0.1").closed();
    let records = daemon.records(7, "REFUSE");
    let reasons: Vec<_> = records.iter().map(|record| &record["reason"]).collect();
    assert_eq!(reasons, [&["address"; 6][..], &["service_limit"]].concat());
}

#[test]
fn rules_come_from_files_too() {
    let start = Start::run("");
    std::fs::write(start.folder().join("guests"), "# guests\n127.0.0.2 # one\r\n\n10.0.0.0/8")
        .unwrap();
    let daemon = start.services(&service("hello", &env(), "allow = ['file:guests']")).ready();
    Client::connect(daemon.address("hello")).closed();
    assert!(Client::connect_from("127.0.0.2", daemon.address("hello")).answers());
    let (code, said) = access(&daemon, "hello", "10.1.2.3");
    assert_eq!((code, said.as_str()), (0, "let in: allow 10.0.0.0/8 (guests:4:1)"));
}

#[test]
fn inetd_access_names_the_rule_that_decides() {
    let config = "[defaults]\ndeny = ['192.0.2.0/24']\n".to_owned()
        + &service("both", &env(), "allow = ['10.0.0.0/8', '192.0.2.7']")
        + &service("deny", &env(), "")
        + &service("open", &env(), "deny = []")
        + &service(
            "limited",
            &env(),
            "max_sessions = 7\nmax_per_source = 2\nsource_prefix = [24, 64]\n\
             rate = '50/1s'\nrate_per_source = '5/1m'",
        );
    let daemon = Daemon::run(&config);
    let text = std::fs::read_to_string(daemon.config()).unwrap();
    let place = |wanted: &str| {
        let (number, line) = text.lines().enumerate().find(|(_, l)| l.contains(wanted)).unwrap();
        format!("inetd.toml:{}:{}", number + 1, line.find(wanted).unwrap() + 1)
    };
    let (deny, allow) = (place("['192.0.2.0/24']"), place("['10.0.0.0/8'"));
    for (name, address, code, expected) in [
        ("both", "10.1.2.3", 0, format!("let in: allow 10.0.0.0/8 ({}", place("'10.0.0.0/8'"))),
        ("both", "192.0.2.7", 0, format!("let in: allow 192.0.2.7 ({}", place("'192.0.2.7'"))),
        (
            "both",
            "::ffff:192.0.2.8",
            1,
            format!("refused: deny 192.0.2.0/24 ({}", place("'192.0.2.0/24'")),
        ),
        (
            "both",
            "::1",
            1,
            format!("refused: no rule is about ::1, and there is an `allow` ({allow}"),
        ),
        (
            "deny",
            "::1",
            0,
            format!("let in: no rule is about ::1, and there is only a `deny` ({deny}"),
        ),
        (
            "open",
            "192.0.2.8",
            0,
            format!(
                "let in: no rule is about 192.0.2.8, and there is only a `deny` ({}",
                place("[]")
            ),
        ),
    ] {
        assert_eq!(access(&daemon, name, address), (code, format!("{expected})")), "{name}");
    }
    let file = native(&daemon.config());
    let open = inetd(&["access", "limited", "2001:db8::7", "-c", &file]).out;
    assert_eq!(
        open.lines().skip(1).collect::<Vec<_>>(),
        [
            "  as long as there are no more than 7 sessions",
            "  as long as there are no more than 2 sessions of 2001:db8::/64",
            "  as long as there are no more than 50/1s connections",
            "  as long as there are no more than 5/1m connections of 2001:db8::/64",
        ]
    );
    let unknown = inetd(&["access", "bth", "::1", "-c", &file]);
    assert_eq!(unknown.code, 1);
    assert_eq!(unknown.err, "inetd: there is no service `bth`: did you mean `both`?\n");
    assert_eq!(inetd(&["access", "both", "everybody", "-c", &file]).code, 2);
}
