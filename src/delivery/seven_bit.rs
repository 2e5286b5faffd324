//! A message for a server without 8BITMIME: what has octets above 127 is encoded anew. RFC 6152 §3.

use std::borrow::Cow;

use crate::message::decode::{Encoding, encode_base64, encode_quoted_printable};
use crate::message::section::Kind;
use crate::message::{self, Message, Part};

/// The message with every body in seven bits. Header fields stay as they are: there is no way to tell
/// what their octets mean.
pub(super) fn convert(message: &[u8]) -> Cow<'_, [u8]> {
    if message.is_ascii() {
        return Cow::Borrowed(message);
    }
    let parsed = message::parse(message);
    let mut out = Vec::with_capacity(message.len().saturating_add(message.len() / 4));
    let mut copied = 0;
    for (n, part) in parsed.parts().iter().enumerate() {
        let Some(encoding) = new_encoding(&parsed, part) else { continue };
        out.extend_from_slice(message.get(copied..part.header.start).unwrap_or_default());
        let is_mime = n != 0 || parsed.field(part, "MIME-Version").is_some();
        write_header(&mut out, parsed.header_bytes(part), encoding, is_mime);
        copied = part.header.end;
        let body = parsed.body_bytes(part);
        match encoding {
            "base64" => out.extend(encode_base64(body)),
            "quoted-printable" => out.extend(encode_quoted_printable(body)),
            _ => continue,
        }
        copied = part.body.end;
    }
    out.extend_from_slice(message.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// How the part is to be encoded, if not as it is. A container is never encoded itself (RFC 2045 §6.4).
fn new_encoding(message: &Message<'_>, part: &Part) -> Option<&'static str> {
    if part.encoding != Encoding::Identity || message.body_bytes(part).is_ascii() {
        return None;
    }
    Some(match part.kind {
        Kind::Leaf if part.media_type == "text" => "quoted-printable",
        Kind::Leaf => "base64",
        _ => "7bit",
    })
}

/// The header with another Content-Transfer-Encoding.
fn write_header(out: &mut Vec<u8>, header: &[u8], encoding: &str, is_mime: bool) {
    const NAME: &[u8] = b"content-transfer-encoding:";
    let mut dropping = false;
    let mut rest = header;
    for line in header.split_inclusive(|&b| b == b'\n') {
        if line == b"\r\n" || line == b"\n" {
            break;
        }
        rest = rest.get(line.len()..).unwrap_or_default();
        let continues = line.starts_with(b" ") || line.starts_with(b"\t");
        dropping = if continues {
            dropping
        } else {
            line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME))
        };
        if !dropping {
            out.extend_from_slice(line);
        }
    }
    if !is_mime {
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
    }
    out.extend_from_slice(format!("Content-Transfer-Encoding: {encoding}\r\n").as_bytes());
    out.extend_from_slice(if rest.is_empty() { b"\r\n" } else { rest });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn converted(message: &str) -> String {
        String::from_utf8(convert(message.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn a_plain_message() {
        assert_eq!(converted("Subject: x\r\n\r\nplain\r\n"), "Subject: x\r\n\r\nplain\r\n");
        assert_eq!(
            converted("Subject: x\r\nContent-Transfer-Encoding:\r\n 8bit\r\nX: y\r\n\r\nGr\u{fc}\u{df}e\r\n"),
            "Subject: x\r\nX: y\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             Gr=C3=BC=C3=9Fe\r\n"
        );
    }

    #[test]
    fn parts_are_encoded_each_by_itself() {
        let message = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\
                       Content-Transfer-Encoding: 8bit\r\n\r\n--b\r\n\r\n\u{fc}\r\n--b\r\n\
                       Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\u{df}\r\n--b\r\n\
                       Content-Type: text/html\r\n\r\nplain\r\n--b--\r\n";
        assert_eq!(
            converted(message),
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\
             Content-Transfer-Encoding: 7bit\r\n\r\n--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             =C3=BC\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nw58=\r\n\r\n--b\r\n\
             Content-Type: text/html\r\n\r\nplain\r\n--b--\r\n"
        );
        let enclosed = "Content-Type: message/rfc822\r\nMIME-Version: 1.0\r\n\r\nSubject: in\r\n\r\n\u{fc}";
        assert_eq!(
            converted(enclosed),
            "Content-Type: message/rfc822\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
             Subject: in\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC"
        );
    }

    proptest! {
        #[test]
        fn bodies_read_the_same_afterwards(
            texts in proptest::collection::vec("[a-z\u{fc}\u{df} .=\r\n]{0,30}".prop_map(|t| t.replace(['\r', '\n'], "\r\n")), 1..4),
        ) {
            let mut whole = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned();
            texts.iter().for_each(|text| whole += &format!("--b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n"));
            whole += "--b--\r\n";
            let out = convert(whole.as_bytes());
            prop_assert!(out.is_ascii());
            let (before, after) = (message::parse(whole.as_bytes()), message::parse(&out));
            let bodies = |m: &Message<'_>| m.parts().iter().skip(1).map(|p| m.decoded(p)).collect::<Vec<_>>();
            prop_assert_eq!(bodies(&before), bodies(&after));
        }

        #[test]
        fn anything_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = convert(&bytes);
        }
    }
}
