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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wbxml::{Version, airsyncbase};

    use super::super::Supported;
    use super::super::sample::{Class, VERSIONS, body, data, leaf, wishes};
    use super::*;
    use crate::mailbox::Kind;

    fn class(version: Version) -> Class {
        Class::new(Kind::Notes, version)
    }

    #[test]
    fn every_element_comes_back() {
        for version in VERSIONS.into_iter().filter(|version| *version >= Version::V14_0) {
            let categories = ["Blue, light", "Work"].map(|name| leaf(notes::CATEGORY, name));
            let sent = data([
                leaf(notes::SUBJECT, "Milk; bread, tea"),
                body(1, "One\r\nTwo"),
                leaf(notes::MESSAGE_CLASS, "IPM.StickyNote.Mine"),
                leaf(notes::LAST_MODIFIED_DATE, "20200101T000000Z"),
                Element::new(notes::CATEGORIES).with_all(categories),
            ]);
            let stored = class(version).survives(&sent);
            assert!(stored.contains("LAST-MODIFIED:20261124T120000Z\r\n"), "the time is the server's");
        }
    }

    const RICH: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VJOURNAL\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\n\
        X-ODD:1\r\nSUMMARY;LANGUAGE=de:Milch\r\nDESCRIPTION:a\\nb\r\nCATEGORIES:x\r\nCATEGORIES:y\r\n\
        END:VJOURNAL\r\nEND:VCALENDAR\r\n";

    #[test]
    fn what_a_phone_does_not_know_survives() {
        let class = class(Version::V16_1);
        let told = class.show(RICH.as_bytes()).unwrap();
        assert_eq!(class.apply(Some(RICH.as_bytes()), &told).unwrap(), RICH);
        assert_eq!(told.text_of(notes::LAST_MODIFIED_DATE), Some("2026-01-01T00:00:00.000Z"));
        assert_eq!(told.text_of(notes::MESSAGE_CLASS), Some("IPM.StickyNote"));
        // The body stays where it is left out, and all the rest where it is not managed.
        let stored = class.apply(Some(RICH.as_bytes()), &data([leaf(notes::SUBJECT, "Tee")])).unwrap();
        assert!(stored.contains("SUMMARY;LANGUAGE=de:Tee\r\nDESCRIPTION:a\\nb\r\n"), "{stored}");
        assert!(!stored.contains("CATEGORIES") && stored.contains("X-ODD:1"), "{stored}");
        let class = Class { supported: Supported::Ghosts, ..class };
        let stored = class.apply(Some(RICH.as_bytes()), &data([leaf(notes::SUBJECT, "Tee")])).unwrap();
        assert!(stored.contains("CATEGORIES:x\r\nCATEGORIES:y\r\n"), "{stored}");
    }

    #[test]
    fn html_stands_beside_the_text() {
        let class = class(Version::V14_1);
        let stored = class.apply(None, &data([body(2, "<p>One <b>two</b></p><script>x</script>")])).unwrap();
        let told = class.show(stored.as_bytes()).unwrap();
        let text = told.child(airsyncbase::BODY).unwrap().text_of(airsyncbase::DATA);
        assert_eq!(text, Some("One two"));
        let told = class.show_with(stored.as_bytes(), &wishes(2)).unwrap();
        let html = told.child(airsyncbase::BODY).unwrap().text_of(airsyncbase::DATA).unwrap();
        assert!(html.contains("<b>two</b>") && !html.contains("script"), "{html}");
        // Another text makes the HTML void.
        let stored = class.apply(Some(stored.as_bytes()), &data([body(1, "Three")])).unwrap();
        assert!(stored.contains("DESCRIPTION:Three\r\n") && !stored.contains("ALT-DESC"), "{stored}");
    }

    #[test]
    fn hostile_values_are_refused() {
        let class = class(Version::V16_0);
        for element in
            [leaf(notes::MESSAGE_CLASS, "IPM.Note"), leaf(notes::SUBJECT, &"x".repeat(40_000)), body(3, "x")]
        {
            assert_eq!(class.apply(None, &data([element])), Err(Refused(CONVERSION)));
        }
        let task =
            b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTODO\r\nUID:1\r\nEND:VTODO\r\nEND:VCALENDAR\r\n";
        assert_eq!(class.show(task), None);
        let stored = class.apply(None, &data([leaf(notes::SUBJECT, "a\u{7}b")])).unwrap();
        assert!(stored.contains("SUMMARY:ab\r\n"), "{stored}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_sent_comes_back(subject in "[ -~äß漢]{0,40}", text in "[ -~\\n漢]{0,80}", version in 1..VERSIONS.len()) {
            let sent = data([leaf(notes::SUBJECT, subject.trim()), body(1, text.trim_end())]);
            class(VERSIONS[version]).survives(&sent);
        }
    }
}
