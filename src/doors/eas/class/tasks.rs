//! Tasks, kept as VTODO. MS-ASTASK §2.2.2; RFC 5545 §3.6.2.

mod dates;
mod recurrence;
mod reminder;
#[cfg(test)]
mod tests;

use caldav::{Component, ContentLine, Object, Parameter, Zones};
use wbxml::{Element, tasks};

use super::out::Out;
use super::{Asker, CONVERSION, Change, Refused, Said, ical};
use dates::{Pair, dashed_of};

const TASK: &str = "VTODO";
/// Where Sensitivity is kept exactly: CLASS has no word for personal.
const SENSITIVITY: &str = "X-FOLKMOOT-SENSITIVITY";
/// Where a phone's own order of tasks is kept.
const ORDINALS: [(wbxml::Tag, &str); 2] = [
    (tasks::ORDINAL_DATE, "X-FOLKMOOT-ORDINAL-DATE"),
    (tasks::SUB_ORDINAL_DATE, "X-FOLKMOOT-SUB-ORDINAL-DATE"),
];

/// Shows a task.
pub(super) fn show(object: &Object, out: &mut Out<'_>) -> bool {
    let (Some(task), Some(calendar)) = (ical::master(object, TASK), object.calendar()) else { return false };
    let zones = Zones::of(calendar);
    out.text(tasks::SUBJECT, &task.line("SUMMARY").map(ContentLine::to_text).unwrap_or_default());
    ical::show_body(task, out);
    out.add(Element::number(tasks::IMPORTANCE, importance(task)));
    for (name, utc, local) in dates::DATES {
        if let Some(pair) = Pair::of(task, name, &zones) {
            out.add(Element::leaf(utc, dashed_of(pair.utc)));
            out.add(Element::leaf(local, dashed_of(pair.local)));
        }
    }
    recurrence::show(task, &zones, out);
    out.add(Element::boolean(tasks::COMPLETE, is_complete(task)));
    if is_complete(task) {
        out.add_all(completed(task).map(|at| Element::leaf(tasks::DATE_COMPLETED, dashed_of(at))));
    }
    let reminder = reminder::of(task, &zones);
    out.add(Element::boolean(tasks::REMINDER_SET, reminder.is_some()));
    out.add_all(reminder.map(|at| Element::leaf(tasks::REMINDER_TIME, dashed_of(at))));
    out.add(Element::number(tasks::SENSITIVITY, sensitivity(task)));
    for (tag, name) in ORDINALS {
        out.text(tag, &task.line(name).map(ContentLine::to_text).unwrap_or_default());
    }
    ical::show_categories(&ical::categories(task), (tasks::CATEGORIES, tasks::CATEGORY), out);
    true
}

/// What stands in for a task that cannot be read.
pub(super) fn stand_in(out: &mut Out<'_>) {
    out.text(tasks::SUBJECT, "(damaged task)");
    out.body(
        "This task cannot be shown: it is damaged on the server, or cannot be read at the moment.",
        None,
    );
    out.add(Element::number(tasks::IMPORTANCE, 1));
    out.add(Element::boolean(tasks::COMPLETE, false));
    out.add(Element::boolean(tasks::REMINDER_SET, false));
    out.add(Element::number(tasks::SENSITIVITY, 0));
}

/// Takes a client's change over.
pub(super) fn apply(
    current: Option<&Object>,
    change: &Change<'_>,
    asker: Asker<'_>,
) -> Result<Vec<u8>, Refused> {
    let mut object = ical::object(current, TASK, change.unique)?;
    let zones = object.calendar().map(Zones::of).ok_or(Refused(CONVERSION))?;
    let task = ical::master_mut(&mut object, TASK).ok_or(Refused(CONVERSION))?;
    let before = task.clone();
    ical::set_text(task, "SUMMARY", change, tasks::SUBJECT)?;
    ical::set_body(task, change)?;
    set_importance(task, change)?;
    set_sensitivity(task, change)?;
    ical::set_categories(task, change, (tasks::CATEGORIES, tasks::CATEGORY))?;
    dates::apply(task, &zones, change)?;
    recurrence::apply(task, &before, &zones, change)?;
    dates::agree(task)?;
    set_complete(task, change, asker.now)?;
    reminder::apply(task, &zones, change)?;
    for (tag, name) in ORDINALS {
        ical::set_text(task, name, change, tag)?;
    }
    if current.is_none() || *task != before {
        ical::stamp(task, asker.now)?;
    }
    Ok(object.write())
}

