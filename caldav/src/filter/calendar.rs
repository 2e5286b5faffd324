//! CalDAV filters on calendar objects. RFC 4791 §9.7, §9.9.

use std::cell::OnceCell;
use std::ops::Range;

use crate::dav::{ComponentFilter, PropertyFilter, PropertyTest, TimeRange};
use crate::{Bounds, Component, ContentLine, Instance, Moment, Object, Period, Series, Zone, Zones};

/// Instances of a rule that are looked at in a range. All are of one component when there is no other.
const INSTANCES_LOOKED_AT: usize = 64;

/// The same where overrides may be for all the future.
const INSTANCES_BESIDE_OVERRIDES: usize = 2000;

/// What a filter is asked about.
pub(super) struct Question<'o> {
    pub(super) calendar: &'o Component,
    pub(super) series: Option<&'o Series>,
    pub(super) floating: &'o Zone,
    pub(super) bounds: &'o Bounds,
    /// The zones of the object, where no series has them.
    zones: OnceCell<Zones>,
}

impl ComponentFilter {
    /// Whether a calendar object is what the filter of VCALENDAR asks for.
    ///
    /// `series` is what the object's components are by time ([`Series::all`]); a component without one
    /// matches no range, but for to-dos and VFREEBUSY as RFC 4791 §9.9 has it. Days and floating times are
    /// by `floating`. What it takes is bounded by `bounds`: what is not found within them does not match.
    ///
    /// ```
    /// use caldav::dav::{Report, XmlLimits};
    /// use caldav::{Bounds, Object, Series, Zone};
    ///
    /// let query = br#"<C:calendar-query xmlns:C="urn:ietf:params:xml:ns:caldav"><C:filter>
    ///     <C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">
    ///     <C:time-range start="20261201T000000Z" end="20261208T000000Z"/>
    ///     </C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"#;
    /// let Report::CalendarQuery(query) = Report::parse(query, &XmlLimits::default())? else { unreachable!() };
    /// let object = Object::parse(
    ///     b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:20261124T100000Z\nDURATION:PT1H\n\
    ///       RRULE:FREQ=WEEKLY;COUNT=2\nEND:VEVENT\nEND:VCALENDAR\n",
    /// )?;
    /// let series = Series::all(object.calendar().unwrap()).remove(0)?;
    /// assert!(query.filter.matches(&object, Some(&series), &Zone::utc(), &Bounds::default()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn matches(
        &self,
        object: &Object,
        series: Option<&Series>,
        floating: &Zone,
        bounds: &Bounds,
    ) -> bool {
        let Some(calendar) = object.calendar() else { return false };
        let question = Question { calendar, series, floating, bounds, zones: OnceCell::new() };
        calendar.is(&self.name) && !self.not_defined && self.inner_match(calendar, &question, &[])
    }

    /// The range within which any object that matches must have an instance of this kind of component, so
    /// that an index can leave others out; `None` when there is none such. To-dos may match without times.
    pub fn necessary_range(&self, kind: &str) -> Option<TimeRange> {
        if kind != "VEVENT" && kind != "VJOURNAL" {
            return None;
        }
        let inner = self.components.iter().find(|inner| inner.name == kind && !inner.not_defined)?;
        inner.time_range
    }

    /// The components of which any object that matches must have one: names in upper case.
    pub fn necessary_components(&self) -> impl Iterator<Item = &str> {
        self.components.iter().filter(|inner| !inner.not_defined).map(|inner| inner.name.as_str())
    }

    /// Whether one of the components matches, or, when there must be none, none is there.
    ///
    /// `path` are the components around: their numbers within one another, outermost first.
    fn among(&self, outer: &Component, question: &Question<'_>, path: &[usize]) -> bool {
        let mut named = outer.components().enumerate().filter(|(_, component)| component.is(&self.name));
        if self.not_defined {
            return named.next().is_none();
        }
        let mut within = OnceCell::new();
        named.any(|(n, component)| {
            let path: Vec<usize> = path.iter().copied().chain([n]).collect();
            let during = self
                .time_range
                .is_none_or(|range| question.is_during(component, outer, &path, &range.range(), &mut within));
            during && self.inner_match(component, question, &path)
        })
    }

    fn inner_match(&self, component: &Component, question: &Question<'_>, path: &[usize]) -> bool {
        self.properties.iter().all(|filter| filter.matches(component, question))
            && self.components.iter().all(|filter| filter.among(component, question, path))
    }
}

impl PropertyFilter {
    fn matches(&self, component: &Component, question: &Question<'_>) -> bool {
        let mut lines = component.lines().filter(|line| line.is(&self.name));
        let parameters = |line: &ContentLine| self.parameters.iter().all(|filter| filter.matches(line));
        match &self.test {
            PropertyTest::NotDefined => lines.next().is_none(),
            PropertyTest::Defined => lines.any(parameters),
            PropertyTest::Text(text) => lines.any(|line| text.matches(&line.to_text()) && parameters(line)),
            PropertyTest::During(range) => {
                lines.any(|line| question.value_is_during(line, &range.range()) && parameters(line))
            }
        }
    }
}

