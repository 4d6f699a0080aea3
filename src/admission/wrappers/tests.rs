use proptest::prelude::*;

use super::*;

/// Both files, and what was said about them: text and message.
fn read(allow: &str, deny: &str) -> (Wrappers, Vec<(String, String)>) {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["hosts.allow", "hosts.deny"].map(|name| folder.path().join(name));
    for (path, text) in paths.iter().zip([allow, deny]) {
        std::fs::write(path, text).unwrap();
    }
    let Loaded { table, remarks, texts, .. } = Wrappers::read(&paths, &mut Files::default());
    let said = remarks.into_iter().map(|remark| {
        let (text, at) = remark.place.unwrap();
        (texts[text].1[at].to_owned(), remark.message)
    });
    (table, said.collect())
}

fn ask(wrappers: &Wrappers, daemon: &str, peer: &str, name: PeerName<'_>) -> String {
    let request = Request {
        daemon,
        peer: peer.parse().unwrap(),
        name,
        local: [192, 0, 2, 99].into(),
        local_name: PeerName::Known("server.example.org"),
    };
    match wrappers.decide(&request) {
        Answer::AskName => "ask".into(),
        Answer::Decided(effect, place, extras) => {
            let place = place.map(|place| {
                let file = place.path.file_name().unwrap().to_string_lossy().into_owned();
                format!(" {file}:{}", place.line)
            });
            let variables = extras
                .variables
                .iter()
                .map(|(name, value)| format!(" {name}={}", value.as_deref().unwrap_or_default()));
            format!("{effect}{}{}", place.unwrap_or_default(), variables.collect::<String>())
        }
    }
}

const UNKNOWN: PeerName<'_> = PeerName::Unknown;

#[test]
fn allow_comes_before_deny_and_nothing_is_allow() {
    let missing = Wrappers::read(
        &[PathBuf::from("/no/such"), PathBuf::from("/no/file")],
        &mut Files::default(),
    );
    assert_eq!(missing.remarks, []);
    assert_eq!(ask(&missing.table, "x", "10.1.1.1", UNKNOWN), "allow");
    let (wrappers, said) = read("ftpd: 10.\n", "ALL: 10.1.\nftpd: ALL\n");
    assert_eq!(said, []);
    let ask = |daemon, peer| ask(&wrappers, daemon, peer, PeerName::NotAsked);
    assert_eq!(ask("ftpd", "10.1.1.1"), "allow hosts.allow:1");
    assert_eq!(ask("sshd", "10.1.1.1"), "deny hosts.deny:1");
    assert_eq!(ask("ftpd", "192.0.2.1"), "deny hosts.deny:2");
    assert_eq!(ask("sshd", "192.0.2.1"), "allow");
}

