//! Rules in files that do not answer.

use std::time::{Duration, Instant};

use crate::harness::{Client, Daemon, Start, preload, probe, service, wait_until};

fn rules(start: &Start) -> std::path::PathBuf {
    let rules = start.folder().join("rules");
    std::fs::write(&rules, "127.0.0.2:deny\n").unwrap();
    rules
}

fn services() -> String {
    service("ruled", &probe(&["environment"]), "access = 'tcprules:rules'")
        + &service("open", &probe(&["environment"]), "")
}

fn comes_in(daemon: &Daemon, source: &str) -> bool {
    Client::connect_from(source, daemon.address("ruled")).answers()
}

#[test]
fn a_disk_that_hangs_holds_up_no_other_service_and_no_end() {
    let start = Start::run(&services());
    let rules = rules(&start);
    let now = start.folder().join("rules.now");
    let start = start.env("OPEN_HANGS", rules.to_str().unwrap());
    let daemon = start.env("LD_PRELOAD", &preload("hang.c")).ready();
    std::fs::write(&now, "").unwrap();
    std::fs::write(&rules, "127.0.0.3:deny\n").unwrap();
    // The last look is good for a second; whoever comes later waits.
    wait_until("a look that hangs", || {
        assert!(comes_in(&daemon, "127.0.0.3"), "the old rules hold");
        daemon.log().all().iter().any(|line| line.contains("takes longer than 2 s"))
    });
    let begin = Instant::now();
    for _ in 0..5 {
        assert!(daemon.ask("open", "").contains("env PROTO=TCP\n"));
        assert!(comes_in(&daemon, "127.0.0.3") && !comes_in(&daemon, "127.0.0.2"));
    }
    assert!(begin.elapsed() < Duration::from_secs(2), "nobody waits again");
    std::fs::remove_file(&now).unwrap();
    wait_until("the new rules", || !comes_in(&daemon, "127.0.0.3"));
    std::fs::write(&now, "").unwrap();
    std::fs::write(&rules, "127.0.0.4:deny\n").unwrap();
    wait_until("a look that hangs again", || {
        assert!(comes_in(&daemon, "127.0.0.4"), "the old rules hold");
        let late = |line: &&String| line.contains("takes longer than 2 s");
        daemon.log().all().iter().filter(late).count() == 2
    });
    assert_eq!(daemon.stop().code, 0, "the end does not wait for the disk");
}

#[test]
fn a_fifo_in_the_place_of_rules_is_told_and_waited_for_by_nobody() {
    let start = Start::run(&services());
    let rules = rules(&start);
    let daemon = start.ready();
    std::fs::remove_file(&rules).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&rules).status().unwrap().success());
    wait_until("that it is told", || {
        assert!(comes_in(&daemon, "127.0.0.3") && !comes_in(&daemon, "127.0.0.2"));
        daemon.log().all().iter().any(|line| line.contains("it is not a regular file"))
    });
    assert_eq!(daemon.stop().code, 0);
}
