//! Syntax errors of TOML, in words that help, and the repair of what would hide other problems.

use std::ops::Range;

use toml::de::DeTable;

use super::report::Problem;
use super::source::Span;

/// Blanks out the statements whose list has no end, and says where these lists begin. Without
/// this, the rest of the file would be taken for items of the list.
pub(crate) fn close_lists(text: &str) -> (String, Vec<Range<usize>>) {
    const MOST: usize = 50;
    let mut repaired = text.to_owned();
    let mut lists = Vec::new();
    while lists.len() < MOST {
        let Some(list) = unclosed_list(&repaired) else { break };
        let start = line_of(&repaired, list.start).start;
        let blank = |c: char| if c == '\n' { "\n".into() } else { " ".repeat(c.len_utf8()) };
        let blanks: String = repaired[start..list.end].chars().map(blank).collect();
        lists.push(list.start..list.start + 1);
        repaired.replace_range(start..list.end, &blanks);
    }
    (repaired, lists)
}

/// The first list that runs into the next statement: from its bracket to that statement.
fn unclosed_list(text: &str) -> Option<Range<usize>> {
    let (_, errors) = DeTable::parse_recoverable(text);
    let next = errors.iter().find_map(|error| {
        let line = line_of(text, error.span()?.start);
        let within = error.message().contains("array");
        (within && line.start > 0 && is_statement(&text[line.clone()])).then_some(line.start)
    })?;
    let mut end = next;
    for line in text[..next].split_inclusive('\n').rev() {
        let start = end - line.len();
        end = start;
        if is_statement(line) {
            let value = line.find('=')? + 1;
            let bracket =
                line[value..].trim_start().starts_with('[').then(|| line[value..].find('['))??;
            return Some(start + value + bracket..next);
        }
    }
    None
}

/// Whether a line is `key = ...` or `[table]`.
fn is_statement(line: &str) -> bool {
    let line = line.trim();
    let is_name = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        !text.is_empty() && text.chars().all(plain)
    };
    let header = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let is_header =
        header.is_some_and(|(name, _)| name.starts_with(|c: char| c.is_ascii_alphabetic()));
    is_header || line.split_once('=').is_some_and(|(name, _)| is_name(name.trim()))
}

/// A syntax error, in words that fit the file.
pub(crate) fn explain(text: &str, file: u16, message: &str, range: Range<usize>) -> Problem {
    let span = Span::new(file, range.clone());
    let word = text.get(range.clone()).unwrap_or_default();
    if message == "duplicate key" {
        let problem = Problem::error(span, format!("`{word}` is defined twice"));
        return match first_definition(text, range) {
            Some(first) => problem
                .label("again here")
                .related(Span::new(file, first), format!("`{word}` is defined here first")),
            None => problem,
        };
    }
    if message.starts_with("invalid basic string") || message.starts_with("invalid literal string")
    {
        return Problem::error(span, "the text has no closing quote");
    }
    if message.starts_with("unclosed table") {
        return Problem::error(span, "the name of the table is not closed")
            .help("close it with `]`");
    }
    if message.contains("unicode") || message.contains("escape") {
        return Problem::error(span, "a backslash begins a special character here")
            .help("write paths in single quotes: 'C:\\folder\\file'");
    }
    let line = &text[line_of(text, range.start)];
    let value = line.split_once('=').map_or("", |(_, value)| value);
    let value = value.trim_matches(|c: char| c.is_whitespace() || c == '[' || c == ']');
    if ["yes", "no", "on", "off", "True", "False", "TRUE", "FALSE"].contains(&value) {
        return Problem::error(span, format!("`{value}` is neither true nor false"))
            .help("write true or false, in small letters and without quotes");
    }
    let is_bare = value.starts_with(|c: char| c.is_alphabetic() || matches!(c, '/' | '.' | '~'));
    if is_bare || message.starts_with("string values must be quoted") {
        return Problem::error(span, "text must be in quotes").help("write \"...\" around it");
    }
    Problem::error(span, format!("not valid TOML: {message}"))
}

/// The line of an earlier definition of the key or table header at `range`.
fn first_definition(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let line = line_of(text, range.start);
    let name = text.get(range)?;
    let before = text.get(..line.start)?;
    let header = text[line].trim();
    let is_header = header.starts_with('[');
    let mut end = before.len();
    for candidate in before.split_inclusive('\n').rev() {
        let start = end - candidate.len();
        end = start;
        let trimmed = candidate.trim();
        let found = if is_header {
            trimmed.split('#').next().unwrap_or_default().trim_end()
                == header.split('#').next().unwrap_or_default().trim_end()
        } else if trimmed.starts_with('[') {
            return None;
        } else {
            trimmed.split(['=', '.', ' ']).next() == Some(name)
        };
        if found {
            let indent = candidate.len() - candidate.trim_start().len();
            let length = if is_header { trimmed.len() } else { name.len() };
            return Some(start + indent..start + indent + length);
        }
    }
    None
}

/// The line of a byte, without its end.
pub(crate) fn line_of(text: &str, at: usize) -> Range<usize> {
    let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    start..end
}
