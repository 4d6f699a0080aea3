#![no_main]

//! What `inetd doctor` finds at the beginning of a program.

use std::sync::LazyLock;

use inetd::doctor::executable::{Kind, kind};
use inetd_fuzz::Folder;
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

fuzz_target!(|bytes: &[u8]| {
    let kind = kind(&FOLDER.write("program", bytes)).expect("the file is there");
    match kind {
        Kind::Elf { .. } => assert!(bytes.starts_with(b"\x7fELF")),
        Kind::Pe { .. } => assert!(bytes.starts_with(b"MZ")),
        Kind::Script { interpreter, argument } => {
            assert!(bytes.starts_with(b"#!"));
            assert!(!interpreter.contains(['\n', ' ', '\t']) && !argument.contains('\n'));
        }
        Kind::Empty => assert!(bytes.is_empty()),
        Kind::Other => {}
    }
});