#[test]
fn every_pattern_of_the_manual() {
    let named = |name| PeerName::Known(name);
    for (pattern, peer, name, about) in [
        ("ALL", "10.1.2.3", UNKNOWN, true),
        ("all", "10.1.2.3", UNKNOWN, true),
        (".tue.nl", "10.1.2.3", named("wzv.win.tue.nl"), true),
        (".tue.nl", "10.1.2.3", named("tue.nl"), false),
        (".tue.nl", "10.1.2.3", UNKNOWN, false),
        ("131.155.", "131.155.9.9", UNKNOWN, true),
        ("131.155.", "131.15.59.9", UNKNOWN, false),
        ("131.155.72.0/255.255.254.0", "131.155.73.255", UNKNOWN, true),
        ("131.155.72.0/255.255.254.0", "131.155.74.0", UNKNOWN, false),
        ("131.155.72.0/23", "131.155.73.255", UNKNOWN, true),
        ("[3ffe:505:2:1::]/64", "3ffe:505:2:1::77", UNKNOWN, true),
        ("[3ffe:505:2:1::]/64", "3ffe:505:2:2::77", UNKNOWN, false),
        ("[2001:db8::1]", "2001:db8::1", UNKNOWN, true),
        ("10.1.2.3", "::ffff:10.1.2.3", UNKNOWN, true),
        ("host.example.org", "10.1.2.3", named("host.example.org"), true),
        ("Host.Example.ORG", "10.1.2.3", named("host.example.org"), true),
        ("host.example.org", "10.1.2.3", named("host.example.net"), false),
        ("LOCAL", "10.1.2.3", named("printer"), true),
        ("LOCAL", "10.1.2.3", named("printer.example.org"), false),
        ("LOCAL", "10.1.2.3", UNKNOWN, false),
        ("KNOWN", "10.1.2.3", named("x"), true),
        ("KNOWN", "10.1.2.3", UNKNOWN, false),
        ("KNOWN", "10.1.2.3", PeerName::Mismatch, false),
        ("UNKNOWN", "10.1.2.3", UNKNOWN, true),
        ("UNKNOWN", "10.1.2.3", named("x"), false),
        ("PARANOID", "10.1.2.3", PeerName::Mismatch, true),
        ("PARANOID", "10.1.2.3", UNKNOWN, false),
        ("10.1.?.3", "10.1.2.3", UNKNOWN, true),
        ("*.example.org", "10.1.2.3", named("a.example.org"), true),
        ("ALL@10.", "10.1.2.3", UNKNOWN, true),
        ("*@10.", "10.1.2.3", UNKNOWN, true),
        ("?n*@10.", "10.1.2.3", UNKNOWN, true),
        ("10.0.0.0/255.0.255.0", "10.7.0.3", UNKNOWN, true),
        ("10.0.0.0/255.0.255.0", "10.7.1.3", UNKNOWN, false),
        ("012.0.0.0/0xff.0.0.0", "10.7.1.3", UNKNOWN, true),
        ("10.1.2.3/32", "10.1.2.3", UNKNOWN, true),
        (".3", "10.1.2.3", UNKNOWN, true),
        (".3", "10.1.2.33", UNKNOWN, false),
        ("www.", "10.1.2.3", named("www.example.org"), true),
        ("www.", "10.1.2.3", named("www2.example.org"), false),
        ("2001*", "2001:db8::1", UNKNOWN, true),
        ("[::]/0", "2001:db8::1", UNKNOWN, true),
        ("[::]/0", "10.1.2.3", UNKNOWN, false),
        ("UNKNOWN@10.", "10.1.2.3", UNKNOWN, true),
    ] {
        let (wrappers, said) = read("", &format!("ALL:{pattern}\n"));
        assert_eq!(said, [], "{pattern}");
        let expected = if about { "deny hosts.deny:1" } else { "allow" };
        assert_eq!(ask(&wrappers, "x", peer, name), expected, "{pattern} {peer} {name:?}");
    }
}

#[test]
fn names_are_asked_for_only_where_they_matter() {
    let (wrappers, _) = read("", "ALL: 10.\nALL: .example.org\n");
    let ask = |peer| ask(&wrappers, "x", peer, PeerName::NotAsked);
    assert_eq!(ask("10.1.1.1"), "deny hosts.deny:1");
    assert_eq!(ask("192.0.2.1"), "ask");
}

// hosts_access(5): "`list_1 EXCEPT list_2'; this construct matches anything that matches list_1
// unless it matches list_2. [...] The EXCEPT operator can be nested [...]: `a EXCEPT b EXCEPT c'
// would parse as `(a EXCEPT (b EXCEPT c))'."
#[test]
fn except_nests_to_the_right() {
    let (wrappers, said) = read("", "ALL EXCEPT ftpd, sshd: ALL EXCEPT 10. EXCEPT 10.9.\n");
    assert_eq!(said, []);
    let ask = |daemon, peer| ask(&wrappers, daemon, peer, UNKNOWN);
    assert_eq!(ask("ftpd", "192.0.2.1"), "allow");
    assert_eq!(ask("sshd", "192.0.2.1"), "allow");
    assert_eq!(ask("x", "192.0.2.1"), "deny hosts.deny:1");
    assert_eq!(ask("x", "10.1.1.1"), "allow");
    assert_eq!(ask("x", "10.9.1.1"), "deny hosts.deny:1");
}

