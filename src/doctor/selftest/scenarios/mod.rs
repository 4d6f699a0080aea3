//! What is tried. The names of the scenarios are referred to by the documentation.

mod control;
mod limits;
mod sessions;
mod streams;
mod windows;

use super::{Outcome, Scenario};
use crate::sys::machine;

/// All scenarios, in the order in which they run.
pub(super) fn all() -> impl Iterator<Item = &'static Scenario> {
    [streams::ALL, sessions::ALL, control::ALL, limits::ALL, windows::ALL].into_iter().flatten()
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
}
