//! Whole configurations: what a file becomes.

mod command_line;
mod formats;
mod random;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::keys::{Key, SERVICE};
use super::*;
use crate::record::event::Level;
use crate::record::format::Format;
use crate::sys::{FAMILY, Family, identity};

/// A file of `tests/data/good`.
fn good(name: &str, format: &str) -> Config {
    let path = Path::new("tests/data/good").join(name);
    load(&path, format.parse().unwrap(), Purpose::Check)
        .unwrap_or_else(|report| panic!("{}", report.render()))
        .0
}

fn service<'a>(config: &'a Config, name: &str) -> &'a ServiceConfig {
    config.services.iter().find(|service| *service.name == *name).unwrap()
}

fn listens(service: &ServiceConfig) -> Vec<String> {
    service.listen.iter().map(ToString::to_string).collect()
}

fn argv(service: &ServiceConfig) -> Vec<&str> {
    runs(service).argv.iter().map(|word| word.to_str().unwrap()).collect()
}

fn runs(service: &ServiceConfig) -> &Program {
    service.program().unwrap()
}

fn names(config: &Config) -> Vec<&str> {
    config.services.iter().map(|service| &*service.name).collect()
}

#[test]
fn every_key_has_its_meaning() {
    let config = good("full.toml", "auto");
    assert_eq!(names(&config), ["hello", "a.b/c+d_e-f", "one", "two"]);
    let (format, level, target) = (Format::Json, Level::Debug, LogTarget::Stderr);
    let log = Log { format, level, target, ..Log::default() };
    let control = Control::At("/run/inetd-test.sock".into());
    assert_eq!(
        config.daemon,
        Daemon { control, max_sessions: Some(100), hosts_allow: None, hosts_deny: None, log }
    );
    let hello = service(&config, "hello");
    assert_eq!(
        listens(hello),
        [
            "tcp://127.0.0.1:7000",
            "tcp://[::1]:7000",
            "tcp://[::]:7001",
            "tcp://0.0.0.0:7001",
            "tcp://[::]:0",
            "tcp://[::]:0"
        ]
    );
    let socket = SocketOptions {
        backlog: 16,
        keepalive: false,
        send_buffer: Some(65536),
        receive_buffer: Some(65536),
        ..SocketOptions::default()
    };
    assert_eq!(*hello.socket, socket);
    assert_eq!(argv(hello), ["-hello", "--polite", ""]);
    assert!(runs(hello).path.is_absolute() && runs(hello).cwd.is_absolute());
    assert!(runs(hello).cwd.join("full.toml").exists());
    let set: Vec<_> = runs(hello).environment.iter().collect();
    assert!(set.contains(&&("GREETING".into(), "hello = world".into())), "{set:?}");
    assert!(!set.iter().any(|(name, _)| name == "FROM"), "a service's own table replaces it");
    assert!(hello.wait);
    assert_eq!(runs(hello).stderr, Stderr::Log);
    assert_eq!(runs(hello).tree, Tree::Leave);
    assert_eq!(hello.max_sessions, Some(7));
    assert_eq!(hello.gate.over_limit, OverLimit::Reject);
    assert_eq!(hello.timeouts.session, Some(Duration::from_secs(3600)));
    assert_eq!(hello.timeouts.stop, Duration::from_millis(250));
    assert_eq!(hello.bind_retry, Some(Duration::from_millis(250)));
    assert!(config.place(hello.position(Key::Listen)).ends_with("full.toml:15:10"));
    assert!(config.place(hello.position(Key::StopTimeout)).ends_with("full.toml:10:16"));
    assert!(config.place(hello.position(Key::User)).ends_with("full.toml:14:10"));
}

#[test]
fn what_is_not_written_has_its_default() {
    let config = good("full.toml", "auto");
    let other = service(&config, "a.b/c+d_e-f");
    assert_eq!(other.max_sessions, None);
    assert_eq!(other.timeouts.session, None);
    assert_eq!(other.bind_retry, None);
    assert_eq!(other.gate.over_limit, OverLimit::Queue);
    assert!(matches!(&runs(other).stderr, Stderr::File(path) if path.is_absolute()));
    assert!(other.socket.nodelay, "from [defaults]");
    let (one, two) = (service(&config, "one"), service(&config, "two"));
    assert!(!one.socket.nodelay, "the nearer [defaults] win");
    assert!(two.socket.nodelay, "an included file has the defaults of the file around it");
    assert_eq!(one.gate.over_limit, OverLimit::Reject);
    assert_eq!(two.gate.over_limit, OverLimit::Queue);
    assert_eq!(one.timeouts.stop, Duration::from_millis(250));
    assert_eq!(two.timeouts.stop, Duration::from_secs(60));
    assert_eq!(one.max_sessions, Some(512));
    assert!(Arc::ptr_eq(&runs(one).environment, &runs(two).environment));
    assert!(config.place(one.at).replace('\\', "/").ends_with("good/parts/one.toml:5:10"));
}

