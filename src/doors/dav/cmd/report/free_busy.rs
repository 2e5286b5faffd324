//! free-busy-query. RFC 4791 §7.10.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use caldav::dav::{Precondition, TimeRange};
use caldav::{Bounds, Component, ContentLine, FreeBusy, Object};

use crate::doors::dav::conn::Asked;
use crate::doors::dav::data;
use crate::doors::dav::node::Collection;
use crate::doors::dav::props::TRANSPARENT;
use crate::doors::dav::reply::{self, Failure};
use crate::mailbox::View;

/// What one object may say about a range.
const BOUNDS: Bounds = Bounds { instances: 2_000, steps: 100_000 };

/// Longest range: three years.
const RANGE_MAX: i64 = 3 * 366 * 86_400;

pub(super) fn run(
    asked: &Asked,
    view: &View,
    at: &Collection,
    range: &TimeRange,
) -> Result<Response<Body>, Failure> {
    let (Some(start), Some(end)) = (range.start, range.end) else {
        return Err(Failure::Status(StatusCode::BAD_REQUEST));
    };
    if end <= start || end.saturating_sub(start) > RANGE_MAX {
        return Err(Precondition::NumberOfMatchesWithinLimits.into());
    }
    let range = start..end;
    let folder = at.folder();
    let zone = data::zone_of(folder);
    let services = asked.session.services();
    let mut busy = FreeBusy::default();
    if folder.property(TRANSPARENT).is_none() {
        let own: Vec<String> =
            asked.session.account().addresses().map(|address| address.to_string().to_lowercase()).collect();
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        for uid in services.objects.in_range(view, folder, &range, &zone)? {
            let Some(item) = view.item(folder, uid)? else { continue };
            match services.objects.parsed(view, &item) {
                Ok(parsed) => {
                    if let Some(calendar) = parsed.object.calendar() {
                        busy.add(calendar, &own, &range, &zone, &BOUNDS);
                    }
                }
                Err(e) if e.is_damage() => tracing::error!(uid = uid.0, error = %e, "a damaged object"),
                Err(e) => return Err(e.into()),
            }
        }
    }
    busy.settle();
    let now = services.clock.now_secs();
    let made = component(&busy, &format!("{}-{now}", folder.id.0), now, &range);
    let object = made.map_err(|_| Failure::Bug)?;
    Ok(reply::body(StatusCode::OK, "text/calendar; charset=utf-8", object.write().into()))
}

fn component(
    busy: &FreeBusy,
    uid: &str,
    now: i64,
    range: &std::ops::Range<i64>,
) -> Result<Object, caldav::Invalid> {
    let mut calendar = Component::new("VCALENDAR")?;
    calendar.push(ContentLine::new("VERSION", "2.0")?);
    calendar.push(ContentLine::new("PRODID", "-//Folkmoot//Folkmoot//EN")?);
    calendar.push_component(busy.component(uid, now, range)?);
    Ok(Object::from(calendar))
}
