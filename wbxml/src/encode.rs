//! Tree to octets, and documents written piece by piece.

use std::io::{self, Read, Write};

use crate::text;
use crate::token::{END, HAS_CONTENT, OPAQUE, PUBLIC_ID, STR_I, SWITCH_PAGE, UTF_8, VERSION};
use crate::{Content, Element, Tag};

/// Writes a document: one header, no string table, inline strings, a page switch where the page changes,
/// and a bare tag for an element that holds nothing. A tree has exactly one encoding of this kind.
///
/// What XML cannot hold is treated as by [`Encoder::text`].
pub fn encode(root: &Element<'_>) -> Vec<u8> {
    fn write(root: &Element<'_>) -> io::Result<Vec<u8>> {
        let mut encoder = Encoder::new(Vec::new())?;
        encoder.element(root)?;
        encoder.finish()
    }
    // Writing to a Vec does not fail, and a tree is one root with every element closed and none mixed,
    // which is all that an Encoder objects to.
    write(root).expect("a tree can be written to memory")
}

/// Writes a document piece by piece.
///
/// The document on the wire is well-formed as far as it goes, whatever the pieces contain. A call that
/// the document does not allow (a second root, a child beside a value, an END too many) is refused with
/// [`io::ErrorKind::InvalidInput`] and writes nothing. If the writer or a reader fails half-way, the
/// document cannot be completed: every later call fails too, and the connection must not be used as
/// if an answer had been given.
///
/// It makes many small writes; give it a [`io::BufWriter`] if the writer is not memory.
///
/// ```
/// use wbxml::{Encoder, airsync, airsyncbase};
///
/// let mut body = std::io::Cursor::new("a long mail");
/// let mut out = Encoder::new(Vec::new())?;
/// out.start(airsync::APPLICATION_DATA)?;
/// out.start(airsyncbase::BODY)?;
/// out.leaf(airsyncbase::TYPE, "1")?;
/// out.start(airsyncbase::DATA)?;
/// out.text_from(&mut body)?;
/// out.end()?;
/// out.end()?;
/// out.end()?;
/// let document = out.finish()?;
/// # let tree = wbxml::decode(&document, &wbxml::Limits::default()).expect("valid");
/// # assert_eq!(tree.child(airsyncbase::BODY).and_then(|b| b.text_of(airsyncbase::DATA)), Some("a long mail"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Encoder<W: Write> {
    out: W,
    page: u8,
    /// Open elements, and what has been written of each.
    open: Vec<(Tag, Written)>,
    rooted: bool,
    broken: bool,
}

/// What has been written of an open element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    /// Not even the tag: whether it has the content bit shows only later.
    Nothing,
    Text,
    Opaque,
    Children,
}

