//! Whole configurations: what a file or a command line becomes.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

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
    assert_eq!(hello.session_timeout, Some(Duration::from_secs(3600)));
    assert_eq!(hello.stop_timeout, Duration::from_millis(250));
    assert_eq!(hello.bind_retry, Some(Duration::from_millis(250)));
    assert!(config.place(hello.position(Key::Listen)).ends_with("full.toml:15:10"));
    assert!(config.place(hello.position(Key::StopTimeout)).ends_with("full.toml:10:16"));
    assert!(config.place(hello.position(Key::User)).ends_with("full.toml:14:10"));
}

/// What a service is, without the places where it was written.
fn meaning(service: &ServiceConfig) -> String {
    let at = Position::default();
    let text = format!("{:?}", ServiceConfig { at, positions: Box::default(), ..service.clone() });
    // Rules know where they were written, too.
    let parts = text.split("Position {").map(|part| part.split_once('}').map_or(part, |(_, b)| b));
    parts.collect()
}

#[test]
fn a_converted_file_means_the_same() {
    // The samples name programs of Unix.
    if FAMILY == Family::Windows {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let samples = [
        ("freebsd.conf", "freebsd"),
        ("netbsd.conf", "netbsd"),
        ("openbsd.conf", "openbsd"),
        ("inetutils.conf", "inetutils"),
        ("busybox.conf", "busybox"),
        ("wininetd.conf", "wininetd"),
        ("xinetd.conf", "auto"),
        ("systemd/one.socket", "auto"),
    ];
    for (name, format) in samples {
        let original = good(name, format);
        let path = Path::new("tests/data/good").join(name);
        let (text, _) = convert(&path, format.parse().unwrap()).unwrap();
        let converted = folder.path().join("inetd.toml");
        std::fs::write(&converted, &text).unwrap();
        let (config, report) = load(&converted, FileFormat::Auto, Purpose::Check)
            .unwrap_or_else(|report| panic!("{text}{}", report.render()));
        assert_eq!(report.warnings(), 0, "{text}{}", report.render());
        assert_eq!(config.daemon, original.daemon, "{text}");
        let meanings = |config: &Config| config.services.iter().map(|s| meaning(s)).collect();
        let (ours, theirs): (Vec<_>, Vec<_>) = (meanings(&config), meanings(&original));
        assert_eq!(ours, theirs, "{text}");
    }
}

#[test]
fn what_is_not_written_has_its_default() {
    let config = good("full.toml", "auto");
    let other = service(&config, "a.b/c+d_e-f");
    assert_eq!(other.max_sessions, None);
    assert_eq!(other.session_timeout, None);
    assert_eq!(other.bind_retry, None);
    assert_eq!(other.gate.over_limit, OverLimit::Queue);
    assert!(matches!(&runs(other).stderr, Stderr::File(path) if path.is_absolute()));
    assert!(other.socket.nodelay, "from [defaults]");
    let (one, two) = (service(&config, "one"), service(&config, "two"));
    assert!(!one.socket.nodelay, "the nearer [defaults] win");
    assert!(two.socket.nodelay, "an included file has the defaults of the file around it");
    assert_eq!(one.gate.over_limit, OverLimit::Reject);
    assert_eq!(two.gate.over_limit, OverLimit::Queue);
    assert_eq!(one.stop_timeout, Duration::from_millis(250));
    assert_eq!(two.stop_timeout, Duration::from_secs(60));
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
fn classic_files_mean_what_their_daemon_meant() {
    if FAMILY == Family::Windows {
        return;
    }
    let config = good("openbsd.conf", "openbsd");
    assert_eq!(names(&config), ["7000", "7001", "7002", "7003", "7000/tcp6"]);
    assert_eq!(config.daemon.max_sessions, None);
    let first = service(&config, "7000");
    assert_eq!(listens(first), ["tcp://0.0.0.0:7000"]);
    assert_eq!(argv(first), ["sh", "-c", "exit"]);
    assert_eq!((first.max_sessions, first.bind_retry), (None, Some(Duration::from_secs(1))));
    assert_eq!(runs(first).stderr, Stderr::Socket);
    assert_eq!(runs(first).cwd, Path::new("/"));
    assert!(config.place(first.at).ends_with("openbsd.conf:5:1"));
    let second = service(&config, "7001");
    assert_eq!(listens(second), ["tcp://127.0.0.1:7001", "tcp://[::1]:7001"]);
    assert_eq!(argv(second), ["sh", "#", "not", "a", "comment", "--more"]);
    let third = service(&config, "7002");
    assert_eq!(listens(third), ["tcp://[::1]:7002"]);
    assert!(third.wait && !second.wait);
    assert_eq!(listens(service(&config, "7003")), ["tcp://0.0.0.0:7003"]);
    let last = service(&config, "7000/tcp6");
    assert!(matches!(
        last.listen[..],
        [crate::listener::endpoint::Endpoint::Tcp { only_v6: true, .. }]
    ));
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
fn each_dialect_is_read_as_its_own() {
    if FAMILY == Family::Windows {
        return;
    }
    // `auto` knows this one by its `/`.
    let config = good("freebsd.conf", "auto");
    let first = service(&config, "7001");
    assert_eq!(listens(first), ["tcp://[::]:7001"]);
    assert_eq!((first.max_sessions, argv(first)), (Some(20), vec!["sh", "\"x", "y\""]));
    assert_eq!(service(&config, "7002").max_sessions, None);
    let upper = service(&config, "/run/upper.sock");
    let root = identity::user_id("root").ok();
    assert_eq!((upper.socket.mode, &upper.socket.user), (Some(0o660), &root));
    assert_eq!(service(&config, "/run/x.sock").socket.mode, Some(0o600));

    let config = good("netbsd.conf", "netbsd");
    let first = service(&config, "7001");
    assert_eq!(listens(first), ["tcp://127.0.0.1:7001"]);
    assert_eq!(argv(first), ["sh", "two words", "a \"bc"]);
    let buffers = (first.socket.receive_buffer, first.socket.send_buffer);
    assert_eq!(buffers, (Some(64 << 10), Some(1 << 20)));
    assert_eq!(argv(service(&config, "7003")), ["sh", "--from-continuation"]);
    // The newer form, in the files of a folder that is included, with the host from above.
    assert_eq!(names(&config), ["7001", "7003", "7010", "7012", "7013", "7014"]);
    let pairs = service(&config, "7010");
    assert_eq!(listens(pairs), ["tcp://[::1]:7010"]);
    assert_eq!(argv(pairs), ["upper", "its", "tab\there", "ab cd", "\\"]);
    assert_eq!((pairs.wait, pairs.socket.send_buffer), (false, Some(64 << 10)));
    assert!(service(&config, "7012").wait && !service(&config, "7013").wait);
    assert_eq!(listens(service(&config, "7014")), ["tcp://127.0.0.1:7014"]);

    let config = good("inetutils.conf", "inetutils");
    assert_eq!(listens(service(&config, "7001")), ["tcp://127.0.0.1:7001"]);
    assert_eq!(argv(service(&config, "7001")), ["sh", "x y", "a b"]);
    let only_v6 = |name: &str| match service(&config, name).listen[..] {
        [crate::listener::endpoint::Endpoint::Tcp { only_v6, .. }] => only_v6,
        _ => unreachable!(),
    };
    assert!(!only_v6("7002") && only_v6("7003"));

    let config = good("busybox.conf", "busybox");
    assert_eq!(argv(service(&config, "7001")), ["sh", "-c", "exit"]);
    assert_eq!(listens(service(&config, "7002")), ["tcp://[::]:7002"]);
}

#[test]
fn a_socket_unit_is_read_with_its_service() {
    if FAMILY == Family::Windows {
        return;
    }
    let raw = files::read(Path::new("tests/data/good/systemd"), FileFormat::Auto, Vec::new()).0;
    let names: Vec<_> = raw.services.iter().map(|service| service.name.value.as_str()).collect();
    assert_eq!(names, ["one", "upper"]);
    let config = good("systemd/one.socket", "auto");
    let one = service(&config, "one");
    // As its drop-in says, which empties the list of addresses.
    assert_eq!(listens(one), ["tcp://127.0.0.1:7022"]);
    assert!(one.wait && !one.socket.keepalive);
    assert_eq!((one.socket.backlog, one.max_sessions), (5, None));
}

#[test]
fn drop_ins_change_what_a_unit_says() {
    if FAMILY == Family::Windows {
        return;
    }
    let config = good("systemd/upper.socket", "auto");
    let upper = service(&config, "upper");
    assert_eq!(listens(upper), ["tcp://127.0.0.1:7020", "unix:///run/upper.sock"]);
    // ExecStart= and Environment= are written anew, TimeoutStopSec= is changed, the rest stays.
    assert_eq!(argv(upper), ["/bin/sh", "upper", "upper", "a ; b", ";", "two words", "three"]);
    let program = runs(upper);
    let set = |name: &str| {
        let found = program.environment.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| value.to_string_lossy().into_owned())
    };
    assert_eq!((set("WHERE").as_deref(), set("A")), (Some("/etc/upper"), None));
    assert_eq!(upper.stop_timeout, Duration::from_secs(7));
    assert_eq!(upper.session_timeout, Some(Duration::from_secs(3600)));
}

#[test]
fn xinetd_is_read_with_its_defaults_and_folders() {
    if FAMILY == Family::Windows {
        return;
    }
    let config = good("xinetd.conf", "auto");
    assert_eq!(names(&config), ["upper", "tunnel", "trap", "echo-stream"]);
    assert_eq!(config.daemon.log.facility.name, "local3");
    let upper = service(&config, "upper");
    assert_eq!(listens(upper), ["tcp://[::]:7001"]);
    assert_eq!(argv(upper), ["upper", "-c", "exit"]);
    assert_eq!((upper.max_sessions, upper.gate.over_limit), (Some(60), OverLimit::Reject));
    assert_eq!(
        (upper.gate.over_rate, upper.gate.rate_pause),
        (OverRate::Pause, Duration::from_secs(30))
    );
    assert!(upper.socket.keepalive && !upper.socket.nodelay);
    let program = runs(upper);
    assert_eq!((program.umask, program.nice), (0o027, Some(5)));
    assert_eq!(program.limits[0].value, Some(256 << 20));
    let set: Vec<_> = program.environment.iter().collect();
    assert!(set.contains(&&("MODE".into(), "net".into())));
    assert!(set.iter().any(|(name, _)| name == "HOME"), "everything is passed on");
    let tunnel = service(&config, "tunnel");
    let target = Target::Inet { host: "127.0.0.1".into(), port: 80 };
    assert_eq!((&tunnel.work, tunnel.max_sessions), (&Work::Forward(target), None));
    let trap = service(&config, "trap");
    assert_eq!(trap.work, Work::Sensor);
    assert_eq!(trap.gate.sensor, Some(Duration::from_secs(365 * 24 * 3600)));
    let wrapped = |name| service(&config, name).gate.wrappers.as_ref().map(|w| &*w.daemon);
    let asked = ["upper", "tunnel", "trap", "echo-stream"].map(wrapped);
    assert_eq!(asked, [Some("upper"), Some("tunnel"), None, Some("echo")]);
    let echo = service(&config, "echo-stream");
    assert_eq!(listens(echo), ["tcp://0.0.0.0:7"]);
    assert_eq!(echo.work, Work::Builtin(Builtin::Echo));

    let folder = load(Path::new("tests/data/good/xinetd.d"), FileFormat::Auto, Purpose::Check);
    assert_eq!(names(&folder.unwrap().0), ["echo-stream", "second"]);
}

/// Loads a text as an xinetd.conf.
fn xinetd(text: &str) -> Result<(Config, Report), Report> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("xinetd.conf");
    std::fs::write(&path, text).unwrap();
    load(&path, FileFormat::Xinetd, Purpose::Check)
}

#[test]
fn what_cannot_be_honoured_in_xinetd_leaves_a_service_out_and_no_other() {
    let entry = |name: &str, lines: &str| {
        format!(
            "service {name}\n{{\n type = UNLISTED INTERNAL\n port = 7001\n user = root\n{lines}}}\n"
        )
    };
    let program = std::env::current_exe().unwrap();
    let run =
        format!(" type = UNLISTED\n port = 7002\n user = root\n server = {}\n", program.display());
    let stream = " socket_type = stream\n wait = no\n";
    let datagram = " socket_type = dgram\n wait = yes\n";
    let waits = format!("{run} socket_type = stream\n wait = yes\n");
    let out = [
        entry("echo", &format!("{stream} flags = LABELED\n")),
        entry("echo", &format!("{datagram} flags = REUSE IDONLY\n")),
        entry("echo", &format!("{datagram} flags = SENSOR\n")),
        entry("echo", &format!("{datagram} only_from = host.example.org\n")),
        entry("echo", " socket_type = raw\n wait = yes\n"),
        entry("xadmin", stream),
        entry("services", datagram),
        entry("servers", datagram),
        format!("service x\n{{\n{waits} flags = INTERCEPT\n}}\n"),
        format!("service x\n{{\n{waits} flags = IDONLY\n log_on_success = USERID\n}}\n"),
        format!("service x\n{{\n{waits} only_from = 10.0.0.1\n}}\n"),
        format!("service x\n{{\n{waits} no_access = 10.0.0.1\n}}\n"),
    ];
    let other =
        format!("service other\n{{\n id = other\n{run}{stream} flags = INTERCEPT NOLIBWRAP\n}}\n");
    let kept = "service daytime\n{\n id = kept\n type = INTERNAL UNLISTED\n port = 7003\n flags = NOLIBWRAP\n"
        .to_owned() + stream + "}\n";
    for text in out {
        let (config, report) = xinetd(&(text.clone() + &other + &kept))
            .unwrap_or_else(|report| panic!("{text}{}", report.render()));
        assert_eq!(names(&config), ["other", "kept"], "{text}");
        let told = report.render();
        assert_eq!(told.matches("is left out: ").count(), 1, "{text}{told}");
    }
    // What lets nobody in that should not is only told.
    let defaults =
        "defaults\n{\n per_source = 10\n umask = 002\n max_load = 2.5\n banner_success = x\n}\n";
    let text = format!("{defaults}service x\n{{\n{waits} rlimit_as = 4M\n nice = 5\n}}\n");
    let (config, report) = xinetd(&text).unwrap_or_else(|report| panic!("{}", report.render()));
    assert_eq!(names(&config), ["x"]);
    assert!(report.render().contains("`per_source` is ignored"), "{}", report.render());
    assert_eq!(config.services[0].gate.max_load.is_some(), FAMILY == Family::Unix);
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

// inetd(8) of FreeBSD: "-W Turn on TCP Wrapping for internal services which are built in to inetd."
// "-w Turn on TCP Wrapping for external services."
#[test]
fn the_flags_of_freebsd_wrap_programs_and_built_in_services() {
    if FAMILY == Family::Windows {
        return; // There are no such files.
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.conf");
    let lines = "7001 stream tcp nowait root /bin/sh sh\n\
                 daytime stream tcp nowait root internal\n\
                 7003 stream tcp wait root /bin/sh sh\n";
    std::fs::write(&path, lines).unwrap();
    let wrapped = |setting| {
        let words = ["inetd", "-x"].map(str::to_owned).to_vec();
        let flags = ClassicFlags { words, settings: vec![(setting, 1)] };
        let loaded = load_classic(&path, FileFormat::Freebsd, Purpose::Check, &flags);
        let config = loaded.unwrap().0;
        let daemon = |service: &Arc<ServiceConfig>| {
            service.gate.wrappers.as_ref().map(|wrapped| wrapped.daemon.to_string())
        };
        config.services.iter().map(daemon).collect::<Vec<_>>()
    };
    assert_eq!(wrapped(ClassicSetting::Wrappers), [Some("sh".to_owned()), None, None]);
    let internal = wrapped(ClassicSetting::InternalWrappers);
    assert_eq!(internal, [None, Some("daytime".to_owned()), None]);
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
fn a_user_that_cannot_be_become_is_an_error_only_to_run() {
    if FAMILY == Family::Windows {
        return;
    }
    let line = CommandLine {
        listen: vec!["0".into()],
        run: vec!["tests/data/bin/hello".into()],
        settings: vec![(Key::User, "1".into())],
        name: None,
    };
    let (config, checked) = from_command_line(&line, Purpose::Check).unwrap();
    let identity = runs(&config.services[0]).identity.clone();
    let may = identity.is_none_or(|it| identity::obstacle(&it).is_none());
    assert_eq!(checked.warnings(), usize::from(!may));
    assert_eq!(from_command_line(&line, Purpose::Run).is_ok(), may);
}

fn command_line(settings: &[(Key, &str)]) -> CommandLine {
    CommandLine {
        listen: vec!["127.0.0.1:7000".into(), "tcp6://7001".into()],
        run: ["tests/data/bin/hello", "two words", "\"quoted\"", ""].map(OsString::from).to_vec(),
        settings: settings.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(),
        name: None,
    }
}

#[test]
fn a_printed_command_line_is_the_same_service() {
    let line = command_line(&[
        (Key::MaxSessions, "40"),
        (Key::Nodelay, "true"),
        (Key::SendBuffer, "64k"),
        (Key::Env, "A=1"),
        (Key::Env, "B=x = y"),
        (Key::PassEnv, "PATH,HOME"),
        (Key::SessionTimeout, "1h"),
        (Key::OverLimit, "reject"),
        (Key::Stderr, "file:target.log"),
    ]);
    let (config, report) = from_command_line(&line, Purpose::Run).unwrap();
    assert!(report.is_empty(), "{}", report.render());
    assert_eq!(config.daemon.control, Control::Off);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    let text = to_toml(&line);
    std::fs::write(&path, &text).unwrap();
    let loaded = load(&path, FileFormat::Auto, Purpose::Run);
    let (loaded, _) = loaded.unwrap_or_else(|report| panic!("{text}\n{}", report.render()));
    let (a, b) = (&config.services[0], &loaded.services[0]);
    assert_eq!(&*a.name, "hello");
    assert_eq!(a.bind_retry, None);
    assert_eq!(runs(a).cwd, std::env::current_dir().unwrap());
    let parts = |s: &ServiceConfig| {
        let limits =
            (s.max_sessions, s.gate.over_limit, s.session_timeout, s.stop_timeout, s.bind_retry);
        (s.name.clone(), s.listen.clone(), s.socket.clone(), s.wait, s.work.clone(), limits)
    };
    assert_eq!(parts(a), parts(b), "{text}");
}

#[test]
fn a_command_line_is_explained_like_a_file() {
    let mut line = command_line(&[
        (Key::MaxSessions, "many"),
        (Key::Env, "A"),
        (Key::Tree, "kill"),
        (Key::Tree, "leave"),
        (Key::Tls, "x=y"),
    ]);
    line.listen = vec!["70000".into()];
    let report = from_command_line(&line, Purpose::Run).unwrap_err();
    assert_eq!(report.errors(), 5, "{}", report.render());
    let text = report.render();
    assert!(text.contains(" --> command line:1:28\n"), "{text}");
    assert!(text.contains("--tree is given twice"), "{text}");
    line.listen.clear();
    line.run.clear();
    assert!(from_command_line(&line, Purpose::Run).is_err());
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

/// Reads a text as every format.
fn load_text(text: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    for (name, format) in FileFormat::NAMES {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let (Ok((_, report)) | Err(report)) = load(&path, format, Purpose::Check);
        report.render();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_can_be_loaded(bytes: Vec<u8>) {
        load_text(&bytes);
    }

    #[test]
    fn anything_like_a_classic_file_can_be_loaded(
        words in "((7000|::1|/x|:a:b:0660:/x|\\*:|x:|stream|dgram|tcp|tcp6|tcp,sndbuf=1k|unix|wait|nowait|[/.:][0-9]*|root|a.b|internal|/bin/sh|\"|'|#|#@|\\\\|é)[ \t\n]{0,2}){0,60}"
    ) {
        load_text(words.as_bytes());
    }

    #[test]
    fn any_command_line_is_explained_or_works(
        listen in "[0-9a-z:/\\[\\].]{0,9}",
        key in 0..SERVICE.len(),
        value in "\\PC{0,9}",
        program in "\\PC{0,9}",
    ) {
        let line = CommandLine {
            listen: vec![listen.replace(|c: char| c.is_alphabetic(), "")],
            run: vec![program.into()],
            settings: vec![(SERVICE[key].key, value)],
            name: None,
        };
        let (Ok((_, report)) | Err(report)) = from_command_line(&line, Purpose::Check);
        report.render();
        to_toml(&line).parse::<toml::Table>().unwrap();
    }
}

#[test]
fn a_variable_may_have_both_kinds_of_quotes_in_its_name() {
    let line = CommandLine {
        listen: vec!["7000".into()],
        run: vec!["x".into()],
        settings: vec![(Key::Env, "\"'=a".into())],
        name: Some("'\" = 0".into()),
    };
    let text = to_toml(&line);
    let file: toml::Table = text.parse().unwrap_or_else(|error| panic!("{text}{error}"));
    assert_eq!(file["service"]["'\" = 0"]["env"]["\"'"].as_str(), Some("a"));
}

#[test]
fn a_printed_file_finds_its_quotes_from_any_folder() {
    let line = CommandLine {
        listen: vec!["7000".into()],
        run: Vec::new(),
        settings: vec![(Key::Builtin, "qotd:quotes.txt".into())],
        name: None,
    };
    let file: toml::Table = to_toml(&line).parse().unwrap();
    let service = file["service"].as_table().unwrap().values().next().unwrap();
    let quotes = std::env::current_dir().unwrap().join("quotes.txt");
    assert_eq!(service["builtin"].as_str().unwrap(), format!("qotd:{}", quotes.display()));
    assert!(service.get("run").is_none() && service.get("cwd").is_none(), "{service}");
}
