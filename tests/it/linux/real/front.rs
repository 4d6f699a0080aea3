//! What stands in front of other servers.

use super::page::{Server, give};
use super::{make_tree, run, text};
use crate::harness::{Daemon, service};

/// A web server for one connection, as a program is called: its name for itself and its arguments.
const WEB: [&str; 3] = ["httpd", "-i", "-h"];

#[test]
fn stunnel_brings_tls_to_a_program() {
    let programs = ["stunnel4", "openssl", "busybox", "curl"];
    let Some(mut server) = Server::of("stunnel4", &programs) else { return };
    let config = server.moved("/etc/stunnel/https.conf", "https.conf");
    let (certificate, key, root) = (server.at("cert.pem"), server.at("key.pem"), server.at("www"));
    let make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
    let files = ["-keyout", text(&key), "-out", text(&certificate)];
    run("openssl", &[&make[..], &name, &files].concat());
    give(&key, "nobody");
    make_tree(&root);
    let text_of_config = format!(
        "cert = {}\nkey = {}\nexec = /bin/busybox\nexecArgs = {}\n",
        certificate.display(),
        key.display(),
        [&WEB[..], &[text(&root)]].concat().join(" "),
    );
    std::fs::write(config, text_of_config).unwrap();
    server.each(|served| {
        let url = served.url("https", "hello.txt");
        let page = run("curl", &["-sS", "--cacert", text(&certificate), &url]);
        assert_eq!(page.out, "hello\n");
    });
}

#[test]
fn sslh_finds_the_server_for_what_is_spoken() {
    let programs = ["sslh", "busybox", "curl"];
    let Some(mut server) = Server::of("sslh", &programs) else { return };
    let root = server.at("www");
    make_tree(&root);
    let words = [&["/bin/busybox"], &WEB[..], &[text(&root)]].concat();
    let words: Vec<_> = words.into_iter().map(str::to_owned).collect();
    let behind = Daemon::run(&service("web", &words, ""));
    server.changed("127.0.0.1:8000", &behind.address("web").to_string());
    server.each(|served| {
        let page = run("curl", &["-sS", &served.url("http", "hello.txt")]);
        assert_eq!(page.out, "hello\n");
    });
}
