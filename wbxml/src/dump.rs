//! Trees as text for logs and test failures.

use std::fmt::{self, Write};

use crate::{Content, Element, Tag, itemoperations, settings};

/// A tree as indented text, XML in looks only. Bounded in elements and in characters of a value; one
/// line an element, control characters escaped, so that nothing in it can forge a line of a log.
///
/// Passwords are never shown. Text of mails is, unless [`Dump::values`] says 0.
#[derive(Clone, Copy)]
pub struct Dump<'e, 'a> {
    root: &'e Element<'a>,
    elements: usize,
    values: usize,
}

impl<'a> Element<'a> {
    /// The tree as text: 500 elements and 120 characters of each value.
    pub const fn dump(&self) -> Dump<'_, 'a> {
        Dump { root: self, elements: 500, values: 120 }
    }
}

impl Dump<'_, '_> {
    /// Shows at most this many elements.
    #[must_use]
    pub const fn elements(mut self, most: usize) -> Self {
        self.elements = most;
        self
    }

    /// Shows at most this many characters of a text, and octets of opaque data in hexadecimal; of what
    /// is longer the length is told. 0 tells lengths only.
    #[must_use]
    pub const fn values(mut self, most: usize) -> Self {
        self.values = most;
        self
    }
}

/// Elements with secrets: Password of ItemOperations and of Settings (MS-ASCMD §2.2.3.132).
const SECRETS: [Tag; 2] = [itemoperations::PASSWORD, settings::PASSWORD];

impl fmt::Display for Dump<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parents = Vec::new();
        let mut next = Some(self.root);
        let mut left = self.elements;
        while let Some(element) = next.take() {
            let Some(after) = left.checked_sub(1) else {
                return writeln!(f, "... more than {} elements", self.elements);
            };
            left = after;
            indent(f, parents.len())?;
            match element.content() {
                Content::Children(children) => {
                    writeln!(f, "<{}>", element.tag())?;
                    parents.push((element.tag(), children.iter()));
                }
                value => self.leaf(f, element.tag(), value)?,
            }
            while let Some((tag, siblings)) = parents.last_mut() {
                next = siblings.next();
                if next.is_some() {
                    break;
                }
                let tag = *tag;
                parents.pop();
                indent(f, parents.len())?;
                writeln!(f, "</{tag}>")?;
            }
        }
        Ok(())
    }
}

impl Dump<'_, '_> {
    fn leaf(&self, f: &mut fmt::Formatter<'_>, tag: Tag, value: Content<'_, '_>) -> fmt::Result {
        if matches!(value, Content::Empty) {
            return writeln!(f, "<{tag}/>");
        }
        write!(f, "<{tag}>")?;
        match value {
            _ if SECRETS.contains(&tag) => f.write_str("[secret]")?,
            Content::Text(text) => self.text(f, text)?,
            Content::Opaque(data) => self.opaque(f, data)?,
            Content::Empty | Content::Children(_) => {}
        }
        writeln!(f, "</{tag}>")
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
        let shown = text.char_indices().nth(self.values).and_then(|(end, _)| text.get(..end));
        for c in shown.unwrap_or(text).chars() {
            match c {
                '<' => f.write_str("&lt;")?,
                '&' => f.write_str("&amp;")?,
                // Line and paragraph separator end a line for some viewers.
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                    write!(f, "&#{};", u32::from(c))?
                }
                c => f.write_char(c)?,
            }
        }
        if shown.is_some() { write!(f, "[... {} bytes]", text.len()) } else { Ok(()) }
    }

    fn opaque(&self, f: &mut fmt::Formatter<'_>, data: &[u8]) -> fmt::Result {
        write!(f, "[opaque")?;
        if self.values > 0 {
            f.write_char(' ')?;
            data.iter().take(self.values).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        }
        if data.len() > self.values { write!(f, "... {} bytes]", data.len()) } else { f.write_char(']') }
    }
}

fn indent(f: &mut fmt::Formatter<'_>, level: usize) -> fmt::Result {
    write!(f, "{:1$}", "", level * 2)
}

/// [`Element::dump`].
impl fmt::Display for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.dump(), f)
    }
}

/// [`Element::dump`] too: a derived form would have no bound and would show secrets.
impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.dump(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{airsync, airsyncbase, email, email2};

    fn add() -> Element<'static> {
        Element::new(airsync::ADD).with_text(airsync::SERVER_ID, "5:1").with_empty(airsync::SUPPORTED).with(
            Element::new(airsync::APPLICATION_DATA)
                .with_text(email::SUBJECT, "a<b> & \r\nforged \u{1F600}")
                .with_opaque(email2::CONVERSATION_ID, vec![0xC0, 1, 2])
                .with(Element::new(airsyncbase::BODY).with_text(airsyncbase::DATA, "x".repeat(200))),
        )
    }

    #[test]
    fn a_tree_in_full() {
        let want = format!(
            "<AirSync:Add>\n  <AirSync:ServerId>5:1</AirSync:ServerId>\n  <AirSync:Supported/>\n  \
             <AirSync:ApplicationData>\n    \
             <Email:Subject>a&lt;b> &amp; &#13;&#10;forged \u{1F600}</Email:Subject>\n    \
             <Email2:ConversationId>[opaque c00102]</Email2:ConversationId>\n    \
             <AirSyncBase:Body>\n      <AirSyncBase:Data>{}[... 200 bytes]</AirSyncBase:Data>\n    \
             </AirSyncBase:Body>\n  </AirSync:ApplicationData>\n</AirSync:Add>\n",
            "x".repeat(120)
        );
        assert_eq!(add().to_string(), want);
        assert_eq!(format!("{:?}", add()), want);
    }

    #[test]
    fn bounds_hold() {
        let text = add().dump().elements(2).values(0).to_string();
        let want =
            "<AirSync:Add>\n  <AirSync:ServerId>[... 3 bytes]</AirSync:ServerId>\n... more than 2 elements\n";
        assert_eq!(text, want);
        let opaque = Element::opaque(email2::CONVERSATION_ID, vec![1, 2, 3]);
        let line = |values| opaque.dump().values(values).to_string();
        assert_eq!(line(0), "<Email2:ConversationId>[opaque... 3 bytes]</Email2:ConversationId>\n");
        assert_eq!(line(2), "<Email2:ConversationId>[opaque 0102... 3 bytes]</Email2:ConversationId>\n");
        assert_eq!(Element::new(airsync::SYNC).dump().elements(0).to_string(), "... more than 0 elements\n");
    }

    #[test]
    fn passwords_stay_out() {
        let set = Element::new(settings::SET).with_text(settings::PASSWORD, "hunter2");
        assert!(!set.to_string().contains("hunter2"), "{set}");
        let fetch = Element::opaque(itemoperations::PASSWORD, &b"hunter2"[..]);
        assert_eq!(fetch.to_string(), "<ItemOperations:Password>[secret]</ItemOperations:Password>\n");
    }
}
