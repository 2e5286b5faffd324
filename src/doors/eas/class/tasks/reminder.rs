//! The reminder of a task: a time, where an alarm may also be before the beginning or the end.
//! MS-ASTASK §2.2.2.22, §2.2.2.23; RFC 5545 §3.6.6.

use caldav::{Component, ContentLine, DateTime, LocalDateTime, Moment, Zone, Zones};
use wbxml::tasks;

use super::super::{CONVERSION, Change, Refused, Said};
use super::dates::{Pair, seconds, sent};

const ALARM: &str = "VALARM";

/// The time of the first alarm, in UTC.
pub(super) fn of(task: &Component, zones: &Zones) -> Option<LocalDateTime> {
    task.components().filter(|c| c.is(ALARM)).find_map(|alarm| time_of(task, alarm, zones))
}

fn time_of(task: &Component, alarm: &Component, zones: &Zones) -> Option<LocalDateTime> {
    let trigger = alarm.line("TRIGGER")?;
    if let Ok(Moment::At(time)) = trigger.moment() {
        return match time {
            DateTime::Utc(utc) | DateTime::Floating(utc) => Some(utc),
            zoned @ DateTime::Zoned { .. } => {
                Some(Zone::utc().local(zones.instant(&Moment::At(zoned), &Zone::utc())))
            }
        };
    }
    let duration = trigger.duration().ok()?;
    let at_end = trigger.parameter("RELATED").is_some_and(|related| related.eq_ignore_ascii_case("END"));
    let base = match at_end {
        true => Pair::of(task, "DUE", zones),
        false => Pair::of(task, "DTSTART", zones).or_else(|| Pair::of(task, "DUE", zones)),
    }?;
    let offset = i64::from(duration.days).checked_mul(86_400)?.checked_add(duration.seconds)?;
    let instant = seconds(base.utc).checked_add(offset)?;
    let time = Zone::utc().local(instant);
    (seconds(time) == instant).then_some(time)
}

/// Takes over the reminder.
pub(super) fn apply(task: &mut Component, zones: &Zones, change: &Change<'_>) -> Result<(), Refused> {
    let had = of(task, zones);
    let wanted = match change.said(tasks::REMINDER_SET) {
        Said::Leave => return Ok(()),
        Said::Gone => false,
        Said::Is(element) => element.flag()?,
    };
    if !wanted {
        if had.is_some() {
            task.retain_components(|c| !c.is(ALARM));
        }
        return Ok(());
    }
    let time = match change.element(tasks::REMINDER_TIME).filter(|element| !element.is_empty()) {
        Some(element) => sent(element)?,
        // A reminder without a time is none. MS-ASTASK §2.2.2.22.
        None => return if had.is_some() { Ok(()) } else { Err(Refused(CONVERSION)) },
    };
    if had == Some(time) {
        return Ok(());
    }
    let trigger = ContentLine::new("TRIGGER", format!("{time}Z"))?.with("VALUE", "DATE-TIME")?;
    if had.is_some() {
        let task_now = task.clone();
        let shown = task.components_mut().filter(|c| c.is(ALARM));
        let mut shown = shown.filter(|alarm| time_of(&task_now, alarm, zones).is_some());
        if let Some(alarm) = shown.next() {
            alarm.replace(trigger);
            // It is to go off anew. RFC 9074 §6.1.
            alarm.remove("ACKNOWLEDGED");
            return Ok(());
        }
    }
    let mut alarm = Component::new(ALARM)?;
    alarm.push(ContentLine::new("ACTION", "DISPLAY")?);
    alarm.push(ContentLine::text("DESCRIPTION", "Reminder")?);
    alarm.push(trigger);
    task.push_component(alarm);
    Ok(())
}
