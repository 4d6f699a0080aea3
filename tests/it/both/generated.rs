//! `inetd completions` and `inetd man`.

use crate::harness::{Finished, inetd, native};

fn succeeds(arguments: &[&str]) -> String {
    let Finished { code, out, err } = inetd(arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}");
    out
}

#[test]
fn every_shell_learns_the_commands_and_options() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = succeeds(&["completions", shell]);
        for word in ["serve", "reload", "resize", "uninstall", "max-sessions", "print-config"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        // What people do not call themselves.
        for hidden in ["ctrl-break", "service run", "service;run", "service__run"] {
            assert!(!script.contains(hidden), "{shell}: {hidden}");
        }
    }
    let unknown = inetd(&["completions", "tcl"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("bash, elvish, fish, powershell, zsh"), "{}", unknown.err);
}

#[test]
fn every_command_has_a_manual_page() {
    let page = succeeds(&["man"]);
    assert!(page.contains(".TH inetd 8"), "{page}");
    assert!(page.contains("\ninetd \\- Internet superserver\n"), "{page}");
    assert!(page.contains("\ninetd\\-serve(8)\n"), "{page}");
    assert!(!page.contains("ctrl"), "{page}");
    assert!(succeeds(&["man", "resize"]).contains("COLUMNSxROWS"));
    let page = succeeds(&["man", "service", "install"]);
    assert!(page.contains(".TH inetd-service-install 8"), "{page}");
    assert!(page.contains("\\-\\-account"), "{page}");

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("man8");
    succeeds(&["man", "--output", &native(&folder)]);
    let names = ["inetd.8", "inetd-serve.8", "inetd-service.8", "inetd-service-install.8"];
    for name in names {
        let written = std::fs::read_to_string(folder.join(name)).unwrap();
        let words: Vec<_> = name.trim_end_matches(".8").split('-').skip(1).collect();
        let printed = succeeds(&[&["man"], &words[..]].concat());
        assert_eq!(written.replace("\r\n", "\n"), printed, "{name}");
    }
    assert!(!folder.join("inetd-service-run.8").exists());
}

#[test]
fn a_page_that_does_not_exist_is_an_error() {
    let unknown = inetd(&["man", "service", "run"]);
    assert_eq!(unknown.code, 2);
    assert_eq!(unknown.err, "inetd: inetd-service has no command `run`\n");
    let file = tempfile::NamedTempFile::new().unwrap();
    let occupied = inetd(&["man", "--output", &native(file.path())]);
    assert_eq!(occupied.code, 1);
    assert!(occupied.err.contains("inetd: cannot write to "), "{}", occupied.err);
}
