//! The arguments of FreeBSD's internal service `auth`, as the options of `builtin = "ident:..."`.

use super::lines::Word;
use super::{Dialect, Reader};
use crate::config::report::Problem;
use crate::config::source::Span;

/// Options without a value, and what they are here.
const FLAGS: [(char, &str); 4] =
    [('g', "random"), ('i', "numeric"), ('n', "noident"), ('r', "real")];

impl Reader<'_> {
    /// `internal auth -r -t 30`: the value of `builtin`. inetd(8) of FreeBSD, "auth".
    pub(super) fn auth(&mut self, arguments: &[Word]) -> String {
        let [_, words @ ..] = arguments else { return "ident".to_owned() };
        if self.dialect != Dialect::Freebsd {
            if let Some(word) = words.first() {
                let problem = Problem::error(
                    self.span(word.range.clone()),
                    "only freebsd has options of `auth`",
                );
                self.push(problem.help("--format freebsd reads them"));
            }
            return "ident".to_owned();
        }
        let mut options: Vec<String> = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(letters) = word.text.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
                let message = format!("`{}` is not an option of `auth`", word.text);
                let problem = Problem::error(self.span(word.range.clone()), message);
                self.push(problem.help("there are -d NAME, -g, -i, -n, -o NAME, -r and -t TIME"));
                continue;
            };
            for (at, letter) in letters.char_indices() {
                let span = self.span(word.range.clone());
                if let Some((_, option)) = FLAGS.iter().find(|(flag, _)| *flag == letter) {
                    options.push((*option).to_owned());
                    continue;
                }
                match letter {
                    'd' | 'o' | 't' => {
                        // As getopt(3) has it: the rest of the word, or the next one.
                        let rest = &letters[at + 1..];
                        let value = if rest.is_empty() {
                            words
                                .next()
                                .map(|next| (next.text.as_str(), self.span(next.range.clone())))
                        } else {
                            Some((rest, span))
                        };
                        options.extend(self.auth_value(letter, span, value));
                        break;
                    }
                    'f' | 'F' => self.push(
                        Problem::error(span, format!("`-{letter}` of `auth` cannot be honoured"))
                            .label("inetd would have to read files of users with its own rights")
                            .help("leave it out: the name of the account is told then"),
                    ),
                    _ => {
                        let message = format!("`auth` has no option `-{letter}`");
                        self.push(Problem::error(span, message));
                    }
                }
            }
        }
        if options.is_empty() { "ident".to_owned() } else { format!("ident:{}", options.join(",")) }
    }

    fn auth_value(
        &mut self,
        letter: char,
        option: Span,
        value: Option<(&str, Span)>,
    ) -> Option<String> {
        let Some((value, at)) = value else {
            self.push(Problem::error(option, format!("`-{letter}` of `auth` has no value")));
            return None;
        };
        if value.contains(',') {
            self.push(Problem::error(at, format!("`{value}` has a comma in it")));
            return None;
        }
        match letter {
            'd' => Some(format!("fallback={value}")),
            'o' => Some(format!("os={value}")),
            _ => {
                // "-t sec[.usec]"
                let (seconds, micros) = value.split_once('.').unwrap_or((value, "0"));
                let number = |text: &str| text.parse::<u32>().ok();
                match (number(seconds), number(micros)) {
                    (Some(seconds), Some(0)) => Some(format!("timeout={seconds}s")),
                    (Some(seconds), Some(micros)) => Some(format!("timeout={seconds}s {micros}us")),
                    _ => {
                        let problem = Problem::error(at, format!("`{value}` is not a time"));
                        self.push(problem.help("write seconds, or seconds.microseconds"));
                        None
                    }
                }
            }
        }
    }
}
