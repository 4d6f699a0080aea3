//! Translates the attributes of one entry into the keys of a service, in an order, and owns what
//! all kinds of attributes need for that.

use super::attributes::{Given, Settings};
use super::syntax::Word;
use super::{access, wrappers};
use crate::config::keys::Key;
use crate::config::raw::{Data, Entry, Origin, RawService};
use crate::config::report::Problem;
use crate::config::source::{Span, Spanned};
use crate::config::suggest::{did_you_mean, enumerate};
use crate::config::value;
use crate::record::facility::Facility;

/// xinetd's own defaults of `cps`: connections a second, and the pause in seconds.
const CPS: (u64, u64) = (50, 10);

/// Words of `type` and `flags`.
const TYPES: [&str; 6] = ["RPC", "INTERNAL", "UNLISTED", "SPECIAL", "TCPMUX", "TCPMUXPLUS"];
const FLAGS: [&str; 12] = [
    "REUSE",
    "INTERCEPT",
    "NORETRY",
    "IDONLY",
    "NAMEINARGS",
    "NODELAY",
    "KEEPALIVE",
    "NOLIBWRAP",
    "SENSOR",
    "IPv4",
    "IPv6",
    "LABELED",
];

/// The service of an entry, unless it is left out. What is wrong with it is a problem.
pub(super) fn translate(
    service: &super::Entry,
    facility: Facility,
    problems: &mut Vec<Problem>,
) -> Option<RawService> {
    let super::Entry { name, settings, incomplete } = service;
    let count = |problems: &[Problem]| problems.iter().filter(|p| p.is_error()).count();
    let before = count(problems);
    let mut translation = Translation {
        name,
        settings,
        facility,
        incomplete: *incomplete,
        problems: &mut *problems,
        entries: Vec::new(),
    };
    if translation.is_left_out() {
        return None;
    }
    translation.all();
    let entries = translation.entries;
    let id = settings.get("id").map_or(name, Given::one);
    Some(RawService {
        name: Spanned { value: value::to_name(&id.value), span: name.span },
        origin: Origin::Classic,
        layer: None,
        entries,
        // What is missing then has been reported already.
        incomplete: *incomplete || count(problems) > before,
    })
}

pub(super) struct Translation<'a> {
    pub(super) name: &'a Word,
    pub(super) settings: &'a Settings,
    /// The facility of the log.
    pub(super) facility: Facility,
    incomplete: bool,
    pub(super) problems: &'a mut Vec<Problem>,
    entries: Vec<Entry>,
}

