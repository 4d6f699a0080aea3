//! What the manuals of the BSDs say of their files, sentence by sentence.

use crate::harness::{inetd, native};

/// The service `name` in what a file becomes, without comments: its lines.
fn becomes(format: &str, text: &str, name: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.conf");
    std::fs::write(&path, text).unwrap();
    // The programs and users of the examples need not be here.
    let convert = inetd(&["convert", "--format", format, &native(&path)]);
    assert_eq!(convert.code, 0, "{}", convert.err);
    let head = format!("[service.{name}]");
    let mut lines = convert.out.lines().skip_while(|line| **line != head).skip(1).peekable();
    assert!(lines.peek().is_some(), "{head}: {}", convert.out);
    let lines = lines.take_while(|line| !line.is_empty());
    lines.map(|line| line.split("  # ").next().unwrap().to_owned()).collect()
}

/// Whether the service has these lines, and none of those that begin with `without`.
fn says(lines: &[String], with: &[&str], without: &[&str]) {
    for line in with {
        assert!(lines.iter().any(|other| other == line), "{line}: {lines:?}");
    }
    for key in without {
        assert!(!lines.iter().any(|other| other.starts_with(key)), "{key}: {lines:?}");
    }
}

/// The "EXAMPLES" of inetd(8) of FreeBSD, without the one for IPsec.
const FREEBSD: &str = "\
ftp          stream  tcp   nowait root  /usr/libexec/ftpd        ftpd -l
ntalk        dgram   udp   wait   root  /usr/libexec/ntalkd      ntalkd
telnet       stream  tcp6  nowait root  /usr/libexec/telnetd  telnetd
shell        stream  tcp46  nowait root  /usr/libexec/rshd rshd
tcpmux/+date stream  tcp   nowait guest /bin/date                date
tcpmux/phonebook stream tcp nowait guest /usr/local/bin/phonebook phonebook
rstatd/1-3   dgram   rpc/udp wait root  /usr/libexec/rpc.rstatd  rpc.rstatd
/var/run/echo stream unix  nowait root\tinternal
chargen      stream  tcp   nowait root  internal
";

// "Examples are "tcp" or "udp", both of which imply IPv4 for backward compatibility." "The names
// "tcp6" and "udp6" specify IPv6 only. The names "tcp46" and "udp46" specify that the entry accepts
// both IPv4 and IPv6 connections via a wildcard AF_INET6 socket."
#[test]
fn the_examples_of_freebsd_are_read() {
    let example = |name| becomes("freebsd", FREEBSD, name);
    let ftp = ["listen = \"tcp4://ftp\"", "run = [\"/usr/libexec/ftpd\", \"-l\"]"];
    says(&example("ftp"), &ftp, &["wait"]);
    says(&example("ntalk"), &["listen = \"udp4://ntalk\"", "wait = true"], &[]);
    says(&example("telnet"), &["listen = \"tcp6://telnet\"", "user = \"root\""], &[]);
    says(&example("shell"), &["listen = \"shell\"", "arg0 = \"rshd\""], &[]);
    says(&example("\"tcpmux/+date\""), &["listen = \"tcpmux://+date\""], &[]);
    says(&example("\"rstatd/1-3\""), &["listen = \"udp4://0\"", "rpc = \"rstatd/1-3\""], &[]);
    says(&example("chargen"), &["builtin = \"chargen\""], &["user", "run"]);
}

// inetd(8) of FreeBSD: "Internal services may be run on UNIX domain sockets, in the usual way. In
// this case the name of the internal service is determined using the last component of the socket's
// pathname." "The default mode only allows the socket's owner to connect." "The specification:
// ":news:daemon:220:/var/run/sock" creates a socket owned by user "news" in group "daemon" with
// permissions allowing only that user and group to connect."
#[test]
fn unix_sockets_of_freebsd() {
    let echo = becomes("freebsd", FREEBSD, "\"/var/run/echo\"");
    let expected =
        ["listen = \"unix:///var/run/echo\"", "builtin = \"echo\"", "socket_mode = \"0600\""];
    says(&echo, &expected, &["socket_user"]);
    let line = ":news:daemon:220:/var/run/sock stream unix nowait root /bin/cat cat\n";
    let expected = ["socket_user = \"news\"", "socket_group = \"daemon\"", "socket_mode = \"220\""];
    says(&becomes("freebsd", line, "\"/var/run/sock\""), &expected, &[]);
}

// inetd(8) of FreeBSD: "{wait|nowait}[/max-child[/max-connections-per-ip-per-minute
// [/max-child-per-ip]]]"; "Normally (or if a value of zero is specified) there is no maximum.
// Otherwise, once the maximum is reached, further connection attempts will be queued up until an
// existing child process exits."
#[test]
fn limits_of_freebsd() {
    let line = |wait: &str| {
        let line = format!("7001 stream tcp {wait} root:wheel/daemon /bin/cat cat\n");
        becomes("freebsd", &line, "7001")
    };
    let all = ["max_sessions = 10", "rate_per_source = \"30/60s\"", "max_per_source = 5"];
    says(&line("nowait/10/30/5"), &all, &["over_limit", "rate ="]);
    says(&line("nowait/0"), &["max_sessions = 0", "group = \"wheel\""], &["rate", "max_per"]);
}

