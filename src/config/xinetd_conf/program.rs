//! What a service of an entry runs, as whom, with which limits and in which environment.

use super::attributes::Given;
use super::service::Translation;
use super::syntax::Word;
use crate::config::keys::Key;
use crate::config::raw::{Data, Value};
use crate::config::report::Problem;
use crate::config::source::Spanned;
use crate::config::value;
use crate::sys::{FAMILY, Family};

impl Translation<'_> {
    pub(super) fn program(&mut self) {
        if self.has_word("flags", "SENSOR") {
            self.sensor();
            return;
        }
        if self.has_word("type", "INTERNAL") {
            let mut kind = self.name.clone();
            if kind.value == "servers" {
                // Both tell who is served.
                self.problems.push(
                    Problem::warning(kind.span, "`servers` is the built-in service `status`")
                        .label("it has a line for each service with its sessions"),
                );
                "status".clone_into(&mut kind.value);
            }
            self.add(Key::Builtin, kind.span, Data::Text(kind.value));
            return;
        }
        if let Some(redirect) = self.settings.get("redirect") {
            let [host, port] = &redirect.values[..] else { return };
            let host_text = if host.value.contains(':') {
                format!("[{}]", host.value)
            } else {
                host.value.clone()
            };
            let text = format!("{host_text}:{}", port.value);
            self.add(Key::Forward, host.span, Data::Text(text));
            return;
        }
        let Some(server) = self.settings.get("server").map(Given::one).cloned() else {
            self.missing("server", "the absolute path of the program");
            return;
        };
        let mut words = self.words("server_args");
        if self.has_word("flags", "NAMEINARGS") && !words.is_empty() {
            let name = words.remove(0);
            self.add(Key::Arg0, name.span, Data::Text(name.value));
        } else if let Some((_, name)) = server.value.rsplit_once('/') {
            // xinetd calls a server by the last part of its path.
            self.add(Key::Arg0, server.span, Data::Text(name.to_owned()));
        }
        let text = |word: Word| Spanned { value: Data::Text(word.value), span: word.span };
        if let Some(quoted) = words.iter().find(|word| word.value.starts_with(['"', '\''])) {
            self.problems.push(
                Problem::warning(quoted.span, "a quote is an ordinary character")
                    .label("the program gets it as it is"),
            );
        }
        let run = std::iter::once(server.clone()).chain(words).map(text).collect();
        self.add(Key::Run, server.span, Data::List(run));
    }

    /// xinetd.conf(5), "SENSOR": "xinetd will [...] consider the server attribute to be INTERNAL no
    /// matter what is typed on the same line"; "deny_time": "FOREVER, NEVER, and a numeric value",
    /// which is minutes. FOREVER is until xinetd ends; a year comes near that.
    fn sensor(&mut self) {
        let given = self.settings.get("deny_time").map(|given| given.one().clone());
        let word = given.unwrap_or(Word { value: "NEVER".to_owned(), span: self.name.span });
        let time = match word.value.to_ascii_uppercase().as_str() {
            "FOREVER" => Some("365days".to_owned()),
            "NEVER" => Some("0s".to_owned()),
            minutes => minutes.parse().ok().map(|minutes: u32| format!("{minutes}m")),
        };
        match time {
            Some(time) => self.add(Key::Sensor, word.span, Data::Text(time)),
            None => self.wrong("deny_time", &word, "minutes, FOREVER or NEVER"),
        }
    }

    pub(super) fn identity(&mut self) {
        let user = self.settings.get("user").map(Given::one);
        let group = self.settings.get("group").map(Given::one);
        if FAMILY == Family::Windows {
            if let Some(word) = user.or(group) {
                self.problems.push(
                    Problem::warning(word.span, "the user is ignored")
                        .label("programs run as the user that inetd runs as"),
                );
            }
            return;
        }
        match user.cloned() {
            Some(user) => self.add(Key::User, user.span, Data::Text(user.value)),
            None => self.missing("user", "who the program runs as"),
        }
        if let Some(group) = group.cloned() {
            self.add(Key::Group, group.span, Data::Text(group.value));
        }
        if self.answer("groups") != Some(true) {
            let at = self.settings.get("groups").map_or(self.name.span, |given| given.at);
            self.add(Key::Groups, at, Data::List(Vec::new()));
        }
    }

    pub(super) fn limits(&mut self) {
        self.copy("umask", Key::Umask, "octal digits", |word| Some(Data::Text(word.value.clone())));
        self.copy("nice", Key::Nice, "a number from -20 to 19", |word| {
            Some(Data::Integer { value: word.value.parse().ok()?, octal: false })
        });
        let names = [
            ("rlimit_as", "as"),
            ("rlimit_cpu", "cpu"),
            ("rlimit_data", "data"),
            ("rlimit_files", "nofile"),
            ("rlimit_stack", "stack"),
        ];
        let mut fields = Vec::new();
        let mut at = None;
        for (attribute, name) in names {
            let Some(word) = self.settings.get(attribute).map(Given::one) else { continue };
            if FAMILY == Family::Windows {
                self.ignore(
                    attribute,
                    "Windows has no such limit, but the key `limits` has others",
                );
                continue;
            }
            let data = if word.value.eq_ignore_ascii_case("UNLIMITED") {
                Data::Text("unlimited".to_owned())
            } else if let Some(value) =
                value::size(&word.value).and_then(|size| size.try_into().ok())
            {
                Data::Integer { value, octal: false }
            } else {
                self.wrong(
                    attribute,
                    &word.clone(),
                    "a number, with K or M behind it, or UNLIMITED",
                );
                continue;
            };
            let span = word.span;
            at.get_or_insert(span);
            let name = Spanned { value: name.to_owned(), span };
            fields.push((name, Spanned { value: data, span }));
        }
        if let Some(at) = at {
            self.add(Key::Limits, at, Data::Table(fields));
        }
        self.ignore("rlimit_rss", "Linux has not enforced it since version 2.4.30");
    }

    pub(super) fn environment(&mut self) {
        let mut fields = Vec::new();
        for word in self.words("env") {
            let Some((name, value)) = word.value.split_once('=') else {
                let message = format!("`{}` has no `=`", word.value);
                self.problems.push(Problem::error(word.span, message).help("write NAME=VALUE"));
                continue;
            };
            let at = word.span;
            let name = Spanned { value: name.to_owned(), span: at };
            // The last value of a name counts.
            fields.retain(|(other, _): &(Spanned<String>, Value)| other.value != name.value);
            fields.push((name, Spanned { value: Data::Text(value.to_owned()), span: at }));
        }
        if let Some(given) = self.settings.get("env") {
            self.add(Key::Env, given.at, Data::Table(fields));
        }
        // Without `passenv` a server gets everything that xinetd has.
        let text = |word: Word| Spanned { value: Data::Text(word.value), span: word.span };
        let (at, names) = match self.settings.get("passenv") {
            Some(given) => (given.at, given.values.iter().cloned().map(text).collect()),
            None => {
                let all = Spanned { value: "*".to_owned(), span: self.name.span };
                (self.name.span, vec![text(all)])
            }
        };
        self.add(Key::PassEnv, at, Data::List(names));
    }
}
