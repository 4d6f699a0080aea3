//! `io = "pipe"` for programs that a socket does not suit.

use crate::harness::{Daemon, service, tool};

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_program_reads_and_writes_at_the_same_time() {
    let daemon = Daemon::run(&service("duplex", &tool("duplex.c"), "io = 'pipe'"));
    let mut client = daemon.connect("duplex");
    // Nothing was sent yet, so its other thread waits in a read.
    for number in 1..=100 {
        assert_eq!(client.line(), format!("line {number}"));
    }
    client.send(b"the end");
    client.half_close();
    assert_eq!(client.rest(), "the end");
}

#[test]
#[cfg_attr(not(windows), ignore = "needs the Windows program: see ci/test")]
fn a_program_that_refuses_sockets_takes_a_pipe() {
    let program = tool("refuse-sockets.c");
    let config =
        service("socket", &program, "io = 'socket'") + &service("pipe", &program, "io = 'pipe'");
    let daemon = Daemon::run(&config);
    assert_eq!(daemon.ask("socket", ""), "EINVAL: standard input is no pipe\n");
    assert_eq!(daemon.ask("pipe", ""), "standard input is a pipe\n");
}
