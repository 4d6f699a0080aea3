//! The time of day where the machine is, as people and configurations write it.

/// The time of day where the machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The year.
    pub year: i32,
    /// The month, from 1.
    pub month: i32,
    /// The day of the month, from 1.
    pub day: i32,
    /// The day of the week, from 0 for Sunday.
    pub weekday: i32,
    /// The hour, up to 23.
    pub hour: i32,
    /// The minute.
    pub minute: i32,
    /// The second; 60 in a leap second.
    pub second: i32,
}

impl From<LocalTime> for WeekMinute {
    fn from(time: LocalTime) -> Self {
        Self::new(time.weekday, time.hour, time.minute)
    }
}

impl std::fmt::Display for LocalTime {
    /// As ctime(3) writes it: `Thu Nov 24 18:22:48 1986`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let name = |names: &[&'static str], index: Option<i32>| {
            let index = index.and_then(|index| usize::try_from(index).ok());
            index.and_then(|index| names.get(index).copied()).unwrap_or("???")
        };
        let (day, month) =
            (name(&DAYS, Some(self.weekday)), name(&MONTHS, self.month.checked_sub(1)));
        let Self { day: of_month, hour, minute, second, year, .. } = self;
        write!(f, "{day} {month} {of_month:2} {hour:02}:{minute:02}:{second:02} {year}")
    }
}

/// A minute of the week by local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeekMinute(u16);

impl WeekMinute {
    /// From the day of the week, where Sunday is 0, and the time of day.
    pub fn new(day: i32, hour: i32, minute: i32) -> Self {
        let minutes = ((day + 6) % 7 * 24 + hour) * 60 + minute;
        Self(u16::try_from(minutes).unwrap_or(0))
    }

    /// Minutes since Monday began.
    pub fn get(self) -> u16 {
        self.0
    }
}
