//! One line of the log: `TIME LEVEL EVENT key=value ...`.

use std::collections::HashMap;
use std::ops::Index;

/// A record, or any other line of the log.
#[derive(Clone, Debug)]
pub struct Record {
    /// When: `2026-11-23T03:15:35.123Z`.
    pub time: String,
    /// `INFO` and the like.
    pub level: String,
    /// START, EXIT, REFUSE, FAIL, STDERR; of another line the first word.
    pub event: String,
    fields: HashMap<String, String>,
}

impl Record {
    /// Reads a line; `None` if it does not look like one of the log.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, ' ');
        let (time, level, event) = (words.next()?, words.next()?, words.next()?);
        let mut rest = words.next().unwrap_or_default();
        let mut fields = HashMap::new();
        while let Some((key, after)) = rest.split_once('=') {
            let key = key.rsplit(' ').next()?;
            let (value, behind) = value(after)?;
            fields.insert(key.to_owned(), value);
            rest = behind;
        }
        Some(Self { time: time.into(), level: level.into(), event: event.into(), fields })
    }

    /// A field, if the line has it.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

/// Splits a value off: up to the next space, or what is between quotes, escapes and all.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(' ').unwrap_or((text, ""));
        return Some((value.to_owned(), rest));
    };
    let mut escaped = false;
    let end = quoted.find(|c| {
        let end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        end
    })?;
    Some((quoted[..end].to_owned(), &quoted[end + 1..]))
}

impl Index<&str> for Record {
    type Output = str;

    #[track_caller]
    fn index(&self, name: &str) -> &str {
        self.field(name).unwrap_or_else(|| panic!("no field {name} in {self:?}"))
    }
}
