//! What a room has to know before it takes a meeting.

use std::ops::Range;

use crate::{Bounds, FreeBusy, Object, Series, Zone};

/// The times within a range at which a meeting would meet others that are known; free time is passed over.
pub fn conflicts(meeting: &Object, range: &Range<i64>, busy: &FreeBusy, floating: &Zone) -> Vec<Range<i64>> {
    let Some(calendar) = meeting.calendar() else { return Vec::new() };
    let mut found = Vec::new();
    for series in Series::all(calendar).into_iter().flatten() {
        let all = series.expand(range.clone(), floating, &Bounds::default());
        let taken = |time: &Range<i64>| {
            busy.periods.iter().any(|period| period.time.start < time.end && time.start < period.time.end)
        };
        found.extend(all.instances.into_iter().map(|instance| instance.start..instance.end).filter(taken));
    }
    found
}
