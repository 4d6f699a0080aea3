#![no_main]

//! The command lines of the old inetds, with each word in a line; and what they say about the services
//! of a file.

use std::net::IpAddr;
use std::sync::LazyLock;

use inetd::cli::classic;
use inetd::config::{self, ClassicSetting, FileFormat, Purpose};
use inetd_fuzz::{Folder, has_places, has_places_in};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

const FILE: &[u8] = b"echo stream tcp nowait root internal\n\
    7001 dgram udp wait root /bin/cat cat\n\
    7002 stream tcp6 nowait.50 root /bin/cat cat\n";

fuzz_target!(|text: &str| {
    let words: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let classic = match classic::parse(&words, |word| word == "run") {
        None => return,
        Some(Err(message)) => return assert!(!message.is_empty()),
        Some(Ok(classic)) => classic,
    };
    let flags = classic.flags;
    for (setting, word) in &flags.settings {
        assert!(*word < flags.words.len());
        match setting {
            // Nobody is to ask a name server.
            ClassicSetting::Address(host) if host.parse::<IpAddr>().is_err() => return,
            _ => {}
        }
    }
    let path = FOLDER.write("inetd.conf", FILE);
    let (Ok((_, report)) | Err(report)) =
        config::load_classic(&path, FileFormat::Inetd, Purpose::Check, &flags);
    has_places(&path, &report);
    has_places_in("command line", &flags.words.join(" "), &report);
});
