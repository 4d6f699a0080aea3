#![no_main]

use std::sync::LazyLock;

use inetd::config::FileFormat;
use inetd_fuzz::{Folder, read};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

fuzz_target!(|bytes: &[u8]| {
    let path = FOLDER.write("inetd.conf", bytes);
    for format in [
        FileFormat::Inetd,
        FileFormat::Freebsd,
        FileFormat::Openbsd,
        FileFormat::Inetutils,
        FileFormat::Busybox,
    ] {
        read(&path, format);
    }
});
