#![no_main]

//! Units and their drop-ins: behind a line `==== PATH` is what the file PATH has. A socket is read,
//! and what belongs to it.

use std::path::PathBuf;
use std::sync::LazyLock;

use inetd::config::FileFormat;
use inetd_fuzz::{Folder, read_all};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

/// More files would only take time.
const FILES: usize = 20;

fuzz_target!(|bytes: &[u8]| {
    FOLDER.remove("units");
    let mut files: Vec<(&[u8], Vec<u8>)> = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match (line.strip_prefix(b"==== "), files.last_mut()) {
            (Some(path), _) => files.push((path.trim_ascii_end(), Vec::new())),
            (None, Some((_, content))) => content.extend_from_slice(line),
            (None, None) => {}
        }
    }
    let written = files.iter().take(FILES).filter_map(|(path, content)| {
        FOLDER.write_below("units", std::str::from_utf8(path).ok()?, content)
    });
    let written: Vec<PathBuf> = written.collect();
    let socket = written.iter().find(|path| path.extension().is_some_and(|kind| kind == "socket"));
    if let Some(socket) = socket {
        read_all(socket, FileFormat::Systemd, &written);
    }
});