/// Importance 0 to 2, of PRIORITY 9 to 1. RFC 5545 §3.8.1.9.
fn importance(task: &Component) -> u8 {
    match task.line("PRIORITY").and_then(|line| line.integer().ok()) {
        Some(1..=4) => 2,
        Some(6..=9) => 0,
        _ => 1,
    }
}

fn set_importance(task: &mut Component, change: &Change<'_>) -> Result<(), Refused> {
    let wanted = match change.said(tasks::IMPORTANCE) {
        Said::Leave => return Ok(()),
        Said::Gone => 1,
        Said::Is(element) if element.is_empty() => 1,
        Said::Is(element) => element.parse::<u8>()?,
    };
    if wanted == importance(task) {
        return Ok(());
    }
    match wanted {
        0 => task.set(ContentLine::new("PRIORITY", "9")?),
        1 => drop(task.remove("PRIORITY")),
        2 => task.set(ContentLine::new("PRIORITY", "1")?),
        _ => return Err(Refused(CONVERSION)),
    }
    Ok(())
}

/// Sensitivity 0 to 3: normal, personal, private, confidential.
fn sensitivity(task: &Component) -> u8 {
    let Some(class) = task.line("CLASS") else { return 0 };
    match class.value().trim().to_ascii_uppercase().as_str() {
        "PUBLIC" => 0,
        "CONFIDENTIAL" => 3,
        "PRIVATE" if class.parameter(SENSITIVITY) == Some("1") => 1,
        // What is not known counts as private. RFC 5545 §3.8.1.3.
        _ => 2,
    }
}

fn set_sensitivity(task: &mut Component, change: &Change<'_>) -> Result<(), Refused> {
    let wanted = match change.said(tasks::SENSITIVITY) {
        Said::Leave => return Ok(()),
        Said::Gone => 0,
        Said::Is(element) if element.is_empty() => 0,
        Said::Is(element) => element.parse::<u8>()?,
    };
    if wanted == sensitivity(task) {
        return Ok(());
    }
    let mut class = match wanted {
        0 => {
            task.remove("CLASS");
            return Ok(());
        }
        1 | 2 => ContentLine::new("CLASS", "PRIVATE")?,
        3 => ContentLine::new("CLASS", "CONFIDENTIAL")?,
        _ => return Err(Refused(CONVERSION)),
    };
    if wanted == 1 {
        class.push(Parameter::new(SENSITIVITY, ["1"])?);
    }
    task.replace(class);
    Ok(())
}

fn is_complete(task: &Component) -> bool {
    let status = task.line("STATUS").map(|line| line.value().trim().to_ascii_uppercase());
    match status.as_deref() {
        // What was given up needs no more doing either.
        Some("COMPLETED" | "CANCELLED") => true,
        Some(_) => false,
        None => task.line("COMPLETED").is_some(),
    }
}

/// When the task was completed, in UTC.
fn completed(task: &Component) -> Option<caldav::LocalDateTime> {
    let line = ["COMPLETED", "LAST-MODIFIED", "DTSTAMP"].into_iter().find_map(|name| task.line(name))?;
    match line.moment().ok()? {
        caldav::Moment::At(time) => Some(time.local()),
        caldav::Moment::Day(date) => Some(caldav::LocalDateTime { date, time: caldav::Time::MIDNIGHT }),
    }
}

fn set_complete(task: &mut Component, change: &Change<'_>, now: i64) -> Result<(), Refused> {
    let wanted = match change.said(tasks::COMPLETE) {
        Said::Leave => is_complete(task),
        Said::Gone => false,
        Said::Is(element) => element.flag()?,
    };
    if !wanted {
        if is_complete(task) {
            task.remove("COMPLETED");
            task.remove("STATUS");
            task.remove("PERCENT-COMPLETE");
        }
        return Ok(());
    }
    let at = match change.element(tasks::DATE_COMPLETED).filter(|element| !element.is_empty()) {
        Some(element) => Some(dates::sent(element)?),
        None => None,
    };
    let had = completed(task).filter(|_| is_complete(task));
    if is_complete(task) && (at.is_none() || at == had) {
        return Ok(());
    }
    let at = at.map_or_else(|| ical::compact(now), |at| format!("{at}Z"));
    task.set(ContentLine::new("COMPLETED", at)?);
    task.set(ContentLine::new("STATUS", "COMPLETED")?);
    task.set(ContentLine::new("PERCENT-COMPLETE", "100")?);
    Ok(())
}
