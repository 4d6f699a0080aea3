#![no_main]

//! What a peer of the multiplexer says first.

use inetd::relay::far::tcpmux::{LONGEST, PATIENCE, TOO_LONG, UNKNOWN, UNREADABLE, read_name};
use inetd_fuzz::run;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|said: &[u8]| {
    let mut rest = said;
    let heard = run(read_name(&mut rest, PATIENCE));
    // What comes behind the line is the service's, as it was.
    assert!(said.ends_with(rest));
    let taken = &said[..said.len() - rest.len()];
    assert!(taken.len() <= LONGEST);
    let line = taken.strip_suffix(b"\n");
    match heard {
        Ok(name) => {
            let line = line.expect("a line has an end");
            assert_eq!(name.as_bytes(), line.strip_suffix(b"\r").unwrap_or(line));
        }
        Err(UNKNOWN) => assert!(std::str::from_utf8(line.expect("a line has an end")).is_err()),
        Err(UNREADABLE) => assert!(rest.is_empty() && !taken.contains(&b'\n')),
        Err(reply) => {
            assert_eq!(reply, TOO_LONG);
            assert!(taken.len() == LONGEST && !taken.contains(&b'\n'));
        }
    }
});
