//! The configuration files that packages bring.

use std::path::{Path, PathBuf};

use super::original;
use crate::harness::inetd;

/// The files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What `inetd check` says, with its exit code.
fn check(path: &Path) -> (i32, String) {
    let checked = inetd(&["check", "--format", "xinetd", path.to_str().unwrap()]);
    (checked.code, checked.err)
}

/// Debian has all services off, and then there is nothing to run. Each file loads when they are
/// switched on.
#[test]
fn the_files_of_xinetd_load() {
    let Some(package) = original("xinetd") else { return };
    let folder = tempfile::tempdir().unwrap();
    let services = package.join("etc/xinetd.d");
    let config = folder.path().join("xinetd.conf");
    let text = std::fs::read_to_string(package.join("etc/xinetd.conf")).unwrap();
    assert!(text.contains("\nincludedir /etc/xinetd.d\n"), "{text}");
    let text = text.replace("/etc/xinetd.d", services.to_str().unwrap());
    std::fs::write(&config, &text).unwrap();
    let (code, told) = check(&config);
    assert_eq!((code, told.matches("error: ").count()), (1, 1), "{told}");
    assert!(told.contains("there is no service in "), "{told}");

    let on = folder.path().join("on");
    std::fs::create_dir(&on).unwrap();
    let text = text.replace(services.to_str().unwrap(), on.to_str().unwrap());
    std::fs::write(&config, text).unwrap();
    let files = files(&services);
    assert!(files.len() >= 12, "{files:?}");
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let switched = text.replace("disable\t\t= yes", "disable\t\t= no");
        assert_ne!(text, switched, "{name}");
        let path = on.join(name);
        std::fs::write(&path, switched).unwrap();
        let (code, told) = check(&config);
        // No datagram is looked up in hosts.allow, and `servers` has other words here.
        let warnings = [
            ("hosts.allow and hosts.deny are not asked", text.matches("= dgram").count()),
            ("`servers` is the built-in service", usize::from(name == "servers")),
        ];
        assert_eq!(code, 0, "{name}: {told}");
        for (warning, count) in warnings {
            assert_eq!(
                told.matches(&format!("warning: {warning}")).count(),
                count,
                "{name}: {told}"
            );
        }
        let all = warnings.iter().map(|(_, count)| count).sum::<usize>();
        assert_eq!(told.matches("warning: ").count(), all, "{name}: {told}");
        std::fs::remove_file(path).unwrap();
    }
}

/// The socket units of Debian's packages with a program for each connection; whether they load
/// depends on nothing that is installed. The one of sshd is for a single server that is tested
/// before it starts, which is refused at its place.
#[test]
fn the_socket_units_of_packages_load() {
    for name in ["micro-httpd", "leafnode", "gophernicus", "oidentd"] {
        let Some(package) = original(name) else { return };
        let path = package.join(format!("lib/systemd/system/{name}.socket"));
        let converted = inetd(&["convert", path.to_str().unwrap()]);
        assert_eq!(converted.code, 0, "{}", converted.err);
        assert!(converted.out.contains(&format!("[service.{name}]")), "{}", converted.out);
    }
    let Some(package) = original("openssh-server") else { return };
    let path = package.join("lib/systemd/system/ssh.socket");
    let converted = inetd(&["convert", path.to_str().unwrap()]);
    assert_eq!((converted.code, converted.err.matches("error: ").count()), (1, 1));
    assert!(converted.err.contains("ssh.service:9:1"), "{}", converted.err);
}