#[test]
fn the_samples_of_the_reference() {
    let allow = "# hosts.allow\n\
        upper, 7001 : 10.20. [2001:db8::]/32 .example.net EXCEPT bad.example.net : severity local0.info\n\
        ALL@192.0.2.99 : 192.0.2. : setenv WHERE local-%h-%d : allow\n\
        ftpd : ALL EXCEPT PARANOID : spawn (echo %a %d >> log) & \\\n   : allow\n";
    let (wrappers, said) = read(allow, "ALL : ALL\n");
    assert_eq!(
        said,
        [
            ("severity local0.info".into(), "`severity` has no effect".into()),
            ("spawn (echo %a %d >> log) &".into(), "`spawn` has no effect".into()),
        ] as [(String, String); 2]
    );
    let ask = |daemon, peer, name| ask(&wrappers, daemon, peer, name);
    assert_eq!(ask("upper", "10.20.1.1", UNKNOWN), "allow hosts.allow:2");
    assert_eq!(ask("upper", "2001:db8::1", UNKNOWN), "allow hosts.allow:2");
    assert_eq!(
        ask("upper", "198.51.100.1", PeerName::Known("a.example.net")),
        "allow hosts.allow:2"
    );
    assert_eq!(
        ask("upper", "198.51.100.1", PeerName::Known("bad.example.net")),
        "deny hosts.deny:1"
    );
    assert_eq!(ask("x", "192.0.2.5", UNKNOWN), "allow hosts.allow:3 WHERE=local-192.0.2.5-x");
    assert_eq!(ask("ftpd", "198.51.100.1", UNKNOWN), "allow hosts.allow:4");
    assert_eq!(ask("ftpd", "198.51.100.1", PeerName::Mismatch), "deny hosts.deny:1");
}

#[test]
fn options_may_turn_a_file_around_and_what_cannot_be_obeyed_lets_nobody_in() {
    let allow = "a: ALL: deny\nb: ALL: twist /bin/sh\nc: ALL: user nobody\nd: ALL: nonsense 7\n\
                 e: ALL: allow: severity x\nf: ALL: setenv PROTO x\ng: ALL: umask 022: allow\n\
                 h: ALL: aclexec /bin/true\ni: ALL: linger 5: rfc931: keepalive: nice: setenv X\n";
    let (wrappers, said) = read(allow, "j: ALL: allow\n");
    for (daemon, line) in ('a'..='h').zip(1..) {
        let expected = format!("deny hosts.allow:{line}");
        assert_eq!(ask(&wrappers, &daemon.to_string(), "10.1.1.1", UNKNOWN), expected);
    }
    assert_eq!(ask(&wrappers, "i", "10.1.1.1", UNKNOWN), "allow hosts.allow:9 X=");
    assert_eq!(ask(&wrappers, "j", "10.1.1.1", UNKNOWN), "allow hosts.deny:1");
    let refused = said.iter().filter(|(_, message)| message.ends_with("cannot be obeyed")).count();
    assert_eq!(refused, 7, "{said:?}");
}

#[test]
fn what_cannot_be_known_is_never_a_way_in() {
    let (wrappers, said) = read(
        "a: @friends\nb: ALL EXCEPT @enemies\n",
        "c: @enemies\nd: ALL EXCEPT @friends\na b: ALL\n",
    );
    assert_eq!(said.len(), 4, "{said:?}");
    let ask = |daemon| ask(&wrappers, daemon, "10.1.1.1", UNKNOWN);
    assert_eq!(ask("a"), "deny hosts.deny:3");
    assert_eq!(ask("b"), "deny hosts.deny:3");
    assert_eq!(ask("c"), "deny hosts.deny:1");
    assert_eq!(ask("d"), "deny hosts.deny:2");
}

