#![no_main]

//! The question of the identification protocol, and its answer.

use std::net::{IpAddr, Ipv4Addr};

use inetd::config::Ident;
use inetd::relay::far::ident::answer;
use inetd_fuzz::run;
use libfuzzer_sys::fuzz_target;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fuzz_target!(|said: &[u8]| {
    let ident = Ident { real: true, numeric: true, os: Some("UNIX".into()), ..Ident::default() };
    let answer = run(answer(&mut &said[..], &ident, Some((HERE, HERE))));
    // RFC 1413: "<port-pair> : ERROR : <error-type>", "<port-pair> : USERID : <opsys-field> : <user-id>".
    let line = answer.strip_suffix("\r\n").expect("a line");
    assert!(line.bytes().all(|byte| (b' '..0x7f).contains(&byte)), "{line:?}");
    let [pair, kind, rest @ ..] = &line.split(" : ").collect::<Vec<_>>()[..] else {
        panic!("{line}")
    };
    let (ours, theirs) = pair.split_once(" , ").expect("two ports");
    let ports: [u16; 2] = [ours, theirs].map(|port| port.parse().expect("a port"));
    match (kind, rest) {
        (&"ERROR", ["INVALID-PORT"]) => assert_eq!(ports, [0, 0]),
        (&"ERROR", ["NO-USER" | "UNKNOWN-ERROR"]) => assert!(!ports.contains(&0)),
        (&"USERID", ["UNIX", user]) => {
            assert!(!ports.contains(&0) && user.parse::<u32>().is_ok(), "{line}");
        }
        _ => panic!("{line}"),
    }
});
