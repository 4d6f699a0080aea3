//! Files of other superservers: each means here what it meant there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::*;
use super::{argv, good, listens, names, runs, service};
use crate::listener::endpoint::Endpoint;
use crate::sys::{FAMILY, Family, identity};

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
    assert!(matches!(last.listen[..], [Endpoint::Tcp { only_v6: true, .. }]));
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
        [Endpoint::Tcp { only_v6, .. }] => only_v6,
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
    assert_eq!(upper.timeouts.stop, Duration::from_secs(7));
    assert_eq!(upper.timeouts.session, Some(Duration::from_secs(3600)));
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
