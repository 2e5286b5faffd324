//! [`Element`]: a document as a tree, for reading requests and building answers.

use std::borrow::Cow;
use std::fmt;
use std::slice;
use std::str::FromStr;

use crate::Tag;
use crate::text;

/// An element: a tag, and either nothing, or text, or opaque data, or child elements.
///
/// There is no mixed content: in the schemas of ActiveSync an element has a value or children, never
/// both. Elements without content, with an empty string and with empty opaque data are one and the
/// same, for WBXML tells `<a/>` and `<a></a>` apart no more than XML does.
///
/// What [`decode()`](crate::decode()) returns borrows its strings from the input; [`Element::into_owned`] cuts the tie.
#[derive(Clone)]
pub struct Element<'a> {
    tag: Tag,
    held: Held<'a>,
}

/// What an element holds, to match on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content<'e, 'a> {
    /// Nothing.
    Empty,
    /// Text, not empty.
    Text(&'e str),
    /// Opaque data, not empty.
    Opaque(&'e [u8]),
    /// Child elements, at least one.
    Children(&'e [Element<'a>]),
}

/// Invariant: neither text nor data nor the list of children is empty. Cows in place of the pairs of
/// variants would make an element a quarter larger.
#[derive(Clone)]
pub(crate) enum Held<'a> {
    Empty,
    Text(&'a str),
    OwnText(Box<str>),
    Opaque(&'a [u8]),
    OwnOpaque(Box<[u8]>),
    Children(Children<'a>),
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag && self.content() == other.content()
    }
}

impl Eq for Element<'_> {}

/// Reading.
impl<'a> Element<'a> {
    /// The tag.
    #[inline]
    pub const fn tag(&self) -> Tag {
        self.tag
    }

    /// What the element holds.
    #[inline]
    pub fn content(&self) -> Content<'_, 'a> {
        match &self.held {
            Held::Empty => Content::Empty,
            Held::Text(text) => Content::Text(text),
            Held::OwnText(text) => Content::Text(text),
            Held::Opaque(data) => Content::Opaque(data),
            Held::OwnOpaque(data) => Content::Opaque(data),
            Held::Children(children) => Content::Children(&children.0),
        }
    }

    /// Whether the element holds nothing.
    pub const fn is_empty(&self) -> bool {
        matches!(self.held, Held::Empty)
    }

    /// The text; `""` of an element that holds nothing. Opaque data counts if it is text that XML can
    /// hold, as some clients send strings that way. `None` for children and other data.
    pub fn text(&self) -> Option<&str> {
        match self.content() {
            Content::Empty => Some(""),
            Content::Text(text) => Some(text),
            Content::Opaque(data) => text::validate(data).ok(),
            Content::Children(_) => None,
        }
    }

    /// The value's octets, be it opaque data or text (then its UTF-8); empty if the element holds
    /// nothing. `None` for children.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self.content() {
            Content::Empty => Some(&[]),
            Content::Text(text) => Some(text.as_bytes()),
            Content::Opaque(data) => Some(data),
            Content::Children(_) => None,
        }
    }

    /// The text read as a number or whatever else `T` parses. Space around it does not count.
    ///
    /// # Errors
    /// [`BadValue`] if there is no text or `T` cannot be read from it.
    pub fn parse<T: FromStr>(&self) -> Result<T, BadValue> {
        let text = self.text().ok_or(BadValue { element: self.tag })?;
        text.trim_ascii().parse().map_err(|_| BadValue { element: self.tag })
    }

    /// The value as a boolean: `0` or `1` (MS-ASDTYPE §2.1). Where a boolean element is allowed to be
    /// empty it means true (MS-ASCMD: DeletesAsMoves, GetChanges), so nothing is true.
    ///
    /// # Errors
    /// [`BadValue`] for anything else.
    pub fn flag(&self) -> Result<bool, BadValue> {
        match self.text().map(str::trim_ascii) {
            Some("" | "1") => Ok(true),
            Some("0") => Ok(false),
            _ => Err(BadValue { element: self.tag }),
        }
    }

    /// The child elements, none if the element has a value.
    #[inline]
    pub fn children(&self) -> &[Self] {
        match &self.held {
            Held::Children(children) => &children.0,
            _ => &[],
        }
    }

    /// The first child with this tag.
    pub fn child(&self, tag: Tag) -> Option<&Self> {
        self.children().iter().find(|child| child.tag == tag)
    }

    /// The children with this tag, in order.
    pub fn children_of(&self, tag: Tag) -> impl Iterator<Item = &Self> {
        self.children().iter().filter(move |child| child.tag == tag)
    }

    /// The first element found by going down by these tags, one a level.
    pub fn at(&self, path: &[Tag]) -> Option<&Self> {
        path.iter().try_fold(self, |element, &tag| element.child(tag))
    }

    /// Whether there is a child with this tag.
    pub fn has(&self, tag: Tag) -> bool {
        self.child(tag).is_some()
    }

    /// [`Element::text`] of the first child with this tag.
    pub fn text_of(&self, tag: Tag) -> Option<&str> {
        self.child(tag)?.text()
    }

    /// [`Element::bytes`] of the first child with this tag.
    pub fn bytes_of(&self, tag: Tag) -> Option<&[u8]> {
        self.child(tag)?.bytes()
    }

    /// [`Element::parse`] of the first child with this tag, `None` if there is none.
    ///
    /// # Errors
    /// [`BadValue`] if there is one and `T` cannot be read from it.
    pub fn parse_of<T: FromStr>(&self, tag: Tag) -> Result<Option<T>, BadValue> {
        self.child(tag).map(Self::parse).transpose()
    }

    /// [`Element::flag`] of the first child with this tag, `None` if there is none.
    ///
    /// # Errors
    /// [`BadValue`] if there is one and it is no boolean.
    pub fn flag_of(&self, tag: Tag) -> Result<Option<bool>, BadValue> {
        self.child(tag).map(Self::flag).transpose()
    }

    /// This element and everything below it, parents before their children.
    pub fn descendants(&self) -> Descendants<'_, 'a> {
        Descendants { next: Some(self), rest: Vec::new() }
    }
}

