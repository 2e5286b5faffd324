//! When a component is, how it tells that, and how long it takes. RFC 5545 §3.3.5, §3.8.2.

use super::days::{local_of, wall_of, wall_of_day};
use super::series::Instance;
use super::walk::{DAY, Wall, day_of};
use crate::{Component, DateTime, Invalid, Moment, Period, Zone, Zones};

#[derive(Debug)]
pub(super) struct Timing {
    pub(super) component: usize,
    pub(super) form: Form,
    pub(super) start: Wall,
    pub(super) length: Length,
}

/// How a component tells its times.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Days,
    Floating,
    Utc,
    /// With a zone that is known, or else as floating.
    Zoned(String, Option<Zone>),
}

/// How long an instance is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Length {
    /// DTEND: the same number of seconds for every instance. RFC 5545 §3.8.5.3.
    Exact(i64),
    /// DURATION: days of the calendar, then seconds.
    Nominal(i64, i64),
}

impl Timing {
    pub(super) fn of(n: usize, component: &Component, zones: &Zones) -> Result<Self, Invalid> {
        let end = component.line("DTEND").or_else(|| component.line("DUE"));
        let start = component.line("DTSTART").or(end).ok_or(Invalid("a component has a start"))?.moment()?;
        let form = Form::of(&start, zones);
        let utc = Zone::utc();
        let wall = form.wall(&start, zones, &utc);
        let length = match (end, component.line("DURATION"), &start) {
            (Some(end), _, Moment::Day(_)) => {
                let days = i64::from(day_of(wall_of_day(end.moment()?.date())) - day_of(wall));
                Length::Nominal(days.max(1), 0)
            }
            (Some(end), ..) => {
                let end = end.moment()?;
                Length::Exact(zones.instant(&end, &utc).saturating_sub(form.instant(wall, &utc)).max(0))
            }
            (None, Some(duration), Moment::Day(_)) => {
                let duration = duration.duration()?;
                Length::Nominal((i64::from(duration.days) + duration.seconds / DAY).max(1), 0)
            }
            (None, Some(duration), _) => {
                let duration = duration.duration()?;
                Length::Nominal(i64::from(duration.days.max(0)), duration.seconds.max(0))
            }
            (None, None, Moment::Day(_)) => Length::Nominal(1, 0),
            (None, None, Moment::At(_)) => Length::Exact(0),
        };
        Ok(Self { component: n, form, start: wall, length })
    }

    pub(super) fn instance(
        &self,
        start: Wall,
        length: Length,
        id: Option<Moment>,
        floating: &Zone,
    ) -> Instance {
        let form = &self.form;
        let begin = form.instant(start, floating);
        let (end, end_wall) = match (length, form) {
            (Length::Nominal(days, _), Form::Days) => {
                let wall = start.saturating_add(days.saturating_mul(DAY));
                (form.instant(wall, floating), wall)
            }
            (Length::Nominal(days, seconds), _) => {
                let day = start.saturating_add(days.saturating_mul(DAY));
                let end = form.instant(day, floating).saturating_add(seconds);
                (end, form.wall_at(end, floating))
            }
            (Length::Exact(seconds), _) => {
                let end = begin.saturating_add(seconds);
                (end, form.wall_at(end, floating))
            }
        };
        Instance {
            start: begin,
            end,
            local_start: form.moment(start),
            local_end: form.moment(end_wall),
            recurrence_id: id,
            component: self.component,
        }
    }
}

impl Length {
    /// Of one instance that RDATE gives. RFC 5545 §3.8.5.2.
    pub(super) fn of(period: &Period, zones: &Zones) -> Self {
        let utc = Zone::utc();
        match period {
            Period::Until(start, end) => {
                let at = |time: &DateTime| zones.instant(&Moment::At(time.clone()), &utc);
                Self::Exact(at(end).saturating_sub(at(start)).max(0))
            }
            Period::For(_, duration) => {
                Self::Nominal(i64::from(duration.days.max(0)), duration.seconds.max(0))
            }
        }
    }

    /// No instance is longer, in seconds.
    pub(super) fn most(self) -> i64 {
        match self {
            Self::Exact(seconds) => seconds,
            Self::Nominal(days, seconds) => {
                (days.saturating_add(1)).saturating_mul(DAY).saturating_add(seconds)
            }
        }
    }
}

impl Form {
    pub(super) fn of(moment: &Moment, zones: &Zones) -> Self {
        match moment {
            Moment::Day(_) => Self::Days,
            Moment::At(DateTime::Floating(_)) => Self::Floating,
            Moment::At(DateTime::Utc(_)) => Self::Utc,
            Moment::At(DateTime::Zoned { tzid, .. }) => Self::Zoned(tzid.clone(), zones.find(tzid)),
        }
    }

    /// What a clock of this form shows at a moment of any form.
    pub(super) fn wall(&self, moment: &Moment, zones: &Zones, floating: &Zone) -> Wall {
        match (self, moment) {
            (_, Moment::Day(date)) => wall_of_day(*date),
            (Self::Days, Moment::At(time)) => wall_of_day(time.local().date),
            (Self::Floating, Moment::At(DateTime::Floating(local)))
            | (Self::Utc, Moment::At(DateTime::Utc(local))) => wall_of(*local),
            (Self::Zoned(own, _), Moment::At(DateTime::Zoned { local, tzid })) if own == tzid => {
                wall_of(*local)
            }
            _ => self.wall_at(zones.instant(moment, floating), floating),
        }
    }

    pub(super) fn wall_at(&self, instant: i64, floating: &Zone) -> Wall {
        match self {
            Self::Utc => instant,
            Self::Zoned(_, Some(zone)) => zone.wall(instant),
            Self::Days | Self::Floating | Self::Zoned(_, None) => floating.wall(instant),
        }
    }

    pub(super) fn instant(&self, wall: Wall, floating: &Zone) -> i64 {
        match self {
            Self::Utc => wall,
            Self::Zoned(_, Some(zone)) => zone.instant_of(wall),
            Self::Days | Self::Floating | Self::Zoned(_, None) => floating.instant_of(wall),
        }
    }

    pub(super) fn moment(&self, wall: Wall) -> Moment {
        let local = local_of(wall);
        match self {
            Self::Days => Moment::Day(local.date),
            Self::Floating => Moment::At(DateTime::Floating(local)),
            Self::Utc => Moment::At(DateTime::Utc(local)),
            Self::Zoned(tzid, _) => Moment::At(DateTime::Zoned { local, tzid: tzid.clone() }),
        }
    }
}
