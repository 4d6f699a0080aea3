//! Ordinary programs as network servers: those that know only their standard input and output,
//! those that use the system's own calls, those that use the socket itself, and scripts.

use crate::harness::{Daemon, example, on_windows, service};

fn serve(program: &[String]) -> Daemon {
    Daemon::run(&service("hello", program, ""))
}

#[test]
fn a_program_with_only_printf_and_scanf() {
    let daemon = serve(&example("hello.c"));
    let mut client = daemon.connect("hello");
    assert_eq!(client.line(), "What is your name?");
    client.send(b"Ada\n");
    assert_eq!(client.rest(), "Hello, Ada!\n");
}

#[test]
fn a_program_with_only_read_and_write() {
    let daemon = serve(&example("readwrite.c"));
    let mut client = daemon.connect("hello");
    client.send(b"one\n");
    assert_eq!(client.line(), "ONE");
    client.send(b"two\n");
    assert_eq!(client.line(), "TWO");
    client.half_close();
    assert_eq!(client.rest(), "");
}

#[test]
fn a_program_that_uses_its_socket() {
    let name = if on_windows() { "network-wine.c" } else { "network.c" };
    let daemon = serve(&example(name));
    let mut client = daemon.connect("hello");
    assert_eq!(client.line(), "You are 127.0.0.1. Say something.");
    client.send(b"something");
    assert_eq!(client.rest(), "You sent 9 bytes: something");
}

#[test]
fn a_script() {
    let name = if on_windows() { "hello.cmd" } else { "hello.sh" };
    let daemon = serve(&example(name));
    let mut client = daemon.connect("hello");
    assert_eq!(client.line(), "What is your name?");
    client.send(b"Grace\r\n");
    let answer = client.rest();
    assert_eq!(answer.replace('\r', ""), "Hello, Grace!\n");
}