/// Building. The methods that begin with `with_` are for chains.
impl<'a> Element<'a> {
    /// An element that holds nothing yet.
    #[inline]
    pub const fn new(tag: Tag) -> Self {
        Self { tag, held: Held::Empty }
    }

    /// An element with text. What XML cannot hold is replaced on sending, see [`crate::Encoder::text`].
    pub fn leaf(tag: Tag, text: impl Into<Cow<'a, str>>) -> Self {
        let held = match text.into() {
            text if text.is_empty() => Held::Empty,
            Cow::Borrowed(text) => Held::Text(text),
            Cow::Owned(text) => Held::OwnText(text.into()),
        };
        Self { tag, held }
    }

    /// An element with a number in decimal.
    pub fn number(tag: Tag, number: impl Into<i128>) -> Self {
        Self::leaf(tag, number.into().to_string())
    }

    /// An element with a boolean, `1` or `0` (MS-ASDTYPE §2.1).
    pub fn boolean(tag: Tag, value: bool) -> Self {
        Self::leaf(tag, if value { "1" } else { "0" })
    }

    /// An element with opaque data.
    pub fn opaque(tag: Tag, data: impl Into<Cow<'a, [u8]>>) -> Self {
        let held = match data.into() {
            data if data.is_empty() => Held::Empty,
            Cow::Borrowed(data) => Held::Opaque(data),
            Cow::Owned(data) => Held::OwnOpaque(data.into()),
        };
        Self { tag, held }
    }

    /// Adds a child.
    #[must_use]
    pub fn with(mut self, child: Self) -> Self {
        self.push(child);
        self
    }

    /// Adds children, or one if there is one: takes a list as well as an `Option`.
    #[must_use]
    pub fn with_all(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.extend(children);
        self
    }

    /// Adds a child that holds nothing.
    #[must_use]
    pub fn with_empty(self, tag: Tag) -> Self {
        self.with(Self::new(tag))
    }

    /// Adds a child with text.
    #[must_use]
    pub fn with_text(self, tag: Tag, text: impl Into<Cow<'a, str>>) -> Self {
        self.with(Self::leaf(tag, text))
    }

    /// Adds a child with a number.
    #[must_use]
    pub fn with_number(self, tag: Tag, number: impl Into<i128>) -> Self {
        self.with(Self::number(tag, number))
    }

    /// Adds a child with a boolean.
    #[must_use]
    pub fn with_flag(self, tag: Tag, value: bool) -> Self {
        self.with(Self::boolean(tag, value))
    }

