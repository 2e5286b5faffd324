//! The part tree: where each part's header and body lie. RFC 2046 §5.1.
//!
//! One pass over the lines with a stack of open containers, so the work is bounded by the
//! message's length times [`limits::DEPTH`], whatever the message says about itself.

use std::ops::Range;

use super::decode::Encoding;
use super::header::{self, Field};
use super::limits;
use super::param::{self, Params};
use super::section::{Kind, Tree};

/// A message with its structure found. Borrows the raw bytes.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    pub(super) raw: &'a [u8],
    pub(super) parts: Vec<Part>,
    fields: Vec<Field>,
    truncated: bool,
}

/// One MIME part; its place is its index in [`Message::parts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The containing part; the first part names itself.
    pub parent: usize,
    /// The header's bytes, closing empty line included.
    pub header: Range<usize>,
    /// The body's bytes, without the line end that belongs to the next boundary.
    pub body: Range<usize>,
    /// Line feeds in the body.
    pub lines: usize,
    /// Leaf, multipart or enclosed message.
    pub kind: Kind,
    /// Media type in lower case; text/plain when missing or unreadable, and for a multipart
    /// in which no part was found.
    pub media_type: String,
    /// Media subtype in lower case.
    pub subtype: String,
    /// How the body is encoded.
    pub encoding: Encoding,
    fields: Range<usize>,
}

/// Finds the structure of `raw`. Never fails: what is no MIME is one text/plain part.
pub fn parse(raw: &[u8]) -> Message<'_> {
    // Offsets of records are 32 bits wide; no door takes a message that long.
    let raw = raw.get(..u32::MAX as usize).unwrap_or(raw);
    let mut scan = Scan {
        raw,
        message: Message { raw, parts: Vec::new(), fields: Vec::new(), truncated: false },
        open: Vec::new(),
    };
    scan.run();
    scan.message
}

impl<'a> Message<'a> {
    /// The bytes given to [`parse`].
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// All parts in pre-order; the first is the message itself. Never empty.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether parts or header fields beyond the limits were left opaque.
    pub const fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The part's header as it stands.
    pub fn header_bytes(&self, part: &Part) -> &'a [u8] {
        self.raw.get(part.header.clone()).unwrap_or_default()
    }

    /// The part's body as it stands.
    pub fn body_bytes(&self, part: &Part) -> &'a [u8] {
        self.raw.get(part.body.clone()).unwrap_or_default()
    }

    /// The part's header fields in order: name and raw value, folds included.
    pub fn fields(&self, part: &Part) -> impl DoubleEndedIterator<Item = (&'a [u8], &'a [u8])> {
        let fields = self.fields.get(part.fields.clone()).unwrap_or_default();
        fields.iter().map(|field| {
            let bytes = |range: &Range<usize>| self.raw.get(range.clone()).unwrap_or_default();
            (bytes(&field.name), bytes(&field.value))
        })
    }

    /// Raw value of the part's first field of this name.
    pub fn field(&self, part: &Part, name: &str) -> Option<&'a [u8]> {
        self.fields(part).find(|field| field.0.eq_ignore_ascii_case(name.as_bytes())).map(|field| field.1)
    }

    /// Decoded text of the message's own first field of this name.
    pub fn header(&self, name: &str) -> Option<String> {
        let value = self.field(self.parts.first()?, name)?;
        Some(header::decode_text(&header::raw_text(value)))
    }

    /// Content-Type's parameters.
    pub fn content_type_params(&self, part: &Part) -> Params<'a> {
        self.field(part, "Content-Type").map(|value| param::parse(value).1).unwrap_or_default()
    }

    /// Content-Disposition's keyword in lower case and its parameters.
    pub fn disposition(&self, part: &Part) -> Option<(String, Params<'a>)> {
        let (keyword, params) = param::parse(self.field(part, "Content-Disposition")?);
        (!keyword.is_empty() || !params.is_empty()).then(|| (keyword.to_ascii_lowercase(), params))
    }

    /// The body decoded from its transfer encoding.
    pub fn decoded(&self, part: &Part) -> Vec<u8> {
        super::decode::bytes(part.encoding, self.body_bytes(part))
    }
}

impl Part {
    /// Whether the media type is `media_type/subtype`, both in lower case.
    pub fn is(&self, media_type: &str, subtype: &str) -> bool {
        self.media_type == media_type && self.subtype == subtype
    }
}

