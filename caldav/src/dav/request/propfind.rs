//! PROPFIND, and the properties that a request asks for. RFC 4918 §9.1, §14.20.

use std::collections::HashSet;

use super::{AddressData, BadRequest, CalendarData, document};
use crate::dav::{Element, Name, XmlLimits};

/// Properties that one request may ask for. Each costs something for each resource.
const NAMES_MAX: usize = 500;

/// A PROPFIND.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Propfind {
    /// What it asks for.
    pub wanted: Wanted,
}

/// Which properties are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// DAV:allprop: the dead ones, the live ones of RFC 4918, and these. RFC 4918 §9.1.
    All(Properties),
    /// DAV:propname: the names of all.
    Names,
    /// DAV:prop: just these.
    These(Properties),
}

/// Properties by their names, none twice.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Properties {
    /// Their names, with CALDAV:calendar-data and CARDDAV:address-data among them.
    pub names: Vec<Name>,
    /// How CALDAV:calendar-data is wanted, where it is.
    pub calendar_data: Option<CalendarData>,
    /// How CARDDAV:address-data is wanted, where it is.
    pub address_data: Option<AddressData>,
}

impl Propfind {
    /// Reads the body; an empty one asks for all. RFC 4918 §9.1.
    ///
    /// # Errors
    /// [`BadRequest`] says why not.
    pub fn parse(body: &[u8], limits: &XmlLimits) -> Result<Self, BadRequest> {
        if body.trim_ascii().is_empty() {
            return Ok(Self { wanted: Wanted::All(Properties::default()) });
        }
        let document = document(body, limits, &Name::dav("propfind"), "the root is not DAV:propfind")?;
        let wanted = Wanted::of(document.root())?;
        Ok(Self { wanted: wanted.ok_or(BadRequest::Invalid("nothing is asked for"))? })
    }
}

impl Wanted {
    /// What stands in the element of a request; `None` when nothing does.
    pub(super) fn of(element: &Element) -> Result<Option<Self>, BadRequest> {
        let mut found: Option<Self> = None;
        for child in element.children() {
            let name = child.name();
            let next = if name.is_dav("allprop") {
                Self::All(Properties::default())
            } else if name.is_dav("propname") {
                Self::Names
            } else if name.is_dav("prop") {
                Self::These(Properties::of(child)?)
            } else if name.is_dav("include") {
                match &mut found {
                    Some(Self::All(include)) => *include = Properties::of(child)?,
                    _ => return Err(BadRequest::Invalid("DAV:include stands with DAV:allprop only")),
                }
                continue;
            } else {
                // RFC 4918 §17: what is not known is as if it did not stand there.
                continue;
            };
            if found.replace(next).is_some() {
                return Err(BadRequest::Invalid("there is one of allprop, propname and prop"));
            }
        }
        Ok(found)
    }

    /// The properties that are named.
    pub fn properties(&self) -> Option<&Properties> {
        match self {
            Self::All(properties) | Self::These(properties) => Some(properties),
            Self::Names => None,
        }
    }
}

impl Properties {
    fn of(prop: &Element) -> Result<Self, BadRequest> {
        let mut seen = HashSet::new();
        let mut properties = Self::default();
        for child in prop.children() {
            if !seen.insert(child.name()) {
                continue;
            }
            if properties.names.len() == NAMES_MAX {
                return Err(BadRequest::TooMany("there are too many properties"));
            }
            if child.name().is_caldav("calendar-data") {
                properties.calendar_data = Some(CalendarData::of(child)?);
            } else if child.name().is_carddav("address-data") {
                properties.address_data = Some(AddressData::of(child)?);
            }
            properties.names.push(child.name().clone());
        }
        Ok(properties)
    }
}
