//! Objects as queries want them. RFC 4791 §9.6; RFC 6352 §10.4.

use std::fmt;
use std::ops::Range;

use super::calendar::overlaps;
use crate::dav::{
    AddressData, CalendarData, ComponentSelection, PropertySelection, Recurrences, Selected, TimeRange,
};
use crate::freebusy::time_of;
use crate::{Bounds, Component, ContentLine, Object, Series, Zone, Zones};

/// An expansion has more instances than are given. RFC 4791 §7.8: CALDAV:max-instances.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyInstances;

impl fmt::Display for TooManyInstances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there are too many instances in the range")
    }
}

impl std::error::Error for TooManyInstances {}

impl CalendarData {
    /// True when objects are wanted as they are stored, so that nothing has to be parsed.
    pub fn is_as_stored(&self) -> bool {
        self.selection.is_none() && self.recurrences == Recurrences::AsStored && self.freebusy.is_none()
    }

    /// A calendar object as it is wanted; `series` is what its components are by time ([`Series::all`]).
    ///
    /// # Errors
    /// [`TooManyInstances`] when an expansion exceeds the bounds.
    pub fn render(
        &self,
        object: &Object,
        series: Option<&Series>,
        floating: &Zone,
        bounds: &Bounds,
    ) -> Result<Vec<u8>, TooManyInstances> {
        let Some(calendar) = object.calendar() else { return Ok(object.write()) };
        let mut out = match self.recurrences {
            Recurrences::AsStored => object.clone(),
            Recurrences::Expand(range) => {
                Object::from(super::expand::expanded(calendar, series, &range.range(), floating, bounds)?)
            }
            Recurrences::Limit(range) => {
                let mut limited = object.clone();
                super::expand::limit(calendar, &mut limited, series, &range.range(), floating, bounds);
                limited
            }
        };
        if let Some(calendar) = out.calendar_mut() {
            if let Some(range) = self.freebusy {
                limit_freebusy(calendar, &range, floating);
            }
            if let Some(selection) = self.selection.as_ref().filter(|selection| calendar.is(&selection.name))
            {
                selection.apply(calendar);
            }
        }
        Ok(out.write())
    }
}

impl ComponentSelection {
    fn apply(&self, component: &mut Component) {
        if let Selected::These(properties) = &self.properties {
            select(component, properties);
        }
        if let Selected::These(components) = &self.components {
            component.retain_components(|inner| components.iter().any(|wanted| inner.is(&wanted.name)));
            for inner in component.components_mut() {
                if let Some(wanted) = components.iter().find(|wanted| inner.is(&wanted.name)) {
                    wanted.apply(inner);
                }
            }
        }
    }
}

impl AddressData {
    /// True when cards are wanted as they are stored. A version may be named, which is to be compared with
    /// that of the card.
    pub fn is_as_stored(&self) -> bool {
        self.version.is_none() && self.properties.is_none()
    }

    /// A card as it is wanted.
    pub fn render(&self, object: &Object) -> Vec<u8> {
        let version = self.version.as_deref().and_then(crate::card::CardVersion::of);
        let mut out = object.clone();
        if let Some(card) = out.card_mut() {
            if let Some(version) = version {
                crate::card::convert(card, version);
            }
            if let Some(properties) = &self.properties {
                // No reader could tell what it has without its version.
                let version = PropertySelection { name: "VERSION".to_owned(), no_value: false };
                let wanted: Vec<_> = properties.iter().cloned().chain([version]).collect();
                select(card, &wanted);
            }
        }
        out.write()
    }
}

/// Keeps the properties that are wanted, in their places.
fn select(component: &mut Component, wanted: &[PropertySelection]) {
    component.retain_lines(|line| wanted.iter().any(|property| line.is(&property.name)));
    for line in component.lines_mut() {
        if wanted.iter().any(|property| property.no_value && line.is(&property.name)) {
            // An empty value has no control characters.
            let _ = line.set_value("");
        }
    }
}

/// Keeps the periods that overlap a range. RFC 4791 §9.6.7.
fn limit_freebusy(calendar: &mut Component, range: &TimeRange, floating: &Zone) {
    let zones = Zones::of(calendar);
    let range = range.range();
    for component in calendar.components_mut().filter(|component| component.is("VFREEBUSY")) {
        for line in component.lines_mut().filter(|line| line.is("FREEBUSY")) {
            if let Some(value) = periods_within(line, &zones, &range, floating) {
                // It is made of what was a value before.
                let _ = line.set_value(value);
            }
        }
        component.retain_lines(|line| !line.is("FREEBUSY") || !line.value().trim().is_empty());
    }
}

/// The value without the periods that are outside; `None` for one that is not understood.
fn periods_within(line: &ContentLine, zones: &Zones, range: &Range<i64>, floating: &Zone) -> Option<String> {
    let periods = line.periods().ok()?;
    let texts = line.value().split(',').zip(periods);
    let kept = texts.filter(|(_, period)| {
        let time = time_of(period, zones, floating);
        overlaps(time.start, time.end, range)
    });
    Some(kept.map(|(text, _)| text).collect::<Vec<_>>().join(","))
}