// inetd(8) of NetBSD: "tcp,rcvbuf=64k,sndbuf=1m"; "It is possible to quote an argument using either
// single or double quotes." "The optional "max" suffix (separated from "wait" or "nowait" by a dot or
// a colon) specifies the maximum number of server instances that may be spawned from inetd within an
// interval of 60 seconds." "If it reaches this maximum spawn rate, inetd will log the problem [...]
// and stop handling the specific service for ten minutes." "Optionally, a group can be specified by
// appending a colon to the user name, followed by the group name (it is possible to use a dot (".") in
// lieu of a colon, however this feature is provided only for backward compatibility)."
#[test]
fn positional_lines_of_netbsd() {
    let line = |wait: &str, user: &str| {
        let line = format!(
            "7001 stream tcp,rcvbuf=64k,sndbuf=1m {wait} {user} /bin/cat cat \"a b\" 'c  d'\n"
        );
        becomes("netbsd", &line, "7001")
    };
    let expected = [
        "listen = \"tcp4://7001\"",
        "receive_buffer = \"64k\"",
        "send_buffer = \"1m\"",
        "run = [\"/bin/cat\", \"a b\", \"c  d\"]",
        "user = \"nobody\"",
        "group = \"daemon\"",
        "rate = \"60/60s\"",
        "rate_pause = \"10m\"",
    ];
    says(&line("nowait:60", "nobody:daemon"), &expected, &[]);
    says(&line("nowait.60", "nobody.daemon"), &expected, &[]);
}

// inetd(8) of NetBSD, "Directives": "listen addresses are inherited from line to line, and the listen
// address can be changed without defining a service by including a line containing just a listen-addr
// followed by a colon. The default (compatible with historical configuration files) is *. To return to
// this behavior after configuring some services with specific listen addresses, give * explicitly."
#[test]
fn the_listen_address_of_netbsd_is_inherited() {
    let text = "7001 stream tcp nowait root /bin/cat cat\n127.0.0.1:\n\
                7002 stream tcp nowait root /bin/cat cat\n*:\n\
                7003 stream tcp nowait root /bin/cat cat\n";
    for (name, listen) in
        [("7001", "tcp4://7001"), ("7002", "tcp4://127.0.0.1:7002"), ("7003", "tcp4://7003")]
    {
        says(&becomes("netbsd", text, name), &[&format!("listen = \"{listen}\"")], &[]);
    }
}

// inetd(8) of NetBSD, "Key-Values Notation": "Multiple definitions may exist on a single line". "If
// service-spec is followed by off then the service definition is parsed and errors are output to the
// system log, but the service is not active and no sockets are created." "Comments that exist between
// the initial on/off directive and the closing semicolon may begin in any column". "ip_max Specifies
// the maximum number of server instances that may be spawned from inetd within an interval of 60
// seconds for a given IP address." "socktype is optional if protocol is specified and is udp{4,6} or
// tcp{4,6}." "exec The path to the program's executable or "internal" for a built-in service. If not
// specified, this will be assumed to be "internal"".
#[test]
fn definitions_of_netbsd() {
    let text = "7001 on bind = ::1, protocol = tcp, wait = no, # a comment\n user = nobody,\n\
                service_max = 10, ip_max = 5, sndbuf = 16k, recvbuf = 1m, exec = /bin/echo,\n\
                args = echo \"a\\x41\\t\" 'x\\\\y'; daytime on protocol = udp, user = root;\n\
                7002 off protocol = tcp4, wait = yes, user = nobody, exec = /bin/cat;\n\
                7003 stream tcp nowait root /bin/cat cat\n";
    let expected = [
        "listen = \"tcp6://[::1]:7001\"",
        "run = [\"/bin/echo\", \"aA\\t\", 'x\\y']",
        "rate = \"10/60s\"",
        "rate_per_source = \"5/60s\"",
        "send_buffer = \"16k\"",
        "receive_buffer = \"1m\"",
    ];
    says(&becomes("netbsd", text, "7001"), &expected, &["wait"]);
    let expected = ["listen = \"udp4://daytime\"", "builtin = \"daytime\""];
    says(&becomes("netbsd", text, "daytime"), &expected, &[]);
    says(&becomes("netbsd", text, "7003"), &["listen = \"tcp4://7003\""], &[]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.conf");
    std::fs::write(&path, text).unwrap();
    let convert = inetd(&["convert", "--format", "netbsd", &native(&path)]);
    assert!(!convert.out.contains("7002]"), "{}", convert.out);
}
