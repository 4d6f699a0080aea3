//! The desktop heap: memory of fixed size in which the system keeps the windows, menus and hooks of
//! all programs on one desktop. A program that finds no room in it ends before it has begun, and
//! a service that starts many programs reaches that limit before any other.

use super::registry;
use crate::sys::DesktopHeap;

/// What one session takes: its program and the `conhost.exe` behind it, about 4 KiB each, which
/// is what PostgreSQL has found for its processes ("more than about 125 connections" in 512 KiB).
/// A program with windows takes more.
const KILOBYTES_PER_SESSION: u32 = 8;

/// The heap of a desktop that nobody sees, as those of services are. Each account has one of its
/// own.
pub fn heap() -> Option<DesktopHeap> {
    let key = r"SYSTEM\CurrentControlSet\Control\Session Manager\SubSystems";
    parse(&registry::text(key, "Windows").ok()?.to_string_lossy())
}

/// `... SharedSection=1024,20480,768 ...`: the third number, or the second if there are two (KB
/// 184802).
fn parse(subsystem: &str) -> Option<DesktopHeap> {
    let numbers = subsystem.split_whitespace().find_map(|word| {
        let (name, value) = word.split_once('=')?;
        name.eq_ignore_ascii_case("SharedSection").then_some(value)
    })?;
    let numbers: Vec<u32> = numbers.split(',').map_while(|number| number.parse().ok()).collect();
    let kilobytes = *numbers.get(2).or(numbers.get(1))?;
    Some(DesktopHeap { kilobytes, sessions: kilobytes / KILOBYTES_PER_SESSION })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_the_third_number() {
        let line = |numbers: &str| {
            format!(
                r"C:\Windows\system32\csrss.exe ObjectDirectory=\Windows SharedSection={numbers} \
                  Windows=On SubSystemType=Windows ServerDll=basesrv,1 MaxRequestThreads=16"
            )
        };
        let heap = parse(&line("1024,20480,768")).unwrap();
        assert_eq!((heap.kilobytes, heap.sessions), (768, 96));
        assert_eq!(parse(&line("1024,3072")).unwrap().kilobytes, 3072);
        for odd in ["1024", "x,y,z", ""] {
            assert_eq!(parse(&line(odd)), None, "{odd}");
        }
        assert_eq!(parse("csrss.exe ServerDll=basesrv,1"), None);
    }
}
