//! Any octets are a command or refused, in time that grows with their length.

#![no_main]

use folkmoot::doors::imap::is_command;
use libfuzzer_sys::fuzz_target;

/// Longest command that a session lets through.
const LONGEST: usize = 64 << 10;

fuzz_target!(|bytes: &[u8]| {
    if bytes.len() > LONGEST {
        return;
    }
    let _ = (is_command(bytes, false), is_command(bytes, true));
    // Whatever it is, as a literal it is a password or is refused for a NUL.
    let literal = [format!("a LOGIN b {{{}}}\r\n", bytes.len()).as_bytes(), bytes].concat();
    assert_eq!(is_command(&literal, false), !bytes.contains(&0));
});
