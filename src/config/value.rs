//! The small languages of values: durations, sizes, octal modes, service names.

use std::time::Duration;

/// Reads "250ms", "10s", "1m 30s", "1h".
pub(crate) fn duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

/// Reads a number of bytes: "65536", "64k", "1m", "2g".
pub(crate) fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        _ => return None,
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// A number of bytes as a person would write it.
pub(crate) fn show_size(bytes: u64) -> String {
    for (shift, suffix) in [(30, 'g'), (20, 'm'), (10, 'k')] {
        if bytes != 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{suffix}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// Reads octal permission bits: "660", "0660", "0o660".
pub(crate) fn mode(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = !digits.is_empty() && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = octal.then(|| u32::from_str_radix(digits, 8).ok()).flatten()?;
    (mode <= 0o777).then_some(mode)
}

/// The longest name of a service.
pub(crate) const NAME_LENGTH: usize = 64;

/// Whether a service may have this name.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=NAME_LENGTH).contains(&name.len()) && name.chars().all(is_name_character)
}

/// Whether a service's name may have this character.
pub(crate) fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '/')
}

/// A name that a service may have and that resembles `text`.
pub(crate) fn to_name(text: &str) -> String {
    let name = text.chars().map(|c| if is_name_character(c) { c } else { '_' });
    let name: String = name.collect();
    name[name.len().saturating_sub(NAME_LENGTH)..].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_strict() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("1m 30s"), Some(Duration::from_secs(90)));
        for bad in ["", "10", "-1s", "1,5s", "s", "10 parsecs"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
        assert_eq!(size("64k"), Some(65536));
        assert_eq!(size("0"), Some(0));
        for bad in
            ["", "k", "-1", "+1", "1.5k", "64kb", "1 k", "99999999999999999999", "17179869184g"]
        {
            assert_eq!(size(bad), None, "{bad}");
        }
        assert_eq!(mode("0660"), Some(0o660));
        assert_eq!(mode("0o7"), Some(7));
        for bad in ["", "0o", "8", "1777", "-1", "rw-"] {
            assert_eq!(mode(bad), None, "{bad}");
        }
    }

    #[test]
    fn any_text_becomes_a_name() {
        assert_eq!(to_name("7001"), "7001");
        assert_eq!(to_name("[::1] ü"), "___1___");
        assert!(is_name(&to_name(&"/long".repeat(40))));
        assert!(!is_name("") && !is_name("a b") && !is_name(&"x".repeat(65)));
    }

    proptest! {
        #[test]
        fn text_never_panics(text in "\\PC*") {
            let _ = (duration(&text), size(&text), mode(&text));
            prop_assert!(text.is_empty() || is_name(&to_name(&text)));
        }

        #[test]
        fn durations_round_trip(milliseconds in 0u64..u64::from(u32::MAX)) {
            let written = Duration::from_millis(milliseconds);
            prop_assert_eq!(duration(&humantime::format_duration(written).to_string()), Some(written));
        }

        #[test]
        fn sizes_round_trip(bytes: u64) {
            prop_assert_eq!(size(&show_size(bytes)), Some(bytes));
        }

        #[test]
        fn modes_round_trip(bits in 0u32..=0o777) {
            prop_assert_eq!(mode(&format!("{bits:04o}")), Some(bits));
        }
    }
}
