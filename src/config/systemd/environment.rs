//! `Environment=`, `EnvironmentFile=`, and what `ExecStart=` takes from them (systemd.exec(5),
//! systemd.service(5), "Command lines").

use std::path::Path;

use super::Pair;
use super::syntax::{Setting, words, words_of_variable};
use crate::config::files::named_text;
use crate::config::keys::Key;
use crate::config::raw::{Data, Value};
use crate::config::report::Problem;
use crate::config::source::Spanned;

/// Variables that a unit can use and does not set (systemd.exec(5), "Environment variables in spawned
/// processes").
const OF_SYSTEMD: [&str; 14] = [
    "CREDENTIALS_DIRECTORY",
    "HOME",
    "INVOCATION_ID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LOGNAME",
    "MAINPID",
    "NOTIFY_SOCKET",
    "PATH",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "RUNTIME_DIRECTORY",
    "SHELL",
    "USER",
];

/// The variables of a service.
pub(super) struct Variables<'a> {
    list: Vec<(Spanned<String>, Value)>,
    /// The last setting that says something about them.
    at: Option<&'a Setting>,
}

impl<'a> Variables<'a> {
    /// Reads all settings about variables. "Settings from these files override settings made with
    /// Environment=".
    pub(super) fn read(settings: &'a [Setting], pair: &mut Pair<'_>) -> Self {
        let mut variables = Self { list: Vec::new(), at: None };
        let named =
            |name: &'static str| settings.iter().filter(move |setting| setting.name.value == name);
        for setting in named("Environment") {
            variables.at = Some(setting);
            variables.written(setting, pair);
        }
        for setting in named("EnvironmentFile") {
            variables.at = Some(setting);
            variables.file(setting, pair);
        }
        variables
    }

    /// As the key `env`.
    pub(super) fn add(self, pair: &mut Pair<'_>) {
        if let Some(setting) = self.at.filter(|_| !self.list.is_empty()) {
            pair.add(Key::Env, setting, Data::Table(self.list));
        }
    }

    /// The words of a command with the values of variables in their place; `None` after a problem
    /// was told.
    ///
    /// "Use "${FOO}" as part of a word, or as a word of its own, [...] always resulting in exactly a
    /// single argument. Use "$FOO" as a separate word on the command line, in which case it will be
    /// replaced by the value of the environment variable split at whitespace, resulting in zero or
    /// more arguments." "Note that the first argument (i.e. the program to execute) may not be a
    /// variable."
    pub(super) fn expanded(
        &self,
        command: Vec<String>,
        setting: &Setting,
        pair: &mut Pair<'_>,
    ) -> Option<Vec<String>> {
        let mut expanded = Vec::new();
        for (number, word) in command.into_iter().enumerate() {
            let name = word.strip_prefix('$').filter(|name| is_name(name));
            if number == 0 && (name.is_some() || word.contains("${")) {
                pair.wrong(setting, "a program that is no variable");
                return None;
            }
            match name {
                Some(name) => {
                    let value = self.value(name, setting, pair)?;
                    expanded.extend(words_of_variable(&value));
                }
                None => expanded.push(self.in_word(&word, setting, pair)?),
            }
        }
        Some(expanded)
    }

    /// Replaces `${NAME}` and `$$`. Another dollar sign is one.
    fn in_word(&self, word: &str, setting: &Setting, pair: &mut Pair<'_>) -> Option<String> {
        let mut result = String::with_capacity(word.len());
        let mut rest = word;
        while let Some((before, after)) = rest.split_once('$') {
            result.push_str(before);
            let braced = after.strip_prefix('{').and_then(|braced| braced.split_once('}'));
            rest = match braced.filter(|(name, _)| is_name(name)) {
                Some((name, behind)) => {
                    result.push_str(&self.value(name, setting, pair)?);
                    behind
                }
                None => {
                    result.push('$');
                    after.strip_prefix('$').unwrap_or(after)
                }
            };
        }
        Some(result + rest)
    }

