//! The wait field of a classic line, with the limits that each dialect puts behind it. The same
//! place means different things: `/10` is ten children, `:10` and `.10` are ten starts a minute.

use super::lines::Word;
use super::{Dialect, Reader};
use crate::config::keys::Key;
use crate::config::raw::{Data, Entry};
use crate::config::report::Problem;
use crate::config::suggest::did_you_mean;

impl Reader<'_> {
    /// The fourth field, with the limits that a dialect puts behind it.
    pub(super) fn wait(&mut self, word: &Word, entries: &mut Vec<Entry>) {
        let text = word.text.as_str();
        let (waits, length) = match text {
            _ if text.starts_with("nowait") => (false, 6),
            _ if text.starts_with("wait") => (true, 4),
            _ => {
                let message = format!("`{text}` is neither `wait` nor `nowait`");
                let problem = Problem::error(self.span(word.range.clone()), message);
                self.push(problem.maybe_help(did_you_mean(text, ["nowait", "wait"])));
                return;
            }
        };
        self.add(entries, Key::Wait, word.part(0..length), Data::Bool(waits));
        let rest = &text[length..];
        let Some(separator) = rest.chars().next() else { return };
        let allowed: &[char] = match self.dialect {
            Dialect::Freebsd => &['/'],
            Dialect::Netbsd => &[':', '.'],
            Dialect::Openbsd | Dialect::Inetutils | Dialect::Busybox => &['.'],
        };
        if !allowed.contains(&separator) {
            self.foreign_limit(word, length);
        } else if self.dialect == Dialect::Freebsd {
            self.freebsd_limits(word, length + 1, waits, entries);
        } else {
            self.starts_a_minute(word, length + 1, entries);
        }
    }

    fn foreign_limit(&mut self, word: &Word, from: usize) {
        let limit = &word.text[from..];
        let help = match limit.chars().next() {
            Some('/') => "`nowait/10` (children at a time) is freebsd's form: --format freebsd",
            Some(':') => "`nowait:10` (starts a minute) is netbsd's form: --format netbsd",
            Some('.') => {
                "`nowait.10` (starts a minute) is not freebsd's form, which is `nowait/10` (children at a time)"
            }
            _ => "write `wait` or `nowait`",
        };
        let message = format!("`{limit}` is not part of this dialect");
        self.push(Problem::error(self.span(word.part(from..word.text.len())), message).help(help));
    }

    /// `/max-child/per-ip-per-minute/max-child-per-ip`; 0 is no limit.
    fn freebsd_limits(&mut self, word: &Word, from: usize, waits: bool, entries: &mut Vec<Entry>) {
        let mut at = from;
        for (index, part) in word.text[from..].split('/').enumerate() {
            let range = word.part(at..at + part.len());
            at += part.len() + 1;
            let number: Option<i64> = match part {
                "" => Some(0),
                _ => part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()).flatten(),
            };
            let problem = match (number, index) {
                _ if index > 2 => {
                    Problem::error(self.span(range), "there are more than three limits").help(
                        "write nowait/children/starts-a-minute-per-address/children-per-address",
                    )
                }
                (None, _) => Problem::error(self.span(range), format!("`{part}` is not a limit"))
                    .help("a limit is a number; 0 is none"),
                (_, _) if part.is_empty() => {
                    Problem::warning(self.span(word.range.clone()), "an empty limit is no limit")
                        .help("write 0")
                }
                // A `wait` service has one program at a time anyway.
                (Some(_), 0) if waits => continue,
                (Some(number), 0) => {
                    let value = Data::Integer { value: number, octal: false };
                    self.add(entries, Key::MaxSessions, range, value);
                    continue;
                }
                (Some(0), _) => continue,
                (Some(number), 1) => {
                    let value = Data::Text(format!("{number}/60s"));
                    self.add(entries, Key::RatePerSource, range, value);
                    continue;
                }
                (Some(number), _) => {
                    let value = Data::Integer { value: number, octal: false };
                    self.add(entries, Key::MaxPerSource, range, value);
                    continue;
                }
            };
            self.push(problem);
        }
    }

    /// More starts than this in a minute end the service for a while: in busybox for a minute, else
    /// for ten.
    fn starts_a_minute(&mut self, word: &Word, from: usize, entries: &mut Vec<Entry>) {
        let part = &word.text[from..];
        let range = word.part(from..word.text.len());
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let problem = match part.parse::<u32>() {
            _ if part.is_empty() => Problem::error(
                self.span(word.range.clone()),
                "the number of starts a minute is missing",
            )
            .help("write it behind the separator, or leave the separator out"),
            Ok(0) if is_number => return,
            Ok(number) if is_number => {
                let pause = if self.dialect == Dialect::Busybox { "60s" } else { "10m" };
                let rate = Data::Text(format!("{number}/60s"));
                self.add(entries, Key::Rate, range.clone(), rate);
                self.add(entries, Key::RatePause, range, Data::Text(pause.to_owned()));
                return;
            }
            _ => Problem::error(self.span(word.range.clone()), format!("`{part}` is not a limit"))
                .help("a limit is a number of starts a minute: nowait.60"),
        };
        self.push(problem);
    }
}
