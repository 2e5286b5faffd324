//! What recurs, as queries want it. RFC 4791 §9.6.5, §9.6.6.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::data::TooManyInstances;
use crate::recur::local_of;
use crate::{Bounds, Component, ContentLine, DateTime, Instance, Moment, Object, Series, Zone, Zones};

/// CALDAV:expand: a calendar with an event of its own for each instance in the range, and times in UTC. Zones
/// and rules are not needed any more. Days and floating times stay what they are.
pub(super) fn expanded(
    calendar: &Component,
    series: Option<&Series>,
    range: &Range<i64>,
    floating: &Zone,
    bounds: &Bounds,
) -> Result<Component, TooManyInstances> {
    let mut out = calendar.clone();
    out.retain_components(|component| {
        let is_timed = series.is_some_and(|series| component.is(series.kind()));
        !is_timed && !component.is("VTIMEZONE")
    });
    let Some(series) = series else {
        let zones = Zones::of(calendar);
        out.components_mut().for_each(|component| in_utc(component, &zones, floating));
        return Ok(out);
    };
    out.components_mut().for_each(|component| in_utc(component, series.zones(), floating));
    let all = series.expand(range.clone(), floating, bounds);
    if all.truncated {
        return Err(TooManyInstances);
    }
    // Each component is stripped once, whatever the number of its instances.
    let mut stripped: HashMap<usize, Component> = HashMap::new();
    let originals: Vec<&Component> = calendar.components().collect();
    for instance in &all.instances {
        let Some(original) = originals.get(instance.component) else { continue };
        let component = stripped.entry(instance.component).or_insert_with(|| {
            let mut component = (*original).clone();
            for name in ["RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"] {
                component.remove(name);
            }
            in_utc(&mut component, series.zones(), floating);
            component
        });
        out.push_component(one(component.clone(), instance, series.zones(), floating));
    }
    Ok(out)
}

/// CALDAV:limit-recurrence-set: without the overrides that are neither in the range now nor would have been.
pub(super) fn limit(
    calendar: &Component,
    limited: &mut Object,
    series: Option<&Series>,
    range: &Range<i64>,
    floating: &Zone,
    bounds: &Bounds,
) {
    let Some(series) = series else { return };
    let inside: HashSet<usize> =
        series.gather(range.clone(), floating, bounds).instances.iter().map(|i| i.component).collect();
    let master = calendar.components().find(|c| c.is(series.kind()) && c.line("RECURRENCE-ID").is_none());
    let length = master.map_or(0, |master| length_of(master, series.zones(), floating));
    let keep: Vec<bool> = calendar
        .components()
        .enumerate()
        .map(|(n, component)| {
            let id = component.line("RECURRENCE-ID").filter(|_| component.is(series.kind()));
            let Some(id) = id else { return true };
            // One that is not understood stays.
            let Ok(moment) = id.moment() else { return true };
            let start = series.zones().instant(&moment, floating);
            let and_future = id.parameter("RANGE").is_some() && start < range.end;
            let end = start.saturating_add(length);
            and_future || inside.contains(&n) || super::calendar::overlaps(start, end, range)
        })
        .collect();
    let mut keep = keep.into_iter();
    if let Some(calendar) = limited.calendar_mut() {
        calendar.retain_components(|_| keep.next().unwrap_or(true));
    }
}

/// How long the instances of a component are, in seconds.
fn length_of(component: &Component, zones: &Zones, floating: &Zone) -> i64 {
    let instant = |name| {
        let moment = component.line(name)?.moment().ok()?;
        Some((zones.instant(&moment, floating), matches!(moment, Moment::Day(_))))
    };
    let Some((start, is_day)) = instant("DTSTART") else { return 0 };
    let length = match (instant("DTEND").or_else(|| instant("DUE")), component.line("DURATION")) {
        (Some((end, _)), _) => end.saturating_sub(start),
        (None, Some(line)) => {
            line.duration().map_or(0, |d| i64::from(d.days).saturating_mul(86_400).saturating_add(d.seconds))
        }
        (None, None) if is_day => 86_400,
        (None, None) => 0,
    };
    length.max(0)
}

/// A component as one of its instances.
fn one(mut component: Component, instance: &Instance, zones: &Zones, floating: &Zone) -> Component {
    put(&mut component, "DTSTART", &in_utc_at(&instance.local_start, instance.start));
    for name in ["DTEND", "DUE"] {
        if component.line(name).is_some() {
            put(&mut component, name, &in_utc_at(&instance.local_end, instance.end));
        }
    }
    if let Some(id) = &instance.recurrence_id {
        let at = zones.instant(id, floating);
        put(&mut component, "RECURRENCE-ID", &in_utc_at(id, at));
    }
    component
}

fn put(component: &mut Component, name: &str, moment: &Moment) {
    // A to-do may have no DTSTART, and gets none.
    let is_missing = component.line(name).is_none();
    if is_missing && name == "DTSTART" {
        return;
    }
    // Dates and times have no control characters.
    if let Ok(line) = moment.line(name) {
        component.set(line);
    }
}

/// A moment in UTC, when it is by a zone.
fn in_utc_at(moment: &Moment, instant: i64) -> Moment {
    match moment {
        Moment::At(DateTime::Zoned { .. }) => Moment::At(DateTime::Utc(local_of(instant))),
        other => other.clone(),
    }
}

/// Puts what is by a zone in UTC, as far as zones are known.
fn in_utc(component: &mut Component, zones: &Zones, floating: &Zone) {
    for line in component.lines_mut() {
        let Some(tzid) = line.parameter("TZID") else { continue };
        if zones.find(tzid).is_none() {
            continue;
        }
        let Some(value) = utc_value(line, zones, floating) else { continue };
        line.remove_parameter("TZID");
        // Dates and times have no control characters.
        let _ = line.set_value(value);
    }
    // The parser bounds how deep components are.
    component.components_mut().for_each(|inner| in_utc(inner, zones, floating));
}

fn utc_value(line: &ContentLine, zones: &Zones, floating: &Zone) -> Option<String> {
    let moments = line.moments().ok()?;
    let values = moments.iter().map(|moment| in_utc_at(moment, zones.instant(moment, floating)).to_string());
    Some(values.collect::<Vec<_>>().join(","))
}
