//! NetBSD's newer form of a service: `SERVICE on KEY = VALUE, KEY = VALUE ;`, over any number of
//! lines. It says what a positional line says, so it becomes one, with a few keys more.

use std::ops::Range;

use super::Reader;
use super::lines::{Line, Word};
use crate::config::keys::Key;
use crate::config::raw::Data;
use crate::config::report::Problem;
use crate::config::suggest::did_you_mean;

const KEYS: [&str; 15] = [
    "accept_max",
    "acceptfilter",
    "args",
    "bind",
    "exec",
    "group",
    "ip_max",
    "ipsec",
    "protocol",
    "recvbuf",
    "service_max",
    "sndbuf",
    "socktype",
    "user",
    "wait",
];

/// Keys whose second value is an error; of the others the last counts.
const ONCE: [&str; 8] =
    ["accept_max", "args", "bind", "ip_max", "ipsec", "service_max", "user", "wait"];

/// A key with its values.
struct Pair {
    key: &'static str,
    at: Range<usize>,
    values: Vec<Word>,
}

/// The service field, whether it is on, and its keys with their values.
type Definition = (Word, bool, Vec<(Word, Vec<Word>)>);

/// Why the rest of a file cannot be read.
type Broken = (Range<usize>, &'static str);

impl Reader<'_> {
    /// Whether a definition in this form begins with these words.
    pub(super) fn begins_pairs(line: &Line) -> bool {
        line.words.get(1).is_some_and(|word| {
            let word = word.text.split('#').next().unwrap_or_default();
            matches!(word, "on" | "off")
        })
    }

    /// Reads all definitions that begin on the line at `start`. Gives where the next line to be
    /// read begins.
    pub(super) fn pairs(&mut self, text: &str, start: usize) -> usize {
        let mut scan = Scan { text, at: start };
        loop {
            match scan.definition() {
                Ok((service, on, found)) => self.definition(&service, on, found),
                Err((range, message)) => {
                    let problem = Problem::error(self.span(range), message);
                    self.push(problem.label("the rest of the file cannot be read"));
                    return text.len();
                }
            }
            if scan.is_at_end_of_line() {
                return scan.at;
            }
        }
    }

    fn definition(&mut self, service: &Word, on: bool, found: Vec<(Word, Vec<Word>)>) {
        let mut pairs: Vec<Pair> = Vec::new();
        let mut is_broken = false;
        for (key, values) in found {
            let span = self.span(key.range.clone());
            let Some(name) = KEYS.iter().find(|name| **name == key.text) else {
                let help = match key.text.as_str() {
                    // The positional form has it with this name.
                    "rcvbuf" => Some("did you mean `recvbuf`?".to_owned()),
                    other => did_you_mean(other, KEYS),
                };
                let problem = Problem::error(span, format!("unknown key `{}`", key.text));
                self.push(problem.maybe_help(help));
                is_broken = true;
                continue;
            };
            let first = pairs.iter().position(|pair| pair.key == *name);
            let pair = Pair { key: name, at: key.range, values };
            match first {
                Some(first) if ONCE.contains(name) => {
                    let first = self.span(pairs[first].at.clone());
                    let problem = Problem::error(span, format!("`{name}` is there twice"));
                    self.push(problem.related(first, "the first is here"));
                    is_broken = true;
                }
                Some(first) => pairs[first] = pair,
                None => pairs.push(pair),
            }
        }
        // What is off is looked at for its form only.
        if on && !is_broken {
            self.positional(service, &pairs);
        }
    }

    /// Writes the definition as a line and reads that.
    fn positional(&mut self, service: &Word, pairs: &[Pair]) {
        let get = |key| pairs.iter().find(|pair| pair.key == key);
        let is_wrong = pairs.iter().filter(|pair| self.has_wrong_count(pair)).count() > 0;
        if is_wrong {
            return;
        }
        let one = |key| get(key).and_then(|pair| pair.values.first());
        let word =
            |text: String, like: &Word| Word { text, range: like.range.clone(), is_quoted: true };
        if let Some(policy) = get("ipsec").filter(|pair| !pair.values.is_empty()) {
            let problem =
                Problem::error(self.span(policy.at.clone()), "IPsec policies are not available");
            self.push(problem.help("remove the key if the service may run without it"));
            return;
        }
        let Some(protocol) = one("protocol") else {
            let problem = Problem::error(self.span(service.range.clone()), "`protocol` is missing");
            self.push(problem.help("write protocol = tcp, tcp6, udp, udp6 or unix"));
            return;
        };
        let exec = one("exec").cloned();
        let is_internal = exec.as_ref().is_none_or(|exec| exec.text == "internal");
        let waits = match one("wait").map(|word| word.text.as_str()) {
            Some("yes") => "wait",
            Some("no") => "nowait",
            None if is_internal => "nowait",
            None => {
                let problem = Problem::error(self.span(service.range.clone()), "`wait` is missing");
                self.push(problem.help("write wait = yes or wait = no"));
                return;
            }
            Some(other) => {
                let message = format!("`{other}` is neither `yes` nor `no`");
                let at = one("wait").map_or(service.range.clone(), |word| word.range.clone());
                self.push(Problem::error(self.span(at), message));
                return;
            }
        };
        let Some(user) = one("user") else {
            let problem = Problem::error(self.span(service.range.clone()), "`user` is missing");
            self.push(problem.help("write user = ..."));
            return;
        };
        let first = match one("bind") {
            Some(host) => word(format!("{}:{}", bracketed(&host.text), service.text), service),
            None => service.clone(),
        };
        let mut socket = one("socktype").cloned().unwrap_or_else(|| {
            let is_datagram = protocol.text.starts_with("udp");
            word(if is_datagram { "dgram" } else { "stream" }.to_owned(), protocol)
        });
        for (key, mark) in [("accept_max", ','), ("acceptfilter", ':')] {
            if let Some(limit) = one(key) {
                socket = word(format!("{}{mark}{}", socket.text, limit.text), limit);
            }
        }
        let mut transport = protocol.clone();
        for (key, name) in [("sndbuf", "sndbuf"), ("recvbuf", "rcvbuf")] {
            if let Some(size) = one(key) {
                transport = word(format!("{},{name}={}", transport.text, size.text), size);
            }
        }
        let wait = match one("service_max") {
            Some(most) => word(format!("{waits}:{}", most.text), most),
            None => word(waits.to_owned(), one("wait").unwrap_or(service)),
        };
        let user = match one("group") {
            Some(group) => word(format!("{}:{}", user.text, group.text), user),
            None => user.clone(),
        };
        let program = exec.unwrap_or_else(|| word("internal".to_owned(), service));
        let arguments = get("args").map(|pair| pair.values.clone()).unwrap_or_default();
        let words = [first, socket, transport, wait, user, program];
        let words = words.into_iter().chain(arguments).collect();
        let before = self.raw.services.len();
        self.service(&Line { words, ..Line::default() });
        if let (Some(most), Some(service)) = (get("ip_max"), self.raw.services.get_mut(before)) {
            let most = &most.values[0];
            let span = crate::config::source::Span::new(self.file, most.range.clone());
            let value = Data::Text(format!("{}/60s", most.text));
            service.entries.push(crate::config::raw::Entry {
                key: Key::RatePerSource,
                name: span,
                value: crate::config::source::Spanned { value, span },
            });
        }
    }

    fn has_wrong_count(&mut self, pair: &Pair) -> bool {
        let (least, most) = match pair.key {
            "args" => (0, usize::MAX),
            "ipsec" => (0, 1),
            "acceptfilter" => (1, 2),
            _ => (1, 1),
        };
        let is_wrong = !(least..=most).contains(&pair.values.len());
        if is_wrong {
            let message = match pair.values.len() {
                0 => format!("`{}` has no value", pair.key),
                _ => format!("`{}` has too many values", pair.key),
            };
            let problem = Problem::error(self.span(pair.at.clone()), message);
            self.push(problem.help("there is a `,` between two keys, and a `;` at the end"));
        }
        is_wrong
    }
}

