//! Reads the file of WinInetd: one service a line, `PORT USER:PASSWORD COMMAND LINE`, or `none` in
//! place of the user. A password is never taken over.

use std::ops::Range;
use std::sync::Arc;

use super::inetd_conf::physical;
use super::keys::Key;
use super::raw::{Data, Entry, Origin, Raw, RawService, Value};
use super::report::Problem;
use super::source::{Span, Spanned};
use super::value;

/// Whether a line of a text, which is no comment, looks like one of WinInetd.
pub(crate) fn is_wininetd(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let (port, user) = (words.next(), words.next());
    let is_port = port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    is_port
        && user.is_some_and(|user| user == "none" || user.contains(':'))
        && words.next().is_some()
}

/// The text with every password hidden: lines of it are shown with problems and in comments.
pub(crate) fn without_passwords(text: &str) -> String {
    let hide = |line: &str| {
        let rest = line.trim_start();
        let (Some(port), false) = (rest.split_whitespace().next(), rest.starts_with('#')) else {
            return line.to_owned();
        };
        let user = line.len() - rest.len() + port.len();
        let user = user + line[user..].len() - line[user..].trim_start().len();
        let end = line[user..].find(char::is_whitespace).map_or(line.len(), |end| user + end);
        match line[user..end].find(':') {
            Some(colon) if user + colon + 1 < end => {
                format!("{}{HIDDEN}{}", &line[..=user + colon], &line[end..])
            }
            _ => line.to_owned(),
        }
    };
    text.split_inclusive('\n').map(hide).collect()
}

/// What is shown in place of a password.
const HIDDEN: &str = "********";

/// Reads source `file`, whose text is [`without_passwords`].
pub(crate) fn read(raw: &mut Raw, file: u16) {
    let text = Arc::clone(&raw.sources.get(file).text);
    for range in physical(&text) {
        let line = text[range.clone()].trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let start = range.end - line.len();
        match service(line, start, file, &mut raw.problems) {
            Ok(service) => raw.services.push(service),
            Err(problem) => raw.problems.push(*problem),
        }
    }
}

fn service(
    line: &str,
    start: usize,
    file: u16,
    problems: &mut Vec<Problem>,
) -> Result<RawService, Box<Problem>> {
    let span = |range: Range<usize>| Span::new(file, start + range.start..start + range.end);
    let whole = span(0..line.len());
    let field = |from: usize| {
        let begin = from + line[from..].len() - line[from..].trim_start().len();
        let length = line[begin..].find([' ', '\t']).unwrap_or(line.len() - begin);
        begin..begin + length
    };
    let port = field(0);
    let user = field(port.end);
    let command = user.end + line[user.end..].len() - line[user.end..].trim_start().len();
    let words = command_line(&line[command..]);
    if words.is_empty() {
        let problem = Problem::error(whole, "the line is too short");
        return Err(Box::new(
            problem.help("a line has: PORT USER:PASSWORD COMMAND, or PORT none COMMAND"),
        ));
    }
    let name = &line[port.clone()];
    let mut entries = Vec::new();
    let mut add = |key, range: Range<usize>, value| {
        let span = span(range);
        entries.push(Entry { key, name: span, value: Spanned { value, span } });
    };
    add(Key::Listen, port.clone(), Data::Text(format!("tcp4://{name}")));
    if &line[user.clone()] != "none" {
        let (account, password) =
            line[user.clone()].split_once(':').unwrap_or((&line[user.clone()], ""));
        if !password.is_empty() {
            problems.push(
                Problem::warning(span(user.clone()), "the password is not taken over")
                    .help(format!("store it where it is safe: inetd secret set {account}")),
            );
        }
        add(Key::User, user.start..user.start + account.len(), Data::Text(account.to_owned()));
    }
    let word = |(text, range): (String, Range<usize>)| -> Value {
        Spanned { value: Data::Text(text), span: span(command + range.start..command + range.end) }
    };
    let run = words.into_iter().map(word).collect();
    add(Key::Run, command..line.len(), Data::List(run));
    Ok(RawService {
        name: Spanned { value: value::to_name(name), span: span(port) },
        origin: Origin::Classic,
        layer: None,
        entries,
        incomplete: false,
    })
}

/// The words of a Windows command line: quotes hold a word together, and a backslash is an ordinary
/// character unless it stands before a quote (CommandLineToArgvW).
fn command_line(text: &str) -> Vec<(String, Range<usize>)> {
    let mut words = Vec::new();
    let mut characters = text.char_indices().peekable();
    loop {
        while characters.next_if(|(_, c)| matches!(c, ' ' | '\t')).is_some() {}
        let Some(&(begin, _)) = characters.peek() else { return words };
        let mut word = String::new();
        let mut is_quoted = false;
        let mut end = begin;
        while let Some(&(at, c)) = characters.peek() {
            if !is_quoted && matches!(c, ' ' | '\t') {
                break;
            }
            characters.next();
            end = at + c.len_utf8();
            match c {
                '"' => is_quoted = !is_quoted,
                '\\' => {
                    let mut count = 1;
                    while characters.next_if(|(_, c)| *c == '\\').is_some() {
                        count += 1;
                        end += 1;
                    }
                    let before_quote = characters.peek().is_some_and(|(_, c)| *c == '"');
                    let kept = if before_quote { count / 2 } else { count };
                    word.extend(std::iter::repeat_n('\\', kept));
                    if before_quote && count % 2 == 1 {
                        characters.next();
                        end += 1;
                        word.push('"');
                    }
                }
                c => word.push(c),
            }
        }
        words.push((word, begin..end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_split_as_windows_does() {
        for (text, expected) in [
            (r"C:\a\b.exe  x", vec![r"C:\a\b.exe", "x"]),
            (r#""C:\my tools\a.exe" "x y" z"#, vec![r"C:\my tools\a.exe", "x y", "z"]),
            (r#"a b\"c "d\\" e\\\"f"#, vec!["a", "b\"c", r"d\", r#"e\"f"#]),
            (r#"a "" b"#, vec!["a", "", "b"]),
            ("", vec![]),
        ] {
            let words: Vec<_> = command_line(text).into_iter().map(|(word, _)| word).collect();
            assert_eq!(words, expected, "{text}");
        }
    }

    #[test]
    fn passwords_are_hidden() {
        assert_eq!(
            without_passwords("# a b:c\n23 joe:geheim x:y\r\n 24 none x\n25 joe: x\n26 joe:p"),
            "# a b:c\n23 joe:******** x:y\r\n 24 none x\n25 joe: x\n26 joe:********"
        );
    }

    #[test]
    fn a_line_is_known_by_its_second_word() {
        assert!(is_wininetd("23 none C:\\telnetd.exe"));
        assert!(is_wininetd("23 joe:secret telnetd.exe -x"));
        assert!(!is_wininetd("23 stream tcp nowait root /bin/x x"));
        assert!(!is_wininetd("http none x"));
        assert!(!is_wininetd("23 none"));
    }
}
