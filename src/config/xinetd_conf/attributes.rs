//! The attributes of an entry, and how those of `defaults` and of the service come together
//! (xinetd.conf(5)).

use super::syntax::{Attribute, Operator, Word};
use crate::config::report::Problem;
use crate::config::source::Span;
use crate::config::suggest::did_you_mean;

/// How many values an attribute has, and what a second line of it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One value; the first line counts.
    One,
    /// Two values; the first line counts.
    Two,
    /// Any number; the first line counts.
    List,
    /// Any number, which `+=` and `-=` change.
    Set,
}

/// Where an attribute may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Service,
    Both,
    Defaults,
}

#[rustfmt::skip]
const ATTRIBUTES: [(&str, Kind, Place); 47] = [
    ("access_times", Kind::List, Place::Service),
    ("banner", Kind::One, Place::Both),
    ("banner_fail", Kind::One, Place::Both),
    ("banner_success", Kind::One, Place::Both),
    ("bind", Kind::One, Place::Both),
    ("cps", Kind::Two, Place::Both),
    ("deny_time", Kind::One, Place::Service),
    ("disable", Kind::One, Place::Service),
    ("disabled", Kind::Set, Place::Defaults),
    ("enabled", Kind::Set, Place::Defaults),
    ("env", Kind::Set, Place::Service),
    ("flags", Kind::List, Place::Service),
    ("group", Kind::One, Place::Service),
    ("groups", Kind::One, Place::Both),
    ("id", Kind::One, Place::Service),
    ("instances", Kind::One, Place::Both),
    ("interface", Kind::One, Place::Both),
    ("libwrap", Kind::One, Place::Service),
    ("log_on_failure", Kind::Set, Place::Both),
    ("log_on_success", Kind::Set, Place::Both),
    ("log_type", Kind::List, Place::Both),
    ("max_load", Kind::One, Place::Both),
    ("mdns", Kind::One, Place::Both),
    ("nice", Kind::One, Place::Service),
    ("no_access", Kind::Set, Place::Both),
    ("only_from", Kind::Set, Place::Both),
    ("passenv", Kind::Set, Place::Both),
    ("per_source", Kind::One, Place::Both),
    ("port", Kind::One, Place::Service),
    ("protocol", Kind::One, Place::Service),
    ("redirect", Kind::Two, Place::Service),
    ("rlimit_as", Kind::One, Place::Service),
    ("rlimit_cpu", Kind::One, Place::Service),
    ("rlimit_data", Kind::One, Place::Service),
    ("rlimit_files", Kind::One, Place::Service),
    ("rlimit_rss", Kind::One, Place::Service),
    ("rlimit_stack", Kind::One, Place::Service),
    ("rpc_number", Kind::One, Place::Service),
    ("rpc_version", Kind::One, Place::Service),
    ("server", Kind::One, Place::Service),
    ("server_args", Kind::List, Place::Service),
    ("socket_type", Kind::One, Place::Service),
    ("type", Kind::List, Place::Service),
    ("umask", Kind::One, Place::Both),
    ("user", Kind::One, Place::Service),
    ("v6only", Kind::One, Place::Both),
    ("wait", Kind::One, Place::Service),
];

/// Defaults that a service has from the moment its entry begins: a `defaults` behind it does not
/// reach it. All other defaults are filled in at the end.
const COPIED_AT_START: [&str; 8] = [
    "banner",
    "banner_fail",
    "banner_success",
    "log_on_failure",
    "log_on_success",
    "no_access",
    "only_from",
    "passenv",
];

/// One attribute with its values.
#[derive(Clone, Debug)]
pub(super) struct Given {
    name: &'static str,
    /// Where it was written first.
    pub(super) at: Span,
    pub(super) values: Vec<Word>,
}

impl Given {
    /// The value of an attribute with one value.
    pub(super) fn one(&self) -> &Word {
        // `Settings::add` takes no such attribute without its value.
        &self.values[0]
    }
}

/// The attributes of one entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    given: Vec<Given>,
}

impl Settings {
    /// What a service begins with.
    pub(super) fn at_start(defaults: &Self) -> Self {
        let copied = |given: &&Given| COPIED_AT_START.contains(&given.name);
        Self { given: defaults.given.iter().filter(copied).cloned().collect() }
    }

    /// Fills in what neither the service has nor was there at its start.
    pub(super) fn fill(&mut self, defaults: &Self) {
        for given in &defaults.given {
            let late = !COPIED_AT_START.contains(&given.name);
            let is_for_services = !matches!(given.name, "enabled" | "disabled");
            if late && is_for_services && self.get(given.name).is_none() {
                self.given.push(given.clone());
            }
        }
    }

    /// An attribute that was given.
    pub(super) fn get(&self, name: &str) -> Option<&Given> {
        self.given.iter().find(|given| given.name == name)
    }

