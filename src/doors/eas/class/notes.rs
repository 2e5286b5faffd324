//! Notes, kept as VJOURNAL. MS-ASNOTE §2.2.2; RFC 5545 §3.6.3.

use caldav::{ContentLine, Moment, Object};
use wbxml::{Element, notes};

use super::out::Out;
use super::{Asker, CONVERSION, Change, Refused, ical};
use crate::doors::eas::render::{dashed, parse_time};
use crate::mailbox::Item;

const NOTE: &str = "VJOURNAL";
/// MS-ASNOTE §2.2.2.5.
const MESSAGE_CLASS: &str = "IPM.StickyNote";
/// Where a client's own MessageClass is kept, if it is another one.
const CLASS_PROPERTY: &str = "X-FOLKMOOT-MESSAGE-CLASS";

/// Shows a note.
pub(super) fn show(object: &Object, out: &mut Out<'_>) -> bool {
    let Some(note) = ical::master(object, NOTE) else { return false };
    let text = |name| note.line(name).map(ContentLine::to_text).unwrap_or_default();
    out.text(notes::SUBJECT, &text("SUMMARY"));
    ical::show_body(note, out);
    let class = text(CLASS_PROPERTY);
    out.text(notes::MESSAGE_CLASS, if is_note_class(&class) { &class } else { MESSAGE_CLASS });
    let modified = ["LAST-MODIFIED", "DTSTAMP", "CREATED"].into_iter().find_map(|name| note.line(name));
    if let Some(Ok(Moment::At(time))) = modified.map(ContentLine::moment) {
        let time = parse_time(&format!("{}Z", time.local()));
        out.add_all(time.map(|time| Element::leaf(notes::LAST_MODIFIED_DATE, dashed(time))));
    }
    ical::show_categories(&ical::categories(note), (notes::CATEGORIES, notes::CATEGORY), out);
    true
}

/// What stands in for a note that cannot be read.
pub(super) fn stand_in(item: &Item, out: &mut Out<'_>) {
    out.text(notes::SUBJECT, "(damaged note)");
    out.body(
        "This note cannot be shown: it is damaged on the server, or cannot be read at the moment.",
        None,
    );
    out.text(notes::MESSAGE_CLASS, MESSAGE_CLASS);
    out.add(Element::leaf(notes::LAST_MODIFIED_DATE, dashed(item.internal_date)));
}

/// Takes a client's change over.
pub(super) fn apply(
    current: Option<&Object>,
    change: &Change<'_>,
    asker: Asker<'_>,
) -> Result<Vec<u8>, Refused> {
    let mut object = ical::object(current, NOTE, change.unique)?;
    let note = ical::master_mut(&mut object, NOTE).ok_or(Refused(CONVERSION))?;
    let before = note.clone();
    ical::set_text(note, "SUMMARY", change, notes::SUBJECT)?;
    ical::set_body(note, change)?;
    ical::set_categories(note, change, (notes::CATEGORIES, notes::CATEGORY))?;
    if let Some(class) = change.element(notes::MESSAGE_CLASS) {
        set_class(note, &ical::text_of(class)?)?;
    }
    if current.is_none() || *note != before {
        // The client's own LastModifiedDate says nothing better. MS-ASNOTE §2.2.2.4.
        ical::stamp(note, asker.now)?;
    }
    Ok(object.write())
}

fn set_class(note: &mut caldav::Component, class: &str) -> Result<(), Refused> {
    if class.is_empty() || class.eq_ignore_ascii_case(MESSAGE_CLASS) {
        note.remove(CLASS_PROPERTY);
        return Ok(());
    }
    if !is_note_class(class) {
        return Err(Refused(CONVERSION));
    }
    note.set(ContentLine::text(CLASS_PROPERTY, class)?);
    Ok(())
}

/// `IPM.StickyNote` or a class derived from it.
fn is_note_class(class: &str) -> bool {
    let head = class.get(..MESSAGE_CLASS.len()).is_some_and(|head| head.eq_ignore_ascii_case(MESSAGE_CLASS));
    let rest = class.get(MESSAGE_CLASS.len()..).unwrap_or_default();
    head && class.len() <= 255 && (rest.is_empty() || rest.starts_with('.'))
}
