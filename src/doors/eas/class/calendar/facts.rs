//! Small properties of events: how busy one is, how secret it is, and when to be reminded.
//! MS-ASCAL §2.2.2.9, §2.2.2.38, §2.2.2.41.

use caldav::{Component, ContentLine, Duration, Moment, Object, PartStat, Zones};
use wbxml::Version;

use super::super::{Asker, CONVERSION, Refused};
use super::people::{is_guest, own_attendee, part_stat};
use super::times::Times;

/// What Outlook and Exchange write beside TRANSP. MS-OXCICAL §2.1.3.1.1.20.31.
const BUSY: &str = "X-MICROSOFT-CDO-BUSYSTATUS";
const BUSY_WORDS: [&str; 5] = ["FREE", "TENTATIVE", "BUSY", "OOF", "WORKINGELSEWHERE"];
/// CLASS for Sensitivity 1, personal: readers take a word they do not know for PRIVATE. RFC 5545 §3.8.1.3.
const PERSONAL: &str = "X-PERSONAL";
/// Longest time before the start that a reminder may be at, in minutes: a year.
const REMINDER_MAX: i64 = 366 * 24 * 60;
/// Exceptions of MS-OXCICAL that say yes or no, or when. §2.1.3.1.1.20.
pub(super) const DISALLOW_COUNTER: &str = "X-MICROSOFT-DISALLOW-COUNTER";
pub(super) const REPLY_TIME: &str = "X-MICROSOFT-CDO-REPLYTIME";
pub(super) const CONF_LINK: &str = "X-MICROSOFT-ONLINEMEETINGCONFLINK";
pub(super) const EXTERNAL_LINK: &str = "X-MICROSOFT-ONLINEMEETINGEXTERNALLINK";

fn says(component: &Component, name: &str, word: &str) -> bool {
    component.line(name).is_some_and(|line| line.value().trim().eq_ignore_ascii_case(word))
}

/// BusyStatus.
pub(in crate::doors::eas) fn busy_status(event: &Component, asker: Asker<'_>) -> u8 {
    let said = event.line(BUSY).and_then(|line| {
        let word = line.value().trim();
        BUSY_WORDS.iter().position(|known| known.eq_ignore_ascii_case(word))
    });
    let transparent = says(event, "TRANSP", "TRANSPARENT");
    // Another client may have changed the one that it knows.
    let said = said.and_then(|n| u8::try_from(n).ok()).filter(|n| (*n == 0) == transparent || *n == 4);
    let guessed = || match () {
        () if transparent => 0,
        () if says(event, "STATUS", "TENTATIVE") || is_open_invitation(event, asker) => 1,
        () => 2,
    };
    match said.unwrap_or_else(guessed) {
        // Working elsewhere is free time to those who do not know of it.
        4 if asker.version < Version::V16_0 => 0,
        status => status,
    }
}

fn is_open_invitation(event: &Component, asker: Asker<'_>) -> bool {
    let said = own_attendee(event, asker).map(part_stat);
    is_guest(event, asker) && matches!(said, Some(PartStat::NeedsAction | PartStat::Tentative))
}

/// Takes BusyStatus over.
pub(super) fn set_busy_status(event: &mut Component, status: i16, asker: Asker<'_>) -> Result<(), Refused> {
    let status = match status {
        -1 => return Ok(()),
        0..=4 => u8::try_from(status).unwrap_or(2),
        _ => return Err(Refused(CONVERSION)),
    };
    if status == busy_status(event, asker) {
        return Ok(());
    }
    let word = BUSY_WORDS.get(usize::from(status)).copied().unwrap_or("BUSY");
    event.set(ContentLine::new("TRANSP", if status == 0 { "TRANSPARENT" } else { "OPAQUE" })?);
    event.set(ContentLine::new(BUSY, word)?);
    Ok(())
}

/// Sensitivity: 0 normal, 1 personal, 2 private, 3 confidential.
pub(in crate::doors::eas) fn sensitivity(event: &Component) -> u8 {
    match event.line("CLASS").map(|line| line.value().trim().to_ascii_uppercase()).as_deref() {
        None | Some("" | "PUBLIC") => 0,
        Some(PERSONAL) => 1,
        Some("CONFIDENTIAL") => 3,
        Some(_) => 2,
    }
}

/// Takes Sensitivity over.
pub(super) fn set_sensitivity(event: &mut Component, value: u8) -> Result<(), Refused> {
    let word = match value {
        0 => "PUBLIC",
        1 => PERSONAL,
        2 => "PRIVATE",
        3 => "CONFIDENTIAL",
        _ => return Err(Refused(CONVERSION)),
    };
    if sensitivity(event) != value {
        event.set(ContentLine::new("CLASS", word)?);
    }
    Ok(())
}

