//! Reads the text of one TOML file. All of its problems are found in one go: the parser recovers
//! from syntax errors, and the tables are walked by hand.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::keys::{Key, SERVICE};
use super::raw::{Data, Entry, Field, Value};
use super::report::Problem;
use super::source::{Span, Spanned};
use super::suggest::did_you_mean;
use super::toml_syntax::{close_lists, explain, line_of};

/// What one file says.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) include: Vec<Spanned<String>>,
    pub(crate) daemon: Option<Spanned<Vec<Field>>>,
    pub(crate) defaults: Vec<Entry>,
    pub(crate) services: Vec<(Spanned<String>, Vec<Entry>)>,
    /// There are syntax errors, so something may be missing.
    pub(crate) incomplete: bool,
}

/// The tables and keys of the file's top level.
const TOP: [&str; 4] = ["include", "daemon", "defaults", "service"];

/// Reads `text`, which is source `file`.
pub(crate) fn read(text: &str, file: u16, problems: &mut Vec<Problem>) -> Document {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let mut reader = Reader { text, file, problems, broken: Vec::new() };
        return reader.document(reader.fields(table.get_ref()));
    }
    let (repaired, unclosed) = close_lists(text);
    let mut broken = Vec::new();
    for list in &unclosed {
        broken.push(line_of(text, list.start));
        problems.push(
            Problem::error(Span::new(file, list.clone()), "this list is not closed")
                .help("close it with `]`"),
        );
    }
    let (table, mut errors) = DeTable::parse_recoverable(&repaired);
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    for error in &errors {
        let range = error.span().unwrap_or(0..0);
        let line = line_of(text, range.start);
        // The first error of a line is the one to mend, the others come from it.
        if !broken.contains(&line) {
            broken.push(line);
            problems.push(explain(text, file, error.message(), range));
        }
    }
    let mut reader = Reader { text, file, problems, broken };
    let document = reader.document(reader.fields(table.get_ref()));
    Document { incomplete: true, ..document }
}

struct Reader<'a> {
    text: &'a str,
    file: u16,
    problems: &'a mut Vec<Problem>,
    /// Lines with syntax errors. What else is wrong with them is a consequence.
    broken: Vec<Range<usize>>,
}

impl Reader<'_> {
    fn document(&mut self, fields: Vec<Field>) -> Document {
        let mut document = Document::default();
        for (name, value) in fields {
            match name.value.as_str() {
                "include" => document.include = self.include(value),
                "daemon" => {
                    let span = name.span;
                    let fields = self.table(&name, value, "[daemon]");
                    document.daemon = fields.map(|value| Spanned { value, span });
                }
                "defaults" => {
                    let fields = self.table(&name, value, "[defaults]").unwrap_or_default();
                    document.defaults = self.entries(fields);
                }
                "service" => self.services(&name, value, &mut document),
                other => self.unknown_top(&name, other, &value),
            }
        }
        document
    }

    fn include(&mut self, value: Value) -> Vec<Spanned<String>> {
        let help = "write a list of file names: include = [\"conf.d/*.toml\"]";
        let Data::List(list) = value.value else {
            let found = value.value.describe();
            self.push(value.span, |span| {
                Problem::error(span, "`include` must be a list of strings")
                    .label(format!("this is {found}"))
                    .help(help)
            });
            return Vec::new();
        };
        let mut patterns = Vec::new();
        for Spanned { value, span } in list {
            match value {
                Data::Text(value) => patterns.push(Spanned { value, span }),
                other => self.push(span, |span| {
                    Problem::error(span, "`include` must be a list of strings")
                        .label(format!("this is {}", other.describe()))
                        .help(help)
                }),
            }
        }
        patterns
    }

    fn services(&mut self, name: &Spanned<String>, value: Value, document: &mut Document) {
        let Some(fields) = self.table(name, value, "[service.NAME]") else { return };
        for (name, value) in fields {
            let span = value.span;
            match value.value {
                Data::Table(fields) => document.services.push((name, self.entries(fields))),
                other => self.push(name.span, |at| {
                    let is_key = SERVICE.iter().any(|info| info.name == name.value);
                    let problem = Problem::error(at, format!("`{}` is not a service", name.value))
                        .label("a service is a table");
                    if is_key || span == at {
                        problem.help("give the service a name: [service.NAME]")
                    } else {
                        problem.help(format!(
                            "write [service.{}] and its keys below; this is {}",
                            name.value,
                            other.describe()
                        ))
                    }
                }),
            }
        }
    }

    fn unknown_top(&mut self, name: &Spanned<String>, word: &str, value: &Value) {
        let is_table = match &value.value {
            Data::Table(_) => true,
            Data::List(list) => list.iter().any(|item| matches!(item.value, Data::Table(_))),
            _ => false,
        };
        let is_key = SERVICE.iter().any(|info| info.name == word);
        let what = if is_table { "table" } else { "key" };
        self.push(name.span, |span| {
            let problem = Problem::error(span, format!("unknown {what} `{word}`"));
            match did_you_mean(word, TOP) {
                Some(help) => problem.help(help),
                None if is_key && !is_table => problem
                    .help("keys of a service go below a line [service.NAME], common ones below [defaults]"),
                None => problem.help(
                    "a file has `include`, [daemon], [defaults] and a [service.NAME] for each service",
                ),
            }
        });
    }

    fn table(&mut self, name: &Spanned<String>, value: Value, form: &str) -> Option<Vec<Field>> {
        let found = match value.value {
            Data::Table(fields) => return Some(fields),
            other => other.describe(),
        };
        self.push(name.span, |span| {
            Problem::error(span, format!("`{}` must be a table", name.value))
                .label(format!("this is {found}"))
                .help(format!("write {form} and its keys below"))
        });
        None
    }

    fn entries(&mut self, fields: Vec<Field>) -> Vec<Entry> {
        let entries = fields.into_iter().filter_map(|(name, value)| {
            match SERVICE.iter().find(|info| info.name == name.value) {
                Some(info) => Some(Entry { key: info.key, name: name.span, value }),
                None => {
                    self.push(name.span, |span| unknown_key(&name.value, span));
                    None
                }
            }
        });
        entries.collect()
    }

    /// Adds a problem, unless it is a consequence of a syntax error in the same line.
    fn push(&mut self, span: Span, problem: impl FnOnce(Span) -> Problem) {
        if !self.is_broken(span) {
            self.problems.push(problem(span));
        }
    }

    fn is_broken(&self, span: Span) -> bool {
        !self.broken.is_empty() && self.broken.contains(&line_of(self.text, span.range().start))
    }

    fn has_broken_line(&self, span: Span) -> bool {
        let range = span.range();
        self.broken.iter().any(|line| line.start < range.end && range.start < line.end)
    }

    /// The fields of a table in the order in which they were written. What the parser has made stays until
    /// all of it is read: otherwise what is kept would fill the gaps, and the large rest could not be
    /// given back to the system.
    fn fields(&self, table: &DeTable<'_>) -> Vec<Field> {
        let fields = table.iter().map(|(name, value)| {
            let span = Span::new(self.file, name.span());
            let value = self.value(value.span(), value.get_ref());
            (Spanned { value: name.get_ref().to_string(), span }, value)
        });
        // A value whose line has a syntax error is a guess of the parser.
        let fields = fields.filter(|(name, value)| {
            matches!(value.value, Data::Table(_))
                || !(self.is_broken(name.span) || self.has_broken_line(value.span))
        });
        let mut known = Vec::with_capacity(table.len());
        known.extend(fields);
        known.sort_by_key(|(name, _): &Field| name.span.start);
        known
    }

    fn value(&self, range: Range<usize>, value: &DeValue<'_>) -> Value {
        let span = Span::new(self.file, range);
        let value = match value {
            DeValue::String(text) => Data::Text(text.to_string()),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(value) => Data::Integer { value, octal: number.radix() == 8 },
                    Err(_) => Data::Other("a number that is too large"),
                }
            }
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Data::Float(number),
                Err(_) => Data::Other("a fraction"),
            },
            DeValue::Boolean(value) => Data::Bool(*value),
            DeValue::Datetime(_) => Data::Other("a date"),
            DeValue::Array(list) => Data::List(
                list.iter().map(|value| self.value(value.span(), value.get_ref())).collect(),
            ),
            DeValue::Table(table) => Data::Table(self.fields(table)),
        };
        Spanned { value, span }
    }
}

