#![no_main]

//! `access = "cdb:..."`: what tcprules(1) makes of its text.

use std::sync::LazyLock;

use inetd_fuzz::{Folder, ask_table};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

fuzz_target!(|bytes: &[u8]| ask_table(&FOLDER, "cdb", bytes));
