//! What peers are told first, and when they are let in.

use crate::harness::{Client, Daemon, Start, inetd, native, probe, service};

fn cat() -> Vec<String> {
    probe(&["cat"])
}

#[test]
fn whoever_comes_in_is_greeted_and_whoever_does_not_is_told() {
    let start = Start::run("");
    std::fs::write(start.folder().join("sorry.txt"), "Sorry.\r\nNot you.\r\n").unwrap();
    let keys = "banner = \"Welcome!\\n\"\nbanner_reject = 'file:sorry.txt'\ndeny = ['127.0.0.2']";
    let daemon = start.services(&service("cat", &cat(), keys)).ready();
    let mut client = daemon.connect("cat");
    assert_eq!(client.line(), "Welcome!");
    client.send(b"hello\n");
    client.half_close();
    assert_eq!(client.rest(), "hello\n");

    // Whatever it sends, and however late it reads, it gets the text and then the end.
    let mut refused = Client::connect_from("127.0.0.2", daemon.address("cat"));
    daemon.record("REFUSE", |_| true);
    refused.send(b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(refused.rest(), "Sorry.\nNot you.\n");
}

#[test]
fn a_full_service_says_so() {
    let keys = "max_sessions = 1\nover_limit = 'reject'\nbanner_reject = \"full\\n\"";
    let daemon = Daemon::run(&service("hold", &probe(&["hold"]), keys));
    let mut held = daemon.connect("hold");
    assert!(held.line().starts_with("ready "));
    assert_eq!(daemon.connect("hold").rest(), "full\n");
}

#[test]
fn services_are_closed_outside_their_access_times() {
    let never = service("never", &cat(), "access_times = []\nbanner_reject = \"closed\\n\"");
    let always = service("always", &cat(), "access_times = ['mon-sun 00:00-24:00']");
    let odd = service(
        "odd",
        &cat(),
        "access_times = ['mon-wed 00:00-24:00', 'thu 00:00-12:00']\nbanner = 'in'",
    );
    let even = service(
        "even",
        &cat(),
        "access_times = ['thu 12:00-24:00', 'fri-sun 00:00-24:00']\nbanner = 'in'",
    );
    let daemon = Daemon::run(&(never + &always + &odd + &even));
    assert_eq!(daemon.connect("never").rest(), "closed\n");
    let file = native(&daemon.config());
    let asked = inetd(&["access", "never", "::1", "-c", &file]);
    assert!(asked.out.starts_with("refused: it is not the time: never ("), "{}", asked.out);
    assert_eq!(asked.code, 1);
    let asked = inetd(&["access", "always", "::1", "-c", &file]);
    let times = "\n  at these times: mon 00:00 to mon 00:00\n";
    assert!(asked.out.contains(times), "{}", asked.out);
    let record = daemon.record("REFUSE", |_| true);
    assert_eq!((&record["service"], &record["reason"]), ("never", "time"));
    assert_eq!(daemon.ask("always", "hello"), "hello");
    let open = ["odd", "even"].map(|name| daemon.connect(name).answers());
    assert!(open[0] != open[1], "{open:?}");
}
