//! `docs/servers.md`: a section for each server with its lines. What the tests of this folder run
//! is taken from there, so the page cannot say what does not work.

use std::fmt::Write;
use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::originals::original;
use super::{installed, run, text};
use crate::harness::{Daemon, Start, inetd, left_out, own_port};

const PAGE: &str = include_str!("../../../../docs/servers.md");

/// Servers that cannot be installed beside others of the page: where the lines have them, and the
/// package, which `ci/test` unpacks.
const UNPACKED: [(&str, &str); 2] =
    [("/usr/sbin/proftpd", "proftpd-core"), ("/usr/sbin/ftpd", "inetutils-ftpd")];
/// Servers that no old inetd can run.
const ONLY_OURS: [&str; 1] = ["nbd-server"];

/// A block of the page: what it is written in, and its text.
type Block = (&'static str, String);

/// A server of the page.
pub struct Server {
    blocks: Vec<Block>,
    folder: TempDir,
    host: String,
    /// For clients that know one port only.
    port: u16,
}

/// A daemon that serves one of the blocks.
pub struct Served {
    /// The daemon.
    pub daemon: Daemon,
    /// Where the server is.
    pub address: SocketAddr,
    folder: TempDir,
}

impl Server {
    /// The server of a section, if `programs` are installed and we are root, as the lines want
    /// it.
    pub fn of(section: &str, programs: &[&str]) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            left_out(&format!("the lines of {section} need root"));
            return None;
        }
        installed(programs)?;
        let mut blocks = blocks(section);
        for (place, package) in UNPACKED {
            if blocks.iter().any(|(_, text)| text.contains(place)) {
                let program = original(package)?.join(&place[1..]);
                for (_, block) in &mut blocks {
                    *block = block.replace(place, text(&program));
                }
            }
        }
        let folder = public_folder();
        Some(Self { blocks, folder, host: "127.0.0.1".into(), port: 0 })
    }

    /// A file or folder of the server, here.
    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the lines have at `place` is here instead.
    #[track_caller]
    pub fn moved(&mut self, place: &str, name: &str) -> PathBuf {
        let path = self.at(name);
        self.changed(place, text(&path));
        path
    }

    /// The lines have `new` instead of `old`.
    #[track_caller]
    pub fn changed(&mut self, old: &str, new: &str) {
        for (form, text) in &mut self.blocks {
            assert!(text.contains(old), "no {old} in the {form}:\n{text}");
            *text = text.replace(old, new);
        }
    }

    /// A client of this server knows the usual port only. So that several tests can run at once,
    /// each process has an address of its own.
    pub fn on_port(&mut self, port: u16) {
        let [_, a, b, c] = std::process::id().to_be_bytes();
        self.host = format!("127.{}.{b}.{c}", 64 + a % 64);
        self.port = port;
    }

    /// Serves each block of the page in turn.
    pub fn each(&self, scenario: impl Fn(&Served)) {
        for (form, text) in &self.blocks {
            println!("with {form}");
            scenario(&self.serve(form, text));
        }
    }

    fn serve(&self, form: &str, text: &str) -> Served {
        let is_udp = text.contains("udp");
        let text = match form {
            "toml" => with_listen(text, &self.host, self.port),
            "inetd.conf" => self.classic(text),
            _ => self.xinetd(text),
        };
        let start = if form == "toml" { Start::run(&text) } else { Start::classic(&text) };
        let daemon = start.ready();
        let scheme = if is_udp { "udp" } else { "tcp" };
        let address = daemon.out().wait("the address", |lines| {
            let mut places = lines.iter().filter_map(|line| line.split_once("://"));
            let (before, place) = places.next()?;
            assert!(before.contains(scheme), "{before}");
            Some(place.parse().unwrap())
        });
        Served { daemon, address, folder: public_folder() }
    }

    /// The first field of a classic line says where it listens.
    fn classic(&self, line: &str) -> String {
        let (_, rest) = line.split_once(' ').unwrap();
        format!("{}:{} {rest}", self.host, self.old_port())
    }

    /// xinetd wants it to be said that a port is not that of the services file.
    fn xinetd(&self, entry: &str) -> String {
        let mut text = String::new();
        for line in entry.lines().filter(|line| !line.trim_start().starts_with("port ")) {
            writeln!(text, "{line}").unwrap();
            if line == "{" {
                let port = self.old_port();
                writeln!(text, "type = UNLISTED\nbind = {}\nport = {port}", self.host).unwrap();
            }
        }
        text
    }

    /// The old formats know no port 0.
    fn old_port(&self) -> u16 {
        if self.port == 0 { own_port() } else { self.port }
    }
}

