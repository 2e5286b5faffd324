//! The bytes of objects, as they are wanted.

use bytes::Bytes;
use caldav::dav::{CardFilter, ComponentFilter, Precondition};
use caldav::{Object, Zone};

use super::node::{Collection, Home};
use super::props::Props;
use super::reply::Failure;
use crate::mailbox::{Folder, Item, View};
use crate::objects::{self, Entry, MODIFIED};
use crate::store::BodyId;

/// The property of an item with the media type that it was put with.
pub(super) const MEDIA_TYPE: &str = "content-type";

/// The media type of an item. RFC 4791 §5.3.4; RFC 6352 §5.1.
pub(super) fn media_type(view: &View, at: &Collection, item: &Item) -> Result<String, Failure> {
    Ok(match at.home {
        Home::Calendars => {
            let entry = view.record(at.folder(), item.uid)?.as_ref().and_then(Entry::of);
            let component = entry.map_or("VEVENT", |entry| entry.kept.name());
            format!("text/calendar; charset=utf-8; component={component}")
        }
        Home::Contacts => "text/vcard; charset=utf-8".to_owned(),
        Home::Files => {
            let kept = item.property(MEDIA_TYPE).and_then(|kept| std::str::from_utf8(kept).ok());
            kept.unwrap_or("application/octet-stream").to_owned()
        }
    })
}

/// The bytes of an item as they are got, and their media type. RFC 6352 §5.1.
pub(super) fn got(
    view: &View,
    at: &Collection,
    item: &Item,
    _accept: Option<&str>,
) -> Result<(String, Bytes), Failure> {
    let bytes = view.reader().body(&BodyId(item.body))?;
    Ok((media_type(view, at, item)?, bytes))
}

/// The zone of a folder's floating times: what it says, else UTC. RFC 4791 §5.2.2.
pub(super) fn zone_of(folder: &Folder) -> Zone {
    let object = folder.property(objects::TIME_ZONE).and_then(|bytes| Object::parse(bytes).ok());
    let zone = object.as_ref().and_then(Object::calendar).and_then(|c| c.component("VTIMEZONE"));
    zone.and_then(Zone::defined_by).unwrap_or_else(Zone::utc)
}

/// When an item's content last changed, in seconds since 1970: when it came, where nothing else is known.
pub(super) fn modified(item: &Item) -> i64 {
    let kept = item.property(MODIFIED).and_then(|kept| std::str::from_utf8(kept).ok());
    let at = kept.and_then(|kept| kept.parse().ok()).unwrap_or(item.internal_date);
    at.div_euclid(1000)
}

/// CALDAV:calendar-data of an item. RFC 4791 §9.6.
pub(super) fn calendar(props: &Props<'_>, _at: &Collection, item: &Item) -> Result<String, Failure> {
    let bytes = props.view.reader().body(&BodyId(item.body))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// CARDDAV:address-data of an item, and its version. RFC 6352 §10.4.
pub(super) fn card(props: &Props<'_>, item: &Item) -> Result<(String, &'static str), Failure> {
    let bytes = props.view.reader().body(&BodyId(item.body))?;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), "3.0"))
}

/// What items must be like for a query.
pub(super) enum Filter {
    /// CALDAV:filter, with the zone of floating times. RFC 4791 §9.7.
    Calendar(Box<ComponentFilter>, Zone),
    /// CARDDAV:filter. RFC 6352 §10.5.
    Card(Box<CardFilter>),
}

impl Filter {
    /// Whether an item is like that.
    pub(super) fn matches(&self, props: &Props<'_>, at: &Collection, item: &Item) -> Result<bool, Failure> {
        let _ = (props, at, item);
        Err(Failure::Precondition(match self {
            Self::Calendar(..) => Precondition::SupportedFilter,
            Self::Card(_) => Precondition::SupportedCardFilter,
        }))
    }
}
