//! Part numbers: from a path such as `1.2` to a part and its bytes, and back. RFC 9051 §6.4.5.1.

use std::ops::Range;

use super::mime::Message;
use super::record::MailRecord;

/// What a part is to part numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Has no parts of its own.
    Leaf,
    /// multipart/*: numbers its children.
    Multipart,
    /// message/rfc822 or message/global: its only child is the enclosed message.
    Message,
}

/// A part tree in pre-order, the first part being its own parent.
pub trait Tree {
    /// Number of parts.
    fn len(&self) -> usize;
    /// The containing part's index.
    fn parent(&self, index: usize) -> usize;
    /// What the part is.
    fn kind(&self, index: usize) -> Kind;

    /// Whether there is no part at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The part's direct children in order.
    fn children(&self, index: usize) -> impl Iterator<Item = usize> {
        (index + 1..self.len())
            .take_while(move |child| self.parent(*child) >= index)
            .filter(move |child| self.parent(*child) == index)
    }

    /// The part's number such as `1.2`: stable as long as the message is, so fit for an
    /// ActiveSync FileReference. The empty string for a multipart that is the message itself;
    /// a multipart that is an enclosed message has the number of the part enclosing it.
    fn path(&self, index: usize) -> String {
        let mut numbers = Vec::new();
        let mut at = index;
        loop {
            if self.is_enclosed(at) {
                // The body of a message that is no multipart is its part 1.
                if self.kind(at) != Kind::Multipart {
                    numbers.push(1);
                }
                if at == 0 {
                    break;
                }
            } else {
                let parent = self.parent(at);
                numbers.push(1 + self.children(parent).take_while(|child| *child != at).count());
            }
            // Parents come first, so this ends.
            at = self.parent(at).min(at.saturating_sub(1));
        }
        let numbers: Vec<String> = numbers.iter().rev().map(usize::to_string).collect();
        numbers.join(".")
    }

    /// The part a path names: the empty path is the message itself.
    fn find(&self, path: &[u32]) -> Option<usize> {
        let mut at = 0;
        let mut enclosed = true;
        for &number in path {
            if !enclosed && self.kind(at) == Kind::Message {
                at = self.children(at).next()?;
                enclosed = true;
            }
            let number = usize::try_from(number).ok()?;
            if self.kind(at) == Kind::Multipart {
                at = self.children(at).nth(number.checked_sub(1)?)?;
            } else if !enclosed || number != 1 {
                return None;
            }
            enclosed = false;
        }
        (at < self.len()).then_some(at)
    }

    /// Whether the part is a whole message: the first, or the child of a message part.
    fn is_enclosed(&self, index: usize) -> bool {
        index == 0 || self.kind(self.parent(index)) == Kind::Message
    }
}

/// A section of a message as IMAP's BODY[...] names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section<'p> {
    /// `BODY[]`
    Full,
    /// `BODY[1.2]`
    Part(&'p [u32]),
    /// `BODY[1.2.MIME]`
    Mime(&'p [u32]),
    /// `BODY[HEADER]`, `BODY[1.2.HEADER]`: of the message itself or of an enclosed one.
    Header(&'p [u32]),
    /// `BODY[TEXT]`, `BODY[1.2.TEXT]`
    Text(&'p [u32]),
}

/// Reads `1.2.3`. `None` unless it is numbers above zero between dots.
pub fn parse_path(path: &str) -> Option<Vec<u32>> {
    if path.is_empty() {
        return Some(Vec::new());
    }
    path.split('.')
        .take(super::limits::DEPTH * 2 + 1)
        .map(|number| {
            let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            number.parse().ok().filter(|number| digits && *number > 0)
        })
        .collect()
}

impl MailRecord<'_> {
    /// Where in the message the section's bytes are. `None` if there is no such section.
    pub fn section(&self, section: Section<'_>) -> Option<Range<u64>> {
        let part = |path: &[u32]| self.parts.get(self.find(path)?);
        match section {
            Section::Full => Some(0..u64::from(self.size)),
            Section::Part([]) => None,
            Section::Part(path) => Some(part(path)?.body()),
            Section::Mime([]) => None,
            Section::Mime(path) => Some(part(path)?.header()),
            Section::Header(path) => Some(self.enclosed(path)?.header()),
            Section::Text(path) => Some(self.enclosed(path)?.body()),
        }
    }

    /// The message a path names: the whole, or the one a message/rfc822 part encloses.
    fn enclosed(&self, path: &[u32]) -> Option<&super::record::PartRecord<'_>> {
        let index = self.find(path)?;
        let message = if path.is_empty() {
            index
        } else if self.kind(index) == Kind::Message {
            self.children(index).next()?
        } else {
            return None;
        };
        self.parts.get(message)
    }
}

impl Tree for MailRecord<'_> {
    fn len(&self) -> usize {
        self.parts.len()
    }

    fn parent(&self, index: usize) -> usize {
        self.parts.get(index).map_or(0, |part| usize::from(part.parent))
    }

    fn kind(&self, index: usize) -> Kind {
        let has_child = self.parts.get(index + 1).is_some_and(|next| usize::from(next.parent) == index);
        match self.parts.get(index) {
            Some(part) if has_child && &*part.media_type == "multipart" => Kind::Multipart,
            Some(_) if has_child => Kind::Message,
            _ => Kind::Leaf,
        }
    }
}

impl<'a> Message<'a> {
    /// The part a path such as `1.2` names.
    pub fn part_at(&self, path: &str) -> Option<&super::mime::Part> {
        self.parts().get(self.find(&parse_path(path)?)?)
    }

    /// Decodes the bytes `range` of the part `path` into `to`: an attachment, or a piece of it.
    /// `None` if there is no such part; else what was written.
    pub fn copy_part(
        &self,
        path: &str,
        range: Range<u64>,
        to: &mut impl std::io::Write,
    ) -> Option<std::io::Result<u64>> {
        let part = self.part_at(path)?;
        Some(super::decode::copy_range(part.encoding, self.body_bytes(part), range, to))
    }
}
