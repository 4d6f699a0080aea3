#![no_main]

//! The options of `inetd serve`, each in a line (`rate=5/1s`). What they mean is what the file means
//! that `--print-config` makes of them.

use std::sync::LazyLock;

use inetd::config::keys::{Key, SERVICE};
use inetd::config::{self, CommandLine, FileFormat, Purpose, from_command_line, to_toml};
use inetd_fuzz::{Folder, has_places};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

fuzz_target!(|text: &str| {
    if text.contains('\0') {
        return; // No system has that in an argument.
    }
    let mut line = CommandLine {
        listen: vec!["127.0.0.1:0".into()],
        run: vec!["/bin/cat".into()],
        ..CommandLine::default()
    };
    for option in text.lines() {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match SERVICE.iter().find(|info| info.flag() == name).map(|info| info.key) {
            // Nobody is to ask a name server.
            Some(Key::Listen | Key::Forward) => return,
            Some(Key::Run) | None if name == "name" => line.name = Some(value.into()),
            Some(Key::Run) | None => line.run.push(option.into()),
            Some(key) => line.settings.push((key, value.into())),
        }
    }
    let said = from_command_line(&line, Purpose::Check);
    let (Ok((_, report)) | Err(report)) = &said;
    drop(report.render());
    let toml = to_toml(&line);
    let path = FOLDER.write("inetd.toml", toml.as_bytes());
    let written = config::load(&path, FileFormat::Toml, Purpose::Check);
    let (Ok((_, shown)) | Err(shown)) = &written;
    has_places(&path, shown);
    if said.is_ok() {
        assert!(written.is_ok(), "{toml}\n{}", shown.render());
    }
});
