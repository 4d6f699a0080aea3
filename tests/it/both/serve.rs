//! `inetd serve`: a service from the command line.

use crate::harness::{Client, Start, inetd, native, probe, toml_list};

#[test]
fn one_command_is_a_server() {
    let daemon = Start::serve(&["127.0.0.1:0"], &probe(&["cat"])).ready();
    let line = daemon.out().all().remove(0);
    let address = line.rsplit_once("tcp://").unwrap().1.parse().unwrap();
    let mut client = Client::connect(address);
    client.send(b"hello");
    client.half_close();
    assert_eq!(client.rest(), "hello");
}

#[test]
fn every_key_is_an_option() {
    let options = ["--name", "hold", "--max-sessions", "1", "--over-limit=reject", "127.0.0.1:0"];
    let daemon = Start::serve(&options, &probe(&["hold"])).ready();
    let mut first = daemon.connect("hold");
    assert_eq!(first.line(), "ready 1");
    daemon.connect("hold").closed();
    daemon.record("REFUSE", |_| true);
}

#[test]
fn arguments_reach_the_program_as_they_are() {
    let odd = ["--flag", "two words", "quote\"inside", "back\\slash\\", "", "100%", "a&b", "'"];
    let mut program = probe(&["environment"]);
    program.extend(odd.map(String::from));
    let daemon = Start::serve(&["--name", "env", "127.0.0.1:0"], &program).ready();
    let answer = daemon.ask("env", "");
    let arguments: Vec<_> = answer.lines().filter_map(|line| line.strip_prefix("arg ")).collect();
    assert_eq!(&arguments[2..], odd);
}

#[test]
fn print_config_is_the_same_service_as_a_file() {
    let program = probe(&["say", "it's \"me\""]);
    let words: Vec<_> = program.iter().map(String::as_str).collect();
    let options =
        ["serve", "--print-config", "--name", "say", "--max-sessions", "7", "127.0.0.1:0"];
    let printed = inetd(&[&options[..], &["--"], &words].concat());
    assert_eq!(printed.code, 0, "{}", printed.err);
    assert!(printed.out.contains("[service.say]"), "{}", printed.out);
    assert!(printed.out.contains("max_sessions = 7"), "{}", printed.out);

    let daemon = Start::run(&printed.out).ready();
    assert_eq!(daemon.ask("say", ""), "it's \"me\"\n");
}

#[test]
fn a_printed_service_without_a_program_is_the_same_as_a_file() {
    let printed = |options: &[&str]| {
        let printed = inetd(&[&["serve", "--print-config"], options, &["127.0.0.1:0"]].concat());
        assert_eq!(printed.code, 0, "{}", printed.err);
        printed.out
    };
    let daemon = Start::run(&printed(&["--name", "echo", "--builtin", "echo"])).ready();
    assert_eq!(daemon.ask("echo", "x"), "x");
    let forward = daemon.endpoints("echo")[0].replace("tcp://", "");
    let way = Start::run(&printed(&["--name", "way", "--forward", &forward])).ready();
    assert_eq!(way.ask("way", "y"), "y");
}

#[test]
fn a_sensor_needs_no_program() {
    let daemon = Start::serve(&["--name", "trap", "--sensor", "1h", "127.0.0.1:0"], &[]).ready();
    daemon.connect("trap").closed();
}

#[test]
fn a_service_that_does_not_parse_is_told_before_anything_is_bound() {
    let finished =
        Start::serve(&["--stop-timeout", "soon", "127.0.0.1:0"], &probe(&["cat"])).fails();
    assert_eq!((finished.code, finished.out.as_str()), (1, ""));
    assert!(finished.err.contains("soon"), "{}", finished.err);
}

#[test]
fn two_serves_never_collide() {
    // Without --control there is no endpoint that both could want.
    let program = probe(&["cat"]);
    let run = || Start::serve_without_control(&["--name", "cat", "127.0.0.1:0"], &program).ready();
    let (first, second) = (run(), run());
    assert_eq!(first.ask("cat", "1"), "1");
    assert_eq!(second.ask("cat", "2"), "2");
}

#[test]
fn a_folder_of_files_and_includes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    for name in ["a", "b"] {
        let run = toml_list(&probe(&["say", name]));
        let text = format!("[service.{name}]\nlisten = '127.0.0.1:0'\nrun = {run}\n");
        std::fs::write(folder.path().join(format!("conf.d/{name}.toml")), text).unwrap();
    }
    let main = format!("include = ['{}']\n", native(&folder.path().join("conf.d/*.toml")));
    let daemon = Start::run_with_head(&main, "").ready();
    assert_eq!(daemon.ask("a", ""), "a\n");
    assert_eq!(daemon.ask("b", ""), "b\n");
}
