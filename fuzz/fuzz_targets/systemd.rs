#![no_main]

//! A socket unit and its service, with a line `====` between them.

use std::sync::LazyLock;

use inetd::config::FileFormat;
use inetd_fuzz::{Folder, halves, read};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

fuzz_target!(|bytes: &[u8]| {
    let (socket, service) = halves(bytes);
    let service = service.unwrap_or(b"[Service]\nStandardInput=socket\nExecStart=/bin/cat\n");
    FOLDER.write("x.service", service);
    FOLDER.write("x@.service", service);
    read(&FOLDER.write("x.socket", socket), FileFormat::Systemd);
});
