//! Tasks that recur. MS-ASTASK §2.2.2.20.

use caldav::{
    AsRecurrence, Component, ContentLine, DateTime, LocalDateTime, Moment, Rule, Time, Zone, Zones,
};
use wbxml::{Element, tasks};

use super::super::{CONVERSION, Change, Refused, Said};
use super::Out;
use super::dates::{self, Pair, dashed_of, local_of};

/// Whether the next task is made when this one is completed, and not by the calendar. MS-ASTASK §2.2.2.21.
const REGENERATE: &str = "X-FOLKMOOT-REGENERATE";
/// Whether the task is one of a series that does not go on with it. MS-ASTASK §2.2.2.11.
const DEAD_OCCUR: &str = "X-FOLKMOOT-DEAD-OCCUR";
/// When the series began, where the task itself begins at another time. MS-ASTASK §2.2.2.25.
const START: &str = "X-FOLKMOOT-RECURRENCE-START";

/// Shows the rule, if the protocol can express it.
pub(super) fn show(task: &Component, zones: &Zones, out: &mut Out<'_>) {
    let Some(shown) = shown(task, zones) else { return };
    let version = out.version();
    let number = |tag, n: Option<u32>| n.map(|n| Element::number(tag, n));
    let small = |tag, n: Option<u8>| n.map(|n| Element::number(tag, n));
    let rule = &shown.rule;
    let children = [
        small(tasks::TYPE, Some(rule.kind)),
        Some(Element::leaf(tasks::START, dashed_of(shown.start))),
        rule.until.map(|until| Element::leaf(tasks::UNTIL, dashed_of(until))),
        number(tasks::OCCURRENCES, rule.occurrences),
        number(tasks::INTERVAL, rule.interval),
        small(tasks::DAY_OF_WEEK, rule.day_of_week),
        small(tasks::DAY_OF_MONTH, rule.day_of_month),
        small(tasks::WEEK_OF_MONTH, rule.week_of_month),
        small(tasks::MONTH_OF_YEAR, rule.month_of_year),
        small(tasks::REGENERATE, Some(shown.regenerate)),
        small(tasks::DEAD_OCCUR, Some(shown.dead_occur)),
        small(tasks::CALENDAR_TYPE, rule.calendar_type),
        small(tasks::FIRST_DAY_OF_WEEK, rule.first_day_of_week),
    ];
    let children = children.into_iter().flatten().filter(|child| child.tag().is_in(version));
    out.add(Element::new(tasks::RECURRENCE).with_all(children));
}

struct Shown {
    rule: AsRecurrence,
    start: LocalDateTime,
    regenerate: u8,
    dead_occur: u8,
}

fn shown(task: &Component, zones: &Zones) -> Option<Shown> {
    let rule: Rule = task.line("RRULE")?.value().trim().parse().ok()?;
    let start = begin(task)?;
    let zone = match &start {
        Moment::At(DateTime::Zoned { tzid, .. }) => zones.find(tzid).unwrap_or_else(Zone::utc),
        _ => Zone::utc(),
    };
    let number = |name| task.line(name).and_then(|line| line.value().trim().parse().ok()).unwrap_or(0);
    let own_start = task.line(START).and_then(|line| line.value().trim().parse().ok());
    Some(Shown {
        rule: AsRecurrence::of(&rule, &start, &zone).ok()?,
        start: own_start.unwrap_or_else(|| local_of(&start)),
        regenerate: number(REGENERATE),
        dead_occur: number(DEAD_OCCUR),
    })
}

fn begin(task: &Component) -> Option<Moment> {
    ["DTSTART", "DUE"].into_iter().find_map(|name| task.line(name)?.moment().ok())
}