#[test]
fn at_a_line_that_libwrap_cannot_read_nobody_comes_in() {
    let long = format!("y: {}10.\n", "192.0.2.1 ".repeat(205));
    assert!(long.len() > 2047);
    let continued = long.replacen(' ', " \\\n", 3);
    let comment = format!("#{long}");
    for line in ["y: 10.", "# y: 10.", "y: 10.\\\n", "y: 10. \0\n", &long, &continued, &comment] {
        let (deny, said) = read("", &format!("x: 192.0.2.: allow\n{line}"));
        assert_eq!(said.len(), 1, "{line:?}: {said:?}");
        assert_eq!(ask(&deny, "x", "192.0.2.1", UNKNOWN), "allow hosts.deny:1", "{line:?}");
        assert_eq!(ask(&deny, "x", "10.1.1.1", UNKNOWN), "deny hosts.deny:2", "{line:?}");
        let (allow, _) = read(&format!("x: 192.0.2.\n{line}\nALL: ALL\n"), "ALL: ALL\n");
        if line.ends_with('\n') && !line.ends_with("\\\n") {
            assert_eq!(ask(&allow, "x", "192.0.2.1", UNKNOWN), "allow hosts.allow:1", "{line:?}");
            assert_eq!(ask(&allow, "x", "10.1.1.1", UNKNOWN), "deny hosts.deny:1", "{line:?}");
        }
        let (last, _) = read(&line.replace('y', "ALL"), "ALL: ALL\n");
        assert_eq!(ask(&last, "x", "10.1.1.1", UNKNOWN), "deny hosts.deny:1", "{line:?}");
    }
    let longest = format!("{:2046}\n", "ALL: 10.");
    let (allow, said) = read(&longest, "ALL: ALL\n");
    assert_eq!((said, longest.len()), (vec![], 2047));
    assert_eq!(ask(&allow, "x", "10.1.1.1", UNKNOWN), "allow hosts.allow:1");
}

// options.c of libwrap: "In case of errors, abort options processing and deny access."
#[test]
fn an_option_that_the_original_takes_for_an_error_lets_nobody_in() {
    for option in [
        "",
        " ",
        ":allow",
        "allow yes",
        "allow:",
        "allow: allow",
        "deny: allow",
        "severity",
        "severity nope",
        "severity local0.nope",
        "severity local0.",
        "severity info.info",
        "linger",
        "linger x",
        "linger -1",
        "linger 5 5",
        "linger==5",
        "keepalive 1",
        "nice x",
        "nice 5x",
        "rfc931 0",
        "rfc931 x",
        "banners",
        "spawn",
        "setenv",
        "setenv A=B C",
        "setenv %d C",
        "nonsense",
        "twist",
        "spawn x:nice x: allow",
    ] {
        let (wrappers, said) = read(&format!("ALL: ALL: {option}\n"), "");
        assert_eq!(ask(&wrappers, "x", "10.1.1.1", UNKNOWN), "deny hosts.allow:1", "{option:?}");
        let is_told = said.iter().any(|(_, message)| message.ends_with("cannot be obeyed"));
        assert!(is_told, "{option:?}: {said:?}");
    }
    for option in [
        "severity info",
        "severity LOCAL0.Info",
        "linger 0",
        "linger = 5",
        "keepalive",
        "keepalive=",
        "nice",
        "nice -5",
        "rfc931",
        "rfc931 5",
        "spawn echo \\: x",
        "setenv =A",
        "ALLOW",
        "spawn (a) & : nice : allow",
    ] {
        let (wrappers, _) = read(&format!("ALL: ALL: {option}\n"), "");
        let said = ask(&wrappers, "x", "10.1.1.1", UNKNOWN);
        assert!(said.starts_with("allow hosts.allow:1"), "{option:?}: {said}");
    }
}

