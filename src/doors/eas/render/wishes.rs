//! How much of an item a client wants: the Options of Sync, ItemOperations and Search.

use serde::{Deserialize, Serialize};
use wbxml::{BadValue, Element, Version, airsync, airsyncbase};

use crate::clock::Millis;
use crate::doors::eas::class::Supported;
use crate::doors::eas::reply::Status;
use crate::mailbox::{Folder, Kind, Role};
use crate::objects::FOREVER;

/// Most body preferences of one request; there are four types.
const PREFERENCES_MAX: usize = 8;

/// The Type of a BodyPart: HTML. MS-ASAIRS §2.2.2.41.3.
const BODY_PART_TYPE: u8 = 2;

/// BodyPreference or BodyPartPreference. MS-ASAIRS §2.2.2.12.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::doors::eas) struct BodyPreference {
    /// 1 text, 2 HTML, 3 RTF, 4 MIME.
    pub(in crate::doors::eas) kind: u8,
    /// Most octets of Data; all if absent.
    pub(in crate::doors::eas) truncation: Option<u32>,
    /// Rather nothing than a truncated body.
    pub(in crate::doors::eas) all_or_none: bool,
    /// Most characters of Preview, at most 255; none if absent.
    pub(in crate::doors::eas) preview: Option<u8>,
}

/// What a client wants to see of items.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(in crate::doors::eas) struct Wishes {
    /// FilterType; absent is 0, everything.
    pub(in crate::doors::eas) filter: u8,
    /// Conflict: true when the client's change wins. MS-ASCMD §2.2.3.34.
    pub(in crate::doors::eas) client_wins: bool,
    /// MIMESupport: 0 never, 1 for S/MIME only, 2 always.
    pub(in crate::doors::eas) mime_support: u8,
    /// MIMETruncation, 0-8.
    pub(in crate::doors::eas) mime_truncation: Option<u8>,
    /// BodyPreference elements in the client's order.
    pub(in crate::doors::eas) bodies: Vec<BodyPreference>,
    /// BodyPartPreference.
    pub(in crate::doors::eas) body_part: Option<BodyPreference>,
}

/// What a collection's row keeps of a device's requests: [`Wishes`], then what it manages of the items.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::doors::eas) struct Kept {
    /// The options of its latest request.
    pub(in crate::doors::eas) wishes: Wishes,
    /// Supported of its first.
    pub(in crate::doors::eas) supported: Supported,
}

impl Kept {
    /// Reads what [`Kept::row`] wrote; what cannot be read is as if nothing had been said. A row of 0.1
    /// ends with the wishes.
    pub(in crate::doors::eas) fn read(row: &[u8]) -> Self {
        let Ok((wishes, rest)) = postcard::take_from_bytes(row) else { return Self::default() };
        Self { wishes, supported: postcard::from_bytes(rest).unwrap_or_default() }
    }

    pub(in crate::doors::eas) fn row(&self) -> Vec<u8> {
        // Plain values into a vector: nothing here can fail.
        postcard::to_stdvec(&(&self.wishes, &self.supported)).unwrap_or_default()
    }
}

impl Wishes {
    /// Reads an Options element, or another one with the same children.
    pub(in crate::doors::eas) fn parse(options: &Element<'_>) -> Result<Self, BadValue> {
        let bodies = options.children_of(airsyncbase::BODY_PREFERENCE).take(PREFERENCES_MAX);
        Ok(Self {
            filter: options.parse_of(airsync::FILTER_TYPE)?.unwrap_or_default(),
            client_wins: options.parse_of::<u8>(airsync::CONFLICT)? == Some(0),
            mime_support: options.parse_of(airsync::MIME_SUPPORT)?.unwrap_or_default(),
            mime_truncation: options.parse_of(airsync::MIME_TRUNCATION)?,
            bodies: bodies.map(BodyPreference::parse).collect::<Result<_, _>>()?,
            body_part: options
                .child(airsyncbase::BODY_PART_PREFERENCE)
                .map(BodyPreference::parse)
                .transpose()?,
        })
    }

    /// Whether they can be met at all. Only HTML is defined for a BodyPart; MS-ASCMD §2.2.2, Status 164.
    pub(in crate::doors::eas) fn check(&self, version: Version) -> Result<(), Status> {
        let wanted = self.body_part.as_ref().filter(|_| airsyncbase::BODY_PART.is_in(version));
        match wanted {
            Some(part) if part.kind != BODY_PART_TYPE => Err(Status::BodyPartPreferenceTypeNotSupported),
            _ => Ok(()),
        }
    }

    /// The preference for bodies of `kind`.
    pub(in crate::doors::eas) fn body(&self, kind: u8) -> Option<&BodyPreference> {
        self.bodies.iter().find(|b| b.kind == kind)
    }
}

impl BodyPreference {
    fn parse(element: &Element<'_>) -> Result<Self, BadValue> {
        Ok(Self {
            kind: element.parse_of(airsyncbase::TYPE)?.unwrap_or(1),
            truncation: element.parse_of(airsyncbase::TRUNCATION_SIZE)?,
            all_or_none: element.flag_of(airsyncbase::ALL_OR_NONE)?.unwrap_or(false),
            preview: element.parse_of(airsyncbase::PREVIEW)?,
        })
    }
}

const DAY: Millis = 86_400_000;

/// The earliest filter date of the items that a FilterType lets through in a folder. A value that its
/// class does not have, which [`has_filter`] tells, filters nothing.
pub(in crate::doors::eas) fn cut_off(folder: &Folder, filter: u8, now: Millis) -> Millis {
    // Nobody loses sight of what he is still writing.
    let filters = folder.role != Role::Drafts;
    filters.then(|| class_cut_off(folder.kind, filter, now)).flatten().unwrap_or(Millis::MIN)
}

/// Whether a folder's class has this FilterType. MS-ASCMD §2.2.3.68.2.
pub(in crate::doors::eas) fn has_filter(folder: &Folder, filter: u8, now: Millis) -> bool {
    class_cut_off(folder.kind, filter, now).is_some()
}

/// As [`email_cut_off`], for any class. Events count by the end of their last instance, and contacts and
/// notes ignore filters.
fn class_cut_off(kind: Kind, filter: u8, now: Millis) -> Option<Millis> {
    match kind {
        Kind::Mail => email_cut_off(filter, now),
        Kind::Calendar => {
            let days = match filter {
                0 => return Some(Millis::MIN),
                4 => 14,
                5 => 31,
                6 => 3 * 31,
                7 => 6 * 31,
                _ => return None,
            };
            Some(now.saturating_sub(days * DAY))
        }
        Kind::Tasks => match filter {
            0 => Some(Millis::MIN),
            // Only what is still to be done: that has no end.
            8 => Some(FOREVER),
            _ => None,
        },
        _ => Some(Millis::MIN),
    }
}

/// The earliest arrival that a FilterType lets through at `now`; `None` for a value that mail does not
/// have. MS-ASCMD §2.2.3.68.2.
pub(in crate::doors::eas) fn email_cut_off(filter: u8, now: Millis) -> Option<Millis> {
    let days = match filter {
        0 => return Some(Millis::MIN),
        1 => 1,
        2 => 3,
        3 => 7,
        4 => 14,
        5 => 30,
        _ => return None,
    };
    Some(now.saturating_sub(days * DAY))
}
