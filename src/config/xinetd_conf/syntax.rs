//! Entries and attributes of one xinetd file: `service NAME`, braces, `NAME = VALUE VALUE`. There
//! are no quotes, no escapes and no continuation lines, and a comment has its line for itself.

use std::ops::Range;

use crate::config::inetd_conf::physical;
use crate::config::report::Problem;
use crate::config::source::{Span, Spanned};

/// A word of the file.
pub(crate) type Word = Spanned<String>;

/// What a file consists of, in its order.
#[derive(Debug)]
pub(crate) enum Item {
    /// `defaults { ... }`, and where it begins.
    Defaults(Span, Vec<Attribute>),
    /// `service NAME { ... }`.
    Service(Word, Body),
    /// `include FILE`.
    Include(Word),
    /// `includedir FOLDER`.
    IncludeFolder(Word),
}

/// What is between the braces of a service.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(super) attributes: Vec<Attribute>,
    /// Not every line could be read.
    pub(super) incomplete: bool,
}

/// One line of an entry.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(super) name: Word,
    pub(super) operator: Operator,
    pub(super) values: Vec<Word>,
}

/// What an attribute does with the values that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Set,
    Add,
    Remove,
}

/// Splits a file. An entry that cannot be read as a whole is a problem and not among the items; one
/// with `disable = yes` is not there at all, and nothing in it behind that line is looked at.
pub(crate) fn parse(text: &str, file: u16, problems: &mut Vec<Problem>) -> Vec<Item> {
    let mut parser = Parser { text, file, problems, items: Vec::new(), state: State::Outside };
    for line in physical(text) {
        let words = parser.words(line);
        if let Some(first) = words.first().filter(|first| !first.value.starts_with('#')) {
            let first = first.clone();
            parser.line(&first, words);
        }
    }
    parser.end();
    parser.items
}

/// Where the parser is.
enum State {
    Outside,
    /// Behind `service NAME` or `defaults`; the brace has to come.
    Head(Head),
    /// Between the braces.
    Inside(Head, Body),
    /// Between the braces of an entry that is off or broken.
    Skipping(Span),
}

/// The line that begins an entry.
struct Head {
    keyword: Span,
    /// `None` for `defaults`.
    name: Option<Word>,
}

struct Parser<'a> {
    text: &'a str,
    file: u16,
    problems: &'a mut Vec<Problem>,
    items: Vec<Item>,
    state: State,
}