impl<W: Write> Encoder<W> {
    /// Begins a document: writes the header.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(mut out: W) -> io::Result<Self> {
        // Public identifier and character set are below 128: as multi-byte integers one octet each.
        out.write_all(&[VERSION, PUBLIC_ID as u8, UTF_8 as u8, 0])?;
        Ok(Self { out, page: 0, open: Vec::new(), rooted: false, broken: false })
    }

    /// Opens an element.
    ///
    /// # Errors
    /// Those of the writer; a second root, a child beside a value.
    pub fn start(&mut self, tag: Tag) -> io::Result<()> {
        self.place_child()?;
        self.open.push((tag, Written::Nothing));
        Ok(())
    }

    /// Closes the innermost open element. One that got no content becomes a bare tag.
    ///
    /// # Errors
    /// Those of the writer; no element is open.
    pub fn end(&mut self) -> io::Result<()> {
        match self.open.pop() {
            None => Err(refused("END without an open element")),
            Some((tag, Written::Nothing)) => self.tag(tag, 0),
            Some(_) => self.put(&[END]),
        }
    }

    /// Writes an element that holds nothing.
    ///
    /// # Errors
    /// As [`Encoder::start`].
    pub fn empty(&mut self, tag: Tag) -> io::Result<()> {
        self.place_child()?;
        self.tag(tag, 0)
    }

    /// Writes an element with text.
    ///
    /// # Errors
    /// As [`Encoder::start`].
    pub fn leaf(&mut self, tag: Tag, text: &str) -> io::Result<()> {
        self.start(tag)?;
        self.text(text)?;
        self.end()
    }

    /// Writes text into the innermost open element; several texts add up.
    ///
    /// NUL, which would end the string, is left out; any other character that XML lacks (controls save
    /// TAB, LF and CR, U+FFFE, U+FFFF) becomes U+FFFD. So the document stays valid and the reader sees
    /// that something was there.
    ///
    /// # Errors
    /// Those of the writer; no element is open, or it has opaque data or children.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        let text = text::clean(text);
        if text.is_empty() {
            return self.check_value(Written::Text);
        }
        self.place_value(Written::Text)?;
        self.put(&[STR_I])?;
        self.put(text.as_bytes())?;
        self.put(&[0])
    }

    /// Writes text from a reader into the innermost open element, holding a few KiB of it at a time, and
    /// returns the octets written. Octets that are not UTF-8 become U+FFFD; the rest is as for
    /// [`Encoder::text`].
    ///
    /// # Errors
    /// As [`Encoder::text`], and those of the reader, after which the document is beyond repair.
    pub fn text_from(&mut self, reader: &mut impl Read) -> io::Result<u64> {
        self.check_value(Written::Text)?;
        let mut buffer = vec![0; BUFFER];
        // Octets at the front of the buffer that are the beginning of a character.
        let mut kept = 0;
        let mut written = 0;
        loop {
            let space = buffer.get_mut(kept..).unwrap_or_default();
            let got = self.read(reader, space)?;
            let filled = kept + got;
            let (text, incomplete) = lossy(buffer.get(..filled).unwrap_or_default(), got == 0);
            let text = text::clean(&text);
            if !text.is_empty() {
                if written == 0 {
                    self.place_value(Written::Text)?;
                    self.put(&[STR_I])?;
                }
                self.put(text.as_bytes())?;
                written += text.len() as u64;
            }
            if got == 0 {
                break;
            }
            kept = incomplete;
            buffer.copy_within(filled - kept..filled, 0);
        }
        if written > 0 {
            self.put(&[0])?;
        }
        Ok(written)
    }

    /// Writes opaque data into the innermost open element; several pieces add up.
    ///
    /// # Errors
    /// Those of the writer; no element is open, or it has text or children.
    pub fn opaque(&mut self, data: &[u8]) -> io::Result<()> {
        if data.is_empty() {
            return self.check_value(Written::Opaque);
        }
        self.place_value(Written::Opaque)?;
        // A length has 32 bits at most; more data goes in pieces.
        for piece in data.chunks(u32::MAX as usize) {
            self.opaque_head(piece.len() as u32)?;
            self.put(piece)?;
        }
        Ok(())
    }

    /// Writes opaque data of a known length from a reader into the innermost open element, holding a few
    /// KiB of it at a time. Octets of the reader past `length` are left there.
    ///
    /// # Errors
    /// As [`Encoder::opaque`], those of the reader, and [`io::ErrorKind::UnexpectedEof`] if it has less
    /// than `length`; in the last two cases the document is beyond repair.
    pub fn opaque_from(&mut self, reader: &mut impl Read, length: u32) -> io::Result<()> {
        if length == 0 {
            return self.check_value(Written::Opaque);
        }
        self.place_value(Written::Opaque)?;
        self.opaque_head(length)?;
        let mut buffer = vec![0; BUFFER];
        let mut left = u64::from(length);
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let got = self.read(reader, buffer.get_mut(..most).unwrap_or_default())?;
            if got == 0 {
                self.broken = true;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.put(buffer.get(..got).unwrap_or_default())?;
            left -= got as u64;
        }
        Ok(())
    }

    /// Writes a tree. It may be any depth; this does not recurse.
    ///
    /// # Errors
    /// As [`Encoder::start`].
    pub fn element(&mut self, element: &Element<'_>) -> io::Result<()> {
        let mut parents = Vec::new();
        let mut next = Some(element);
        while let Some(element) = next.take() {
            self.start(element.tag())?;
            match element.content() {
                Content::Children(children) => parents.push(children.iter()),
                Content::Empty => self.end()?,
                Content::Text(text) => {
                    self.text(text)?;
                    self.end()?;
                }
                Content::Opaque(data) => {
                    self.opaque(data)?;
                    self.end()?;
                }
            }
            while let Some(siblings) = parents.last_mut() {
                next = siblings.next();
                if next.is_some() {
                    break;
                }
                parents.pop();
                self.end()?;
            }
        }
        Ok(())
    }

    /// Ends the document and hands the writer back. It is not flushed.
    ///
    /// # Errors
    /// The document has no root, an element is open, or an earlier error broke it.
    pub fn finish(self) -> io::Result<W> {
        if self.broken {
            Err(refused("the document is broken"))
        } else if !self.rooted || !self.open.is_empty() {
            Err(refused("the document is not complete"))
        } else {
            Ok(self.out)
        }
    }

    /// Makes way for a child of the innermost open element, or for the root.
    fn place_child(&mut self) -> io::Result<()> {
        match self.open.last_mut() {
            None if self.rooted => Err(refused("a second root element")),
            None => {
                self.rooted = true;
                Ok(())
            }
            Some((_, Written::Children)) => Ok(()),
            Some((tag, written @ Written::Nothing)) => {
                *written = Written::Children;
                let tag = *tag;
                self.tag(tag, HAS_CONTENT)
            }
            Some((_, Written::Text | Written::Opaque)) => Err(refused("a child beside a value")),
        }
    }

    /// Whether a value of this kind may stand here.
    fn check_value(&self, kind: Written) -> io::Result<()> {
        match self.open.last() {
            None => Err(refused("a value outside an element")),
            Some(&(_, written)) if written == Written::Nothing || written == kind => Ok(()),
            Some(_) => Err(refused("a value beside children or a value of the other kind")),
        }
    }

    /// Makes way for a value of this kind.
    fn place_value(&mut self, kind: Written) -> io::Result<()> {
        self.check_value(kind)?;
        if let Some((tag, written @ Written::Nothing)) = self.open.last_mut() {
            *written = kind;
            let tag = *tag;
            self.tag(tag, HAS_CONTENT)?;
        }
        Ok(())
    }

    fn tag(&mut self, tag: Tag, content: u8) -> io::Result<()> {
        let token = tag.token() | content;
        if tag.page() == self.page {
            return self.put(&[token]);
        }
        self.page = tag.page();
        self.put(&[SWITCH_PAGE, self.page, token])
    }

    fn opaque_head(&mut self, length: u32) -> io::Result<()> {
        let (octets, used) = multi_byte(length);
        self.put(&[OPAQUE])?;
        self.put(octets.get(5 - used..).unwrap_or_default())
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.broken {
            return Err(refused("the document is broken"));
        }
        self.out.write_all(bytes).inspect_err(|_| self.broken = true)
    }

    fn read(&mut self, reader: &mut impl Read, space: &mut [u8]) -> io::Result<usize> {
        loop {
            match reader.read(space) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.broken = true;
                    return Err(e);
                }
                // A reader that claims more than it was given space for.
                Ok(got) => return Ok(got.min(space.len())),
            }
        }
    }
}

/// Octets of a streamed value held at a time.
const BUFFER: usize = 8 << 10;

/// A multi-byte integer (WBXML 1.3 §5.1), at the end of five octets, and how many it takes.
fn multi_byte(value: u32) -> ([u8; 5], usize) {
    let mut octets = [0_u8; 5];
    let mut rest = value;
    let mut used = 0;
    for octet in octets.iter_mut().rev() {
        *octet = (rest & 0x7F) as u8 | if used > 0 { 0x80 } else { 0 };
        rest >>= 7;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    (octets, used)
}

/// Octets as text with U+FFFD for what is not UTF-8, and the number of octets at the end, not part of
/// the text, that may be the beginning of a character unless this is the `last` of them.
fn lossy(bytes: &[u8], last: bool) -> (std::borrow::Cow<'_, str>, usize) {
    let incomplete = match bytes.utf8_chunks().last() {
        Some(chunk) if !last => match std::str::from_utf8(chunk.invalid()) {
            Err(e) if e.error_len().is_none() => chunk.invalid().len(),
            _ => 0,
        },
        _ => 0,
    };
    let whole = bytes.len() - incomplete;
    (String::from_utf8_lossy(bytes.get(..whole).unwrap_or_default()), incomplete)
}

fn refused(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
