//! The lines of a unit file (systemd.syntax(7)): sections, `NAME=VALUE`, comments, continuations.

use crate::config::inetd_conf::physical;
use crate::config::report::Problem;
use crate::config::source::{Span, Spanned};

/// One `NAME=VALUE`.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) section: String,
    pub(super) name: Spanned<String>,
    pub(super) value: Spanned<String>,
}

/// All settings of a file. A value that is continued on further lines has its place on the first.
pub(super) fn parse(text: &str, file: u16, problems: &mut Vec<Problem>) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    let mut section = String::new();
    let mut continues = false;
    for range in physical(text) {
        let line = text[range.clone()].trim();
        if line.starts_with(['#', ';']) {
            continue; // Also in the middle of a value that is continued.
        }
        let (content, goes_on) = match line.strip_suffix('\\') {
            Some(content) => (content, true),
            None => (line, false),
        };
        if std::mem::replace(&mut continues, goes_on) {
            if let Some(setting) = settings.last_mut() {
                setting.value.value.push(' ');
                setting.value.value.push_str(content.trim());
            }
            continue;
        }
        if line.is_empty() {
            continue;
        }
        let start =
            range.start + text[range.clone()].len() - text[range.clone()].trim_start().len();
        let span =
            |from: usize, length: usize| Span::new(file, start + from..start + from + length);
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
            continue;
        }
        let Some((name, value)) = content.split_once('=') else {
            let problem =
                Problem::error(span(0, line.len()), "this is neither a section nor a setting");
            problems.push(problem.help("a setting is NAME=VALUE, a section is [Socket]"));
            continues = false;
            continue;
        };
        let value_at = content.len() - value.trim_start().len();
        settings.push(Setting {
            section: section.clone(),
            name: Spanned { value: name.trim().to_owned(), span: span(0, name.trim_end().len()) },
            value: Spanned {
                value: value.trim().to_owned(),
                span: span(value_at, value.trim().len()),
            },
        });
    }
    settings
}

/// The words of a value (systemd.syntax(7), "Quoting"): quotes hold together, a backslash begins an
/// escape. `None` if a quote is not closed or an escape is unknown.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    Words(text).collect()
}

/// The words of each command of a value (systemd.service(5), "Command lines": "Multiple command lines
/// may be concatenated in a single directive by separating them with semicolons (these semicolons
/// must be passed as separate words). Lone semicolons may be escaped as "\;"."). `None` as of
/// [`words`]; there is at least one command.
pub(super) fn commands(text: &str) -> Option<Vec<Vec<String>>> {
    let mut commands = vec![Vec::new()];
    let mut words = Words(text);
    loop {
        if words.skip_lone(";") {
            commands.push(Vec::new());
            continue;
        }
        let word = if words.skip_lone("\\;") {
            ";".to_owned()
        } else {
            match words.next() {
                Some(word) => word?,
                None => return Some(commands),
            }
        };
        commands.last_mut()?.push(word);
    }
}

/// What is left of a value; gives `None` in place of a word that is wrong.
struct Words<'a>(&'a str);

impl Words<'_> {
    /// Skips a word that stands there alone, as it is.
    fn skip_lone(&mut self, word: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(word);
        let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
}

impl Iterator for Words<'_> {
    type Item = Option<String>;

    fn next(&mut self) -> Option<Option<String>> {
        let text = self.0.trim_start();
        if text.is_empty() {
            return None;
        }
        let mut characters = text.chars();
        let word = word(&mut characters);
        self.0 = if word.is_some() { characters.as_str() } else { "" };
        Some(word)
    }
}

/// One word and the blank behind it.
fn word(characters: &mut impl Iterator<Item = char>) -> Option<String> {
    let mut word = String::new();
    let mut quote = None;
    loop {
        match (characters.next(), quote) {
            (None, None) => return Some(word),
            (None, Some(_)) => return None,
            (Some(c), None) if c.is_whitespace() => return Some(word),
            (Some(c @ ('"' | '\'')), None) => quote = Some(c),
            (Some(c), Some(open)) if c == open => quote = None,
            (Some('\\'), _) => word.push(escape(characters)?),
            (Some(c), _) => word.push(c),
        }
    }
}