    /// Adds a child with opaque data.
    #[must_use]
    pub fn with_opaque(self, tag: Tag, data: impl Into<Cow<'a, [u8]>>) -> Self {
        self.with(Self::opaque(tag, data))
    }

    /// Adds a child. A value of the element gives way to it: an element has one or the other.
    pub fn push(&mut self, child: Self) {
        match &mut self.held {
            Held::Children(children) => children.0.push(child),
            held => {
                debug_assert!(matches!(held, Held::Empty), "{} has a value already", self.tag);
                *held = Held::Children(Children(vec![child]));
            }
        }
    }

    /// The children, taken out of the element; none if it has a value.
    pub fn into_children(self) -> Vec<Self> {
        match self.held {
            Held::Children(mut children) => std::mem::take(&mut children.0),
            _ => Vec::new(),
        }
    }

    /// The same tree with strings and data of its own.
    pub fn into_owned(self) -> Element<'static> {
        let held = match self.held {
            Held::Empty => Held::Empty,
            Held::Text(text) => Held::OwnText(text.into()),
            Held::OwnText(text) => Held::OwnText(text),
            Held::Opaque(data) => Held::OwnOpaque(data.into()),
            Held::OwnOpaque(data) => Held::OwnOpaque(data),
            Held::Children(mut children) => {
                let children = std::mem::take(&mut children.0);
                Held::Children(Children(children.into_iter().map(Self::into_owned).collect()))
            }
        };
        Element { tag: self.tag, held }
    }

    /// An element made by the decoder, which sees to the invariant of `held`.
    #[inline]
    pub(crate) const fn from_held(tag: Tag, held: Held<'a>) -> Self {
        Self { tag, held }
    }
}

impl Extend<Self> for Element<'_> {
    fn extend<I: IntoIterator<Item = Self>>(&mut self, children: I) {
        children.into_iter().for_each(|child| self.push(child));
    }
}

impl<'e, 'a> IntoIterator for &'e Element<'a> {
    type Item = &'e Element<'a>;
    type IntoIter = slice::Iter<'e, Element<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.children().iter()
    }
}

/// An element and everything below it; see [`Element::descendants`].
#[derive(Clone)]
pub struct Descendants<'e, 'a> {
    next: Option<&'e Element<'a>>,
    rest: Vec<slice::Iter<'e, Element<'a>>>,
}

impl<'e, 'a> Iterator for Descendants<'e, 'a> {
    type Item = &'e Element<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let element = self.next.take()?;
        self.rest.push(element.children().iter());
        while let Some(siblings) = self.rest.last_mut() {
            self.next = siblings.next();
            if self.next.is_some() {
                break;
            }
            self.rest.pop();
        }
        Some(element)
    }
}

/// An element's value is not of the kind that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadValue {
    /// The element.
    pub element: Tag,
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has a value of the wrong kind", self.element)
    }
}

impl std::error::Error for BadValue {}

/// A list of children, dropped level by level so that a deep tree needs no deep stack.
#[derive(Clone)]
pub(crate) struct Children<'a>(pub(crate) Vec<Element<'a>>);

impl Drop for Children<'_> {
    fn drop(&mut self) {
        let mut lists = Vec::new();
        take_grandchildren(&mut self.0, &mut lists);
        while let Some(mut list) = lists.pop() {
            take_grandchildren(&mut list, &mut lists);
        }
    }
}

