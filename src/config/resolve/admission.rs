//! The values of keys about admission, other than `allow` and `deny`.

use std::sync::Arc;

use super::check::Check;
use super::draft::{DAY, MOST_SESSIONS};
use crate::admission::rate::Rate;
use crate::admission::schedule::{Schedule, Window, WindowError};
use crate::admission::source::SourcePrefix;
use crate::config::raw::Data;
use crate::config::report::Problem;
use crate::config::source::Sources;
use crate::config::{files, value};

/// A text that is longer may not fit into the buffer of a new connection.
const LONGEST_BANNER: usize = 4096;

/// A number of sessions; 0 is no limit.
pub(super) fn limit(check: &mut Check<'_>) -> Option<Option<u32>> {
    let most = check.count(0..=MOST_SESSIONS)?;
    Some((most > 0).then_some(most))
}

/// `[32, 128]`: bits of an IPv4 and of an IPv6 address.
pub(super) fn source_prefix(check: &mut Check<'_>) -> Option<SourcePrefix> {
    let Data::List(items) = &check.value.value else {
        return check.mistyped("a list of two numbers", "write source_prefix = [32, 64]");
    };
    let [v4, v6] = &items[..] else {
        let message = format!("`source_prefix` has {} numbers", items.len());
        return check
            .wrong(&message, "write two: bits of an IPv4 and of an IPv6 address, [32, 64]");
    };
    let bits = |value: u32| u8::try_from(value).ok();
    let v4 = check.item(v4).count(1..=32).and_then(bits);
    let v6 = check.item(v6).count(1..=128).and_then(bits);
    Some(SourcePrefix { v4: v4?, v6: v6? })
}

/// `"50/1s"`, or `"0"` for no limit.
pub(super) fn rate(check: &mut Check<'_>) -> Option<Option<Rate>> {
    let text = match &check.value.value {
        Data::Integer { value: 0, .. } => return Some(None),
        Data::Integer { value, .. } => {
            let help = format!("say in what time: {} = \"{value}/1s\"", check.name);
            return check.mistyped("a rate in quotes", &help);
        }
        _ => check.text()?.value,
    };
    if text == "0" || text == "off" {
        return Some(None);
    }
    let read = || {
        let (count, period) = text.split_once('/')?;
        let digits = count.bytes().all(|byte| byte.is_ascii_digit());
        let count = count.parse().ok().filter(|count| digits && *count <= MOST_SESSIONS)?;
        // "50/s" means what one thinks.
        let bare = period.starts_with(|c: char| c.is_ascii_alphabetic());
        let period = value::duration(&if bare { format!("1{period}") } else { period.into() })?;
        Rate::new(count, period).filter(|_| period <= DAY)
    };
    match read() {
        Some(rate) => Some(Some(rate)),
        None => check.wrong(
            &format!("`{text}` is not a rate"),
            "write connections and time, up to a day: \"50/1s\", \"600/1m\", \"0\" for no limit",
        ),
    }
}

/// `["08:00-18:00", "mon-fri 22:00-06:00"]`
pub(super) fn schedule(check: &mut Check<'_>) -> Option<Schedule> {
    let items = check.list()?;
    let mut windows = Vec::with_capacity(items.len());
    for item in &items {
        match item.value.parse::<Window>() {
            Ok(window) => windows.push(window),
            Err(error) => {
                let help = match error {
                    WindowError::NoTimes => {
                        "write from and to: \"08:00-18:00\", \"mon-fri 22:00-06:00\"".into()
                    }
                    WindowError::Time(_) => "write hours and minutes: 08:00, up to 24:00".into(),
                    WindowError::Day(_) => "days are mon, tue, wed, thu, fri, sat, sun".into(),
                    WindowError::Empty => "the whole day is 00:00-24:00".to_owned(),
                };
                let message = format!("`{}` is no time for `access_times`: {error}", item.value);
                let problem = Problem::error(item.span, message).help(help);
                check.problems.push(problem);
            }
        }
    }
    Some(Schedule::new(&windows))
}

/// A load average, or nothing for 0 or "off".
pub(super) fn load(check: &mut Check<'_>) -> Option<Option<f64>> {
    const HELP: &str = "write a load average: max_load = 2.5";
    let load = match &check.value.value {
        Data::Float(load) => *load,
        Data::Integer { value, .. } => f64::from(u16::try_from(*value).unwrap_or(u16::MAX)),
        Data::Text(text) if text == "off" => 0.0,
        _ => return check.mistyped("a number", HELP),
    };
    if !(0.0..=10_000.0).contains(&load) {
        return check
            .wrong("`max_load` is out of range", "it can be from 0, which is no limit, to 10000");
    }
    Some((load > 0.0).then_some(load))
}

/// A text, or `file:PATH`, which is read now.
pub(super) fn banner(check: &mut Check<'_>, sources: &Sources) -> Option<Arc<[u8]>> {
    let text = check.text()?;
    let bytes = match text.value.strip_prefix("file:") {
        None => text.value.into_bytes(),
        Some(path) => {
            let path = sources.get(text.span.file).base.join(path);
            match files::named(&path) {
                Ok(bytes) => bytes,
                Err(message) => {
                    return check.wrong(&message, "name a file, or write the text itself");
                }
            }
        }
    };
    if bytes.len() > LONGEST_BANNER {
        let message = format!("`{}` is too long: {} bytes", check.name, bytes.len());
        return check.wrong(&message, &format!("it can have up to {LONGEST_BANNER} bytes"));
    }
    Some(bytes.into())
}
