//! Whose a connection is: `USERID` of `log_on_success` and `log_on_failure`, and `flags = IDONLY`.

use super::attributes::Given;
use super::service::Translation;
use super::syntax::Word;
use crate::config::keys::Key;
use crate::config::raw::Data;
use crate::config::report::Problem;

/// Port 113 and its names in the services file.
const IDENT: [&str; 5] = ["113", "auth", "authentication", "ident", "tap"];

impl Translation<'_> {
    /// Whoever is let in is not kept waiting if only failures shall tell the user.
    ///
    /// xinetd.conf(5), "IDONLY": "This flag is ineffective if the USERID log option is not used."
    pub(super) fn identify(&mut self) {
        let success = self.user_id("log_on_success");
        let failure = self.user_id("log_on_failure");
        let users: Vec<_> = success.iter().chain(&failure).collect();
        let only = self.words("flags").into_iter();
        let only: Vec<_> = only.filter(|word| word.value.eq_ignore_ascii_case("IDONLY")).collect();
        if let Some(why) = self.nobody_to_ask() {
            for word in users.into_iter().chain(&only) {
                self.no_user(word, "is ignored", why);
            }
            return;
        }
        match (users.first(), only.first()) {
            (Some(_), Some(only)) => {
                self.add(Key::Identify, only.span, Data::Text("require".to_owned()));
            }
            (Some(user), None) => {
                let whom = if success.is_some() { "log" } else { "refused" };
                self.add(Key::Identify, user.span, Data::Text(whom.to_owned()));
            }
            (None, Some(only)) => {
                self.no_user(only, "has no effect", "it needs log_on_success += USERID");
            }
            (None, None) => {}
        }
    }

    fn user_id(&self, attribute: &str) -> Option<Word> {
        let mut words = self.words(attribute).into_iter();
        words.find(|word| word.value.eq_ignore_ascii_case("USERID"))
    }

    /// Why the users of peers cannot be asked for. Of those who send datagrams, and of `wait`, xinetd
    /// asks for none either; where it listens on the port of the question, it warns as this does.
    fn nobody_to_ask(&self) -> Option<&'static str> {
        if self.is_datagram() {
            return Some("a datagram belongs to no connection whose user could be asked for");
        }
        if self.is_waiting_program() {
            return Some("a program with `wait` accepts its connections itself");
        }
        if self.has_word("flags", "SENSOR") {
            return Some("a sensor lets nobody in");
        }
        let port = self.settings.get("port").map_or(self.name, Given::one);
        IDENT
            .contains(&port.value.as_str())
            .then_some("two machines would answer each other's questions with questions, for ever")
    }

    fn no_user(&mut self, word: &Word, what: &str, why: &str) {
        let problem = Problem::warning(word.span, format!("`{}` {what}", word.value));
        self.problems.push(problem.label(why));
    }
}
