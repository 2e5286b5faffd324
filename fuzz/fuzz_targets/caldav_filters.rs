//! Any report on any object: it matches or not, and is rendered, in bounded time.
//!
//! The report ends where the first BEGIN stands at the start of a line.

#![no_main]

use caldav::dav::{Report, XmlLimits};
use caldav::{Bounds, Object, Series, Zone};
use libfuzzer_sys::fuzz_target;

/// Longest input, in bytes. Within `-timeout` only what takes time in proportion to its length gets through.
const LONGEST: usize = 64 << 10;

fuzz_target!(|raw: &[u8]| {
    let at = raw.windows(6).position(|window| window == b"\nBEGIN").map_or(raw.len(), |at| at + 1);
    let (xml, rest) = raw.split_at(at);
    if raw.len() > LONGEST {
        return;
    }
    let Ok(object) = Object::parse(rest) else { return };
    let series = object.calendar().and_then(|calendar| Series::all(calendar).into_iter().find_map(Result::ok));
    let bounds = Bounds { instances: 1000, steps: 100_000 };
    let zone = Zone::iana("Europe/Berlin").expect("it is in the database");
    let wanted = match Report::parse(xml, &XmlLimits::default()) {
        Ok(Report::CalendarQuery(query)) => {
            let _ = query.filter.matches(&object, series.as_ref(), &zone, &bounds);
            query.wanted
        }
        Ok(Report::AddressbookQuery(query)) => {
            let _ = query.filter.matches(&object);
            query.wanted
        }
        Ok(Report::CalendarMultiget(get) | Report::AddressbookMultiget(get)) => get.wanted,
        _ => return,
    };
    let Some(properties) = wanted.properties() else { return };
    if let Some(data) = &properties.calendar_data
        && let Ok(rendered) = data.render(&object, series.as_ref(), &zone, &bounds)
    {
        let _ = Object::parse(&rendered);
        assert!(!data.is_as_stored() || rendered == rest);
    }
    if let Some(data) = &properties.address_data {
        let rendered = data.render(&object);
        assert!(!data.is_as_stored() || rendered == rest);
    }
});
