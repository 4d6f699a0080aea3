#![no_main]

//! What rpcbind answers: the mark of the record, and the record.

use inetd::rpcbind::protocol::{LONGEST_ANSWER, answer, length};
use libfuzzer_sys::fuzz_target;

/// The call that is answered.
const ID: u32 = 7;

fuzz_target!(|bytes: &[u8]| {
    let Some((mark, rest)) = bytes.split_first_chunk() else { return };
    let Ok(length) = length(*mark) else { return };
    assert!(length <= LONGEST_ANSWER);
    let Some(record) = rest.get(..length) else { return };
    if answer(record, ID).is_ok() {
        assert!(answer(record, ID + 1).is_err(), "an answer is to one call");
        assert!(record.len() >= 28, "RFC 5531: an accepted reply has six numbers, and the result");
    }
});
