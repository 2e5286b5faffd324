//! What is said about a message beside its content: to-do flag, the last answer, categories.

use serde::{Deserialize, Serialize};
use wbxml::{BadValue, Element, Limits, Tag, Version, email, email2, tasks};

use super::time::dashed;
use crate::clock::Millis;
use crate::mailbox::{Flags, Item};

/// Property of an item that keeps its Flag element as the client wrote it.
pub(in crate::doors::eas) const FLAG_PROPERTY: &str = "eas.flag";

/// Property of an item that keeps the last [`Verb`].
pub(in crate::doors::eas) const VERB_PROPERTY: &str = "eas.verb";

/// Property of an item that keeps its categories: a list of names in postcard.
pub(in crate::doors::eas) const CATEGORIES_PROPERTY: &str = "eas.categories";

/// The children of a Flag. MS-ASEMAIL §2.2.2.34.
const FLAG_CHILDREN: [Tag; 13] = [
    email::STATUS,
    email::FLAG_TYPE,
    email::COMPLETE_TIME,
    tasks::SUBJECT,
    tasks::DATE_COMPLETED,
    tasks::START_DATE,
    tasks::UTC_START_DATE,
    tasks::DUE_DATE,
    tasks::UTC_DUE_DATE,
    tasks::REMINDER_SET,
    tasks::REMINDER_TIME,
    tasks::ORDINAL_DATE,
    tasks::SUB_ORDINAL_DATE,
];
/// Largest Flag that is kept, in octets: it stands in the item's row.
const FLAG_MAX: usize = 4 << 10;
/// Most categories of an item. MS-ASEMAIL §2.2.2.17.
const CATEGORIES_MAX: usize = 300;
/// Longest name of one, in characters.
const CATEGORY_MAX: usize = 255;
/// Most octets of all names together: they stand in the item's row.
const CATEGORIES_SIZE_MAX: usize = 16 << 10;

/// What a client says of a message is more than is kept with one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::doors::eas) struct TooMuch;

impl From<BadValue> for TooMuch {
    fn from(_: BadValue) -> Self {
        Self
    }
}

/// Status of a Flag. MS-ASEMAIL §2.2.2.74.
const ACTIVE: u8 = 2;
/// FlagType of a flag that another client set.
const FOLLOW_UP: &str = "Flag for follow up";

/// What was last done with a message, and when. MS-ASEMAIL §2.2.2.44, §2.2.2.45.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::doors::eas) struct Verb {
    /// LastVerbExecuted: 1 reply, 2 reply to all, 3 forward.
    pub(in crate::doors::eas) verb: u8,
    /// LastVerbExecutionTime.
    pub(in crate::doors::eas) at: Millis,
}

impl Verb {
    /// The author was answered.
    pub(in crate::doors::eas) const REPLY: u8 = 1;
    /// All were answered.
    pub(in crate::doors::eas) const REPLY_TO_ALL: u8 = 2;
    /// The message was passed on.
    pub(in crate::doors::eas) const FORWARD: u8 = 3;

    /// As it is kept in [`VERB_PROPERTY`].
    pub(in crate::doors::eas) fn kept(self) -> Vec<u8> {
        // Plain values into a vector: nothing here can fail.
        postcard::to_stdvec(&self).unwrap_or_default()
    }
}

/// LastVerbExecuted and LastVerbExecutionTime; another client's `\Answered` and `$Forwarded` have no time.
pub(super) fn verb(item: &Item) -> impl Iterator<Item = Element<'static>> {
    let kept: Option<Verb> = item.property(VERB_PROPERTY).and_then(|kept| postcard::from_bytes(kept).ok());
    let flagged = match () {
        () if item.flags.has(Flags::FORWARDED) => Some(Verb::FORWARD),
        () if item.flags.has(Flags::ANSWERED) => Some(Verb::REPLY),
        () => None,
    };
    let verb = kept.map(|kept| kept.verb).or(flagged);
    let verb = verb.map(|verb| Element::number(email2::LAST_VERB_EXECUTED, verb));
    let time = kept.map(|kept| Element::leaf(email2::LAST_VERB_EXECUTION_TIME, dashed(kept.at)));
    verb.into_iter().chain(time)
}

/// A client's Flag as it is kept in [`FLAG_PROPERTY`]: what the protocol knows of it, and nothing else.
pub(in crate::doors::eas) fn kept_flag(flag: &Element<'_>) -> Result<Vec<u8>, TooMuch> {
    let known = flag.children().iter().filter(|child| FLAG_CHILDREN.contains(&child.tag()));
    let leaves = known.filter_map(|child| Some(Element::leaf(child.tag(), child.text()?)));
    let kept = wbxml::encode(&Element::new(email::FLAG).with_all(leaves));
    if kept.len() <= FLAG_MAX { Ok(kept) } else { Err(TooMuch) }
}