impl Tree for Message<'_> {
    fn len(&self) -> usize {
        self.parts.len()
    }

    fn parent(&self, index: usize) -> usize {
        self.parts.get(index).map_or(0, |part| part.parent)
    }

    fn kind(&self, index: usize) -> Kind {
        self.parts.get(index).map_or(Kind::Leaf, |part| part.kind)
    }
}

/// A container whose end has not been seen.
struct Open<'a> {
    part: usize,
    /// Without its leading dashes; `None` for an enclosed message.
    boundary: Option<std::borrow::Cow<'a, [u8]>>,
}

struct Scan<'a> {
    raw: &'a [u8],
    message: Message<'a>,
    open: Vec<Open<'a>>,
}

/// A boundary line: which open container it belongs to and where things go on.
struct Delimiter {
    level: usize,
    /// Where the line begins.
    line: usize,
    next: usize,
    closes: bool,
}

impl<'a> Scan<'a> {
    fn run(&mut self) {
        let mut start = self.part(0, 0);
        let mut inner = self.message.parts.len() - 1;
        loop {
            if let Some(child) = self.open_container(inner) {
                start = self.part(child, inner);
                inner = self.message.parts.len() - 1;
                continue;
            }
            let Some((next, parent)) = self.next_child(start) else { break };
            start = self.part(next, parent);
            inner = self.message.parts.len() - 1;
        }
        self.close_to(0, self.raw.len());
        self.settle_multiparts();
        self.count_lines();
    }

    /// Adds the part whose header begins at `at`, its body still open; returns the body's start.
    fn part(&mut self, at: usize, parent: usize) -> usize {
        let first_field = self.message.fields.len();
        let room = limits::FIELDS_TOTAL.saturating_sub(first_field);
        let open = &self.open;
        let is_boundary = |line: &[u8]| match_boundary(open, line).is_some();
        let block = header::split(self.raw, at, room, &mut self.message.fields, is_boundary);
        self.message.truncated |= block.truncated;
        let mut part = Part {
            parent,
            header: at..block.end,
            body: block.end..self.raw.len(),
            lines: 0,
            kind: Kind::Leaf,
            media_type: String::new(),
            subtype: String::new(),
            encoding: Encoding::Identity,
            fields: first_field..self.message.fields.len(),
        };
        self.classify(&mut part);
        self.message.parts.push(part);
        block.end
    }

    fn classify(&self, part: &mut Part) {
        let parent = self.message.parts.get(part.parent);
        let digest = parent.is_some_and(|parent| parent.is("multipart", "digest"));
        let default = if digest { ("message", "rfc822") } else { ("text", "plain") };
        let keyword = self.message.field(part, "Content-Type").map(param::keyword).unwrap_or_default();
        let (media_type, subtype) = match keyword.split_once('/') {
            Some((media_type, subtype)) if !media_type.trim().is_empty() && !subtype.trim().is_empty() => {
                (media_type.trim(), subtype.trim())
            }
            // RFC 2045 §5.2: what cannot be read is text/plain.
            _ => default,
        };
        part.media_type = media_type.to_ascii_lowercase();
        part.subtype = subtype.to_ascii_lowercase();
        if let Some(value) = self.message.field(part, "Content-Transfer-Encoding") {
            part.encoding = Encoding::from_keyword(&param::keyword(value));
        }
    }

    /// If the part just added is a container, opens it. An enclosed message gives its start.
    fn open_container(&mut self, index: usize) -> Option<usize> {
        if self.open.len() >= limits::DEPTH {
            return None;
        }
        let full = self.message.parts.len() >= limits::PARTS;
        let part = self.message.parts.get(index)?;
        let encloses = part.media_type == "message"
            && matches!(part.subtype.as_str(), "rfc822" | "global")
            && part.encoding == Encoding::Identity;
        if encloses && !full {
            let start = part.body.start;
            self.open.push(Open { part: index, boundary: None });
            self.message.parts.get_mut(index)?.kind = Kind::Message;
            return Some(start);
        }
        if part.media_type == "multipart" {
            let boundary = self.boundary(part)?;
            self.open.push(Open { part: index, boundary: Some(boundary) });
            self.message.parts.get_mut(index)?.kind = Kind::Multipart;
        }
        None
    }