#[test]
fn rules_of_the_defaults_exist_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    let program = std::env::current_exe().unwrap();
    let mut text = "[defaults]\ndeny = ['192.0.2.0/24']\n".to_owned();
    for (name, keys) in [("one", ""), ("two", ""), ("own", "deny = ['192.0.2.0/24']")] {
        let run = program.display();
        text += &format!("[service.{name}]\nlisten = '127.0.0.1:0'\nrun = ['{run}']\n{keys}\n");
    }
    std::fs::write(&path, text).unwrap();
    let config = load(&path, FileFormat::Auto, Purpose::Check).unwrap().0;
    let rules = |name| service(&config, name).gate.rules.as_ref().unwrap();
    assert!(Arc::ptr_eq(rules("one"), rules("two")));
    assert!(!Arc::ptr_eq(rules("one"), rules("own")));
}

#[test]
fn neighbours_with_the_same_settings_share_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    let program = std::env::current_exe().unwrap();
    let run = |more: &str| format!("listen = '0'\nrun = ['{}'{more}]\n", program.display());
    let text = format!(
        "[service.a]\n{same}[service.b]\n{same}[service.c]\n{other}max_per_source = 3\n\
         nodelay = true\n[service.d]\n{same}",
        same = run(""),
        other = run(", 'x'"),
    );
    std::fs::write(&path, text).unwrap();
    let config = load(&path, FileFormat::Auto, Purpose::Check).unwrap().0;
    let program = |name: &str| match &service(&config, name).work {
        Work::Program(program) => Arc::clone(program),
        other => panic!("{other:?}"),
    };
    let (a, b, c) = (service(&config, "a"), service(&config, "b"), service(&config, "c"));
    assert!(Arc::ptr_eq(&program("a"), &program("b")));
    assert!(Arc::ptr_eq(&a.gate, &b.gate) && Arc::ptr_eq(&a.socket, &b.socket));
    assert_eq!((c.gate.max_per_source, b.gate.max_per_source), (Some(3), None));
    assert_eq!((c.socket.nodelay, b.socket.nodelay), (true, false));
    assert_eq!((program("c").argv.len(), program("d").argv.len()), (2, 1));
}

#[test]
fn unix_keys_have_their_meaning() {
    if FAMILY == Family::Windows {
        return;
    }
    let config = good("unix.toml", "auto");
    let hello = service(&config, "hello");
    assert_eq!(listens(hello), ["unix:///run/hello.sock", "unix:@hello"]);
    let socket = &hello.socket;
    let (root, group) = (identity::user_id("0").ok(), identity::group_id("0").ok());
    assert_eq!((socket.mode, &socket.user, &socket.group), (Some(0o660), &root, &group));
    assert_eq!((socket.interface.as_deref(), socket.freebind), (Some("lo"), true));
    let program = runs(hello);
    assert_eq!((program.umask, program.nice), (0o077, Some(10)));
    assert_eq!(program.cwd, Path::new("/"));
    let limits: Vec<_> = program.limits.iter().map(|l| (l.resource, l.value)).collect();
    assert_eq!(
        limits,
        [
            (Resource::Files, Some(64)),
            (Resource::Cpu, Some(60)),
            (Resource::AddressSpace, Some(1 << 30)),
            (Resource::Core, Some(0)),
            (Resource::Processes, None),
            (Resource::FileSize, Some(1024)),
            (Resource::Data, None),
            (Resource::Stack, Some(8 << 20)),
        ]
    );
}

#[test]
fn windows_keys_have_their_meaning() {
    if FAMILY == Family::Unix {
        return;
    }
    let config = good("windows.toml", "auto");
    let hello = service(&config, "hello");
    assert_eq!(listens(hello), ["npipe:Hello", "npipe:hello.second"]);
    let user = identity::user_id(r"NT AUTHORITY\LocalService").ok();
    let group = identity::group_id("S-1-5-32-545").ok();
    assert!(user.is_some() && group.is_some());
    assert_eq!((&hello.socket.user, &hello.socket.group), (&user, &group));
}

