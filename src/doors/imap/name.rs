//! Mailbox names: modified UTF-7 for clients of revision 1, UTF-8 for the others. RFC 9051 §5.1,
//! Appendix A.1.

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::mailbox::NAME_MAX;

/// How a client writes mailbox names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Form {
    /// As revision 1 has it. RFC 3501 §5.1.3.
    #[default]
    ModifiedUtf7,
    /// As it is after `ENABLE IMAP4rev2` or `ENABLE UTF8=ACCEPT`. RFC 6855 §3.
    Utf8,
}

/// Longest name as it stands on the wire, in bytes. No folder has a longer path: 32 names of 255 bytes.
pub(super) const PATH_MAX: usize = 32 * (NAME_MAX + 1);

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Reads a name or pattern as the client wrote it.
///
/// # Errors
/// Why it can be no mailbox's name.
pub(super) fn decode(bytes: &[u8], form: Form) -> Result<String, &'static str> {
    if bytes.len() > PATH_MAX {
        return Err("the mailbox name is too long");
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "the mailbox name is not UTF-8")?;
    let name = match form {
        Form::Utf8 => text.to_owned(),
        Form::ModifiedUtf7 => from_utf7(text).ok_or("the mailbox name is not modified UTF-7")?,
    };
    if name.chars().any(char::is_control) {
        return Err("the mailbox name has control characters");
    }
    Ok(name)
}

/// Writes a name for the client, not yet quoted.
pub(super) fn encode(name: &str, form: Form) -> String {
    match form {
        Form::Utf8 => name.to_owned(),
        Form::ModifiedUtf7 => to_utf7(name),
    }
}

fn from_utf7(text: &str) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, shifted)) = rest.split_once('&') {
        name.push_str(printable(plain)?);
        let (code, after) = shifted.split_once('-')?;
        if code.is_empty() {
            name.push('&');
        } else {
            // "&AAA-&BBB-" must have been written as one; superfluous shifts are refused, or two
            // spellings would name one mailbox.
            if after.strip_prefix('&').is_some_and(|next| !next.starts_with('-')) {
                return None;
            }
            unshift(code, &mut name)?;
        }
        rest = after;
    }
    name.push_str(printable(rest)?);
    Some(name)
}

/// Printable ASCII, which stands for itself.
fn printable(text: &str) -> Option<&str> {
    text.bytes().all(|b| matches!(b, b' '..=b'~')).then_some(text)
}

/// Decodes the part between `&` and `-`: UTF-16 in base64, and nothing that could stand for itself.
fn unshift(code: &str, name: &mut String) -> Option<()> {
    let bytes = BASE64.decode(code).ok()?;
    let (pairs, rest) = bytes.as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return None;
    }
    for ch in char::decode_utf16(pairs.iter().map(|pair| u16::from_be_bytes(*pair))) {
        let ch = ch.ok()?;
        if matches!(ch, ' '..='~') {
            return None;
        }
        name.push(ch);
    }
    Some(())
}

fn to_utf7(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut shifted = Vec::new();
    for ch in name.chars() {
        if !matches!(ch, ' '..='~') {
            let mut units = [0; 2];
            shifted.extend(ch.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()));
            continue;
        }
        shift(&mut shifted, &mut out);
        out.push(ch);
        if ch == '&' {
            out.push('-');
        }
    }
    shift(&mut shifted, &mut out);
    out
}

fn shift(units: &mut Vec<u8>, out: &mut String) {
    if !units.is_empty() {
        out.push('&');
        BASE64.encode_string(&*units, out);
        out.push('-');
        units.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<String> {
        decode(text.as_bytes(), Form::ModifiedUtf7).ok()
    }

    #[test]
    fn the_examples_of_the_standard() {
        assert_eq!(read("~peter/mail/&U,BTFw-/&ZeVnLIqe-").as_deref(), Some("~peter/mail/台北/日本語"));
        assert_eq!(to_utf7("~peter/mail/台北/日本語"), "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
        assert_eq!(read("&Jjo-!").as_deref(), Some("☺!"));
        assert_eq!(read("Entw&APw-rfe &- mehr").as_deref(), Some("Entwürfe & mehr"));
        assert_eq!(to_utf7("Entwürfe & mehr"), "Entw&APw-rfe &- mehr");
        assert_eq!(to_utf7("\u{1F600}"), "&2D3eAA-");
    }

    #[test]
    fn what_is_no_modified_utf7() {
        // Unended, superfluous shift, shifted ASCII, lone surrogate, odd bytes, stray bits, padding, raw.
        for bad in [
            "&",
            "&Jjo",
            "&U,BTFw-&ZeVnLIqe-",
            "&AEE-",
            "&2D0-",
            "&AA-",
            "&AP0t-",
            "&AP=-",
            "ü",
            "a\0",
            "&AAA-",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert!(decode(b"\xff", Form::Utf8).is_err());
        assert!(decode(b"a\0", Form::Utf8).is_err());
        assert!(decode(&vec![b'a'; 64 << 10], Form::Utf8).is_err());
    }

    proptest! {
        #[test]
        fn a_name_comes_back(name in "[^\\p{C}]{0,40}") {
            prop_assert_eq!(decode(to_utf7(&name).as_bytes(), Form::ModifiedUtf7), Ok(name));
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "[ -~&A-Za-z,+-]{0,40}") {
            if let Ok(name) = decode(text.as_bytes(), Form::ModifiedUtf7) {
                prop_assert_eq!(to_utf7(&name), text);
            }
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = decode(&bytes, Form::ModifiedUtf7);
            let _ = decode(&bytes, Form::Utf8);
        }
    }
}
