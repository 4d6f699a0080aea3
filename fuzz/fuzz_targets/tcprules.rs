#![no_main]

//! `access = "tcprules:..."`: the text that tcprules(1) compiles.

use std::sync::LazyLock;

use inetd_fuzz::{Folder, ask_table};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

fuzz_target!(|bytes: &[u8]| ask_table(&FOLDER, "tcprules", bytes));
