#![no_main]

//! The value of `access_times`, with each item in a line.

use std::sync::LazyLock;

use inetd::sys::WeekMinute;
use inetd_fuzz::{Folder, SERVICE, load};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

/// A character of a string in TOML, whatever it is.
fn quoted(c: char) -> String {
    match c {
        '"' | '\\' | '\0'..='\x1f' | '\x7f' => format!("\\u{:04x}", u32::from(c)),
        c => c.into(),
    }
}

fuzz_target!(|text: &str| {
    let items: Vec<_> = text
        .split_terminator('\n')
        .map(|item| format!("\"{}\"", item.chars().map(quoted).collect::<String>()))
        .collect();
    let toml = format!("{SERVICE}access_times = [{}]\n", items.join(", "));
    let Some(config) = load(&FOLDER, &toml, &[]) else { return };
    let schedule = config.services[0].gate.schedule.as_ref().expect("`access_times` was read");
    let opens = (0..7 * 24 * 60).any(|minute| {
        schedule.is_open(WeekMinute::new(minute / 1440, minute / 60 % 24, minute % 60))
    });
    // A window has at least a minute.
    assert_eq!(opens, !items.is_empty(), "{schedule}");
});
