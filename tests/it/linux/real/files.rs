//! Servers of files.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::page::{Server, give};
use super::{assert_same_tree, make_large, make_tree, run, text};

/// Whoever the server is, it may write here.
fn open_folder(path: &Path) {
    std::fs::create_dir_all(path).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
}

#[test]
fn tftpd_gives_and_takes_a_file() {
    let programs = ["in.tftpd", "tftp"];
    let Some(mut server) = Server::of("tftpd-hpa", &programs) else { return };
    let root = server.moved("/srv/tftp", "tftp");
    open_folder(&root);
    make_large(&root.join("given"), 1 << 20);
    server.each(|served| {
        let (copy, port) = (served.at("copy"), served.port());
        let ask = |command: &[&str]| {
            let whole = [&["-m", "binary", "127.0.0.1", &port, "-c"], command].concat();
            run("tftp", &whole);
        };
        ask(&["get", "given", text(&copy)]);
        assert_same_tree(&root.join("given"), &copy);
        ask(&["put", text(&copy), "taken"]);
        assert_same_tree(&root.join("taken"), &copy);
        std::fs::remove_file(root.join("taken")).unwrap();
    });
}

#[test]
fn rsync_copies_a_tree_both_ways() {
    let Some(mut server) = Server::of("rsync", &["rsync"]) else { return };
    let config = server.moved("/etc/rsyncd.conf", "rsyncd.conf");
    let (source, module) = (server.at("source"), server.at("module"));
    make_tree(&source);
    let text_of_config = format!(
        "use chroot = no\nlog file = {}\n[module]\npath = {}\nread only = no\n\
         uid = root\ngid = root\n",
        server.at("rsync.log").display(),
        module.display(),
    );
    std::fs::write(config, text_of_config).unwrap();
    server.each(|served| {
        std::fs::create_dir(&module).unwrap();
        let url = served.url("rsync", "module/");
        run("rsync", &["-a", &format!("{}/", source.display()), &url]);
        assert_same_tree(&source, &module);
        run("rsync", &["-a", &url, text(&served.at("copy"))]);
        assert_same_tree(&source, &served.at("copy"));
        std::fs::remove_dir_all(&module).unwrap();
    });
}

/// The folder of the server is `root`.
fn takes_and_gives_a_file(server: &Server) {
    let original = server.at("original");
    make_large(&original, 4 << 20);
    server.each(|served| {
        let (url, copy) = (served.url("ftp", "incoming/file.bin"), served.at("copy"));
        run("curl", &["-sS", "--max-time", "60", "-T", text(&original), &url]);
        run("curl", &["-sS", "--max-time", "60", "-o", text(&copy), &url]);
        assert_same_tree(&original, &copy);
        std::fs::remove_file(server.at("root/incoming/file.bin")).unwrap();
    });
}

#[test]
fn vsftpd_takes_and_gives_a_file() {
    let Some(mut server) = Server::of("vsftpd", &["vsftpd", "curl"]) else { return };
    let config = server.moved("/etc/vsftpd.conf", "vsftpd.conf");
    for name in ["empty", "root"] {
        std::fs::create_dir(server.at(name)).unwrap();
    }
    open_folder(&server.at("root/incoming"));
    let text_of_config = format!(
        "listen=NO\nanonymous_enable=YES\nno_anon_password=YES\nwrite_enable=YES\n\
         anon_upload_enable=YES\nanon_umask=022\nftp_username=daemon\nseccomp_sandbox=NO\n\
         anon_root={}\nsecure_chroot_dir={}\n",
        server.at("root").display(),
        server.at("empty").display(),
    );
    std::fs::write(config, text_of_config).unwrap();
    takes_and_gives_a_file(&server);
}

