//! What is said about a message beside its content: to-do flag, the last answer, categories.

use serde::{Deserialize, Serialize};
use wbxml::{Element, Limits, Tag, Version, email, email2};

use super::time::dashed;
use crate::clock::Millis;
use crate::mailbox::{Flags, Item};

/// Property of an item that keeps its Flag element as the client wrote it.
pub(in crate::doors::eas) const FLAG_PROPERTY: &str = "eas.flag";

/// Property of an item that keeps the last [`Verb`].
pub(in crate::doors::eas) const VERB_PROPERTY: &str = "eas.verb";

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
