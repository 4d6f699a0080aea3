//! The time of day on the clock of this place, and how busy the machine is.

use crate::sys::{LocalTime, WeekMinute};

/// The time here. The zone is read once in the life of the process (localtime_r(3)).
pub fn local_now() -> LocalTime {
    // SAFETY: null asks for the result alone.
    let now = unsafe { libc::time(std::ptr::null_mut()) };
    // SAFETY: all zero is a valid tm.
    let mut local: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are valid for the call. It fails for years beyond an int only, and
    // leaves the structure zero then.
    unsafe { libc::localtime_r(&raw const now, &raw mut local) };
    LocalTime {
        year: local.tm_year + 1900,
        month: local.tm_mon + 1,
        day: local.tm_mday,
        weekday: local.tm_wday,
        hour: local.tm_hour,
        minute: local.tm_min,
        second: local.tm_sec,
    }
}

/// The minute of the week by local time.
pub fn minute_of_week() -> WeekMinute {
    local_now().into()
}

/// The load average of the last minute (getloadavg(3)).
pub fn load_average() -> Option<f64> {
    let mut average = 0.0;
    // SAFETY: there is room for the one number that is asked for.
    let count = unsafe { libc::getloadavg(&raw mut average, 1) };
    (count == 1).then_some(average)
}