/// Takes over the rule of a task that was as `before`.
pub(super) fn apply(
    task: &mut Component,
    before: &Component,
    zones: &Zones,
    change: &Change<'_>,
) -> Result<(), Refused> {
    let element = match change.said(tasks::RECURRENCE) {
        Said::Is(element) if !element.children().is_empty() => element,
        // A rule that the client was not shown is not taken away by it.
        Said::Gone | Said::Is(_) if shown(before, zones).is_some() => {
            const RULE: [&str; 6] = ["RRULE", "RDATE", "EXDATE", REGENERATE, DEAD_OCCUR, START];
            task.retain_lines(|line| !RULE.iter().any(|name| line.is(name)));
            return Ok(());
        }
        _ => {
            // What recurs still begins somewhere still. RFC 5545 §3.8.2.4.
            if task.line("RRULE").is_some() && begin(task).is_none() {
                before.lines_named("DTSTART").cloned().for_each(|line| task.push(line));
            }
            return Ok(());
        }
    };
    let start = match element.child(tasks::START).filter(|start| !start.is_empty()) {
        Some(start) => Some(dates::sent(start)?),
        None => None,
    };
    ensure_start(task, zones, start)?;
    let begin = begin(task).ok_or(Refused(CONVERSION))?;
    let sent = completed_by(sent(element)?, start.unwrap_or_else(|| local_of(&begin)));
    let rule = sent.rule(matches!(begin, Moment::Day(_)))?;
    let own = task.line("RRULE").and_then(|line| line.value().trim().parse::<Rule>().ok());
    if own.as_ref().and_then(|own| AsRecurrence::of(own, &begin, &Zone::utc()).ok())
        != AsRecurrence::of(&rule, &begin, &Zone::utc()).ok()
    {
        task.replace(ContentLine::new("RRULE", rule.to_string())?);
    }
    for (tag, name) in [(tasks::REGENERATE, REGENERATE), (tasks::DEAD_OCCUR, DEAD_OCCUR)] {
        match element.parse_of::<u8>(tag)? {
            None | Some(0) => drop(task.remove(name)),
            Some(n) => task.set(ContentLine::new(name, n.to_string())?),
        }
    }
    match start.filter(|start| *start != local_of(&begin)) {
        Some(start) => task.set(ContentLine::new(START, start.to_string())?),
        None => drop(task.remove(START)),
    }
    Ok(())
}

/// What recurs must begin somewhere: RFC 5545 §3.8.2.4. Without a date of its own a task begins with the
/// series, though not after it is due.
fn ensure_start(task: &mut Component, zones: &Zones, start: Option<LocalDateTime>) -> Result<(), Refused> {
    if task.line("DTSTART").is_some() {
        return Ok(());
    }
    let due = Pair::of(task, "DUE", zones);
    let pair = match (start, due) {
        (Some(start), Some(due)) if start > due.local => due,
        (Some(start), _) => Pair { utc: start, local: start },
        (None, Some(due)) => due,
        (None, None) => return Err(Refused(CONVERSION)),
    };
    dates::set(task, "DTSTART", pair, zones)
}

fn sent(element: &Element<'_>) -> Result<AsRecurrence, Refused> {
    let kind = element.parse_of(tasks::TYPE)?.ok_or(Refused(CONVERSION))?;
    let until = element.child(tasks::UNTIL).filter(|until| !until.is_empty());
    Ok(AsRecurrence {
        kind,
        interval: element.parse_of(tasks::INTERVAL)?,
        day_of_week: element.parse_of(tasks::DAY_OF_WEEK)?,
        day_of_month: element.parse_of(tasks::DAY_OF_MONTH)?,
        week_of_month: element.parse_of(tasks::WEEK_OF_MONTH)?,
        month_of_year: element.parse_of(tasks::MONTH_OF_YEAR)?,
        occurrences: element.parse_of(tasks::OCCURRENCES)?,
        until: until.map(dates::sent).transpose()?,
        first_day_of_week: element.parse_of(tasks::FIRST_DAY_OF_WEEK)?,
        calendar_type: element.parse_of(tasks::CALENDAR_TYPE)?,
        is_leap_month: element.parse_of(tasks::IS_LEAP_MONTH)?,
    })
}

/// What a series that is made anew at each completion may leave out, by the day on which it began.
fn completed_by(mut sent: AsRecurrence, start: LocalDateTime) -> AsRecurrence {
    if sent.kind == 1 && sent.day_of_week.is_none() {
        sent.day_of_week = Some(1 << weekday(start));
    }
    if matches!(sent.kind, 2 | 5) && sent.day_of_month.is_none() {
        sent.day_of_month = Some(start.date.day());
    }
    if sent.kind == 5 && sent.month_of_year.is_none() {
        sent.month_of_year = Some(start.date.month());
    }
    sent
}

/// 0 for Sunday, to 6.
fn weekday(time: LocalDateTime) -> u32 {
    let days = dates::seconds(LocalDateTime { time: Time::MIDNIGHT, ..time }).div_euclid(86_400);
    // 1 January 1970 was a Thursday.
    u32::try_from((days + 4).rem_euclid(7)).unwrap_or(0)
}