    fn boundary(&self, part: &Part) -> Option<std::borrow::Cow<'a, [u8]>> {
        let value = self.message.field(part, "Content-Type")?;
        let boundary = param::boundary(value)?;
        (!boundary.is_empty() && boundary.len() <= limits::BOUNDARY).then_some(boundary)
    }

    /// Walks to the next part that a boundary line begins; its header's start and its parent.
    fn next_child(&mut self, from: usize) -> Option<(usize, usize)> {
        let mut at = from;
        while let Some(found) = self.delimiter(at) {
            self.close_to(found.level + 1, end_before(self.raw, found.line, from.min(found.line)));
            at = found.next;
            if found.closes {
                // What follows is the epilogue: it belongs to the container, which ends with
                // its own parent. Its boundary counts no more.
                if let Some(open) = self.open.get_mut(found.level) {
                    open.boundary = None;
                }
            } else if self.message.parts.len() >= limits::PARTS {
                self.message.truncated = true;
                return None;
            } else {
                return Some((at, self.open.get(found.level)?.part));
            }
        }
        None
    }

    fn delimiter(&self, from: usize) -> Option<Delimiter> {
        if self.open.iter().all(|open| open.boundary.is_none()) {
            return None;
        }
        let mut at = from;
        while let Some(line) = header::line_at(self.raw, at) {
            let content = self.raw.get(at..line.content_end).unwrap_or_default();
            if content.starts_with(b"--")
                && let Some((level, closes)) = match_boundary(&self.open, content)
            {
                return Some(Delimiter { level, line: at, next: line.next, closes });
            }
            at = line.next;
        }
        None
    }

    /// Ends all containers from `level` on, and the leaf within, at `end`.
    fn close_to(&mut self, level: usize, end: usize) {
        if let Some(leaf) = self.message.parts.last_mut()
            && leaf.kind == Kind::Leaf
            && leaf.body.end > end
        {
            leaf.body.end = end.max(leaf.body.start);
        }
        for open in self.open.drain(level.min(self.open.len())..) {
            if let Some(part) = self.message.parts.get_mut(open.part) {
                part.body.end = end.max(part.body.start);
            }
        }
    }

    /// A multipart in which no part was found is shown as the text it is.
    fn settle_multiparts(&mut self) {
        let parents: Vec<usize> = self.message.parts.iter().skip(1).map(|part| part.parent).collect();
        for (index, part) in self.message.parts.iter_mut().enumerate() {
            let has_child = parents.get(index) == Some(&index);
            if part.media_type == "multipart" && !has_child {
                part.kind = Kind::Leaf;
                "text".clone_into(&mut part.media_type);
                "plain".clone_into(&mut part.subtype);
            }
        }
    }

    /// Counts each line feed once, in the innermost part, and adds it up the tree.
    fn count_lines(&mut self) {
        let mut feeds = Vec::with_capacity(self.message.parts.len());
        let mut from = 0;
        let mut total = 0_usize;
        // Offsets to count up to, in increasing order.
        let mut marks: Vec<usize> =
            self.message.parts.iter().flat_map(|part| [part.body.start, part.body.end]).collect();
        marks.sort_unstable();
        marks.dedup();
        for mark in marks {
            let piece = self.raw.get(from..mark).unwrap_or_default();
            total += piece.iter().filter(|byte| **byte == b'\n').count();
            feeds.push((mark, total));
            from = mark;
        }
        let before = |at: usize| {
            feeds
                .binary_search_by_key(&at, |feed| feed.0)
                .ok()
                .and_then(|index| feeds.get(index))
                .map_or(0, |feed| feed.1)
        };
        for part in &mut self.message.parts {
            part.lines = before(part.body.end).saturating_sub(before(part.body.start));
        }
    }
}

/// The innermost open container whose boundary `line` is, and whether it closes it.
fn match_boundary(open: &[Open<'_>], line: &[u8]) -> Option<(usize, bool)> {
    let line = line.strip_prefix(b"--")?.trim_ascii_end();
    if line.len() > limits::BOUNDARY + 2 {
        return None;
    }
    let closing = line.strip_suffix(b"--");
    open.iter().enumerate().rev().find_map(|(level, open)| {
        let boundary = open.boundary.as_deref()?;
        if line == boundary {
            Some((level, false))
        } else {
            (closing == Some(boundary)).then_some((level, true))
        }
    })
}

/// The end of what precedes a boundary line: its line end belongs to the boundary.
fn end_before(raw: &[u8], line: usize, least: usize) -> usize {
    let before = raw.get(least..line).unwrap_or_default();
    let before =
        before.strip_suffix(b"\n").map_or(before, |before| before.strip_suffix(b"\r").unwrap_or(before));
    least + before.len()
}