#[test]
fn proftpd_takes_and_gives_a_file() {
    let Some(mut server) = Server::of("proftpd", &["curl", "tcpd"]) else { return };
    let config = server.moved("/etc/proftpd/proftpd.conf", "proftpd.conf");
    open_folder(&server.at("root/incoming"));
    let text_of_config = format!(
        "ServerType inetd\nServerName test\nUser nobody\nGroup nogroup\nUseIPv6 off\n\
         AuthPAM off\nAuthOrder mod_auth_unix.c\nWtmpLog off\nTransferLog none\n\
         ScoreboardFile none\n<Anonymous {}>\nUser ftp\nGroup ftp\nUserAlias anonymous ftp\n\
         RequireValidShell off\n</Anonymous>\n",
        server.at("root").display(),
    );
    std::fs::write(config, text_of_config).unwrap();
    takes_and_gives_a_file(&server);
}

#[test]
fn inetutils_ftpd_gives_a_file() {
    let Some(server) = Server::of("inetutils-ftpd", &["curl", "tcpd"]) else { return };
    let user = run("getent", &["passwd", "ftp"]).out;
    let home = Path::new(user.split(':').nth(5).unwrap());
    let folder = tempfile::Builder::new().prefix("inetd-real-").tempdir_in(home).unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("file.bin");
    make_large(&file, 4 << 20);
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    server.each(|served| {
        let list =
            run("curl", &["-sS", "--max-time", "60", &served.url("ftp", &format!("{name}/"))]);
        assert!(list.out.contains("4194304") && list.out.contains("file.bin"), "{}", list.out);
        let (url, copy) = (served.url("ftp", &format!("{name}/file.bin")), served.at("copy"));
        run("curl", &["-sS", "--max-time", "60", "-o", text(&copy), &url]);
        assert_same_tree(&file, &copy);
    });
}

#[test]
fn nbd_server_gives_and_takes_a_disk() {
    let Some(mut server) = Server::of("nbd-server", &["nbd-server", "nbdcopy"]) else { return };
    let disk = server.moved("/srv/nbd/disk.img", "disk.img");
    make_large(&disk, 8 << 20);
    give(&disk, "nbd");
    let other = server.at("other");
    std::fs::write(&other, vec![7; 8 << 20]).unwrap();
    server.each(|served| {
        let (url, copy) = (served.url("nbd", ""), served.at("copy"));
        run("nbdcopy", &[&url, text(&copy)]);
        assert_same_tree(&disk, &copy);
        run("nbdcopy", &[text(&other), &url]);
        assert_same_tree(&disk, &other);
    });
}

/// Fetches the large file and the small one by `curl`.
fn fetched(server: &Server, root: &Path, scheme: &str, prefix: &str) {
    make_tree(root);
    server.each(|served| {
        let hello = run("curl", &["-sS", &served.url(scheme, &format!("{prefix}hello.txt"))]);
        assert_eq!(hello.out, "hello\n");
        let copy = served.at("copy");
        let url = served.url(scheme, &format!("{prefix}deep/large.bin"));
        run("curl", &["-sS", "--max-time", "60", "-o", text(&copy), &url]);
        assert_same_tree(&root.join("deep/large.bin"), &copy);
    });
}

#[test]
fn micro_httpd_serves_files() {
    let programs = ["micro-httpd", "tcpd", "curl"];
    let Some(mut server) = Server::of("micro-httpd", &programs) else { return };
    let root = server.moved("/var/www/html", "html");
    fetched(&server, &root, "http", "");
}

#[test]
fn busybox_serves_files_by_the_name_it_is_called() {
    let Some(mut server) = Server::of("busybox httpd", &["busybox", "curl"]) else { return };
    let root = server.moved("/srv/http", "http");
    fetched(&server, &root, "http", "");
}

#[test]
fn gophernicus_serves_files() {
    let Some(mut server) = Server::of("gophernicus", &["gophernicus", "curl"]) else { return };
    let root = server.moved("/var/gopher", "gopher");
    fetched(&server, &root, "gopher", "9/");
}
