#![no_main]

//! What the identity server of a peer answers.

use inetd::admission::users::user;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: &[u8]| {
    if let Some(user) = user(answer, 6193, 23) {
        // RFC 1413: at most 512 octets; one that is no UTF-8 becomes a character of three.
        assert!((1..=512 * 3).contains(&user.len()), "{user:?}");
        assert!(!user.contains('\n'), "{user:?}");
    }
});
