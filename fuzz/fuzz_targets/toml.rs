#![no_main]

use std::sync::LazyLock;

use inetd::config::FileFormat;
use inetd_fuzz::{Folder, check, read};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

fuzz_target!(|bytes: &[u8]| {
    let path = FOLDER.write("inetd.toml", bytes);
    read(&path, FileFormat::Toml);
    check(&path, FileFormat::Toml, bytes);
});