/// Names that people use for a key that has another name here.
const OTHER_NAMES: [(&str, Key); 22] = [
    ("port", Key::Listen),
    ("address", Key::Listen),
    ("bind", Key::Listen),
    ("ListenStream", Key::Listen),
    ("socket", Key::Listen),
    ("command", Key::Run),
    ("exec", Key::Run),
    ("ExecStart", Key::Run),
    ("program", Key::Run),
    ("server", Key::Run),
    ("args", Key::Run),
    ("server_args", Key::Run),
    ("instances", Key::MaxSessions),
    ("max_connections", Key::MaxSessions),
    ("limit", Key::MaxSessions),
    ("only_from", Key::Allow),
    ("no_access", Key::Deny),
    ("directory", Key::Cwd),
    ("workdir", Key::Cwd),
    ("working_directory", Key::Cwd),
    ("environment", Key::Env),
    ("timeout", Key::SessionTimeout),
];

fn unknown_key(name: &str, span: Span) -> Problem {
    let problem = Problem::error(span, format!("unknown key `{name}`"));
    let other = OTHER_NAMES.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    if let Some((_, key)) = other {
        return problem.help(format!("did you mean `{}`?", key.name()));
    }
    let underscored = name.replace('-', "_");
    problem.maybe_help(did_you_mean(&underscored, SERVICE.iter().map(|info| info.name)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> (Vec<String>, usize) {
        let mut problems = Vec::new();
        let document = read(text, 0, &mut problems);
        (document.services.into_iter().map(|(name, _)| name.value).collect(), problems.len())
    }

    #[test]
    fn services_keep_their_order() {
        let text = "[service.z]\nrun = []\n[service.a]\nrun = []\n[defaults]\nnodelay = true\n";
        assert_eq!(names(text), (vec!["z".to_owned(), "a".to_owned()], 0));
    }

    #[test]
    fn a_syntax_error_does_not_hide_the_rest() {
        let (names, problems) = names("[service.a]\nlisten = 70 00\n[service.b]\nlistne = 1\n");
        assert_eq!(names, ["a", "b"]);
        assert_eq!(problems, 2);
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "\\PC*") {
            names(&text);
        }

        #[test]
        fn anything_like_a_file_can_be_read(
            text in "((\\[|\\]|service|\\.|defaults|daemon|include|listen|=|\"|'|,|7|#|\\{|\\}|é)?[ \n]?)*"
        ) {
            names(&text);
        }
    }
}
