//! The Recurrence element: of events, and of invitations in mail. MS-ASCAL §2.2.2.37; MS-ASEMAIL §2.2.2.60.

use caldav::{AsRecurrence, Component, ContentLine, LocalDateTime, Rule, Time, Zone};
use wbxml::{Element, Tag, Version, calendar, email, email2};

use super::super::{CONVERSION, Refused};
use super::times::{Times, compact, day, day_start, instant};

/// What the parts are called in a namespace.
pub(in crate::doors::eas) struct Tags {
    recurrence: Tag,
    kind: Tag,
    until: Tag,
    occurrences: Tag,
    interval: Tag,
    day_of_week: Tag,
    day_of_month: Tag,
    week_of_month: Tag,
    month_of_year: Tag,
    calendar_type: Tag,
    is_leap_month: Tag,
    first_day_of_week: Tag,
}

/// In an event.
pub(super) const EVENT: Tags = Tags {
    recurrence: calendar::RECURRENCE,
    kind: calendar::TYPE,
    until: calendar::UNTIL,
    occurrences: calendar::OCCURRENCES,
    interval: calendar::INTERVAL,
    day_of_week: calendar::DAY_OF_WEEK,
    day_of_month: calendar::DAY_OF_MONTH,
    week_of_month: calendar::WEEK_OF_MONTH,
    month_of_year: calendar::MONTH_OF_YEAR,
    calendar_type: calendar::CALENDAR_TYPE,
    is_leap_month: calendar::IS_LEAP_MONTH,
    first_day_of_week: calendar::FIRST_DAY_OF_WEEK,
};

/// In an invitation.
pub(in crate::doors::eas) const MAIL: Tags = Tags {
    recurrence: email::RECURRENCE,
    kind: email::TYPE,
    until: email::UNTIL,
    occurrences: email::OCCURRENCES,
    interval: email::INTERVAL,
    day_of_week: email::DAY_OF_WEEK,
    day_of_month: email::DAY_OF_MONTH,
    week_of_month: email::WEEK_OF_MONTH,
    month_of_year: email::MONTH_OF_YEAR,
    calendar_type: email2::CALENDAR_TYPE,
    is_leap_month: email2::IS_LEAP_MONTH,
    first_day_of_week: email2::FIRST_DAY_OF_WEEK,
};

/// The recurrence of a component, if it recurs in a way that ActiveSync can say.
///
/// What it cannot say, more than one rule and dates of their own among it, is not shown: the phone has the
/// first instance then, and the rule stays as it is.
pub(super) fn of(component: &Component, times: &Times) -> Option<AsRecurrence> {
    let mut rules = component.lines_named("RRULE");
    let rule: Rule = rules.next()?.value().parse().ok()?;
    if rules.next().is_some() {
        return None;
    }
    AsRecurrence::of(&rule, &times.form.moment(times.start), &times.form.zone()).ok()
}

/// The element for a recurrence.
pub(super) fn show(rule: &AsRecurrence, tags: &Tags, version: Version) -> Element<'static> {
    let mut element = Element::new(tags.recurrence).with_number(tags.kind, rule.kind);
    let mut add = |tag: Tag, number: Option<u32>| {
        if let Some(number) = number.filter(|_| tag.is_in(version)) {
            element.push(Element::number(tag, number));
        }
    };
    add(tags.interval, rule.interval);
    add(tags.day_of_week, rule.day_of_week.map(u32::from));
    add(tags.day_of_month, rule.day_of_month.map(u32::from));
    add(tags.week_of_month, rule.week_of_month.map(u32::from));
    add(tags.month_of_year, rule.month_of_year.map(u32::from));
    add(tags.occurrences, rule.occurrences);
    add(tags.calendar_type, rule.calendar_type.map(u32::from));
    add(tags.is_leap_month, rule.is_leap_month.map(u32::from));
    add(tags.first_day_of_week, rule.first_day_of_week.map(u32::from));
    if let Some(until) = rule.until {
        element.push(Element::leaf(tags.until, compact(Zone::utc().instant(until))));
    }
    element
}

/// Reads the element of an event, for one whose times are these.
fn read(element: &Element<'_>, times: &Times, version: Version) -> Result<AsRecurrence, Refused> {
    let tags = &EVENT;
    let small = |tag| element.parse_of::<u8>(tag);
    let until = match element.text_of(tags.until).map(str::trim).filter(|text| !text.is_empty()) {
        None => None,
        Some(text) if times.whole_days() => {
            let date = day(text, &times.form.zone(), version)?;
            Some(LocalDateTime { date, time: Time::MIDNIGHT })
        }
        Some(text) => Some(Zone::utc().local(instant(text)?)),
    };
    Ok(AsRecurrence {
        kind: small(tags.kind)?.ok_or(Refused(CONVERSION))?,
        interval: element.parse_of(tags.interval)?,
        day_of_week: element
            .parse_of::<u16>(tags.day_of_week)?
            .map(u8::try_from)
            .transpose()
            .map_err(|_| Refused(CONVERSION))?,
        day_of_month: small(tags.day_of_month)?,
        week_of_month: small(tags.week_of_month)?,
        month_of_year: small(tags.month_of_year)?,
        occurrences: element.parse_of(tags.occurrences)?,
        until,
        first_day_of_week: small(tags.first_day_of_week)?,
        calendar_type: small(tags.calendar_type)?,
        is_leap_month: small(tags.is_leap_month)?,
    })
}

/// Makes a component recur as an element says; `false` where it did so before.
///
/// `until_zone` is the zone in which a client tells the last of whole days.
pub(super) fn set(
    component: &mut Component,
    element: &Element<'_>,
    times: &Times,
    (until_zone, version): (&Zone, Version),
) -> Result<bool, Refused> {
    // An empty one makes a single event of it. MS-ASCAL §2.2.2.37.
    if element.children().is_empty() {
        return Ok(clear(component));
    }
    let days = times.whole_days();
    let mut sent = match days {
        true => {
            let form = super::times::Form::Zoned(String::new(), until_zone.clone());
            let mut read = read(element, &Times { form, ..times.clone() }, version)?;
            let text = element.text_of(EVENT.until).map(str::trim).filter(|text| !text.is_empty());
            read.until = text.map(|text| day(text, until_zone, version)).transpose()?.map(midnight);
            read
        }
        false => read(element, times, version)?,
    };
    let shown = of(component, times);
    // What the version cannot say stays as it was.
    if let (None, Some(shown)) = (sent.first_day_of_week, &shown) {
        sent.first_day_of_week = shown.first_day_of_week;
    }
    let rule = sent.rule(days)?;
    if shown.is_some_and(|shown| shown.rule(days).as_ref() == Ok(&rule)) {
        return Ok(false);
    }
    clear(component);
    component.push(ContentLine::new("RRULE", rule.to_string())?);
    Ok(true)
}

/// Makes a component recur no more; `false` where it did not.
pub(super) fn clear(component: &mut Component) -> bool {
    let rules = component.retain_lines(|line| !["RRULE", "EXRULE", "RDATE"].iter().any(|name| line.is(name)));
    rules > 0
}

fn midnight(date: caldav::Date) -> LocalDateTime {
    Zone::utc().local(day_start(date))
}