impl Translation<'_> {
    fn all(&mut self) {
        self.known_words("type", &TYPES);
        self.known_words("flags", &FLAGS);
        // With `yes` the entry would not be here. A slip must not leave a service on.
        self.answer("disable");
        self.without_effect();
        self.flags();
        self.listen();
        let wait = self.wait();
        self.program();
        if self.entries.iter().any(|entry| entry.key == Key::Run) {
            self.entries.extend(wait);
            self.identity();
            self.limits();
            self.environment();
        }
        self.admission();
        wrappers::translate(self.name, self.settings, self.problems, &mut self.entries);
        self.log();
    }

    /// Attributes that need another one.
    fn without_effect(&mut self) {
        for (attribute, list, word) in [
            ("deny_time", "flags", "SENSOR"),
            ("rpc_version", "type", "RPC"),
            ("rpc_number", "type", "RPC"),
        ] {
            if let Some(given) = self.settings.get(attribute)
                && !self.has_word(list, word)
            {
                let message = format!("`{attribute}` has no effect");
                let label = format!("it needs {list} = {word}");
                self.problems.push(Problem::warning(given.at, message).label(label));
            }
        }
    }

    /// `wait`, which every service has, and which means something to a program only.
    fn wait(&mut self) -> Option<Entry> {
        let Some(span) = self.settings.get("wait").map(|given| given.one().span) else {
            self.missing("wait", "yes or no");
            return None;
        };
        let value = Spanned { value: Data::Bool(self.answer("wait")?), span };
        Some(Entry { key: Key::Wait, name: span, value })
    }

    fn admission(&mut self) {
        let count = |word: &Word| {
            let value = match word.value.eq_ignore_ascii_case("UNLIMITED") {
                true => 0,
                false => word.value.parse().ok().filter(|count| *count > 0)?,
            };
            Some(Data::Integer { value, octal: false })
        };
        const COUNT: &str = "a number from 1, or UNLIMITED";
        self.copy("instances", Key::MaxSessions, COUNT, count);
        let sees_peers = !self.is_waiting_program() || self.is_datagram();
        if sees_peers {
            self.copy("per_source", Key::MaxPerSource, COUNT, count);
        }
        if self.settings.get("instances").is_some() {
            // xinetd accepts and closes what is too much.
            self.add(Key::OverLimit, self.name.span, Data::Text("reject".to_owned()));
        }
        self.cps();
        self.copy("max_load", Key::MaxLoad, "a number above 0: 8.5", |word| {
            word.value.parse().ok().filter(|load: &f64| *load > 0.0).map(Data::Float)
        });
        if !sees_peers {
            for attribute in ["per_source", "banner_success", "banner"] {
                self.ignore(attribute, "a program with `wait` accepts its connections itself");
            }
        }
        access::translate(self.settings, self.problems, &mut self.entries);
        for (attributes, key) in [
            (["banner_success", "banner"], Key::Banner),
            (["banner_fail", "banner"], Key::BannerReject),
        ] {
            let given = attributes.iter().find_map(|name| self.settings.get(name));
            if let Some(path) = given.map(|given| given.one().clone())
                && (sees_peers || key != Key::Banner)
            {
                self.add(key, path.span, Data::Text(format!("file:{}", path.value)));
            }
        }
    }

    /// `cps = RATE SECONDS`.
    fn cps(&mut self) {
        let (rate, pause, at) = match self.settings.get("cps") {
            None => (CPS.0, CPS.1, self.name.span),
            Some(given) => {
                let numbers: Vec<u64> =
                    given.values.iter().filter_map(|word| word.value.parse().ok()).collect();
                let [rate, pause] = numbers[..] else {
                    let word = given.values[0].clone();
                    self.wrong("cps", &word, "connections a second, and seconds of pause: 50 10");
                    return;
                };
                (rate, pause, given.values[0].span)
            }
        };
        if self.answer("wait") == Some(true) && self.settings.get("cps").is_none() {
            return; // One server for all of them.
        }
        // "The CPS handler" of xinetd's code takes 0 for no limit, and there is no pause then.
        if rate == 0 {
            self.add(Key::Rate, at, Data::Text("0".to_owned()));
            return;
        }
        self.add(Key::Rate, at, Data::Text(format!("{rate}/1s")));
        self.add(Key::RatePause, at, Data::Text(format!("{pause}s")));
        if self.settings.get("instances").is_some() {
            // One too many is closed, but one too fast makes a pause.
            self.add(Key::OverRate, at, Data::Text("pause".to_owned()));
        }
    }

    fn flags(&mut self) {
        let is_stream = !self.is_datagram();
        if is_stream && !self.has_word("flags", "KEEPALIVE") {
            self.add(Key::Keepalive, self.name.span, Data::Bool(false));
        }
        for word in self.words("flags") {
            let upper = word.value.to_ascii_uppercase();
            match upper.as_str() {
                "KEEPALIVE" => self.add(Key::Keepalive, word.span, Data::Bool(true)),
                "NODELAY" => self.add(Key::Nodelay, word.span, Data::Bool(true)),
                "NORETRY" => self.problems.push(
                    Problem::warning(word.span, "`NORETRY` is ignored")
                        .label("a start that fails for want of resources is tried again"),
                ),
                // xinetd clears it for such services, too.
                "INTERCEPT" => self.problems.push(
                    Problem::warning(word.span, "`INTERCEPT` has no effect")
                        .label("every peer of this service is looked at anyway"),
                ),
                _ => {}
            }
        }
        self.ignore("mdns", "nothing is announced");
    }

    pub(super) fn known_words(&mut self, attribute: &str, known: &[&'static str]) {
        for word in self.words(attribute) {
            if known.iter().all(|name| !word.value.eq_ignore_ascii_case(name)) {
                let message = format!("`{}` is not a value of `{attribute}`", word.value);
                let help = did_you_mean(&word.value.to_ascii_uppercase(), known.iter().copied())
                    .unwrap_or_else(|| format!("there are {}", enumerate(known.iter().copied())));
                self.problems.push(Problem::error(word.span, message).help(help));
            }
        }
    }

    /// The values of an attribute; none if it is not there.
    pub(super) fn words(&self, attribute: &str) -> Vec<Word> {
        self.settings.get(attribute).map(|given| given.values.clone()).unwrap_or_default()
    }

    pub(super) fn has_word(&self, attribute: &str, word: &str) -> bool {
        let given = self.settings.get(attribute);
        given.is_some_and(|given| given.values.iter().any(|v| v.value.eq_ignore_ascii_case(word)))
    }

    /// The value of a yes-or-no attribute.
    pub(super) fn answer(&mut self, attribute: &'static str) -> Option<bool> {
        let word = self.settings.get(attribute)?.one();
        match word.value.to_ascii_lowercase().as_str() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => {
                self.wrong(attribute, &word.clone(), "yes or no");
                None
            }
        }
    }

    pub(super) fn copy(
        &mut self,
        attribute: &'static str,
        key: Key,
        wanted: &str,
        read: impl Fn(&Word) -> Option<Data>,
    ) {
        let Some(word) = self.settings.get(attribute).map(|given| given.one().clone()) else {
            return;
        };
        match read(&word) {
            Some(data) => self.add(key, word.span, data),
            None => self.wrong(attribute, &word, wanted),
        }
    }

    pub(super) fn wrong(&mut self, attribute: &str, word: &Word, wanted: &str) {
        let message = format!("`{}` is not a value of `{attribute}`", word.value);
        self.problems.push(Problem::error(word.span, message).help(format!("write {wanted}")));
    }

    pub(super) fn missing(&mut self, attribute: &str, help: &str) {
        if self.incomplete {
            return;
        }
        let message = format!("service `{}` has no `{attribute}`", self.name.value);
        let help = format!("write {attribute} = ...: {help}");
        self.problems.push(Problem::error(self.name.span, message).help(help));
    }

    /// An attribute that changes nothing here, and lets nobody in by that.
    pub(super) fn ignore(&mut self, attribute: &str, why: &str) {
        if let Some(given) = self.settings.get(attribute) {
            let message = format!("`{attribute}` is ignored");
            self.problems.push(Problem::warning(given.at, message).label(why));
        }
    }

    pub(super) fn add(&mut self, key: Key, span: Span, value: Data) {
        // `umask`, `nice`, `max_load`: more of them are no reason to lose the whole file.
        if let Some(obstacle) = key.info().availability.obstacle() {
            let message = format!("`{}` is ignored", key.name());
            let problem = Problem::warning(span, message);
            self.problems.push(problem.label(format!("it {obstacle}")));
            return;
        }
        self.entries.push(Entry { key, name: span, value: Spanned { value, span } });
    }
}

pub(super) const DISABLE: &str =
    "remove it, or write `disable = yes` as the first line of the entry";
