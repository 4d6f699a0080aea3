//! `access_times`: when connections are let in, by the clock of this place.

use std::fmt;
use std::str::FromStr;

use crate::sys::WeekMinute;

const DAY: u16 = 24 * 60;
const WEEK: u16 = 7 * DAY;

/// The days as they are written. The week begins on Monday.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Times of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// From the first minute up to, but not including, the last; in order, none touches another.
    windows: Box<[(u16, u16)]>,
}

/// One item: `08:00-18:00`, `mon-fri 22:00-06:00`. A time after midnight belongs to the day on
/// which the window begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    first_day: u8,
    last_day: u8,
    from: u16,
    to: u16,
}

/// What is wrong with an item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// There are no two times.
    #[error("there is no time like 08:00-18:00")]
    NoTimes,
    /// That is no time of day.
    #[error("`{0}` is not a time of day")]
    Time(String),
    /// That is no day.
    #[error("`{0}` is not a day")]
    Day(String),
    /// It begins when it ends.
    #[error("it ends when it begins")]
    Empty,
}

impl Schedule {
    /// All of these windows together.
    pub fn new(windows: &[Window]) -> Self {
        let mut pieces: Vec<(u16, u16)> = windows.iter().flat_map(|it| it.pieces()).collect();
        pieces.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(pieces.len());
        for (from, to) in pieces {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        Self { windows: merged.into() }
    }

    /// Whether a minute is in it.
    pub fn is_open(&self, minute: WeekMinute) -> bool {
        let minute = minute.get();
        let begun = self.windows.partition_point(|(from, _)| *from <= minute);
        begun.checked_sub(1).is_some_and(|at| minute < self.windows[at].1)
    }
}

impl Window {
    /// The minutes of the week; what goes on after Sunday is at its beginning.
    fn pieces(self) -> Vec<(u16, u16)> {
        let days = if self.first_day <= self.last_day {
            u16::from(self.last_day - self.first_day) + 1
        } else {
            7 - u16::from(self.first_day - self.last_day) + 1
        };
        let length =
            if self.to > self.from { self.to - self.from } else { DAY - self.from + self.to };
        let mut pieces = Vec::new();
        for day in 0..days {
            let from = ((u16::from(self.first_day) + day) % 7) * DAY + self.from;
            let to = from + length;
            pieces.push((from, to.min(WEEK)));
            if to > WEEK {
                pieces.push((0, to - WEEK));
            }
        }
        pieces
    }
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let mut words = text.split_whitespace();
        let (first, second) = (words.next(), words.next());
        let (days, times) = match (first, second, words.next()) {
            (Some(times), None, _) => (None, times),
            (Some(days), Some(times), None) => (Some(days), times),
            _ => return Err(WindowError::NoTimes),
        };
        let (from, to) = times.split_once('-').ok_or(WindowError::NoTimes)?;
        let (from, to) = (time(from)?, time(to)?);
        // A window can last a whole day, but must say so: 00:00-24:00.
        if from == to || from == DAY {
            return Err(WindowError::Empty);
        }
        let (first_day, last_day) = match days {
            None => (0, 6),
            Some(days) => match days.split_once('-') {
                Some((first, last)) => (day(first)?, day(last)?),
                None => (day(days)?, day(days)?),
            },
        };
        Ok(Self { first_day, last_day, from, to })
    }
}

/// `HH:MM` up to `24:00`, in minutes.
fn time(text: &str) -> Result<u16, WindowError> {
    let read = || {
        let (hour, minute) = text.split_once(':')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(hour) || !digits(minute) || minute.len() != 2 || hour.len() > 2 {
            return None;
        }
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        let time = hour * 60 + minute;
        (minute < 60 && time <= DAY).then_some(time)
    };
    read().ok_or_else(|| WindowError::Time(text.to_owned()))
}