#[test]
fn what_a_service_does_replaces_what_its_defaults_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    let load = |text: &str| {
        std::fs::write(&path, text).unwrap();
        load(&path, FileFormat::Auto, Purpose::Check)
    };
    let program = std::path::absolute("tests/data/bin/hello").unwrap();
    let run = format!("run = ['{}']\n", program.display());
    let ways =
        [run.as_str(), "forward = '127.0.0.1:80'\n", "builtin = 'echo'\n", "sensor = '1h'\n"];
    let word = |work: &Work| match work {
        Work::Program(_) => 0,
        Work::Forward(_) => 1,
        Work::Builtin(_) => 2,
        Work::Sensor => 3,
    };
    for (of_defaults, default) in ways.iter().enumerate() {
        let own = ways
            .iter()
            .enumerate()
            .map(|(i, way)| format!("[service.s{i}]\nlisten = '127.0.0.1:{}'\n{way}", 7000 + i));
        let text = format!("[defaults]\n{default}{}", own.collect::<String>())
            + "[service.none]\nlisten = '127.0.0.1:7009'\n";
        let (config, report) = load(&text).unwrap_or_else(|report| panic!("{}", report.render()));
        assert!(report.is_empty(), "{}", report.render());
        let works: Vec<_> = config.services.iter().map(|service| word(&service.work)).collect();
        assert_eq!(works, [0, 1, 2, 3, of_defaults], "{text}");
    }
    // Defaults that only a program can have do not reach a service without one.
    let text =
        format!("[defaults]\nwait = true\nio = 'pipe'\n[service.x]\nlisten = '7'\n{}", ways[2]);
    let config = load(&text).unwrap_or_else(|report| panic!("{}", report.render())).0;
    assert!(!config.services[0].wait);
    let both = format!("[service.x]\nlisten = '127.0.0.1:7000'\n{}{}", ways[1], ways[2]);
    assert!(load(&both).unwrap_err().render().contains("do not go together"));
}

#[test]
fn a_folder_is_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let program = std::path::absolute("tests/data/bin/hello").unwrap();
    for (file, name, port) in [("b.toml", "second", 7001), ("a.toml", "first", 7000)] {
        let text =
            format!("[service.{name}]\nlisten = \"{port}\"\nrun = ['{}']\n", program.display());
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    std::fs::write(folder.path().join("c.txt"), "not a configuration").unwrap();
    std::fs::write(folder.path().join(".hidden.toml"), "not = [").unwrap();
    let (config, report) = load(folder.path(), FileFormat::Auto, Purpose::Run).unwrap();
    assert_eq!(names(&config), ["first", "second"]);
    assert_eq!(config.daemon.max_sessions, Some(4096));
    assert!(report.is_empty());
}

#[test]
fn a_configuration_without_services_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let help = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let report = load(&path, FileFormat::Auto, Purpose::Check).unwrap_err();
        assert!(report.render().contains("there is no service in "), "{}", report.render());
        report.render()
    };
    assert!(help("inetd.toml", "[daemon]\n").contains("[service.NAME]"));
    assert!(help("inetd.conf", "# nothing\n").contains("a service is a line"));
    let report = load(folder.path(), FileFormat::Auto, Purpose::Run).unwrap_err();
    assert_eq!(report.errors(), 1, "{}", report.render());
}

#[test]
fn the_control_endpoint_is_found_whatever_else_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    for (text, expected) in [
        ("[daemon]\ncontrol = 'x'\nmax = []\n[service.y]\nlistne = [\n", Control::At("x".into())),
        ("[daemon]\ncontrol = ''\n", Control::Off),
        ("[daemon]\ncontrol = 5\n", Control::Default),
        ("[service.x]\n", Control::Default),
    ] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(control_of(&path, FileFormat::Auto), expected, "{text}");
    }
    assert_eq!(control_of(Path::new("no/such/file"), FileFormat::Auto), Control::Default);
}

#[test]
fn key_names_and_formats_are_unique() {
    let names: HashSet<_> = SERVICE.iter().map(|info| info.name).collect();
    assert_eq!(names.len(), SERVICE.len());
    for (name, format) in FileFormat::NAMES {
        assert_eq!(name.parse::<FileFormat>().unwrap(), format);
    }
    let error = "inet".parse::<FileFormat>().unwrap_err().to_string();
    assert!(error.starts_with("unknown format `inet`: use `auto`, "), "{error}");
}
