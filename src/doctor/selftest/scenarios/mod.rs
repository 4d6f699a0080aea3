//! What is tried. The names of the scenarios are referred to by the documentation.

mod addresses;
mod control;
mod limits;
mod sessions;
mod streams;
mod windows;

use super::{Outcome, Scenario};
use crate::sys::machine;

/// All scenarios, in the order in which they run.
pub(super) fn all() -> impl Iterator<Item = &'static Scenario> {
    [streams::ALL, addresses::ALL, sessions::ALL, control::ALL, limits::ALL, windows::ALL]
        .into_iter()
        .flatten()
}

/// What Wine cannot show, because it is different there or too kind.
fn not_shown_by_emulator(why: &str) -> Option<Outcome> {
    let name = machine::emulator()?;
    let name = name.split(' ').next().unwrap_or_default();
    Some(Outcome::Skipped(format!("{name}: {why}")))
}

fn skipped(why: &str) -> Outcome {
    Outcome::Skipped(why.into())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn names_are_short_words_and_unique() {
        let mut seen = HashSet::new();
        for scenario in super::all() {
            assert!(seen.insert(scenario.name), "{} twice", scenario.name);
            assert!(scenario.name.len() <= 16, "{}", scenario.name);
            assert!(scenario.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
            assert!(!scenario.shows.ends_with('.'), "{}", scenario.shows);
        }
    }

    /// The scenarios in the first table of that page are those that exist.
    #[test]
    fn the_documentation_names_scenarios_that_exist() {
        let page = include_str!("../../../../docs/windows-untested.md");
        let (_, table) = page.split_once("| scenario |").unwrap();
        let (table, _) = table.split_once("\n\n").unwrap();
        let known: HashSet<_> = super::all().map(|scenario| scenario.name).collect();
        let mut named = 0;
        for row in table.lines().filter(|row| row.starts_with("| `")) {
            let cell = row.split('|').nth(1).unwrap();
            for name in cell.split('`').skip(1).step_by(2) {
                assert!(known.contains(name), "there is no scenario {name}");
                named += 1;
            }
        }
        assert!(named > 20);
    }
}
