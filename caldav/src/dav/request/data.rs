//! How calendar and address objects are wanted. RFC 4791 §9.6; RFC 6352 §10.4.

use super::{BadRequest, TimeRange};
use crate::dav::{Element, Precondition};

/// CALDAV:calendar-data of a report. RFC 4791 §9.6.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CalendarData {
    /// The parts that are wanted; all when there are none.
    pub selection: Option<ComponentSelection>,
    /// What becomes of recurrences.
    pub recurrences: Recurrences,
    /// CALDAV:limit-freebusy-set: the periods that are wanted. RFC 4791 §9.6.7.
    pub freebusy: Option<TimeRange>,
}

/// What becomes of what recurs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Recurrences {
    /// All stays as it is.
    #[default]
    AsStored,
    /// CALDAV:expand: each instance by itself, in UTC. RFC 4791 §9.6.5.
    Expand(TimeRange),
    /// CALDAV:limit-recurrence-set: the overrides that matter. RFC 4791 §9.6.6.
    Limit(TimeRange),
}

/// CALDAV:comp: what of a component is wanted. RFC 4791 §9.6.1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ComponentSelection {
    /// The component, in upper case.
    pub name: String,
    /// Its properties.
    pub properties: Selected<PropertySelection>,
    /// The components in it.
    pub components: Selected<Self>,
}

/// Some, or all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Selected<T> {
    /// All of them.
    All,
    /// These.
    These(Vec<T>),
}

/// CALDAV:prop or CARDDAV:prop: a property that is wanted. RFC 4791 §9.6.4.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PropertySelection {
    /// Its name, in upper case.
    pub name: String,
    /// Without its value.
    pub no_value: bool,
}

/// CARDDAV:address-data of a report. RFC 6352 §10.4.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AddressData {
    /// The version of vCard: `3.0` or `4.0`; as it is stored when it is not said.
    pub version: Option<String>,
    /// The properties that are wanted; all when there are none.
    pub properties: Option<Vec<PropertySelection>>,
}

impl CalendarData {
    pub(super) fn of(element: &Element) -> Result<Self, BadRequest> {
        let kind = element.attribute("content-type").unwrap_or("text/calendar");
        let version = element.attribute("version").unwrap_or("2.0");
        if !kind.trim().eq_ignore_ascii_case("text/calendar") || version.trim() != "2.0" {
            return Err(BadRequest::Refused(Precondition::SupportedCalendarData));
        }
        let mut data = Self::default();
        for child in element.children() {
            let name = child.name();
            if name.is_caldav("comp") {
                data.selection = Some(ComponentSelection::of(child)?);
            } else if name.is_caldav("expand") {
                data.set(Recurrences::Expand(TimeRange::closed(child)?))?;
            } else if name.is_caldav("limit-recurrence-set") {
                data.set(Recurrences::Limit(TimeRange::closed(child)?))?;
            } else if name.is_caldav("limit-freebusy-set") {
                data.freebusy = Some(TimeRange::closed(child)?);
            }
        }
        Ok(data)
    }

    fn set(&mut self, recurrences: Recurrences) -> Result<(), BadRequest> {
        match std::mem::replace(&mut self.recurrences, recurrences) {
            Recurrences::AsStored => Ok(()),
            _ => Err(BadRequest::Invalid("recurrences are expanded or limited once")),
        }
    }
}

impl ComponentSelection {
    fn of(element: &Element) -> Result<Self, BadRequest> {
        let name = element.attribute("name").ok_or(BadRequest::Invalid("CALDAV:comp has a name"))?;
        let (mut properties, mut components) = (Vec::new(), Vec::new());
        let (mut all_properties, mut all_components) = (false, false);
        for child in element.children() {
            let name = child.name();
            if name.is_caldav("allprop") {
                all_properties = true;
            } else if name.is_caldav("allcomp") {
                all_components = true;
            } else if name.is_caldav("prop") {
                properties.push(PropertySelection::of(child)?);
            } else if name.is_caldav("comp") {
                components.push(Self::of(child)?);
            }
        }
        // An empty one wants the whole component, as iCalendar has no empty ones and all clients mean it so.
        let whole = element.children().next().is_none();
        Ok(Self {
            name: name.trim().to_ascii_uppercase(),
            properties: if all_properties || whole { Selected::All } else { Selected::These(properties) },
            components: if all_components || whole { Selected::All } else { Selected::These(components) },
        })
    }
}

impl PropertySelection {
    fn of(element: &Element) -> Result<Self, BadRequest> {
        let name = element.attribute("name").ok_or(BadRequest::Invalid("a property has a name"))?;
        let no_value =
            element.attribute("novalue").is_some_and(|value| value.trim().eq_ignore_ascii_case("yes"));
        Ok(Self { name: name.trim().to_ascii_uppercase(), no_value })
    }
}

impl AddressData {
    pub(super) fn of(element: &Element) -> Result<Self, BadRequest> {
        let kind = element.attribute("content-type").unwrap_or("text/vcard").trim();
        if !["text/vcard", "text/x-vcard", "text/directory"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(kind))
        {
            return Err(BadRequest::Refused(Precondition::SupportedAddressDataConversion));
        }
        // RFC 6352 §10.4: without a version, 3.0 is meant where a type is named.
        let version = element.attribute("version").map(str::trim);
        let version = version.or_else(|| element.attribute("content-type").map(|_| "3.0"));
        if version.is_some_and(|version| version != "3.0" && version != "4.0") {
            return Err(BadRequest::Refused(Precondition::SupportedAddressDataConversion));
        }
        let mut properties = Vec::new();
        let mut all = false;
        for child in element.children() {
            if child.name().is_carddav("allprop") {
                all = true;
            } else if child.name().is_carddav("prop") {
                properties.push(PropertySelection::of(child)?);
            }
        }
        let properties = (!all && !properties.is_empty()).then_some(properties);
        Ok(Self { version: version.map(str::to_owned), properties })
    }
}
