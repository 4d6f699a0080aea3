//! Lines and words of a classic file: comments, continuations, quotes.

use std::ops::Range;

use super::Dialect;

/// One line with those that continue it.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) words: Vec<Word>,
    /// Which of the words are on continuation lines, for each of these.
    pub(super) continuations: Vec<Range<usize>>,
    /// It began with a blank although that means nothing in this dialect.
    pub(super) is_indented: bool,
    /// It is an IPsec policy (`#@`).
    pub(super) is_policy: bool,
    /// Where and why it could not be split into words.
    pub(super) broken: Option<(Range<usize>, &'static str)>,
}

/// One word, without its quotes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Word {
    pub(super) text: String,
    /// Where it is, with its quotes.
    pub(super) range: Range<usize>,
    /// Its text is not what the file has there.
    pub(super) is_quoted: bool,
}

impl Word {
    /// The place of some bytes of its text.
    pub(super) fn part(&self, part: Range<usize>) -> Range<usize> {
        if self.is_quoted {
            return self.range.clone();
        }
        self.range.start + part.start..self.range.start + part.end
    }
}

/// All lines that are more than a comment.
pub(super) fn split(text: &str, dialect: Dialect) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut may_continue = false;
    for range in physical(text) {
        let content = &text[range.clone()];
        let is_indented = content.starts_with([' ', '\t']);
        let is_policy =
            content.starts_with("#@") && matches!(dialect, Dialect::Freebsd | Dialect::Netbsd);
        if content.trim_start().starts_with('#') && !is_policy && !(is_indented && may_continue) {
            may_continue = false;
            continue;
        }
        let end = match content.find('#') {
            Some(at) if dialect == Dialect::Busybox => range.start + at,
            _ => range.end,
        };
        let (words, broken) = words(text, range.start..end, dialect);
        if is_indented && may_continue {
            if let Some(line) = lines.last_mut() {
                let start = line.words.len();
                line.words.extend(words);
                line.continuations.push(start..line.words.len());
                line.broken = line.broken.take().or(broken);
            }
            continue;
        }
        may_continue = dialect.continues() && !words.is_empty() && !is_policy;
        if !words.is_empty() || broken.is_some() {
            lines.push(Line { words, is_indented, is_policy, broken, ..Line::default() });
        }
    }
    lines
}

/// The lines as they are, without their ends (LF or CR LF).
pub(in crate::config) fn physical(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let begin = start;
        start += line.len();
        begin..begin + line.trim_end_matches(['\n', '\r']).len()
    })
}

fn words(
    text: &str,
    range: Range<usize>,
    dialect: Dialect,
) -> (Vec<Word>, Option<(Range<usize>, &'static str)>) {
    let mut words = Vec::new();
    let mut at = range.start;
    let end = range.end;
    loop {
        let rest = &text[at..end];
        at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
        if at >= end {
            return (words, None);
        }
        let (word, quote) = if dialect.has_quotes() {
            quoted(text, at..end, dialect == Dialect::Inetutils)
        } else {
            let length = text[at..end].find([' ', '\t']).unwrap_or(end - at);
            let range = at..at + length;
            (Word { text: text[range.clone()].to_owned(), range, is_quoted: false }, None)
        };
        at = word.range.end;
        words.push(word);
        if let Some(quote) = quote {
            return (words, Some((quote, "this quote is not closed")));
        }
    }
}

/// The word at the beginning of `range`, and the place of a quote that is not closed.
fn quoted(text: &str, range: Range<usize>, backslashes: bool) -> (Word, Option<Range<usize>>) {
    let length = text[range.clone()].find([' ', '\t', '"', '\'', '\\']).unwrap_or(range.len());
    let plain = range.start..range.start + length;
    if plain.end == range.end || text[plain.end..].starts_with([' ', '\t']) {
        let word = text[plain.clone()].to_owned();
        return (Word { text: word, range: plain, is_quoted: false }, None);
    }
    let mut word = String::new();
    let mut open: Option<(char, usize)> = None;
    let mut is_quoted = false;
    let mut end = range.end;
    let mut characters = text[range.clone()].char_indices();
    while let Some((offset, c)) = characters.next() {
        match (open, c) {
            (None, ' ' | '\t') => {
                end = range.start + offset;
                break;
            }
            (None, '"' | '\'') => {
                open = Some((c, range.start + offset));
                is_quoted = true;
            }
            (Some((quote, _)), c) if c == quote => open = None,
            (_, '\\') if backslashes && open.is_none_or(|(quote, _)| quote == '"') => {
                // A lone backslash at the end stays what it is.
                let next = characters.next().map(|(_, next)| next);
                is_quoted |= next.is_some();
                word.push(next.unwrap_or('\\'));
            }
            (_, c) => word.push(c),
        }
    }
    let quote = open.map(|(_, at)| at..at + 1);
    (Word { text: word, range: range.start..end, is_quoted }, quote)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str, dialect: Dialect) -> Vec<Vec<String>> {
        let lines = split(text, dialect).into_iter();
        lines.map(|line| line.words.into_iter().map(|word| word.text).collect()).collect()
    }

    #[test]
    fn blanks_tabs_and_any_line_end_separate() {
        let text = "#c\r\na\tb  c\r\n\r\nd";
        assert_eq!(shown(text, Dialect::Openbsd), [vec!["a", "b", "c"], vec!["d"]]);
    }

    #[test]
    fn a_blank_continues_a_line_in_the_bsds_only() {
        let text = "a b\n\tc #d\n# comment\n e\n";
        assert_eq!(shown(text, Dialect::Freebsd), [vec!["a", "b", "c", "#d"], vec!["e"]]);
        assert_eq!(shown(text, Dialect::Inetutils), [vec!["a", "b"], vec!["c", "#d"], vec!["e"]]);
        assert_eq!(shown(text, Dialect::Busybox), [vec!["a", "b"], vec!["c"], vec!["e"]]);
        let comment = split("a b\n  # comment\n", Dialect::Netbsd);
        assert_eq!(comment[0].continuations.first(), Some(&(2..4)));
    }

    #[test]
    fn quotes_are_those_of_the_dialect() {
        let text = r#"a "b c" d'e f'g \"h "#;
        assert_eq!(shown(text, Dialect::Inetutils), [vec!["a", "b c", "de fg", "\"h"]]);
        assert_eq!(shown(r#"a 'b\' c"#, Dialect::Netbsd), [vec!["a", "b\\", "c"]]);
        assert_eq!(shown("a \"b c\"", Dialect::Openbsd), [vec!["a", "\"b", "c\""]]);
        assert_eq!(split("a \"b c", Dialect::Netbsd)[0].broken.as_ref().unwrap().0, 2..3);
    }

    proptest! {
        #[test]
        fn any_text_is_split_and_words_know_their_place(text in "([ \t\r\n\"'\\\\#@:é]|[a-c])*") {
            for dialect in [Dialect::Freebsd, Dialect::Netbsd, Dialect::Inetutils, Dialect::Busybox] {
                for word in split(&text, dialect).into_iter().flat_map(|line| line.words) {
                    let written = &text[word.range.clone()];
                    prop_assert!(word.is_quoted || written == word.text);
                }
            }
        }
    }
}
