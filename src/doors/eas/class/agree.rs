//! Whether a client's change came out as the client has it: only then it need not be told of it.

use std::borrow::Cow;

use wbxml::{Element, Tag, airsyncbase, calendar, contacts, notes, tasks};

use super::Supported;
use super::contacts::day_of;
use crate::doors::eas::render::parse_time;

/// Whether a client that had `before` and sent `sent` has what it would be `told` now. What it left out
/// and what stays, as `supported` says, it has from before.
pub(in crate::doors::eas) fn agrees(
    before: Option<&Element<'_>>,
    sent: &Element<'_>,
    told: &Element<'_>,
    supported: &Supported,
) -> bool {
    let left_out = |had: &&Element<'_>| supported.keeps(had.tag()) && !sent.has(had.tag());
    let kept = before.into_iter().flat_map(|before| before.children().iter().filter(left_out));
    let has: Vec<&Element<'_>> =
        sent.children().iter().chain(kept).filter(|element| !says_nothing(element)).collect();
    same_all(&has, &telling(told))
}

/// Whether a property is the server's own, or as good as one that is not there.
fn says_nothing(element: &Element<'_>) -> bool {
    const SERVERS: [Tag; 9] = [
        airsyncbase::NATIVE_BODY_TYPE,
        calendar::CLIENT_UID,
        calendar::DT_STAMP,
        calendar::ORGANIZER_EMAIL,
        calendar::ORGANIZER_NAME,
        calendar::RESPONSE_TYPE,
        calendar::TIMEZONE,
        calendar::UID,
        notes::LAST_MODIFIED_DATE,
    ];
    /// Values that mean the same as none.
    const DEFAULTS: [(Tag, &str); 22] = [
        (calendar::ALL_DAY_EVENT, "0"),
        (calendar::SENSITIVITY, "0"),
        (calendar::MEETING_STATUS, "0"),
        (calendar::RESPONSE_REQUESTED, "0"),
        (calendar::DISALLOW_NEW_TIME_PROPOSAL, "0"),
        (calendar::ATTENDEE_STATUS, "0"),
        (calendar::ATTENDEE_STATUS, "5"),
        (calendar::ATTENDEE_TYPE, "1"),
        (calendar::CALENDAR_TYPE, "0"),
        (calendar::IS_LEAP_MONTH, "0"),
        (calendar::INTERVAL, "1"),
        (tasks::REGENERATE, "0"),
        (tasks::DEAD_OCCUR, "0"),
        (tasks::CALENDAR_TYPE, "0"),
        (tasks::IS_LEAP_MONTH, "0"),
        (tasks::INTERVAL, "1"),
        (tasks::COMPLETE, "0"),
        (tasks::IMPORTANCE, "1"),
        (tasks::SENSITIVITY, "0"),
        (tasks::REMINDER_SET, "0"),
        (notes::MESSAGE_CLASS, "IPM.StickyNote"),
        (contacts::WEIGHTED_RANK, "0"),
    ];
    let tag = element.tag();
    SERVERS.contains(&tag)
        || (tag == airsyncbase::BODY && element.text_of(airsyncbase::DATA).unwrap_or_default().is_empty())
        || (element.children().is_empty() && element.text() == Some(""))
        || DEFAULTS.iter().any(|(known, value)| *known == tag && element.text() == Some(value))
}

fn same(a: &Element<'_>, b: &Element<'_>) -> bool {
    if a.tag() == airsyncbase::BODY {
        return lines(a.text_of(airsyncbase::DATA)) == lines(b.text_of(airsyncbase::DATA));
    }
    match (a.text(), b.text()) {
        // Their time of day means nothing.
        (Some(x), Some(y)) if matches!(a.tag(), contacts::BIRTHDAY | contacts::ANNIVERSARY) => {
            day_of(x).is_some_and(|day| day_of(y) == Some(day))
        }
        (Some(x), Some(y)) => x.trim() == y.trim() || lines(Some(x)) == lines(Some(y)) || same_time(x, y),
        (None, None) => same_all(&telling(a), &telling(b)),
        _ => false,
    }
}

/// The children that say something.
fn telling<'e>(element: &'e Element<'e>) -> Vec<&'e Element<'e>> {
    element.children().iter().filter(|child| !says_nothing(child)).collect()
}

fn same_all(has: &[&Element<'_>], told: &[&Element<'_>]) -> bool {
    has.len() == told.len()
        && told.iter().all(|told| has.iter().any(|has| has.tag() == told.tag() && same(has, told)))
}

fn same_time(a: &str, b: &str) -> bool {
    parse_time(a).is_some_and(|a| parse_time(b) == Some(a))
}

fn lines(text: Option<&str>) -> Cow<'_, str> {
    let text = text.unwrap_or_default().trim_end();
    if text.contains('\r') { text.replace('\r', "").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use wbxml::airsync;

    use super::*;

    fn data(children: impl IntoIterator<Item = Element<'static>>) -> Element<'static> {
        Element::new(airsync::APPLICATION_DATA).with_all(children)
    }

    #[test]
    fn what_came_out_as_it_was_sent_agrees() {
        let (job, web) = (Element::leaf(contacts::JOB_TITLE, "j"), Element::leaf(contacts::WEB_PAGE, "w"));
        let both = data([job.clone(), web.clone()]);
        let only_web = data([web.clone()]);
        let ghosts = Supported::read(Some(&Element::new(airsync::SUPPORTED)));
        assert!(agrees(None, &both, &data([web.clone(), job.clone()]), &Supported::All));
        assert!(!agrees(None, &both, &only_web, &Supported::All), "one is lost");
        assert!(!agrees(None, &only_web, &both, &Supported::All), "one is new");
        assert!(agrees(Some(&data([job.clone()])), &only_web, &both, &ghosts), "a ghost stays");
        assert!(agrees(Some(&both), &only_web, &only_web, &Supported::All), "it was taken away");
        assert!(!agrees(Some(&both), &only_web, &both, &Supported::All), "it was not");
        let empty = data([web.clone(), Element::new(contacts::JOB_TITLE)]);
        assert!(agrees(None, &empty, &only_web, &Supported::All));
    }

    #[test]
    fn times_and_line_ends_have_more_forms_than_one() {
        let time = |text: &str| data([Element::leaf(tasks::DUE_DATE, text.to_owned())]);
        let sent = time("20261124T120000Z");
        assert!(agrees(None, &sent, &time("2026-11-24T12:00:00.000Z"), &Supported::All));
        assert!(!agrees(None, &sent, &time("2026-11-24T11:00:00.000Z"), &Supported::All));
        let body = |text: &str| {
            data([Element::new(airsyncbase::BODY)
                .with_number(airsyncbase::TYPE, 1)
                .with_text(airsyncbase::DATA, text.to_owned())])
        };
        assert!(agrees(None, &body("a\nb"), &body("a\r\nb\r\n"), &Supported::All));
        assert!(!agrees(None, &body("a\nb"), &body("ab"), &Supported::All));
    }
}
