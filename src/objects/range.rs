//! Which objects of a folder are in a range of time.

use std::ops::{ControlFlow, Range};

use caldav::{Bounds, Zone};

use super::Objects;
use super::entry::Spot;
use crate::clock::Millis;
use crate::mailbox::{Error, Folder, Kind, Uid, View};

/// No zone is further from UTC, in seconds.
const DAY: i64 = 86_400;

/// What it may take to see whether one series has an instance in the range.
const LOOK: Bounds = Bounds { instances: 1, steps: 50_000 };

impl Objects {
    /// The events of a folder with an instance that overlaps `range` (seconds since 1970), by UID; whole days
    /// and floating times are those of `floating`. RFC 4791 §9.9 for VEVENT.
    ///
    /// A series that takes too long to look through is named too. One item that cannot be read does not stop
    /// the others.
    ///
    /// # Errors
    /// The store's.
    pub fn in_range(
        &self,
        view: &View,
        folder: &Folder,
        range: &Range<i64>,
        floating: &Zone,
    ) -> Result<Vec<Uid>, Error> {
        if folder.kind != Kind::Calendar {
            return Ok(Vec::new());
        }
        let from: Millis = range.start.saturating_sub(DAY).saturating_mul(1000);
        let latest = range.end.saturating_add(DAY);
        let mut found = Vec::new();
        let mut look = Vec::new();
        view.spans(folder, from, &mut |end, uid, span| {
            let end = end.div_euclid(1000);
            let hit = match Spot::decode(span) {
                Spot::Exact(start) => overlaps(start, end, range),
                Spot::Floating(start) if start < latest => {
                    overlaps(local(start, floating), local(end, floating), range)
                }
                Spot::Floating(_) => false,
                Spot::Look(start, key) => {
                    if start < latest {
                        look.push((uid, key));
                    }
                    false
                }
                Spot::Other => false,
            };
            if hit {
                found.push(uid);
            }
            ControlFlow::Continue(())
        })?;
        for (uid, key) in look {
            let parsed = match self.parsed_by_key(view, folder, uid, key) {
                Ok(parsed) => parsed,
                Err(Error::Missing | Error::Invalid(_)) => continue,
                Err(error) if error.is_damage() => {
                    tracing::error!(folder = folder.id.0, uid = uid.0, %error, "skipped a damaged object");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Some(series) = &parsed.series else { continue };
            let expansion = series.expand(range.clone(), floating, &LOOK);
            if expansion.truncated || !expansion.instances.is_empty() {
                found.push(uid);
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}

/// Whether what begins and ends then overlaps a range: what takes no time does when it is within.
fn overlaps(start: i64, end: i64, range: &Range<i64>) -> bool {
    if end <= start { range.contains(&start) } else { start < range.end && end > range.start }
}

/// The instant at which a clock of `zone` shows what one of UTC shows at `instant`.
fn local(instant: i64, zone: &Zone) -> i64 {
    zone.instant(Zone::utc().local(instant))
}
