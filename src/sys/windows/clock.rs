//! The time of day on the clock of this place, and how busy the machine is.

use windows_sys::Win32::Foundation::SYSTEMTIME;
use windows_sys::Win32::System::SystemInformation::GetLocalTime;

use crate::sys::{LocalTime, WeekMinute};

/// The time here.
pub fn local_now() -> LocalTime {
    let mut local = SYSTEMTIME::default();
    // SAFETY: the structure is valid for the call.
    unsafe { GetLocalTime(&raw mut local) };
    LocalTime {
        year: local.wYear.into(),
        month: local.wMonth.into(),
        day: local.wDay.into(),
        weekday: local.wDayOfWeek.into(),
        hour: local.wHour.into(),
        minute: local.wMinute.into(),
        second: local.wSecond.into(),
    }
}

/// The minute of the week by local time.
pub fn minute_of_week() -> WeekMinute {
    local_now().into()
}

/// There is no load average here.
pub fn load_average() -> Option<f64> {
    None
}
