//! `sensor`: whoever touches it is refused everywhere.

use std::net::{SocketAddr, UdpSocket};

use crate::harness::{Client, Daemon, inetd, native, probe, service};

/// An address of this machine that is not a loopback address, which sensors leave alone. None if
/// it has no network.
fn own_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Sends nothing: it only asks which way it would go (RFC 5737: nobody has this address).
    let routed = socket.connect("192.0.2.1:9").is_ok();
    let address = socket.local_addr().unwrap().ip();
    if !routed || address.is_loopback() || address.is_unspecified() {
        assert!(std::env::var_os("CI").is_none(), "this machine has no network");
        println!("left out: this machine has no network");
        return None;
    }
    Some(address.to_string())
}

/// Whether it came in. Not only that it was not refused yet.
fn echoes(mut client: Client) -> bool {
    client.send(b"x");
    client.answers()
}

fn everywhere(time: &str, keys: &str) -> String {
    service("cat", &probe(&["cat"]), "listen = '0.0.0.0:0'")
        + &format!("[service.trap]\nlisten = '0.0.0.0:0'\nsensor = '{time}'\n{keys}\n")
}

#[test]
fn whoever_touches_it_is_refused_everywhere() {
    let Some(own) = own_address() else { return };
    let daemon = Daemon::run(&everywhere("10m", "banner_reject = 'caught'"));
    let to = |name, host: &str| -> SocketAddr {
        SocketAddr::new(host.parse().unwrap(), daemon.address(name).port())
    };
    assert!(echoes(Client::connect_from(&own, to("cat", &own))));
    assert_eq!(Client::connect_from(&own, to("trap", &own)).rest(), "caught");
    Client::connect_from(&own, to("cat", &own)).closed();
    let records = daemon.records(2, "REFUSE");
    let told: Vec<_> = records.iter().map(|r| (&r["service"], &r["reason"])).collect();
    assert_eq!(told, [("trap", "sensor"), ("cat", "sensor")]);
    assert!(echoes(Client::connect(to("cat", "127.0.0.1"))), "others come in");

    let file = native(&daemon.config());
    let asked = inetd(&["access", "cat", &own, "-c", &file, "--control", daemon.control()]);
    assert_eq!(asked.code, 1);
    assert!(
        asked.out.starts_with(&format!("refused: {own} has touched a sensor, for another ")),
        "{}",
        asked.out
    );
    let status = inetd(&["status", "--control", daemon.control()]).out;
    let line = format!("refused everywhere, because of a sensor: {own} (");
    assert!(status.contains(&line), "{status}");

    // A reload forgets nobody, unless there is no sensor any more.
    daemon.reload_with(&everywhere("1h", ""));
    Client::connect_from(&own, to("cat", &own)).closed();
    daemon.reload_with(&service("cat", &probe(&["cat"]), "listen = '0.0.0.0:0'"));
    assert!(echoes(Client::connect_from(&own, to("cat", &own))));
}

#[test]
fn this_machine_and_those_whom_the_sensor_itself_refuses_are_left_alone() {
    let own = own_address();
    let deny = own.as_ref().map(|own| format!("deny = ['{own}']")).unwrap_or_default();
    let daemon = Daemon::run(&everywhere("10m", &deny));
    daemon.connect("trap").closed();
    assert!(echoes(daemon.connect("cat")));
    assert_eq!(&daemon.record("REFUSE", |_| true)["reason"], "sensor");
    let Some(own) = own else { return };
    let to = |name| SocketAddr::new(own.parse().unwrap(), daemon.address(name).port());
    Client::connect_from(&own, to("trap")).closed();
    assert_eq!(&daemon.records(2, "REFUSE")[1]["reason"], "address");
    assert!(echoes(Client::connect_from(&own, to("cat"))));
    let asked = inetd(&["access", "trap", "192.0.2.77", "-c", &native(&daemon.config())]);
    assert!(
        asked.out.starts_with("refused: a sensor, and then everywhere for 10m ("),
        "{}",
        asked.out
    );
}
