//! IMAP4rev1 and IMAP4rev2, for now only for reading. RFC 3501, RFC 9051.
#![expect(dead_code, reason = "the session follows")]

mod grammar;
mod name;
mod pattern;