// libwrap takes /0 and /255.255.255.255 for errors, and cannot be asked for zones here.
#[test]
fn what_is_meant_but_never_found_is_obeyed_where_it_refuses() {
    for (pattern, peer) in [
        ("0.0.0.0/0", "10.1.1.1"),
        ("10.1.1.1/255.255.255.255", "10.1.1.1"),
        ("[fe80::1%eth0]", "fe80::1"),
        ("[fe80::%eth0]/10", "fe80::1"),
        ("[2001:db8::]/x", "2001:db8::1"),
    ] {
        let (deny, said) = read("", &format!("ALL: {pattern}\n"));
        assert_eq!(said, [], "{pattern}");
        assert_eq!(ask(&deny, "x", peer, UNKNOWN), "deny hosts.deny:1", "{pattern}");
        let (allow, _) = read(&format!("ALL: {pattern}\n"), "ALL: ALL\n");
        assert_eq!(ask(&allow, "x", peer, UNKNOWN), "deny hosts.deny:1", "{pattern}");
        let (except, _) = read(&format!("ALL: ALL EXCEPT {pattern}\n"), "ALL: ALL\n");
        assert_eq!(ask(&except, "x", peer, UNKNOWN), "deny hosts.deny:1", "{pattern}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_not_one_without_rules() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.allow");
    std::fs::create_dir(&path).unwrap();
    let Loaded { remarks, .. } =
        Wrappers::read(&[path, PathBuf::from("/no/such")], &mut Files::default());
    let [remark] = &remarks[..] else { panic!("{remarks:?}") };
    assert!(remark.is_error && remark.message.starts_with("cannot read "), "{remark:?}");
}

#[test]
fn what_never_matches_in_the_original_does_not_match() {
    let (wrappers, said) = read("", "ALL: 10, 10.1.2.3/8, [x]\n");
    assert_eq!(said.len(), 3);
    assert_eq!(ask(&wrappers, "x", "10.1.2.3", UNKNOWN), "allow");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (line, at, message) in [
        ("ALL\n", "ALL", "this is no rule"),
        ("ALL: 10\n", "10", "this is never about anybody"),
        ("ALL: .\n", ".", "this is never about anybody"),
        (
            "ALL: 10.1.2.3/8\n",
            "10.1.2.3/8",
            "no address is in this: it has bits outside of the mask",
        ),
        ("ALL: 10.0.0.0/33\n", "10.0.0.0/33", "this is no mask"),
        ("ALL: [2001:db8::1\n", "[2001:db8::1", "this is no address"),
        ("ALL: root@10.\n", "root@", "nobody is asked for the name of a peer's user (RFC 1413)"),
        ("ALL: /no/such/file\n", "/no/such/file", "there is no file /no/such/file"),
        ("ALL: KNOWN@10.\n", "KNOWN@", "nobody is asked for the name of a peer's user (RFC 1413)"),
        ("ALL: ALL@\n", "@", "there is no host behind the `@`"),
        ("ALL: ALL:\n", ":", "`:` cannot be obeyed"),
        ("ALL: ALL\\\n", "ALL: ALL", "the last line has no end"),
        ("ALL: AL\0L\n", "ALL: AL\0L", "there is a NUL character in this line"),
        ("ALL:\n", ":", "this list is empty"),
        ("ALL: @friends\n", "@friends", "netgroups are not looked up"),
        ("  # ALL: ALL\n", "#", "this is no comment"),
        ("ALL: ALL", "ALL: ALL", "the last line has no end"),
        ("ALL: \\\n  10\n", "10", "this is never about anybody"),
        ("ALL@[::1: ALL\n", "ALL@[::1: ALL", "this is no rule"),
        (
            "ALL: root@10.0.0.0/8\n",
            "root@",
            "nobody is asked for the name of a peer's user (RFC 1413)",
        ),
        ("ALL: EXCEPT 10.\n", " EXCEPT 10.", "this list is empty"),
        ("ALL: ALL: allow: severity info\n", "allow", "`allow` cannot be obeyed"),
        // A colon in a path of Windows ends the option, unless there is a backslash in front.
        ("x: ALL: banners C\\:\\b\n", "banners C\\:\\b", "there are no banners"),
    ] {
        let (_, said) = read("", line);
        assert_eq!(said, [(at.to_owned(), message.to_owned())], "{line:?}");
    }
    // A comma at the end is none of an empty item.
    for line in ["ALL, : 10.\n", "ALL: 10.,\n", "ALL@[2001:db8::9] ALL@192.0.2.99: 10.\n"] {
        let (wrappers, said) = read("", line);
        assert_eq!(said, [], "{line}");
        assert_eq!(ask(&wrappers, "x", "10.1.1.1", UNKNOWN), "deny hosts.deny:1", "{line}");
        assert_eq!(ask(&wrappers, "x", "192.0.2.1", UNKNOWN), "allow", "{line}");
    }
    let (wrappers, said) = read("", "ALL:ALL\n");
    assert_eq!((said, ask(&wrappers, "x", "::1", UNKNOWN)), (vec![], "deny hosts.deny:1".into()));
}

#[test]
fn patterns_may_be_in_a_file_and_banners_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("patterns");
    std::fs::write(&file, "10.\n192.0.2.1 .example.org\n").unwrap();
    std::fs::create_dir(folder.path().join("banners")).unwrap();
    std::fs::write(folder.path().join("banners/ftpd"), "Hello %h,\nthis is %d: 100%%\n").unwrap();
    let text =
        format!("ftpd: {}: banners {}\n", file.display(), folder.path().join("banners").display());
    if cfg!(windows) {
        return; // A pattern file begins with a slash.
    }
    let (wrappers, said) = read(&text, "ALL: ALL\n");
    assert_eq!(said, []);
    let request = Request {
        daemon: "ftpd",
        peer: [10, 1, 1, 1].into(),
        name: PeerName::NotAsked,
        local: [192, 0, 2, 99].into(),
        local_name: PeerName::NotAsked,
    };
    let Answer::Decided(Effect::Allow, _, extras) = wrappers.decide(&request) else { panic!() };
    assert_eq!(&*extras.banner.unwrap(), b"Hello 10.1.1.1,\r\nthis is ftpd: 100%\r\n");
    assert_eq!(ask(&wrappers, "ftpd", "192.0.2.2", UNKNOWN), "deny hosts.deny:1");
    assert_eq!(ask(&wrappers, "ftpd", "192.0.2.2", PeerName::NotAsked), "ask");
}