    /// The value of a variable; empty if there is none, as with systemd.
    fn value(&self, name: &str, setting: &Setting, pair: &mut Pair<'_>) -> Option<String> {
        let found = self.list.iter().find(|(other, _)| other.value == name);
        if let Some((_, Spanned { value: Data::Text(text), .. })) = found {
            return Some(text.clone());
        }
        if OF_SYSTEMD.contains(&name) {
            let message =
                format!("`{name}` is set by systemd, for all programs or each connection");
            let problem = Problem::error(setting.value.span, message);
            pair.problems.push(problem.help("write what it stands for; `$$` is $"));
            return None;
        }
        let is_passed = pair.entries.iter().any(|entry| {
            let is_it = |item: &Value| matches!(&item.value, Data::Text(text) if text == name);
            matches!(&entry.value.value, Data::List(items) if entry.key == Key::PassEnv && items.iter().any(is_it))
        });
        if is_passed {
            pair.refuse(
                setting,
                "a variable of PassEnvironment= is known only when a program starts",
            );
            return None;
        }
        let message = format!("`{name}` is set nowhere");
        let problem = Problem::warning(setting.value.span, message);
        pair.problems.push(problem.label("nothing stands in its place, as with systemd"));
        Some(String::new())
    }

    /// `Environment=`.
    fn written(&mut self, setting: &Setting, pair: &mut Pair<'_>) {
        let Some(words) = words(&setting.value.value) else {
            pair.wrong(setting, "NAME=VALUE, with all quotes closed");
            return;
        };
        for word in words {
            let Some(word) = pair.expanded(&word, setting) else { continue };
            match word.split_once('=') {
                Some((name, value)) => self.set(name, value, setting),
                None => pair.wrong(setting, "NAME=VALUE"),
            }
        }
    }

    /// `EnvironmentFile=`: "newline-separated variable assignments. Empty lines, lines without an "="
    /// separator, or lines starting with ";" or "#" will be ignored". A file that is not there is no
    /// error if its path has "-" in front.
    fn file(&mut self, setting: &Setting, pair: &mut Pair<'_>) {
        let text = setting.value.value.as_str();
        let path = text.strip_prefix('-').unwrap_or(text);
        if !path.starts_with('/') || path.contains(['*', '?', '[']) {
            pair.wrong(setting, "the absolute path of one file");
            return;
        }
        if text.starts_with('-') && !Path::new(path).exists() {
            return;
        }
        let contents = match named_text(Path::new(path)) {
            Ok(contents) => contents,
            Err(why) => {
                pair.refuse(setting, &why);
                return;
            }
        };
        let mut logical = String::new();
        for line in contents.lines() {
            if logical.is_empty() && line.trim_start().starts_with(['#', ';']) {
                continue;
            }
            if let Some(continued) = line.strip_suffix('\\') {
                logical.push_str(continued);
                continue;
            }
            logical.push_str(line);
            if let Some((name, value)) = std::mem::take(&mut logical).split_once('=') {
                self.set(name.trim(), &unquoted(value.trim()), setting);
            }
        }
    }

    /// The last value of a name counts.
    fn set(&mut self, name: &str, value: &str, setting: &Setting) {
        let span = setting.value.span;
        self.list.retain(|(other, _)| other.value != name);
        let name = Spanned { value: name.to_owned(), span };
        self.list.push((name, Spanned { value: Data::Text(value.to_owned()), span }));
    }
}

/// A value of a file: "parsed with the same backslash-escape rules as unquoted text in a POSIX shell":
/// a backslash keeps the character behind it. In quotes it is what is between them.
fn unquoted(value: &str) -> String {
    if let Some(literal) = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')) {
        return literal.to_owned();
    }
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    let is_quoted = inner.is_some();
    let mut result = String::with_capacity(value.len());
    let mut characters = inner.unwrap_or(value).chars().peekable();
    while let Some(c) = characters.next() {
        let next = characters.peek().copied();
        let is_escape =
            c == '\\' && (!is_quoted || next.is_some_and(|next| "\"\\`$".contains(next)));
        match next {
            Some(next) if is_escape => {
                characters.next();
                result.push(next);
            }
            _ => result.push(c),
        }
    }
    result
}

/// Whether this can be the name of a variable.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_files_have_their_quotes_taken_away() {
        for (value, expected) in [
            ("", ""),
            ("a b", "a b"),
            (r#""a \"b\" \n""#, r#"a "b" \n"#),
            (r"'a \b'", r"a \b"),
            (r"a\ b", "a b"),
            ("\"", "\""),
        ] {
            assert_eq!(unquoted(value), expected, "{value}");
        }
    }
}
