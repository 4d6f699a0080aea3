//! Bytes: all of them, unchanged, in both directions, for everybody at once.

use std::io::{Read, Write};

use crate::harness::{Client, Daemon, Generated, checksum, probe, service, wine};

/// The size of the large transfers. Under Wine each byte costs more.
fn large() -> u64 {
    (if wine() { 20 } else { 100 }) << 20
}

#[test]
fn binary_data_comes_back_unchanged() {
    // When a program writes to a socket that takes no more just now, Wine 8 reads from it instead as
    // soon as there is room (WriteFile fails with error 998, writes nothing, or never returns). So
    // there no more is under way than fits.
    let round: usize = if wine() { 64 << 10 } else { 20 << 20 };
    let daemon = Daemon::run(&service("cat", &probe(&["cat"]), "stderr = 'log'"));
    let mut client = daemon.connect("cat");
    let mut source = Generated::new(1, large());
    let (mut data, mut answer) = (vec![0; round], vec![0; round]);
    for number in 0..large() / u64::try_from(round).unwrap() {
        source.read_exact(&mut data).unwrap();
        let mut sender = client.sender();
        std::thread::scope(|scope| {
            scope.spawn(|| sender.write_all(&data).unwrap());
            client.exactly(&mut answer);
        });
        assert!(answer == data, "a wrong byte in round {number}");
    }
    client.half_close();
    assert_eq!(client.rest(), "");
    assert_eq!(&daemon.record("EXIT", |_| true)["status"], "0");
}

#[test]
fn a_client_that_half_closes_gets_its_whole_answer() {
    let daemon = Daemon::run(&service("sum", &probe(&["checksum"]), ""));
    let mut client = daemon.connect("sum");
    std::io::copy(&mut Generated::new(2, large() / 4), &mut client.sender()).unwrap();
    client.half_close();
    let (total, hash) = checksum(Generated::new(2, large() / 4));
    assert_eq!(client.rest(), format!("{total} {hash:016x}\n"));
}

#[test]
fn nothing_at_all_is_answered_too() {
    let daemon = Daemon::run(&service("sum", &probe(&["checksum"]), ""));
    assert_eq!(daemon.ask("sum", ""), "0 cbf29ce484222325\n");
}

#[test]
fn two_hundred_sessions_at_once_each_have_their_own() {
    let count = 200;
    let config = service("cat", &probe(&["cat"]), "") + &service("hold", &probe(&["hold"]), "");
    let daemon = Daemon::run(&config);
    // These stay until the end: if one of the others' programs had inherited a socket that is
    // not its own, the end of that connection would not arrive.
    let held = daemon.held(10);
    each_has_its_own(&daemon, count);
    for mut client in held {
        assert!(client.is_quiet());
        client.half_close();
        assert_eq!(client.rest(), "");
    }
    daemon.records(count + 10, "EXIT");
}

/// So many clients of the service `cat` at once: what each sends comes back to it alone.
pub(super) fn each_has_its_own(daemon: &Daemon, count: usize) {
    let mut clients: Vec<Client> = (0..count).map(|_| daemon.connect("cat")).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(format!("client {number}\n").as_bytes());
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.line(), format!("client {number}"));
    }
    // All are open now. They end one by one, from the last to the first.
    for mut client in clients.into_iter().rev() {
        client.half_close();
        assert_eq!(client.rest(), "");
    }
}
