#![no_main]

//! `access = "s6:..."`: a line is a file of the directory, with what is in it behind a `=`.

use std::sync::LazyLock;

use inetd_fuzz::{Folder, ask};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

/// More files would only take time.
const FILES: usize = 40;

fuzz_target!(|text: &str| {
    FOLDER.remove("rules");
    for line in text.lines().take(FILES) {
        let (path, content) = line.split_once('=').unwrap_or((line, ""));
        FOLDER.write_below("rules", path, content.as_bytes());
    }
    ask(&FOLDER, "s6", &[]);
});