    /// Takes over one line.
    pub(super) fn add(&mut self, line: Attribute, in_defaults: bool, problems: &mut Vec<Problem>) {
        let Some((name, kind, place)) = known(&line.name, problems) else { return };
        if !is_allowed(&line.name, name, place, in_defaults, problems) {
            return;
        }
        let ignore = |span, message: String| Problem::warning(span, message).label("ignored");
        if kind != Kind::Set && line.operator != Operator::Set {
            let message = format!("`{name}` has one value that nothing is added to");
            problems.push(ignore(line.name.span, message));
            return;
        }
        let (count, wanted) = match kind {
            Kind::One => (1, "one value"),
            Kind::Two => (2, "two values"),
            Kind::List | Kind::Set => (line.values.len(), ""),
        };
        if line.values.len() != count {
            problems.push(ignore(line.name.span, format!("`{name}` has {wanted}")));
            return;
        }
        let at = line.name.span;
        let Some(given) = self.given.iter_mut().find(|given| given.name == name) else {
            if line.operator != Operator::Remove {
                self.given.push(Given { name, at, values: line.values });
            }
            return;
        };
        match (kind, line.operator) {
            (Kind::Set, Operator::Remove) => {
                given.values.retain(|old| line.values.iter().all(|value| value.value != old.value));
            }
            // In `defaults`, `=` adds.
            (Kind::Set, Operator::Set) if !in_defaults => {
                *given = Given { name, at, values: line.values };
            }
            (Kind::Set, _) => given.values.extend(line.values),
            _ => problems.push(
                ignore(at, format!("`{name}` is there already")).related(given.at, "this counts"),
            ),
        }
    }
}

fn known(name: &Word, problems: &mut Vec<Problem>) -> Option<(&'static str, Kind, Place)> {
    let found = ATTRIBUTES.iter().find(|(known, ..)| name.value.eq_ignore_ascii_case(known));
    if found.is_none() {
        let lower = name.value.to_ascii_lowercase();
        let help = did_you_mean(&lower, ATTRIBUTES.map(|(known, ..)| known));
        let message = format!("unknown attribute `{}`", name.value);
        problems.push(Problem::warning(name.span, message).label("ignored").maybe_help(help));
    }
    found.copied()
}

fn is_allowed(
    word: &Word,
    name: &str,
    place: Place,
    in_defaults: bool,
    problems: &mut Vec<Problem>,
) -> bool {
    let (wrong, where_it_is, belongs) = match place {
        Place::Service => (in_defaults, "`defaults`", "the entries of services"),
        Place::Defaults => (!in_defaults, "the entry of a service", "`defaults`"),
        Place::Both => return true,
    };
    if wrong {
        let message = format!("`{name}` cannot stand in {where_it_is}");
        problems.push(Problem::error(word.span, message).help(format!("write it in {belongs}")));
    }
    !wrong
}

#[cfg(test)]
mod tests {
    use super::super::syntax::{Item, parse};
    use super::*;

    /// The settings of the last service of a file, and how many problems there are.
    fn last(text: &str) -> (Settings, usize) {
        let mut problems = Vec::new();
        let (mut defaults, mut service) = (Settings::default(), Settings::default());
        for item in parse(text, 0, &mut problems) {
            match item {
                Item::Defaults(_, lines) => {
                    lines.into_iter().for_each(|line| defaults.add(line, true, &mut problems));
                }
                Item::Service(_, body) => {
                    service = Settings::at_start(&defaults);
                    body.attributes
                        .into_iter()
                        .for_each(|line| service.add(line, false, &mut problems));
                }
                _ => {}
            }
        }
        service.fill(&defaults);
        (service, problems.len())
    }

    fn values(settings: &Settings, name: &str) -> Option<String> {
        let values = settings.get(name)?.values.iter().map(|value| value.value.as_str());
        Some(values.collect::<Vec<_>>().join(" "))
    }

    // xinetd.conf(5): "'+=' means adding a value to the set and '-=' means removing a value from the
    // set."
    #[test]
    fn sets_add_to_replace_and_remove_from_the_defaults() {
        let defaults = "defaults\n{\n only_from = a b\n only_from = c\n}\n";
        for (lines, expected) in [
            ("", Some("a b c")),
            (" only_from += d\n", Some("a b c d")),
            (" only_from = d\n only_from += e\n", Some("d e")),
            (" only_from -= b x\n", Some("a c")),
            (" only_from =\n", Some("")),
        ] {
            let (settings, problems) = last(&format!("{defaults}service x\n{{\n{lines}}}\n"));
            assert_eq!(values(&settings, "only_from").as_deref(), expected, "{lines}");
            assert_eq!(problems, 0);
        }
    }

    #[test]
    fn defaults_behind_a_service_reach_it_in_part() {
        let text =
            "service x\n{\n}\ndefaults\n{\n only_from = a\n instances = 3\n enabled = x\n}\n";
        let (settings, _) = last(text);
        assert_eq!(values(&settings, "only_from"), None);
        assert_eq!(values(&settings, "instances").as_deref(), Some("3"));
        assert_eq!(values(&settings, "enabled"), None);
    }

    #[test]
    fn lines_that_xinetd_ignores_are_ignored_and_told() {
        for line in ["port = 2", "port += 2", "port = 1 2", "cps = 1", "prot = 1", "flags = B"] {
            let text = format!("service x\n{{\n port = 1\n FLAGS = A\n {line}\n}}\n");
            let (settings, problems) = last(&text);
            assert_eq!(problems, 1, "{line}");
            assert_eq!(values(&settings, "port").as_deref(), Some("1"), "{line}");
            assert_eq!(values(&settings, "flags").as_deref(), Some("A"), "{line}");
        }
    }

    #[test]
    fn attributes_have_their_place() {
        assert_eq!(last("defaults\n{\n port = 1\n}\n").1, 1);
        assert_eq!(last("service x\n{\n enabled = x\n}\n").1, 1);
    }
}