fn day(text: &str) -> Result<u8, WindowError> {
    let lower = text.to_ascii_lowercase();
    let found = (0u8..).zip(DAYS).find(|(_, day)| *day == lower);
    found.map(|(number, _)| number).ok_or_else(|| WindowError::Day(text.to_owned()))
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.windows.is_empty() {
            return f.write_str("never");
        }
        for (index, (from, to)) in self.windows.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let point = |minute: u16| {
                let (day, time) = (usize::from(minute / DAY) % 7, minute % DAY);
                format!("{} {:02}:{:02}", DAYS[day], time / 60, time % 60)
            };
            write!(f, "{separator}{} to {}", point(*from), point(*to))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(items: &[&str]) -> Schedule {
        let windows: Vec<Window> = items.iter().map(|item| item.parse().unwrap()).collect();
        Schedule::new(&windows)
    }

    /// Sunday is 0 here, as in the C library.
    fn at(day: i32, hour: i32, minute: i32) -> WeekMinute {
        WeekMinute::new(day, hour, minute)
    }

    #[test]
    fn a_window_is_open_from_its_first_minute_to_the_one_before_its_last() {
        let schedule = schedule(&["08:00-18:00"]);
        for day in 0..7 {
            assert!(!schedule.is_open(at(day, 7, 59)));
            assert!(schedule.is_open(at(day, 8, 0)));
            assert!(schedule.is_open(at(day, 17, 59)));
            assert!(!schedule.is_open(at(day, 18, 0)));
        }
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let schedule = schedule(&["mon-fri 22:00-06:00", "sun 23:00-24:00"]);
        assert!(!schedule.is_open(at(1, 3, 0)), "the night from Sunday is not in it");
        assert!(schedule.is_open(at(1, 23, 0)));
        assert!(schedule.is_open(at(6, 5, 59)), "the night from Friday is");
        assert!(!schedule.is_open(at(6, 6, 0)));
        assert!(!schedule.is_open(at(6, 23, 0)));
        assert!(schedule.is_open(at(0, 23, 59)));
        assert!(!schedule.is_open(at(1, 0, 0)));
    }

    #[test]
    fn the_week_goes_on_after_sunday() {
        let night = schedule(&["sun 22:00-06:00"]);
        assert!(night.is_open(at(0, 22, 0)));
        assert!(night.is_open(at(1, 5, 59)));
        assert!(!night.is_open(at(0, 5, 0)));
        let weekend = schedule(&["sat-mon 00:00-24:00"]);
        assert!([6, 0, 1].iter().all(|day| weekend.is_open(at(*day, 12, 0))));
        assert!([2, 3, 4, 5].iter().all(|day| !weekend.is_open(at(*day, 12, 0))));
        assert!(schedule(&["00:00-24:00"]).is_open(at(3, 0, 0)));
        assert!(!schedule(&[]).is_open(at(3, 0, 0)));
        assert_eq!(weekend.to_string(), "mon 00:00 to tue 00:00, sat 00:00 to mon 00:00");
    }

    #[test]
    fn items_are_strict() {
        let wrong = |text: &str| text.parse::<Window>().unwrap_err().to_string();
        assert_eq!(wrong("8-18"), "`8` is not a time of day");
        assert_eq!(wrong("08:00"), "there is no time like 08:00-18:00");
        assert_eq!(wrong("mon tue 08:00-09:00"), "there is no time like 08:00-18:00");
        assert_eq!(wrong("08:00-24:01"), "`24:01` is not a time of day");
        assert_eq!(wrong("08:60-10:00"), "`08:60` is not a time of day");
        assert_eq!(wrong("08:00-08:00"), "it ends when it begins");
        assert_eq!(wrong("24:00-06:00"), "it ends when it begins");
        assert_eq!(wrong("Monday 08:00-09:00"), "`Monday` is not a day");
        assert!("MON-Fri 8:00-9:30".parse::<Window>().is_ok());
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "\\PC*", more in "[a-z0-9: -]*") {
            let _ = (text.parse::<Window>(), more.parse::<Window>());
        }

        /// The reference looks at one window and one day after the other.
        #[test]
        fn the_merged_windows_are_the_single_ones(
            items in prop::collection::vec((0u8..7, 0u8..7, 0u16..1440, 0u16..=1440), 0..6),
            minute in 0i32..10080,
        ) {
            let windows: Vec<_> = items
                .into_iter()
                .filter(|(_, _, from, to)| from != to)
                .map(|(first_day, last_day, from, to)| Window { first_day, last_day, from, to })
                .collect();
            let (day, time) = (minute / 1440, u16::try_from(minute % 1440).unwrap());
            let covers = |window: &Window, day: i32| {
                let (first, last) = (i32::from(window.first_day), i32::from(window.last_day));
                if first <= last { (first..=last).contains(&day) } else { day >= first || day <= last }
            };
            let naive = windows.iter().any(|window| {
                let Window { from, to, .. } = *window;
                let today = if from < to { from <= time && time < to } else { from <= time };
                let yesterday = from > to && time < to;
                today && covers(window, day) || yesterday && covers(window, (day + 6) % 7)
            });
            let sunday_first = (day + 1) % 7;
            let open = Schedule::new(&windows).is_open(at(sunday_first, minute % 1440 / 60, minute % 60));
            prop_assert_eq!(open, naive);
        }
    }
}
