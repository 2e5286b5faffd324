//! Events. MS-ASCAL §2.2.2; RFC 5545 §3.6.1.

use caldav::Object;
use wbxml::Element;

use super::out::Out;
use super::{Asker, CONVERSION, Change, Refused};
use crate::mailbox::{FolderId, Item, Uid};

/// Shows an event.
pub(super) fn show(_object: &Object, _asker: Asker<'_>, _place: (FolderId, Uid), _out: &mut Out<'_>) -> bool {
    false
}

/// What stands in for an event that cannot be read.
pub(super) fn stand_in(_item: &Item, _out: &mut Out<'_>) {}

/// Takes a client's change over.
pub(super) fn apply(
    _current: Option<&Object>,
    _change: &Change<'_>,
    _asker: Asker<'_>,
) -> Result<Vec<u8>, Refused> {
    Err(Refused(CONVERSION))
}

/// The UID that a client gives to a new event. MS-ASCAL §2.2.2.46.
pub(super) fn own_uid(data: &Element<'_>) -> Option<String> {
    let uid = data.text_of(wbxml::calendar::UID).map(str::trim)?;
    (!uid.is_empty()).then(|| uid.to_owned())
}

/// What a client is told of attachments that it added.
pub(super) fn answer(
    _object: &Object,
    _data: &Element<'_>,
    _asker: Asker<'_>,
    _place: (FolderId, Uid),
) -> Option<Element<'static>> {
    None
}