impl Parser<'_> {
    fn words(&self, line: Range<usize>) -> Vec<Word> {
        let mut words = Vec::new();
        let mut at = line.start;
        for part in self.text[line].split_inclusive([' ', '\t']) {
            let word = part.trim_end_matches([' ', '\t']);
            if !word.is_empty() {
                let span = Span::new(self.file, at..at + word.len());
                words.push(Spanned { value: word.to_owned(), span });
            }
            at += part.len();
        }
        words
    }

    fn line(&mut self, first: &Word, words: Vec<Word>) {
        match std::mem::replace(&mut self.state, State::Outside) {
            State::Outside => self.outside(first, words),
            State::Head(head) if first.value == "{" => {
                self.state = State::Inside(head, Body::default());
            }
            State::Head(head) => {
                self.missing_brace(&head);
                self.line(first, words);
            }
            State::Inside(head, body) if first.value == "}" => self.close(head, body),
            State::Inside(head, body) => self.inside(head, body, words),
            State::Skipping(_) if first.value == "}" => {}
            State::Skipping(at) => self.state = State::Skipping(at),
        }
    }

    fn outside(&mut self, first: &Word, words: Vec<Word>) {
        let mut words = words.into_iter().skip(1);
        let argument = words.next();
        let keyword = first.value.to_ascii_lowercase();
        let item = match (keyword.as_str(), argument) {
            ("defaults", argument) => return self.head(first, None, argument.as_ref()),
            ("service", Some(name)) => {
                return self.head(first, Some(name), words.next().as_ref());
            }
            ("include", Some(path)) => Item::Include(path),
            ("includedir", Some(path)) => Item::IncludeFolder(path),
            ("service" | "include" | "includedir", None) => {
                let message = format!("there is no name behind `{keyword}`");
                self.problems.push(Problem::error(first.span, message));
                return;
            }
            _ => {
                let message = format!("`{}` does not belong here", first.value);
                self.problems.push(Problem::error(first.span, message).help(
                    "a file has `service NAME`, `defaults`, `include FILE` and `includedir FOLDER`",
                ));
                return;
            }
        };
        self.items.push(item);
    }

    /// `extra` is what stands behind the name.
    fn head(&mut self, keyword: &Word, name: Option<Word>, extra: Option<&Word>) {
        let head = Head { keyword: keyword.span, name };
        if let Some(brace) = extra.filter(|extra| extra.value == "{") {
            let message = "`{` has to be alone on the next line";
            self.problems.push(
                Problem::error(brace.span, message).label("xinetd drops this entry in silence"),
            );
            self.state = State::Skipping(head.keyword);
            return;
        }
        self.state = State::Head(head);
    }

    fn missing_brace(&mut self, head: &Head) {
        let problem = Problem::error(head.keyword, "there is no `{` behind this line");
        self.problems.push(problem.help("write `{` alone on the next line"));
    }

    fn inside(&mut self, head: Head, mut body: Body, words: Vec<Word>) {
        let is_head = words[0].value == "service" && words.len() == 2;
        if is_head || words.len() == 1 && words[0].value == "defaults" {
            self.missing_end(head.keyword);
            self.state = State::Outside;
            let first = words[0].clone();
            return self.line(&first, words);
        }
        let Some(attribute) = self.attribute(words) else {
            // What follows may be fine, and its problems are worth to be told.
            body.incomplete = true;
            self.state = State::Inside(head, body);
            return;
        };
        let is_off = attribute.name.value.eq_ignore_ascii_case("disable")
            && attribute
                .values
                .first()
                .is_some_and(|value| value.value.eq_ignore_ascii_case("yes"));
        if is_off && head.name.is_some() {
            self.state = State::Skipping(head.keyword);
            return;
        }
        body.attributes.push(attribute);
        self.state = State::Inside(head, body);
    }

    /// `NAME = VALUE...`, where the operator may stand at the first value.
    fn attribute(&mut self, mut words: Vec<Word>) -> Option<Attribute> {
        let name = words.remove(0);
        if let Some(at) = name.value.find('=') {
            let stem = name.value[..at].trim_end_matches(['+', '-']);
            let message = format!("there is no blank between `{stem}` and `=`");
            self.problems.push(
                Problem::error(name.span, message)
                    .label("xinetd drops the whole entry")
                    .help(format!("write {stem} = ...")),
            );
            return None;
        }
        let Some(second) = words.first_mut() else {
            let message = format!("there is no `=` behind `{}`", name.value);
            self.problems.push(Problem::error(name.span, message));
            return None;
        };
        let operators = [("+=", Operator::Add), ("-=", Operator::Remove), ("=", Operator::Set)];
        let found = operators.into_iter().find(|(text, _)| second.value.starts_with(text));
        let Some((text, operator)) = found else {
            let message = format!("`{}` is not `=`, `+=` or `-=`", second.value);
            self.problems.push(Problem::error(second.span, message));
            return None;
        };
        if second.value == text {
            words.remove(0);
        } else {
            second.value.drain(..text.len());
            let range = second.span.range();
            second.span = Span::new(self.file, range.start + text.len()..range.end);
        }
        Some(Attribute { name, operator, values: words })
    }

    fn close(&mut self, head: Head, body: Body) {
        self.items.push(match head.name {
            Some(name) => Item::Service(name, body),
            None => Item::Defaults(head.keyword, body.attributes),
        });
    }

    fn end(&mut self) {
        let at = match &self.state {
            State::Outside => return,
            State::Head(head) => {
                let head = Head { keyword: head.keyword, name: None };
                return self.missing_brace(&head);
            }
            State::Inside(head, _) => head.keyword,
            State::Skipping(at) => *at,
        };
        self.missing_end(at);
    }

    fn missing_end(&mut self, at: Span) {
        let problem = Problem::error(at, "the entry has no end");
        self.problems.push(problem.help("write `}` alone on a line behind it"));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A file without problems, a line for each attribute.
    fn shown(text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let items = parse(text, 0, &mut problems);
        assert_eq!(problems.len(), 0, "{problems:?}");
        let lines = |attributes: Vec<Attribute>| {
            attributes.into_iter().map(|attribute| {
                let values: Vec<_> = attribute.values.into_iter().map(|v| v.value).collect();
                format!("{} {:?} {}", attribute.name.value, attribute.operator, values.join("|"))
            })
        };
        items
            .into_iter()
            .flat_map(|item| match item {
                Item::Defaults(_, attributes) => {
                    std::iter::once("defaults".into()).chain(lines(attributes)).collect()
                }
                Item::Service(name, body) => {
                    std::iter::once(name.value).chain(lines(body.attributes)).collect::<Vec<_>>()
                }
                Item::Include(path) | Item::IncludeFolder(path) => vec![path.value],
            })
            .collect()
    }

    fn messages(text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        parse(text, 0, &mut problems);
        problems.iter().map(Problem::line).collect()
    }

    #[test]
    fn values_are_words_and_the_operator_may_touch_the_first() {
        assert_eq!(
            shown(
                "# c\nservice x ignored\n{\r\n\tport =7001\n # c\n a += b #c\n b -= d e \n c =\n}\n\
                 include /a\nincludedir b c\ndefaults\n{\n}"
            ),
            ["x", "port Set 7001", "a Add b|#c", "b Remove d|e", "c Set ", "/a", "b", "defaults"]
        );
    }

    #[test]
    fn a_disabled_entry_is_not_looked_at_behind_that_line() {
        assert_eq!(shown("service x\n{\nDISABLE = YES\nport=7\n}\nservice y\n{\n}\n"), ["y"]);
    }

    #[test]
    fn what_xinetd_drops_in_silence_is_told() {
        for (text, expected) in [
            ("service x {\n port = 1\n}\n", "`{` has to be alone on the next line"),
            ("service x\n port = 1\n", "there is no `{` behind this line"),
            ("service x", "there is no `{` behind this line"),
            ("service x\n{\nport=7001\n}\n", "there is no blank between `port` and `=`"),
            ("service x\n{\nport= 7001\n}\n", "there is no blank between `port` and `=`"),
            ("service x\n{\nonly_from+= a\n}\n", "there is no blank between `only_from` and `=`"),
            ("service x\n{\nport\n}\n", "there is no `=` behind `port`"),
            ("service x\n{\nport is 7\n}\n", "`is` is not `=`, `+=` or `-=`"),
            ("service x\n{\nport = 7\n", "the entry has no end"),
            ("service\n", "there is no name behind `service`"),
            ("telnet stream tcp\n", "`telnet` does not belong here"),
        ] {
            assert!(messages(text)[0].starts_with(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(service|defaults|include|[ \t\r\n{}=+#-]|[a-cé])*") {
            parse(&text, 0, &mut Vec::new());
        }
    }
}
