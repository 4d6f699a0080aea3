//! The user field of a classic line.

use super::lines::Word;
use super::{Dialect, Reader};
use crate::config::keys::Key;
use crate::config::raw::{Data, Entry};
use crate::config::report::Problem;
use crate::config::source::{Span, Spanned};
use crate::sys::{FAMILY, Family, identity};

impl Reader<'_> {
    /// `user`, `user:group`, and by dialect `user.group` or `user/login-class`.
    pub(super) fn user(&mut self, word: &Word, entries: &mut Vec<Entry>) {
        let span = Span::new(self.file, word.range.clone());
        if FAMILY == Family::Windows {
            self.push(
                Problem::warning(span, "the user is ignored")
                    .label("programs run as the user that inetd runs as"),
            );
            return;
        }
        let mut text = word.text.as_str();
        if self.dialect == Dialect::Freebsd
            && let Some((user, class)) = text.split_once('/')
        {
            let part = word.part(user.len() + 1..text.len());
            self.push(
                Problem::warning(
                    Span::new(self.file, part),
                    format!("the login class `{class}` is ignored"),
                )
                .label("this system has no login classes"),
            );
            text = user;
        }
        let separator = match text.split_once(':') {
            Some((user, _)) => Some(user.len()),
            None if self.dialect == Dialect::Freebsd => None,
            // A name may have a dot in it: only what is not a user as a whole is taken apart.
            None => text.rfind('.').filter(|_| identity::user_id(text).is_err()),
        };
        let mut add = |key, part: std::ops::Range<usize>| {
            let value = Data::Text(text[part.clone()].to_owned());
            let span = Span::new(self.file, word.part(part));
            entries.push(Entry { key, name: span, value: Spanned { value, span } });
        };
        match separator {
            None => add(Key::User, 0..text.len()),
            Some(at) => {
                add(Key::User, 0..at);
                add(Key::Group, at + 1..text.len());
            }
        }
    }
}
