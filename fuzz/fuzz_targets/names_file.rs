#![no_main]

//! The files that have names of ports (services(5)) and of programs of Sun RPC (rpc(5)).

use inetd::config::Transport;
use inetd::config::names_file::{RpcFile, ServicesFile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = ServicesFile::parse(bytes);
    let mut written = String::new();
    for transport in [Transport::Tcp, Transport::Udp] {
        let names = file.names(transport);
        are_names(&names);
        for name in names {
            let port = file.port(name, transport).expect("a name has a port");
            written += &format!("{name} {port}/{}\n", transport.name());
        }
    }
    // What it means is what it says when it is written with a line for each name.
    let again = ServicesFile::parse(written.as_bytes());
    for transport in [Transport::Tcp, Transport::Udp] {
        let names = file.names(transport);
        assert_eq!(again.names(transport), names);
        for name in names {
            assert_eq!(again.port(name, transport), file.port(name, transport), "{name}");
        }
    }

    let file = RpcFile::parse(bytes);
    let names = file.names();
    are_names(&names);
    let lines = names
        .iter()
        .map(|name| format!("{name} {}\n", file.number(name).expect("a name has a number")));
    let again = RpcFile::parse(lines.collect::<String>().as_bytes());
    assert_eq!(again.names(), names);
    for name in names {
        assert_eq!(again.number(name), file.number(name), "{name}");
    }
});

/// Sorted, each one once, and one word.
fn are_names(names: &[&str]) {
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    let is_name = |name: &&str| !name.is_empty() && !name.contains('#') && *name == name.trim();
    assert!(names.iter().all(is_name), "{names:?}");
}
