//! The time of day on the clock of this place, and how busy the machine is.

use windows_sys::Win32::Foundation::SYSTEMTIME;
use windows_sys::Win32::System::SystemInformation::GetLocalTime;

use crate::sys::WeekMinute;

/// The minute of the week by local time.
pub fn minute_of_week() -> WeekMinute {
    let mut local = SYSTEMTIME::default();
    // SAFETY: the structure is valid for the call.
    unsafe { GetLocalTime(&raw mut local) };
    WeekMinute::new(local.wDayOfWeek.into(), local.wHour.into(), local.wMinute.into())
}

/// There is no load average here.
pub fn load_average() -> Option<f64> {
    None
}
