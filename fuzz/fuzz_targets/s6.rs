#![no_main]

//! `access = "s6:..."`: a line is a file of the directory, with what is in it behind a `=`.

use std::path::{Component, Path};
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
        let inside = |path: &Path| {
            path.components().all(|component| matches!(component, Component::Normal(_)))
        };
        let path = Path::new(path);
        if path.parent().is_some() && inside(path) {
            // A name that is too long, or that of a folder: then there is one file less.
            FOLDER.write_below(&Path::new("rules").join(path), content.as_bytes());
        }
    }
    ask(&FOLDER, "s6", &[]);
});
