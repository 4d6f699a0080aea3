//! Writing TOML: single values, as one would type them.

use super::raw::Data;

/// A string in quotes.
pub(super) fn string(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A list of values that are written already.
pub(super) fn array(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

/// An inline table of values that are written already.
pub(super) fn table<'a>(fields: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let fields = fields.into_iter().map(|(name, value)| format!("{} = {value}", bare(name)));
    let fields: Vec<_> = fields.collect();
    if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
}

/// A name, in quotes if it needs them.
pub(super) fn bare(name: &str) -> String {
    // Not as a string: one with both kinds of quotes would be written over several lines, which
    // names must not be.
    let line = toml::Table::from_iter([(name.to_owned(), toml::Value::Integer(0))]).to_string();
    line.trim_end().strip_suffix(" = 0").unwrap_or(&line).to_owned()
}

/// A comment, which is one line: "Control characters other than tab (U+0000 to U+0008, U+000A to
/// U+001F, U+007F) are not permitted in comments".
pub(super) fn comment(text: &str) -> String {
    let mut comment = String::from("# ");
    for c in text.chars() {
        match c {
            '\t' => comment.push(c),
            c if c.is_control() => comment.extend(c.escape_default()),
            c => comment.push(c),
        }
    }
    comment
}

/// Any value.
pub(super) fn value(data: &Data) -> String {
    match data {
        Data::Text(text) => string(text),
        Data::Argument(text) => string(&text.to_string_lossy()),
        Data::Integer { value, octal: true } => format!("{value:#o}"),
        Data::Integer { value, octal: false } => value.to_string(),
        // With a point, as a fraction in TOML has one.
        Data::Float(value) => format!("{value:?}"),
        Data::Bool(value) => value.to_string(),
        Data::List(items) => array(items.iter().map(|item| value(&item.value))),
        Data::Table(fields) => {
            table(fields.iter().map(|(name, data)| (name.value.as_str(), value(&data.value))))
        }
        // Something that no key can be is a problem of its own, and never written.
        Data::Other(name) => string(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_one_line() {
        assert_eq!(comment("a\tb\nc = 1\r\u{1f}é"), "# a\tb\\nc = 1\\r\\u{1f}é");
    }
}