/// A host as it stands in front of a service.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Reads definitions from a text, character by character.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl Scan<'_> {
    /// `SERVICE on PAIRS ;`
    fn definition(&mut self) -> Result<Definition, Broken> {
        self.skip();
        let service = self.plain();
        self.skip();
        let state = self.plain();
        let on = match state.text.as_str() {
            "on" => true,
            "off" => false,
            _ => return Err((state.range, "there is neither `on` nor `off`")),
        };
        let mut pairs = Vec::new();
        loop {
            self.skip();
            match self.next() {
                None => return Err((service.range, "the definition has no `;` at its end")),
                Some(';') => {
                    self.at += 1;
                    return Ok((service, on, pairs));
                }
                Some(',') => self.at += 1,
                Some(_) => pairs.push(self.pair()?),
            }
        }
    }

    fn pair(&mut self) -> Result<(Word, Vec<Word>), Broken> {
        let key = self.name();
        self.skip();
        if self.next() != Some('=') {
            let end = self.at + self.next().map_or(0, char::len_utf8);
            return Err((self.at..end, "there is no `=` behind the key"));
        }
        self.at += 1;
        let mut values = Vec::new();
        loop {
            self.skip();
            match self.next() {
                None | Some(',' | ';') => return Ok((key, values)),
                Some(_) => values.push(self.value()?),
            }
        }
    }

    fn next(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// Blanks, line ends and comments.
    fn skip(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    /// Whether nothing but blanks and a comment is left of the line; then it is left behind.
    fn is_at_end_of_line(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let line = rest.find('\n').map_or(rest, |end| &rest[..end]);
        let is_end = line.trim_start().is_empty() || line.trim_start().starts_with('#');
        if is_end {
            self.at += (line.len() + 1).min(rest.len());
        }
        is_end
    }

    fn until(&mut self, ends: impl Fn(char) -> bool) -> Word {
        let rest = &self.text[self.at..];
        let length = rest.find(ends).unwrap_or(rest.len());
        let range = self.at..self.at + length;
        self.at = range.end;
        Word { text: self.text[range.clone()].to_owned(), range, is_quoted: false }
    }

    /// A word of the head.
    fn plain(&mut self) -> Word {
        self.until(|c| c.is_whitespace() || matches!(c, '#' | ';' | ','))
    }

    /// The name of a key. It takes at least one character, so a scan always comes to its end.
    fn name(&mut self) -> Word {
        let word = self.until(|c| !(c.is_ascii_alphanumeric() || c == '_'));
        if !word.range.is_empty() {
            return word;
        }
        let end = self.at + self.next().map_or(0, char::len_utf8);
        let range = self.at..end;
        self.at = end;
        Word { text: self.text[range.clone()].to_owned(), range, is_quoted: false }
    }

    /// A value: quotes may begin anywhere in it, and only in quotes a backslash means something.
    fn value(&mut self) -> Result<Word, Broken> {
        let start = self.at;
        let mut text = String::new();
        let mut is_quoted = false;
        while let Some(c) = self.next() {
            match c {
                '"' | '\'' => {
                    is_quoted = true;
                    self.quoted(c, &mut text)?;
                }
                '#' | ',' | ';' => break,
                c if c.is_whitespace() => break,
                c => {
                    text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        Ok(Word { text, range: start..self.at, is_quoted })
    }

    fn quoted(&mut self, quote: char, text: &mut String) -> Result<(), Broken> {
        let start = self.at;
        self.at += 1;
        while let Some(c) = self.next() {
            self.at += c.len_utf8();
            match c {
                '\\' => text.push(self.escape()?),
                c if c == quote => return Ok(()),
                c => text.push(c),
            }
        }
        Err((start..start + 1, "this quote is not closed"))
    }

    /// What stands behind a backslash: `\\ \n \t \r \' \" \xHH`.
    fn escape(&mut self) -> Result<char, Broken> {
        let start = self.at - 1;
        let c = self.next();
        self.at += c.map_or(0, char::len_utf8);
        let plain = match c {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some(c @ ('\\' | '\'' | '"')) => c,
            Some('x') => {
                let digits = self.text.get(self.at..self.at + 2);
                let value = digits
                    .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                    // A byte above is no character of its own.
                    .filter(u8::is_ascii);
                let Some(value) = value else {
                    return Err((start..self.at, "two digits up to 7f have to follow \\x"));
                };
                self.at += 2;
                value.into()
            }
            _ => {
                return Err((
                    start..self.at,
                    "unknown escape: there are \\\\ \\n \\t \\r \\' \\\" \\xHH",
                ));
            }
        };
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Result<String, &'static str> {
        let mut scan = Scan { text, at: 0 };
        let (service, on, pairs) = scan.definition().map_err(|(_, message)| message)?;
        let pairs = pairs.into_iter().map(|(key, values)| {
            let values: Vec<_> = values.into_iter().map(|value| value.text).collect();
            format!(" {}={}", key.text, values.join("|"))
        });
        Ok(format!("{} {on}{}", service.text, pairs.collect::<String>()))
    }

    #[test]
    fn definitions_span_lines_and_have_quotes_escapes_and_comments() {
        for (text, expected) in [
            (
                "7001 on# c\n a = b c, # x\n d = 'it''s' \"t\\tab\" a\"b c\"d \\\n;",
                "7001 true a=b|c d=its|t\tab|ab cd|\\",
            ),
            ("x off a=b,c=\"\\x41\\\\\\'\\\"\\n\\r\";", "x false a=b c=A\\'\"\n\r"),
            ("x on ipsec=,;", "x true ipsec="),
            ("[::1]:x on;", "[::1]:x true"),
        ] {
            assert_eq!(shown(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_ends_a_file_is_told() {
        for (text, expected) in [
            ("x on a=b", "the definition has no `;` at its end"),
            ("x on a b;", "there is no `=` behind the key"),
            ("x on a='b;", "this quote is not closed"),
            ("x on a='\\q';", "unknown escape: there are \\\\ \\n \\t \\r \\' \\\" \\xHH"),
            ("x on a='\\xff';", "two digits up to 7f have to follow \\x"),
            ("x only a=b;", "there is neither `on` nor `off`"),
        ] {
            assert_eq!(shown(text), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(on|off|[ \n\"'\\\\=,;#:x]|[a-cé])*") {
            drop(shown(&text));
        }
    }
}