/// A client's Categories as they are kept in [`CATEGORIES_PROPERTY`]; `None` when there are none.
pub(in crate::doors::eas) fn kept_categories(categories: &Element<'_>) -> Result<Option<Vec<u8>>, TooMuch> {
    let names = categories.children_of(email::CATEGORY).filter_map(Element::text);
    let names: Vec<&str> = names.take(CATEGORIES_MAX + 1).collect();
    // Names into a vector: nothing here can fail.
    let kept = postcard::to_stdvec(&names).unwrap_or_default();
    let bounded = names.len() <= CATEGORIES_MAX
        && names.iter().all(|name| name.chars().count() <= CATEGORY_MAX)
        && kept.len() <= CATEGORIES_SIZE_MAX;
    if bounded { Ok((!names.is_empty()).then_some(kept)) } else { Err(TooMuch) }
}

/// The Categories element.
pub(super) fn categories(item: &Item) -> Element<'static> {
    let kept = item.property(CATEGORIES_PROPERTY).and_then(|kept| postcard::from_bytes(kept).ok());
    let names: Vec<String> = kept.unwrap_or_default();
    let names = names.into_iter().map(|name| Element::leaf(email::CATEGORY, name));
    Element::new(email::CATEGORIES).with_all(names)
}

/// The Flag element: as a client wrote it, unless another one set or cleared the flag since.
pub(super) fn flag(item: &Item, version: Version) -> Element<'static> {
    let flagged = item.flags.has(Flags::FLAGGED);
    let kept = item.property(FLAG_PROPERTY).and_then(decoded);
    let status = |flag: &Element<'_>| flag.parse_of::<u8>(email::STATUS).ok().flatten();
    match kept {
        Some(kept) if flagged == (status(&kept) == Some(ACTIVE)) => within(kept, version),
        _ if flagged => Element::new(email::FLAG)
            .with_number(email::STATUS, ACTIVE)
            .with_text(email::FLAG_TYPE, FOLLOW_UP),
        _ => Element::new(email::FLAG),
    }
}

fn decoded(kept: &[u8]) -> Option<Element<'static>> {
    let flag = wbxml::decode(kept, &Limits::default()).ok()?;
    (flag.tag() == email::FLAG).then(|| flag.into_owned())
}

/// The element without those of its children that a version does not have.
fn within(flag: Element<'static>, version: Version) -> Element<'static> {
    let known = |tag: Tag| tag.is_in(version);
    Element::new(email::FLAG).with_all(flag.into_children().into_iter().filter(|child| known(child.tag())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_flag_has_is_kept() {
        let flag = Element::new(email::FLAG)
            .with_number(email::STATUS, 2)
            .with_text(email::FLAG_TYPE, "for Follow Up")
            .with_text(tasks::DUE_DATE, "2026-11-24T12:00:00.000Z")
            .with_text(email::SUBJECT, "x".repeat(1 << 20))
            .with(Element::new(tasks::SUBJECT).with_text(email::TO, "y".repeat(1 << 20)));
        let kept = kept_flag(&flag).unwrap();
        assert!(kept.len() < 200);
        let children: Vec<_> = decoded(&kept).unwrap().children().iter().map(Element::tag).collect();
        assert_eq!(children, [email::STATUS, email::FLAG_TYPE, tasks::DUE_DATE]);
        let text = |length| Element::new(email::FLAG).with_text(tasks::SUBJECT, "x".repeat(length));
        assert!(kept_flag(&text(FLAG_MAX - 20)).is_ok());
        assert_eq!(kept_flag(&text(FLAG_MAX)), Err(TooMuch));
    }

    #[test]
    fn categories_are_few_and_short() {
        let named = |count: usize, name: &str| {
            let names = (0..count).map(|_| Element::leaf(email::CATEGORY, name.to_owned()));
            kept_categories(&Element::new(email::CATEGORIES).with_all(names))
        };
        assert_eq!(named(0, ""), Ok(None));
        assert!(named(CATEGORIES_MAX, "work").unwrap().is_some());
        assert_eq!(named(CATEGORIES_MAX + 1, "work"), Err(TooMuch));
        assert!(named(1, &"\u{e4}".repeat(CATEGORY_MAX)).is_ok());
        assert_eq!(named(1, &"\u{e4}".repeat(CATEGORY_MAX + 1)), Err(TooMuch));
        assert_eq!(named(CATEGORIES_MAX, &"x".repeat(CATEGORY_MAX)), Err(TooMuch));
    }
}
