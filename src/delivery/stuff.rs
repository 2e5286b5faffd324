//! A message as the text of DATA: its lines end with CRLF whatever they ended with, and a dot is put
//! before every dot that begins one. RFC 5321 §4.5.2, §2.3.8.

/// Turns a message into text, piece by piece.
#[derive(Default)]
pub(super) struct Stuffer {
    /// The last octet was a CR that has not been written.
    after_cr: bool,
    /// The line has begun.
    within: bool,
}

impl Stuffer {
    /// The text of the next piece.
    pub(super) fn text(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(piece.len().saturating_add(piece.len() / 32).saturating_add(4));
        for &b in piece {
            if std::mem::take(&mut self.after_cr) {
                self.end_line(&mut out);
                if b == b'\n' {
                    continue;
                }
            }
            match b {
                b'\r' => self.after_cr = true,
                b'\n' => self.end_line(&mut out),
                b => {
                    if !self.within && b == b'.' {
                        out.push(b'.');
                    }
                    self.within = true;
                    out.push(b);
                }
            }
        }
        out
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n");
        self.within = false;
    }

    /// What ends the text.
    pub(super) fn end(self) -> &'static [u8] {
        if self.within || self.after_cr { b"\r\n.\r\n" } else { b".\r\n" }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stuffed(message: &[u8], step: usize) -> String {
        let mut stuffer = Stuffer::default();
        let mut out = Vec::new();
        message.chunks(step).for_each(|piece| out.extend(stuffer.text(piece)));
        out.extend_from_slice(stuffer.end());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn line_ends_and_dots() {
        for step in [1, 2, 3, 100] {
            assert_eq!(stuffed(b"", step), ".\r\n");
            assert_eq!(stuffed(b"a", step), "a\r\n.\r\n");
            assert_eq!(stuffed(b".\r\n..b\r\nc.", step), "..\r\n...b\r\nc.\r\n.\r\n");
            assert_eq!(stuffed(b"a\nb\rc\n\r\nd\r", step), "a\r\nb\r\nc\r\n\r\nd\r\n.\r\n");
            assert_eq!(stuffed(b"a\n.\nMAIL FROM:<x>\n", step), "a\r\n..\r\nMAIL FROM:<x>\r\n.\r\n");
        }
    }

    proptest! {
        #[test]
        fn only_the_end_looks_like_the_end(message in "[.a\r\n]{0,40}", step in 1_usize..9) {
            let text = stuffed(message.as_bytes(), step);
            let body = text.strip_suffix(".\r\n").unwrap();
            prop_assert!(body.is_empty() || body.ends_with("\r\n"));
            let behind_a_line = format!("\r\n{body}");
            prop_assert!(!behind_a_line.contains("\r\n.\r\n"));
            prop_assert!(!body.replace("\r\n", "").contains(['\r', '\n']));
        }
    }
}
