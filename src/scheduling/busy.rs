//! When an account is busy. RFC 6638 §5; RFC 4791 §7.10; MS-ASCMD §2.2.3.107.

use std::ops::Range;

use caldav::{Bounds, Busy, FreeBusy, Zone};

use super::{Refused, own_addresses};
use crate::directory::Account;
use crate::mailbox::{Error, Kind, OwnerId, View};
use crate::objects::Objects;

/// What a look at the instances of one object may take.
const BOUNDS: Bounds = Bounds { instances: 5_000, steps: 200_000 };

/// When `of` is busy within a range (seconds since 1970), by all of its calendars, as far as the `asking`
/// account may know it: users of one domain may know of each other when they are busy, not why. `None` for
/// others. `view` is one of the whole store; whole days and floating times are those of `floating`.
///
/// # Errors
/// The store's.
pub fn free_busy(
    view: &View,
    objects: &Objects,
    asking: &Account,
    of: &Account,
    range: &Range<i64>,
    floating: &Zone,
) -> Result<Option<FreeBusy>, Refused> {
    if asking.domain != of.domain {
        return Ok(None);
    }
    busy_of(view, objects, of, range, floating, None).map(Some)
}

/// As [`free_busy`], without the question who asks, and without the object called `except`.
pub(super) fn busy_of(
    view: &View,
    objects: &Objects,
    account: &Account,
    range: &Range<i64>,
    floating: &Zone,
    except: Option<&str>,
) -> Result<FreeBusy, Refused> {
    let own = own_addresses(account);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let mut busy = FreeBusy::default();
    for seen in view.folders(OwnerId(account.id.0))? {
        let folder = seen.folder;
        if folder.kind != Kind::Calendar || is_transparent(&folder) {
            continue;
        }
        for uid in objects.in_range(view, &folder, range, floating)? {
            let Some(item) = view.item(&folder, uid)? else { continue };
            if except.is_some() && item.ical_uid.as_deref() == except {
                continue;
            }
            match objects.parsed(view, &item) {
                Ok(parsed) => {
                    if let Some(calendar) = parsed.object.calendar() {
                        busy.add(calendar, &own, range, floating, &BOUNDS);
                    }
                }
                Err(error) if error.is_damage() || matches!(error, Error::Invalid(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    busy.settle();
    Ok(busy)
}

/// Whether a calendar does not count, as its owner has said. RFC 6638 §9.1.
fn is_transparent(folder: &crate::mailbox::Folder) -> bool {
    folder.property("schedule-calendar-transp").is_some()
}

/// One digit for each span of `step` seconds from the start of a range: 0 free, 1 tentative, 2 busy, 3 out of
/// office. MS-ASCMD §2.2.3.107.
pub fn merged(busy: &FreeBusy, start: i64, step: i64, spans: usize) -> String {
    let mut digits = String::with_capacity(spans);
    let mut at = start;
    for _ in 0..spans {
        let end = at.saturating_add(step);
        let within = busy.periods.iter().filter(|period| period.time.start < end && at < period.time.end);
        digits.push(match within.map(|period| period.kind).max() {
            None => '0',
            Some(Busy::Tentative) => '1',
            Some(Busy::Busy) => '2',
            Some(Busy::Unavailable) => '3',
        });
        at = end;
    }
    digits
}