impl Served {
    /// A place for a client's files, which no other block sees.
    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The port as text.
    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// An URL of the server.
    pub fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}/{path}", self.address)
    }
}

/// Gives a tree to a user.
pub fn give(path: &Path, user: &str) {
    run("chown", &["-R", user, text(path)]);
}

/// A folder that servers may look into whoever they are.
fn public_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("inetd-real-").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

/// The blocks of a section.
fn blocks(section: &str) -> Vec<Block> {
    let heading = format!("\n### {section}\n");
    let (_, rest) = PAGE.split_once(&heading).unwrap_or_else(|| panic!("no section {section}"));
    let end = rest.find("\n#").unwrap_or(rest.len());
    let blocks: Vec<_> = ["inetd.conf", "xinetd.conf", "toml"]
        .into_iter()
        .flat_map(|form| fenced(&rest[..end], form).map(move |text| (form, text)))
        .collect();
    let least = if ONLY_OURS.contains(&section) { 1 } else { 2 };
    assert!(blocks.len() >= least && blocks.last().unwrap().0 == "toml", "{section}: {blocks:?}");
    blocks
}

/// The blocks of a text that are written in `form`.
fn fenced<'a>(text: &'a str, form: &str) -> impl Iterator<Item = String> + 'a {
    let fence = format!("\n```{form}\n");
    let blocks: Vec<_> = text.split(&fence).skip(1).collect();
    blocks.into_iter().map(|block| block.split_once("```").unwrap().0.to_owned())
}

fn with_listen(text: &str, host: &str, port: u16) -> String {
    let lines = text.lines().map(|line| {
        let Some(place) = line.strip_prefix("listen = \"") else { return format!("{line}\n") };
        let scheme =
            place.split_once("://").map_or(String::new(), |(scheme, _)| format!("{scheme}://"));
        format!("listen = \"{scheme}{host}:{port}\"\n")
    });
    lines.collect()
}

/// Users and programs of the lines need not be here: nothing looks them up to convert a file.
#[test]
fn the_classic_lines_of_the_page_make_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.conf");
    let all: String = fenced(PAGE, "inetd.conf").collect();
    std::fs::write(&path, all).unwrap();
    let converted = inetd(&["convert", text(&path)]);
    assert_eq!(converted.code, 0, "{}", converted.err);
    let services = converted.out.matches("\n[service.").count();
    let headings = PAGE.matches("\n### ").count();
    assert_eq!(services + ONLY_OURS.len(), headings, "{}", converted.out);
}

/// Of the programs and users each has to be here, which only `ci/test` can promise: what is left
/// without them has no mistake.
#[test]
fn the_services_of_the_page_make_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    let all: String = fenced(PAGE, "toml").collect();
    assert_eq!(all.matches("\n[service.").count() + 1, PAGE.matches("\n### ").count());
    let all = UNPACKED.into_iter().fold(all, |all, (place, package)| match original(package) {
        Some(folder) => all.replace(place, text(&folder.join(&place[1..]))),
        None => all,
    });
    std::fs::write(&path, all).unwrap();
    let checked = inetd(&["check", text(&path)]);
    let errors = checked.err.lines().filter(|line| line.starts_with("error"));
    let unexpected: Vec<_> = errors
        .filter(|line| {
            !["user", "group", "program"]
                .iter()
                .any(|what| line.contains(&format!("there is no {what} ")))
        })
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    assert!(checked.code == 0 || std::env::var_os("CI").is_none(), "{}", checked.err);
}

#[test]
fn every_server_of_the_page_has_a_test() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/linux/real");
    let files = std::fs::read_dir(folder).unwrap();
    let tests: String =
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let headings = PAGE.lines().filter_map(|line| line.strip_prefix("### "));
    let untested: Vec<_> =
        headings.filter(|name| !tests.contains(&format!("Server::of(\"{name}\""))).collect();
    assert!(untested.is_empty(), "{untested:?}");
}
