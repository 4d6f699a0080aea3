//! What records look like: lines of text, JSON objects, and the parts that the logs of systems
//! want. Nothing that a peer or a program sent can start a line, fake a field or reach a terminal.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::batch::{Datum, Record};

/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `TIME LEVEL EVENT key=value ...`
    Text,
    /// One JSON object a line.
    Json,
}

/// Adds a line, with its end.
pub(super) fn line(out: &mut Vec<u8>, format: Format, record: &Record<'_>) {
    // Writing to memory cannot fail.
    drop(match format {
        Format::Text => {
            let level = record.event.level.as_str();
            write!(out, "{} {level} {}", time(record.time), Message(record))
        }
        Format::Json => json(out, record),
    });
    out.push(b'\n');
}

/// A JSON object.
pub fn json_object(record: &Record<'_>) -> String {
    let mut out = Vec::new();
    // Writing to memory cannot fail, and what is written is text.
    json(&mut out, record).ok();
    String::from_utf8(out).unwrap_or_default()
}

/// A time as in RFC 3339. A clock may be anywhere (on Windows from 1601 to 30827); what cannot be
/// written so becomes the nearest that can.
pub(crate) fn time(time: SystemTime) -> impl fmt::Display {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_millis(time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST))
}

/// Seconds with three decimals, rounded. Of whole numbers: those of a float take several times as long.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = self.0.saturating_add(Duration::from_micros(500));
        write!(f, "{}.{:03}", rounded.as_secs(), rounded.subsec_millis())
    }
}

/// A line of text without time and level: `EVENT key=value ...`.
#[derive(Debug)]
pub struct Message<'a>(pub &'a Record<'a>);

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Piece by piece: two lines for each connection, and formats in formats are slow.
        f.write_str(self.0.event.text)?;
        for (name, datum) in self.0.fields() {
            f.write_char(' ')?;
            f.write_str(name)?;
            f.write_char('=')?;
            Shown(datum).fmt(f)?;
        }
        Ok(())
    }
}

/// A value as it is written in a line of text, in quotes if it has to be.
#[derive(Debug)]
pub struct Shown<'a>(pub Datum<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Datum::Number(number) => number.fmt(f),
            Datum::Seconds(duration) => write!(f, "{}s", Seconds(duration)),
            Datum::Text(text) if is_plain(text) => f.write_str(text),
            Datum::Text(text) => write!(f, "\"{}\"", Escaped(text)),
        }
    }
}

/// Adds a JSON object.
fn json(out: &mut Vec<u8>, record: &Record<'_>) -> io::Result<()> {
    let event = record.event;
    write!(out, "{{\"time\":\"{}\",\"level\":\"{}\"", time(record.time), event.level.as_str())?;
    write!(out, ",\"event_id\":{},\"event\":\"{}\"", event.id, event.text)?;
    for (name, datum) in record.fields() {
        write!(out, ",\"{name}\":")?;
        match datum {
            Datum::Number(number) => write!(out, "{number}")?,
            Datum::Seconds(duration) => write!(out, "{}", Seconds(duration))?,
            Datum::Text(text) => json_string(out, text)?,
        }
    }
    out.push(b'}');
    Ok(())
}

/// A JSON string without anything that ends a line or reaches a terminal, which JSON allows.
fn json_string(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let quoted = serde_json::to_string(text)?;
    for c in quoted.chars() {
        if is_unsafe(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}")?;
            }
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Ok(())
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:/@+-[]%,~".contains(&b))
}

/// Text without anything that could start a new line, fake a field or reach a terminal.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if is_unsafe(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// What can start a line or change what a terminal shows: controls (C1 too), line and paragraph
/// separators, direction marks.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::batch::Batch;
    use crate::record::event;
    use crate::record::log::{Field, Value};

    fn written(format: Format, fields: &[Field<'_>]) -> String {
        let batch = Batch::one(event::START, fields);
        let mut out = Vec::new();
        batch.records().for_each(|record| line(&mut out, format, &record));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn any_clock_can_be_written() {
        let year = Duration::from_secs(366 * 24 * 3600);
        for (at, expected) in [
            (UNIX_EPOCH + Duration::from_millis(1500), "1970-01-01T00:00:01.500Z"),
            (UNIX_EPOCH - year, "1970-01-01T00:00:00.000Z"),
            (UNIX_EPOCH + year * 9000, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(time(at).to_string(), expected);
        }
    }

    #[test]
    fn a_length_of_time_is_rounded_and_alike_in_both_formats() {
        for (duration, expected) in [
            (Duration::ZERO, "0.000"),
            (Duration::from_micros(1_499), "0.001"),
            (Duration::from_micros(999_500), "1.000"),
            (Duration::MAX, "18446744073709551615.999"),
        ] {
            let fields = [("duration", Value::Seconds(duration))];
            let text = written(Format::Text, &fields);
            assert!(text.ends_with(&format!(" duration={expected}s\n")), "{text}");
            let json = written(Format::Json, &fields);
            assert!(json.ends_with(&format!(",\"duration\":{expected}}}\n")), "{json}");
        }
    }

    #[test]
    fn a_value_can_neither_fake_a_field_nor_a_line_nor_move_the_cursor() {
        let evil = "x pid=1\r\n2026 INFO EXIT \"\\ \x1b[2J \u{202e}";
        let fields = [("line", Value::Text(&evil)), ("pid", Value::Number(7))];
        let text = written(Format::Text, &fields);
        assert!(
            text.ends_with(
                " INFO START line=\"x pid=1\\r\\n2026 INFO EXIT \\\"\\\\ \\u{1b}[2J \\u{202e}\" pid=7\n"
            ),
            "{text}"
        );
        let json: serde_json::Value =
            serde_json::from_str(written(Format::Json, &fields).trim_end()).unwrap();
        assert_eq!(json["line"], evil);
        assert_eq!(json["pid"], 7);
        assert_eq!(json["event"], "START");
        assert_eq!(json["event_id"], 3001);
        let line =
            written(Format::Json, &[("line", Value::Text(&"a\u{85}\u{2028}\u{9b}2J\u{202e}"))]);
        assert!(line.contains("\"a\\u0085\\u2028\\u009b2J\\u202e\""), "{line}");
    }
}
