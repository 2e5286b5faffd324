//! The bytes of objects, as they are wanted.

use bytes::Bytes;
use caldav::card::{CardVersion, convert};
use caldav::dav::{AddressData, CardFilter, ComponentFilter, Precondition};
use caldav::{Bounds, Object, Zone};

use super::node::{Collection, Home};
use super::props::Props;
use super::reply::Failure;
use crate::mailbox::{Folder, Item, View};
use crate::objects::{self, Entry, Kept, MODIFIED};
use crate::store::BodyId;

/// The property of an item with the media type that it was put with.
pub(super) const MEDIA_TYPE: &str = "content-type";

/// What one object may take to be expanded, and looked through.
const BOUNDS: Bounds = Bounds { instances: 5_000, steps: 200_000 };

/// The media type of an item. RFC 4791 §5.3.4; RFC 6352 §5.1.
pub(super) fn media_type(view: &View, at: &Collection, item: &Item) -> Result<String, Failure> {
    Ok(match at.home {
        Home::Calendars => {
            let entry = view.record(at.folder(), item.uid)?.as_ref().and_then(Entry::of);
            let component = entry.map_or(Kept::Event, |entry| entry.kept).name();
            format!("text/calendar; charset=utf-8; component={component}")
        }
        Home::Contacts => "text/vcard; charset=utf-8".to_owned(),
        Home::Files => {
            let kept = item.property(MEDIA_TYPE).and_then(|kept| std::str::from_utf8(kept).ok());
            kept.unwrap_or("application/octet-stream").to_owned()
        }
    })
}

/// The bytes of an item as they are got, and their media type. A card is of the version that the client accepts.
/// RFC 6352 §5.1.
pub(super) fn got(
    view: &View,
    at: &Collection,
    item: &Item,
    accept: Option<&str>,
) -> Result<(String, Bytes), Failure> {
    let bytes = view.reader().body(&BodyId(item.body))?;
    if let (true, Some(version)) = (at.is_card(), accept.and_then(version_of))
        && let Ok(mut object) = Object::parse(&bytes)
        && let Some(card) = object.card_mut()
    {
        convert(card, version);
        let media_type = format!("text/vcard; charset=utf-8; version={version}");
        return Ok((media_type, object.write().into()));
    }
    Ok((media_type(view, at, item)?, bytes))
}

/// The version of vCard that an Accept names.
fn version_of(accept: &str) -> Option<CardVersion> {
    accept.split(',').find_map(|one| {
        let mut parts = one.split(';').map(str::trim);
        let kind = parts.next()?;
        if !["text/vcard", "text/x-vcard", "text/directory"].iter().any(|k| k.eq_ignore_ascii_case(kind)) {
            return None;
        }
        parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("version")
                .then(|| CardVersion::of(value.trim().trim_matches('"')))?
        })
    })
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
pub(super) fn calendar(props: &Props<'_>, at: &Collection, item: &Item) -> Result<String, Failure> {
    let bytes: Vec<u8> = match props.calendar_data {
        Some(wanted) if !wanted.is_as_stored() => {
            let parsed = props.session.services().objects.parsed(props.view, item)?;
            let rendered =
                wanted.render(&parsed.object, parsed.series.as_ref(), &zone_of(at.folder()), &BOUNDS);
            rendered.map_err(|_| Failure::Precondition(Precondition::MaxInstances))?
        }
        _ => props.view.reader().body(&BodyId(item.body))?.into(),
    };
    Ok(text(bytes))
}

/// CARDDAV:address-data of an item, and its version. RFC 6352 §10.4.
pub(super) fn card(props: &Props<'_>, item: &Item) -> Result<(String, &'static str), Failure> {
    let bytes = props.view.reader().body(&BodyId(item.body))?;
    let whole = AddressData::default();
    let wanted = props.address_data.unwrap_or(&whole);
    let object = Object::parse(&bytes).map_err(|_| Failure::Bug)?;
    let own = object.card().and_then(|card| CardVersion::of(card.line("VERSION")?.value()));
    let version = wanted.version.as_deref().and_then(CardVersion::of).or(own).unwrap_or(CardVersion::V3);
    let bytes = if wanted.is_as_stored() { bytes.into() } else { wanted.render(&object) };
    Ok((text(bytes), version.as_str()))
}

/// What is stored is UTF-8.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
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
    pub(super) fn matches(&self, props: &Props<'_>, item: &Item) -> Result<bool, Failure> {
        let parsed = props.session.services().objects.parsed(props.view, item)?;
        Ok(match self {
            Self::Calendar(filter, zone) => {
                filter.matches(&parsed.object, parsed.series.as_ref(), zone, &BOUNDS)
            }
            Self::Card(filter) => filter.matches(&parsed.object),
        })
    }
}