/// Moves the children of the elements of a list to `lists`, so that the elements can go without a
/// further step down.
fn take_grandchildren<'a>(list: &mut [Element<'a>], lists: &mut Vec<Vec<Element<'a>>>) {
    for element in list {
        if let Held::Children(children) = &mut element.held {
            lists.push(std::mem::take(&mut children.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{airsync, airsyncbase, composemail, email};

    fn collection() -> Element<'static> {
        Element::new(airsync::COLLECTION)
            .with_text(airsync::SYNC_KEY, "{a}7")
            .with_number(airsync::WINDOW_SIZE, 50_u16)
            .with_empty(airsync::GET_CHANGES)
            .with_flag(airsync::DELETES_AS_MOVES, false)
            .with(Element::new(airsync::COMMANDS).with_all(
                ["5:1", "5:2"].map(|id| Element::new(airsync::DELETE).with_text(airsync::SERVER_ID, id)),
            ))
            .with_all(None)
            .with_all(Some(Element::new(airsync::OPTIONS).with_text(airsync::FILTER_TYPE, " 3 ")))
    }

    #[test]
    fn reading() {
        let el = collection();
        assert_eq!(el.text_of(airsync::SYNC_KEY), Some("{a}7"));
        assert_eq!(el.text_of(airsync::GET_CHANGES), Some(""));
        assert_eq!(el.text_of(airsync::COLLECTION_ID), None);
        assert_eq!(el.text_of(airsync::COMMANDS), None);
        assert_eq!(el.bytes_of(airsync::SYNC_KEY), Some(&b"{a}7"[..]));
        assert_eq!(el.parse_of::<u32>(airsync::WINDOW_SIZE), Ok(Some(50)));
        assert_eq!(el.parse_of::<u32>(airsync::CONFLICT), Ok(None));
        let bad = BadValue { element: airsync::SYNC_KEY };
        assert_eq!(el.parse_of::<u32>(airsync::SYNC_KEY), Err(bad));
        assert_eq!(el.flag_of(airsync::SYNC_KEY), Err(bad));
        assert_eq!(el.flag_of(airsync::GET_CHANGES), Ok(Some(true)));
        assert_eq!(el.flag_of(airsync::DELETES_AS_MOVES), Ok(Some(false)));
        assert_eq!(el.flag_of(airsync::CONFLICT), Ok(None));
        let filter = el.at(&[airsync::OPTIONS, airsync::FILTER_TYPE]);
        assert_eq!(filter.map(Element::parse::<u8>), Some(Ok(3)));
        let ids = el.at(&[airsync::COMMANDS]).into_iter().flat_map(|c| c.children_of(airsync::DELETE));
        assert_eq!(ids.filter_map(|d| d.text_of(airsync::SERVER_ID)).collect::<Vec<_>>(), ["5:1", "5:2"]);
        assert!(el.has(airsync::COMMANDS) && !el.has(airsync::SUPPORTED));
        assert_eq!((&el).into_iter().count(), 6);
    }

    #[test]
    fn nothing_is_nothing_however_it_is_made() {
        let tag = email::SUBJECT;
        assert_eq!(Element::leaf(tag, ""), Element::new(tag));
        assert_eq!(Element::opaque(tag, vec![]), Element::new(tag));
        assert!(Element::leaf(tag, String::new()).is_empty());
        assert_eq!(Element::new(tag).content(), Content::Empty);
        assert_eq!(Element::new(tag).bytes(), Some(&[][..]));
        assert_eq!(Element::new(tag).with_all(None).content(), Content::Empty);
    }

    #[test]
    fn opaque_data_is_text_if_it_can_be() {
        let data = |d: &'static [u8]| Element::opaque(composemail::MIME, d);
        assert_eq!(data("grün".as_bytes()).text(), Some("grün"));
        assert_eq!(data(b"\xFF").text(), None);
        assert_eq!(data(b"a\0").text(), None);
        assert_eq!(data(b"a\0").bytes(), Some(&b"a\0"[..]));
    }

    #[test]
    fn walking_is_in_document_order() {
        let names: Vec<_> = collection().descendants().map(|el| el.tag().name()).collect();
        let want = "Collection SyncKey WindowSize GetChanges DeletesAsMoves Commands Delete ServerId Delete \
                    ServerId Options FilterType";
        assert_eq!(names.join(" "), want);
    }

    #[test]
    fn owning_changes_nothing() {
        let text = String::from("hello");
        let el = Element::new(airsyncbase::BODY)
            .with_text(airsyncbase::DATA, &text)
            .with_opaque(airsyncbase::CONTENT_ID, text.as_bytes())
            .with_empty(airsyncbase::TRUNCATED);
        let owned: Element<'static> = el.clone().into_owned();
        assert_eq!(el, owned);
        assert_eq!(owned.into_children().len(), 3);
    }

    /// A recursive drop of such a tree would overflow the stack.
    #[test]
    fn deep_trees_drop() {
        let mut el = Element::new(airsync::SYNC);
        for _ in 0..1_000_000 {
            el = Element::new(airsync::SYNC).with(el).with_text(airsync::STATUS, "1");
        }
        drop(el);
    }

    #[test]
    fn elements_stay_small() {
        assert!(size_of::<Element<'_>>() <= 32, "{}", size_of::<Element<'_>>());
    }
}
