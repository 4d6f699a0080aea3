//! `builtin`: services that need no program.

use std::io::Read;
use std::net::Shutdown;

use crate::harness::{Daemon, Generated, checksum, wine};

fn builtin(name: &str, builtin: &str) -> String {
    format!("[service.{name}]\nlisten = \"127.0.0.1:0\"\nbuiltin = '{builtin}'\n")
}

#[test]
fn echo_sends_back_what_it_gets() {
    let daemon = Daemon::run(&builtin("echo", "echo"));
    assert_eq!(daemon.ask("echo", "hello\n"), "hello\n");
    let mut client = daemon.connect("echo");
    let mut sender = client.sender();
    let size = (if wine() { 8 } else { 64 }) << 20;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::io::copy(&mut Generated::new(1, size), &mut sender).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        assert_eq!(checksum(client.reader()), checksum(Generated::new(1, size)));
    });
    assert_eq!(&daemon.record("EXIT", |_| true)["status"], "0");
}

#[test]
fn discard_takes_everything_and_says_nothing() {
    let daemon = Daemon::run(&builtin("discard", "discard"));
    let mut client = daemon.connect("discard");
    std::io::copy(&mut Generated::new(1, 8 << 20), &mut client.sender()).unwrap();
    client.half_close();
    assert_eq!(client.rest(), "");
}

#[test]
fn chargen_goes_on_until_the_peer_ends() {
    let daemon = Daemon::run(&builtin("chargen", "chargen"));
    let mut client = daemon.connect("chargen");
    let mut text = vec![0; 1 << 20];
    client.reader().read_exact(&mut text).unwrap();
    assert!(text.starts_with(b" !\"#$%&'()*+,-./0123456789"));
    client.half_close();
    // What was under way, and then the end.
    drop(client.rest());
    daemon.record("EXIT", |_| true);
}

#[test]
fn texts_end_by_themselves() {
    let daemon = Daemon::run(
        &[builtin("daytime", "daytime"), builtin("time", "time"), builtin("state", "status")]
            .concat(),
    );
    let date = daemon.connect("daytime").rest();
    let words: Vec<&str> = date.split_whitespace().collect();
    assert!(words.len() == 5 && words[3].split(':').count() == 3, "{date}");
    let mut bytes = Vec::new();
    daemon.connect("time").reader().read_to_end(&mut bytes).unwrap();
    let seconds = u32::from_be_bytes(bytes.try_into().unwrap());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 2_208_988_800;
    assert!(now.abs_diff(u64::from(seconds)) < 600, "{seconds} {now}");
    daemon.record("EXIT", |record| &record["service"] == "daytime");
    let state = daemon.connect("state").rest();
    assert!(state.contains("daytime 0 sessions, 1 started\n"), "{state}");
    assert!(state.contains("state 1 sessions, 1 started\n"), "{state}");
}

#[test]
fn services_names_all_of_them_with_their_addresses() {
    let daemon = Daemon::run(&[builtin("list", "services"), builtin("echo", "echo")].concat());
    let expected = ["echo", "list"]
        .map(|service| format!("{service} {}\n", daemon.endpoints(service)[0]))
        .concat();
    assert_eq!(daemon.connect("list").rest(), expected);
}

#[test]
fn qotd_has_a_quote_for_each_peer() {
    let folder = tempfile::tempdir().unwrap();
    let quotes = folder.path().join("quotes");
    std::fs::write(&quotes, "one\n%\ntwo\n").unwrap();
    let daemon = Daemon::run(&builtin("quote", &format!("qotd:{}", quotes.display())));
    let mut said: Vec<_> = (0..2).map(|_| daemon.connect("quote").rest()).collect();
    said.sort();
    assert_eq!(said, ["one\n", "two\n"]);
}