#[test]
fn a_file_of_patterns_in_another_one_is_told_where_it_is() {
    if cfg!(windows) {
        return; // A pattern file begins with a slash.
    }
    let folder = tempfile::tempdir().unwrap();
    let [outer, inner] = ["outer", "inner"].map(|name| folder.path().join(name));
    std::fs::write(&inner, "10.\n").unwrap();
    std::fs::write(&outer, format!("{}\n", inner.display())).unwrap();
    let rule = format!("ALL: {}\n", outer.display());
    let (shown, name) = (outer.display().to_string(), inner.display());
    let expected = [(shown.clone(), format!("`{name}` in {shown} is not looked up"))];
    // What is not known is no way in.
    for (allow, deny, answer) in
        [("", &*rule, "deny hosts.deny:1"), (&rule, "ALL: ALL\n", "deny hosts.deny:1")]
    {
        let (wrappers, said) = read(allow, deny);
        assert_eq!(said, expected);
        assert_eq!(ask(&wrappers, "x", "10.1.1.1", UNKNOWN), answer);
    }
}

#[test]
fn a_daemon_is_called_as_its_program() {
    assert_eq!(daemon_name("/usr/sbin/in.ftpd"), "in.ftpd");
    assert_eq!(daemon_name("-sh"), "sh");
    assert_eq!(daemon_name("Hello.EXE"), "hello");
}

proptest! {
    #[test]
    fn any_text_can_be_read(
        text in "\\PC*",
        more in "((ALL|EXCEPT|LOCAL|:|,| |@|\\.|\\[|\\]|/|10\\.|allow|deny|setenv|A|%h|\\\\|\n|#|é)?){0,80}",
    ) {
        for text in [&text, &more] {
            let file = parse::read(text, Path::new("x"), 0, Effect::Allow, &mut Files::default());
            for remark in &file.remarks {
                let (_, at) = remark.place.clone().unwrap();
                prop_assert!(text.get(at).is_some());
            }
            let wrappers = Wrappers { rules: file.rules };
            ask(&wrappers, "x", "10.1.1.1", UNKNOWN);
        }
    }
}
