//! Values of the right type and range, or a problem that says what would be right.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::raw::{Data, Value};
use crate::config::report::Problem;
use crate::config::source::Spanned;
use crate::config::suggest::{did_you_mean, enumerate};
use crate::config::value;

/// One value that is being looked at.
pub(super) struct Check<'a> {
    /// The name of its key.
    pub(super) name: &'a str,
    pub(super) value: &'a Value,
    pub(super) problems: &'a mut Vec<Problem>,
    /// It is one item of a list.
    is_item: bool,
}

impl<'a> Check<'a> {
    pub(super) fn new(name: &'a str, value: &'a Value, problems: &'a mut Vec<Problem>) -> Self {
        Self { name, value, problems, is_item: false }
    }
}

impl Check<'_> {
    pub(super) fn text(&mut self) -> Option<Spanned<String>> {
        match &self.value.value {
            Data::Text(text) if text.contains('\0') => self.refuse_nul(),
            Data::Text(text) => Some(Spanned { value: text.clone(), span: self.value.span }),
            Data::Integer { value, .. } if self.is_item => {
                self.mistyped("a string", &format!("write it in quotes: \"{value}\""))
            }
            Data::Integer { value, .. } => {
                let help = format!("write it in quotes: {} = \"{value}\"", self.name);
                self.mistyped("a string", &help)
            }
            _ if self.is_item => self.mistyped("a string", "write it in quotes"),
            _ => self.mistyped("a string", &format!("write {} = \"...\"", self.name)),
        }
    }

    /// A list of strings.
    pub(super) fn list(&mut self) -> Option<Vec<Spanned<String>>> {
        let Data::List(items) = &self.value.value else {
            return self.mistyped("a list of strings", &format!("write {} = [\"...\"]", self.name));
        };
        Some(self.strings(items))
    }

    /// A string or a list of strings, at least one.
    pub(super) fn texts(&mut self) -> Option<Vec<Spanned<String>>> {
        match &self.value.value {
            Data::List(items) if items.is_empty() => self.wrong(
                &format!("`{}` is an empty list", self.name),
                &format!("write {} = \"...\" or {} = [\"...\", \"...\"]", self.name, self.name),
            ),
            Data::List(items) => Some(self.strings(items)),
            _ => Some(vec![self.text()?]),
        }
    }

    /// The strings of a list. Those that are none are reported, and the rest is looked at.
    fn strings(&mut self, items: &[Value]) -> Vec<Spanned<String>> {
        items.iter().filter_map(|value| self.item(value).text()).collect()
    }

    /// An item of this list.
    pub(super) fn item<'b>(&'b mut self, value: &'b Value) -> Check<'b> {
        Check { name: self.name, value, problems: self.problems, is_item: true }
    }

    pub(super) fn boolean(&mut self) -> Option<bool> {
        match &self.value.value {
            Data::Bool(value) => Some(*value),
            _ => self
                .mistyped("true or false", &format!("write {} = true, without quotes", self.name)),
        }
    }

    pub(super) fn integer(&mut self, range: RangeInclusive<i64>) -> Option<i64> {
        let (start, end) = (*range.start(), *range.end());
        match &self.value.value {
            Data::Integer { value, .. } if range.contains(value) => Some(*value),
            Data::Integer { value, .. } => self.out_of_range(value, start, end),
            _ => self.mistyped("an integer", &format!("use a number from {start} to {end}")),
        }
    }

    /// A count: [`Check::integer`] for a small range.
    pub(super) fn count(&mut self, range: RangeInclusive<u32>) -> Option<u32> {
        let range = i64::from(*range.start())..=i64::from(*range.end());
        self.integer(range).and_then(|value| u32::try_from(value).ok())
    }

    /// A number of bytes.
    pub(super) fn size(&mut self, range: RangeInclusive<u64>) -> Option<u64> {
        let size = match &self.value.value {
            Data::Integer { value, .. } => u64::try_from(*value).ok(),
            Data::Text(text) => match value::size(text) {
                Some(size) => Some(size),
                None => {
                    return self.wrong(
                        &format!("`{text}` is not a size"),
                        "sizes are written like 65536, \"64k\", \"1m\" or \"2g\"",
                    );
                }
            },
            _ => {
                return self
                    .mistyped("a size", "sizes are written like 65536, \"64k\", \"1m\" or \"2g\"");
            }
        };
        let (start, end) = (*range.start(), *range.end());
        match size {
            Some(size) if range.contains(&size) => Some(size),
            _ => {
                let shown = match &self.value.value {
                    Data::Integer { value, .. } => value.to_string(),
                    Data::Text(text) => text.clone(),
                    _ => String::new(),
                };
                self.out_of_range(&shown, value::show_size(start), value::show_size(end))
            }
        }
    }

    /// A time, or `None` inside for "off" where that is allowed.
    pub(super) fn duration(
        &mut self,
        range: RangeInclusive<Duration>,
        off: bool,
    ) -> Option<Option<Duration>> {
        const HELP: &str = "times are written like \"250ms\", \"10s\", \"5m\" or \"1h\"";
        let text = match &self.value.value {
            Data::Text(text) => text,
            Data::Integer { value: 0, .. } if off => return Some(None),
            Data::Integer { value, .. } => {
                let help = format!("say in what: {} = \"{value}s\" for seconds", self.name);
                return self.mistyped("a time in quotes", &help);
            }
            _ => return self.mistyped("a time in quotes", HELP),
        };
        if off && (text == "off" || text == "0") {
            return Some(None);
        }
        let Some(duration) = value::duration(text) else {
            return self.wrong(&format!("`{text}` is not a time"), HELP);
        };
        if off && duration.is_zero() {
            return Some(None);
        }
        if range.contains(&duration) {
            return Some(Some(duration));
        }
        let show = |duration: &Duration| humantime::format_duration(*duration).to_string();
        self.out_of_range(text, show(range.start()), show(range.end()))
    }

    /// Octal permission bits.
    pub(super) fn mode(&mut self) -> Option<u32> {
        let example = if self.name == "umask" { "022" } else { "0660" };
        let help = format!("write octal digits in quotes: {} = \"{example}\"", self.name);
        match &self.value.value {
            Data::Text(text) => match value::mode(text) {
                Some(mode) => Some(mode),
                None => self.wrong(&format!("`{text}` is not an octal mode"), &help),
            },
            Data::Integer { value, octal: true } if (0..=0o777).contains(value) => {
                u32::try_from(*value).ok()
            }
            Data::Integer { value, octal: true } => {
                self.out_of_range(format!("{value:#o}"), "0o000", "0o777")
            }
            Data::Integer { octal: false, .. } => {
                self.wrong(&format!("`{}` is a decimal number", self.name), &help)
            }
            _ => self.mistyped("an octal mode", &help),
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?.value;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*choice);
        }
        let names = || choices.iter().map(|(name, _)| *name);
        let help =
            did_you_mean(&text, names()).unwrap_or_else(|| format!("use {}", enumerate(names())));
        self.wrong(&format!("`{text}` is not a value of `{}`", self.name), &help)
    }

    /// Reports a value of the wrong type.
    pub(super) fn mistyped<T>(&mut self, expected: &str, help: &str) -> Option<T> {
        let what = if self.is_item { "each item of " } else { "" };
        self.problems.push(
            Problem::error(self.value.span, format!("{what}`{}` must be {expected}", self.name))
                .label(format!("this is {}", self.value.value.describe()))
                .help(help),
        );
        None
    }

    /// Reports a wrong value.
    pub(super) fn wrong<T>(&mut self, message: &str, help: &str) -> Option<T> {
        self.problems.push(Problem::error(self.value.span, message).help(help));
        None
    }

    fn out_of_range<T>(
        &mut self,
        value: impl Display,
        from: impl Display,
        to: impl Display,
    ) -> Option<T> {
        self.wrong(
            &format!("`{}` is out of range: {value}", self.name),
            &format!("it can be from {from} to {to}"),
        )
    }

    fn refuse_nul<T>(&mut self) -> Option<T> {
        self.wrong(&format!("`{}` has a NUL character in it", self.name), "leave it out")
    }
}