/// Reminder: minutes before the start, of the first alarm that shows something then.
pub(in crate::doors::eas) fn reminder(event: &Component, times: &Times, zones: &Zones) -> Option<i64> {
    let alarm = event.components().find(|alarm| minutes_before(alarm, times, zones).is_some())?;
    minutes_before(alarm, times, zones)
}

fn minutes_before(alarm: &Component, times: &Times, zones: &Zones) -> Option<i64> {
    let shows = says(alarm, "ACTION", "DISPLAY") || says(alarm, "ACTION", "AUDIO");
    if !alarm.is("VALARM") || !shows {
        return None;
    }
    let trigger = alarm.line("TRIGGER")?;
    let is = |name, word: &str| trigger.parameter(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
    let seconds = if is("VALUE", "DATE-TIME") {
        let Ok(at @ Moment::At(_)) = trigger.moment() else { return None };
        times.start.checked_sub(zones.instant(&at, &caldav::Zone::utc()))?
    } else if is("RELATED", "END") {
        return None;
    } else {
        let Duration { days, seconds } = trigger.duration().ok()?;
        i64::from(days).saturating_mul(86_400).saturating_add(seconds).saturating_neg()
    };
    // An alarm after the start is none that ActiveSync knows.
    (seconds >= 0).then(|| (seconds.saturating_add(59) / 60).min(REMINDER_MAX))
}

/// Takes Reminder over: other alarms stay.
pub(super) fn set_reminder(
    event: &mut Component,
    minutes: Option<i64>,
    times: &Times,
    zones: &Zones,
) -> Result<(), Refused> {
    if minutes == reminder(event, times, zones) {
        return Ok(());
    }
    let known = event.components().position(|alarm| minutes_before(alarm, times, zones).is_some());
    let Some(minutes) = minutes else {
        let mut n = 0;
        event.retain_components(|_| {
            n += 1;
            Some(n - 1) != known
        });
        return Ok(());
    };
    if !(0..=REMINDER_MAX).contains(&minutes) {
        return Err(Refused(CONVERSION));
    }
    let trigger = ContentLine::new("TRIGGER", Duration { days: 0, seconds: -minutes * 60 }.to_string())?;
    if let Some(alarm) = known.and_then(|n| event.components_mut().nth(n)) {
        alarm.set(trigger);
        // It is to go off again. RFC 9074 §6.
        alarm.remove("ACKNOWLEDGED");
        return Ok(());
    }
    let mut alarm = caldav::Component::new("VALARM")?;
    alarm.push(ContentLine::new("ACTION", "DISPLAY")?);
    alarm.push(ContentLine::text("DESCRIPTION", "Reminder")?);
    alarm.push(trigger);
    event.push_component(alarm);
    Ok(())
}

/// Whether a property says TRUE.
pub(super) fn is_set(event: &Component, name: &str) -> bool {
    says(event, name, "TRUE")
}

/// Makes a property say TRUE, or takes it away.
pub(super) fn set_flag(event: &mut Component, name: &str, value: bool) -> Result<(), Refused> {
    if is_set(event, name) == value {
        return Ok(());
    }
    if value {
        event.set(ContentLine::new(name, "TRUE")?);
    } else {
        event.remove(name);
    }
    Ok(())
}

/// Makes STATUS say CANCELLED, or no longer.
pub(super) fn set_cancelled(event: &mut Component, cancelled: bool) -> Result<(), Refused> {
    if says(event, "STATUS", "CANCELLED") == cancelled {
        return Ok(());
    }
    if cancelled {
        event.set(ContentLine::new("STATUS", "CANCELLED")?);
    } else {
        event.remove("STATUS");
    }
    Ok(())
}

/// The time at which the account answered.
pub(super) fn reply_time(event: &Component) -> Option<i64> {
    let moment = event.line(REPLY_TIME)?.moment().ok()?;
    match moment {
        Moment::At(time) => Some(caldav::Zone::utc().instant(time.local())),
        Moment::Day(_) => None,
    }
}

/// Notes when the account answered. An object that is none is left alone.
pub(in crate::doors::eas) fn set_reply_time(object: &mut Object, now: i64) {
    let Ok(line) = ContentLine::new(REPLY_TIME, super::times::compact(now)) else { return };
    if let Some(event) = super::super::ical::master_mut(object, super::EVENT) {
        event.set(line);
    }
}

/// A text that is one of the web's addresses.
pub(super) fn link(event: &Component, name: &str) -> Option<String> {
    event.line(name).map(ContentLine::to_text).filter(|text| !text.trim().is_empty())
}