impl Question<'_> {
    /// Whether a component, or an instance of it, is within a range. RFC 4791 §9.9.
    ///
    /// `within` keeps the instances of the series for the components that stand beside each other.
    fn is_during(
        &self,
        component: &Component,
        outer: &Component,
        path: &[usize],
        range: &Range<i64>,
        within: &mut OnceCell<Vec<Instance>>,
    ) -> bool {
        let instances = || -> &Vec<Instance> { within.get_or_init(|| self.instances(component, range)) };
        let own = |instance: &&Instance| path == [instance.component];
        match component.name().to_ascii_uppercase().as_str() {
            "VEVENT" | "VJOURNAL" => instances().iter().filter(own).any(|i| overlaps(i.start, i.end, range)),
            "VTODO" => self.todo_is_during(component, instances().iter().filter(own), range),
            "VFREEBUSY" => self.freebusy_is_during(component, range),
            "VALARM" => self.alarm_is_during(component, outer, path, range),
            _ => false,
        }
    }

    /// The instances of whatever is like this component that are in a range, or just beside it.
    fn instances(&self, component: &Component, range: &Range<i64>) -> Vec<Instance> {
        let Some(series) = self.series.filter(|series| component.is(series.kind())) else {
            return Vec::new();
        };
        // The tables for to-dos have ends that belong to the range.
        let wide = range.start.saturating_sub(1)..range.end.saturating_add(1);
        let alike = self.calendar.components().filter(|other| other.is(series.kind())).count();
        let looked_at = if alike > 1 { INSTANCES_BESIDE_OVERRIDES } else { INSTANCES_LOOKED_AT };
        let few = Bounds { instances: looked_at.min(self.bounds.instances), ..*self.bounds };
        series.gather(wide, self.floating, &few).instances
    }

    /// RFC 4791 §9.9, the table for VTODO.
    fn todo_is_during<'i>(
        &self,
        todo: &Component,
        mut instances: impl Iterator<Item = &'i Instance>,
        range: &Range<i64>,
    ) -> bool {
        let (start, end) = (range.start, range.end);
        let has = |name| todo.line(name).is_some();
        match (has("DTSTART"), has("DURATION"), has("DUE")) {
            (true, true, _) => instances.any(|i| start <= i.end && (end > i.start || end >= i.end)),
            (true, false, true) => {
                instances.any(|i| (start < i.end || start <= i.start) && (end > i.start || end >= i.end))
            }
            (true, false, false) => instances.any(|i| overlaps(i.start, i.end, range)),
            (false, _, true) => instances.any(|i| start < i.end.max(i.start) && end >= i.start),
            (false, _, false) => {
                let instant = |name| todo.line(name).and_then(|line| self.instant(line));
                match (instant("COMPLETED"), instant("CREATED")) {
                    (Some(completed), Some(created)) => {
                        (start <= created || start <= completed) && (end >= created || end >= completed)
                    }
                    (Some(completed), None) => start <= completed && end >= completed,
                    (None, Some(created)) => end > created,
                    (None, None) => true,
                }
            }
        }
    }

    /// RFC 4791 §9.9, the table for VFREEBUSY.
    fn freebusy_is_during(&self, freebusy: &Component, range: &Range<i64>) -> bool {
        let instant = |name| freebusy.line(name).and_then(|line| self.instant(line));
        if let (Some(from), Some(to)) = (instant("DTSTART"), instant("DTEND")) {
            return range.start <= to && range.end > from;
        }
        let lines = freebusy.lines_named("FREEBUSY").filter_map(|line| line.periods().ok());
        lines.flatten().any(|period| {
            let time = self.time_of(&period);
            range.start < time.end && range.end > time.start
        })
    }

    /// Whether the value of a property is within a range; a day when any of it is. RFC 4791 §9.7.2.
    fn value_is_during(&self, line: &ContentLine, range: &Range<i64>) -> bool {
        let Ok(moments) = line.moments() else { return false };
        moments.iter().any(|moment| {
            let at = self.zones().instant(moment, self.floating);
            match moment {
                Moment::Day(_) => overlaps(at, at.saturating_add(86_400), range),
                Moment::At(_) => range.contains(&at),
            }
        })
    }

    pub(super) fn instant(&self, line: &ContentLine) -> Option<i64> {
        Some(self.zones().instant(&line.moment().ok()?, self.floating))
    }

    fn time_of(&self, period: &Period) -> Range<i64> {
        crate::freebusy::time_of(period, self.zones(), self.floating)
    }

    fn zones(&self) -> &Zones {
        match self.series {
            Some(series) => series.zones(),
            None => self.zones.get_or_init(|| Zones::of(self.calendar)),
        }
    }
}

/// What takes no time overlaps a range when it starts within. RFC 4791 §9.9.
pub(super) fn overlaps(start: i64, end: i64, range: &Range<i64>) -> bool {
    match start == end {
        true => range.contains(&start),
        false => start < range.end && end > range.start,
    }
}
