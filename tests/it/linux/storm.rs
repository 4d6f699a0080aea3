//! Many connections, few resources, and nothing lost.

use std::io::{ErrorKind, Read};

use rustix::process::{Resource, Rlimit, Signal};

use crate::harness::{Client, Daemon, Start, probe, service, wait_until};

#[test]
fn two_thousand_connections_leave_nothing_behind() {
    let config = service("say", &probe(&["say", "x"]), "stderr = 'log'")
        + &service("exit", &probe(&["exit", "1"]), "");
    let daemon = Daemon::run(&config);
    // Whatever is opened once is open after the first session of each.
    assert_eq!(daemon.ask("say", ""), "x\n");
    daemon.connect("exit").closed();
    daemon.records(2, "EXIT");
    let idle = || daemon.children().is_empty();
    wait_until("no child", idle);
    let before = daemon.descriptors();
    let (say, exit) = (daemon.address("say"), daemon.address("exit"));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..125 {
                    assert_eq!(Client::connect(say).rest(), "x\n");
                    Client::connect(exit).closed();
                }
            });
        }
    });
    daemon.records(2002, "EXIT");
    wait_until("no child, dead or alive", idle);
    // Fewer is fine: at the first count the end of a pipe may not have been seen yet.
    wait_until("no more descriptors than before", || daemon.descriptors() <= before);
}

#[test]
fn a_flood_of_one_source_is_not_in_front_of_another_source() {
    let keys = "rate_per_source = '0'\nmax_sessions = 0";
    let daemon = Daemon::run(&service("say", &probe(&["say", "x"]), keys));
    let address = daemon.address("say");
    assert_eq!(Client::connect(address).rest(), "x\n");
    // So that they are all there when it looks.
    daemon.signal(Signal::STOP);
    let flood: Vec<_> = (0..500).map(|_| Client::connect(address)).collect();
    let mut last = Client::connect_from("127.0.0.2", address);
    daemon.signal(Signal::CONT);
    assert_eq!(last.rest(), "x\n");
    for mut client in flood {
        assert_eq!(client.rest(), "x\n");
    }
    let starts = daemon.records(502, "START");
    let place = starts.iter().position(|start| start["peer"].starts_with("127.0.0.2:")).unwrap();
    assert!(place < 300, "it was number {place}");
}

#[test]
fn a_flood_in_front_of_a_stop_is_no_reason_to_stay() {
    let keys = "max_sessions = 0\nstop_timeout = '100ms'";
    let mut daemon = Daemon::run(&service("hold", &probe(&["hold"]), keys));
    let address = daemon.address("hold");
    daemon.signal(Signal::STOP);
    let flood: Vec<_> = (0..400).map(|_| Client::connect(address)).collect();
    daemon.signal(Signal::CONT);
    daemon.record("START", |_| true);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 0);
    for mut client in flood {
        let end = client.reader().read_to_end(&mut Vec::new());
        let is_reset = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionReset;
        assert!(end.as_ref().err().is_none_or(is_reset), "{end:?}");
    }
    let count = |event: &str| {
        let is_one = |line: &&String| line.contains(&format!(" {event} service=hold"));
        daemon.log().to_end().iter().filter(is_one).count()
    };
    assert_eq!(count("START"), count("EXIT"));
}

#[test]
fn out_of_descriptors_is_a_pause_and_not_the_end() {
    let config = service("hold", &probe(&["hold"]), "io = \"pipe\"")
        + &service("say", &probe(&["say", "x"]), "");
    let daemon = Start::run(&config).ready();
    assert_eq!(daemon.ask("say", ""), "x\n");
    // The hard limit stays: not everybody may raise it again.
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    let before = daemon.limit_descriptors(Rlimit { current: Some(64), maximum });

    // A session that is relayed costs the daemon descriptors, so not all of these can have some.
    let mut clients: Vec<_> = (0..100).map(|_| daemon.connect("hold")).collect();
    daemon.log().wait_for("a word about it", |line| {
        line.contains("Too many open files") || line.contains("os error 24")
    });
    // It neither spins nor fills the log while nothing changes.
    let spent = processor_time(daemon.id());
    let lines = daemon.log().mark();
    assert!(lines < 1000, "{lines} lines in the log");

    // As sessions end, the others get their turn: whoever was connected is served, or is told by
    // the end of the connection when even the program could not be started.
    let mut served = 0;
    for mut client in clients.drain(..) {
        served += usize::from(client.line().starts_with("ready "));
    }
    assert!(served >= 50, "only {served} of 100 were served");
    assert!(processor_time(daemon.id()) - spent < 500, "the daemon was busy waiting");

    daemon.limit_descriptors(before);
    for _ in 0..20 {
        assert_eq!(daemon.ask("say", ""), "x\n");
    }
    wait_until("no child", || daemon.children().is_empty());
}

/// Processor time of a process in clock ticks of 10 ms (proc(5)).
fn processor_time(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