/// The words of the value of a variable: "quotes are respected when splitting into words, and
/// afterwards removed" (systemd.service(5), "Command lines"). One that is not closed ends with the
/// text, and a backslash keeps the character behind it.
pub(super) fn words_of_variable(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(open)) if c == open => quote = None,
            ('\\', _) => word.get_or_insert_default().extend(characters.next()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// What stands behind a backslash.
fn escape(characters: &mut impl Iterator<Item = char>) -> Option<char> {
    let next = characters.next()?;
    let digits = match next {
        'n' => return Some('\n'),
        't' => return Some('\t'),
        'r' => return Some('\r'),
        's' => return Some(' '),
        'a' => return Some('\x07'),
        'b' => return Some('\x08'),
        'f' => return Some('\x0c'),
        'v' => return Some('\x0b'),
        '\\' | '"' | '\'' => return Some(next),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return None,
    };
    let text: String = characters.take(digits).collect();
    let number = hexadecimal(&text).filter(|_| text.len() == digits)?;
    // The kernel ends a string at the first NUL.
    char::from_u32(number).filter(|c| *c != '\0')
}

/// A number of nothing but hexadecimal digits.
pub(super) fn hexadecimal(digits: &str) -> Option<u32> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let settings = parse(text, 0, &mut problems).into_iter();
        let lines = settings.map(|s| format!("{}.{}={}", s.section, s.name.value, s.value.value));
        lines.chain(problems.iter().map(Problem::line)).collect()
    }

    #[test]
    fn comments_sections_and_continuations() {
        let text = "# c\n[Socket]\nListenStream = 7000\n; c\n[Service]\nExecStart=/bin/x \\\n# c\n  y\\\n z\nA=\n";
        assert_eq!(
            shown(text),
            ["Socket.ListenStream=7000", "Service.ExecStart=/bin/x y z", "Service.A="]
        );
        assert_eq!(shown("x\n")[0], "this is neither a section nor a setting");
    }

    #[test]
    fn words_have_quotes_and_escapes() {
        let split = |text| words(text).map(|words| words.join("|"));
        for (text, expected) in [
            ("a 'b c' \"d e\"f", Some("a|b c|d ef")),
            (r"a\sb \x41 \u0042 \\", Some(r"a b|A|B|\")),
            ("", Some("")),
            ("'a", None),
            (r"\q", None),
            (r"\x0", None),
            (r"\x+1", None),
            ("''", Some("")),
        ] {
            assert_eq!(split(text).as_deref(), expected, "{text}");
        }
    }

    // The value of TWO in an example of systemd.service(5), "Command lines".
    #[test]
    fn the_value_of_a_variable_is_split_with_its_quotes() {
        for (text, expected) in [
            ("'two two' too", "two two|too"),
            (" a  b ", "a|b"),
            (r#"a"b c"d '' "e f"#, "ab cd||e f"),
            (r"a\ b\", "a b"),
            ("", ""),
        ] {
            assert_eq!(words_of_variable(text).join("|"), expected, "{text}");
        }
    }

    // The examples of systemd.service(5), "Command lines".
    #[test]
    fn a_lone_semicolon_ends_a_command() {
        let split = |text| {
            let commands = commands(text)?;
            Some(commands.iter().map(|words| words.join("|")).collect::<Vec<_>>().join("||"))
        };
        for (text, expected) in [
            (r#"echo one ; echo "two two""#, Some("echo|one||echo|two two")),
            (r"echo / >/dev/null & \; ls", Some("echo|/|>/dev/null|&|;|ls")),
            ("sh -c 'a ; b' ;", Some("sh|-c|a ; b||")),
            ("a;b ';' c", Some("a;b|;|c")),
            (r"a\;b", None),
            ("", Some("")),
        ] {
            assert_eq!(split(text).as_deref(), expected, "{text}");
        }
    }
}
