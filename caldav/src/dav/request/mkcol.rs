//! What a client sets: PROPPATCH, MKCOL and MKCALENDAR. RFC 4918 §9.2; RFC 5689; RFC 4791 §5.3.1.

use super::{BadRequest, document};
use crate::dav::{Document, Element, Name, Property, XmlLimits};

/// Properties that one request may set.
const PATCHES_MAX: usize = 500;

/// A PROPPATCH.
#[derive(Clone, Debug)]
pub struct Proppatch {
    /// What is to be done, in this order, all or nothing.
    pub patches: Vec<Patch>,
}

/// A change of one property.
#[derive(Clone, Debug)]
pub enum Patch {
    /// It gets this value.
    Set(Property),
    /// It goes; there need not be one.
    Remove(Name),
}

/// An extended MKCOL, or a MKCALENDAR.
#[derive(Clone, Default, Debug)]
pub struct Mkcol {
    /// What the new collection is to have, DAV:resourcetype among it.
    pub properties: Vec<Property>,
}

impl Proppatch {
    /// Reads the body.
    ///
    /// # Errors
    /// [`BadRequest`] says why not.
    pub fn parse(body: &[u8], limits: &XmlLimits) -> Result<Self, BadRequest> {
        let root = Name::dav("propertyupdate");
        let document = document(body, limits, &root, "the root is not DAV:propertyupdate")?;
        let mut patches = Vec::new();
        for child in document.root().children() {
            let is_set = child.name().is_dav("set");
            if !is_set && !child.name().is_dav("remove") {
                continue;
            }
            for element in properties_in(child) {
                patches.push(match is_set {
                    true => Patch::Set(Property::of(&document, element)),
                    false => Patch::Remove(element.name().clone()),
                });
                check(patches.len())?;
            }
        }
        match patches.is_empty() {
            true => Err(BadRequest::Invalid("nothing is changed")),
            false => Ok(Self { patches }),
        }
    }
}

impl Patch {
    /// The property.
    pub fn name(&self) -> &Name {
        match self {
            Self::Set(property) => property.name(),
            Self::Remove(name) => name,
        }
    }
}

impl Mkcol {
    /// Reads the body of a MKCOL; an empty one is a plain MKCOL. RFC 5689 §3.
    ///
    /// # Errors
    /// [`BadRequest`] says why not.
    pub fn parse(body: &[u8], limits: &XmlLimits) -> Result<Self, BadRequest> {
        Self::read(body, limits, &Name::dav("mkcol"), "the root is not DAV:mkcol")
    }

    /// Reads the body of a MKCALENDAR; it may be empty. RFC 4791 §5.3.1.
    ///
    /// # Errors
    /// [`BadRequest`] says why not.
    pub fn parse_calendar(body: &[u8], limits: &XmlLimits) -> Result<Self, BadRequest> {
        Self::read(body, limits, &Name::caldav("mkcalendar"), "the root is not CALDAV:mkcalendar")
    }

    fn read(
        body: &[u8],
        limits: &XmlLimits,
        root: &Name,
        otherwise: &'static str,
    ) -> Result<Self, BadRequest> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let document: Document = document(body, limits, root, otherwise)?;
        let mut properties = Vec::new();
        for set in document.root().children().filter(|child| child.name().is_dav("set")) {
            for element in properties_in(set) {
                properties.push(Property::of(&document, element));
                check(properties.len())?;
            }
        }
        Ok(Self { properties })
    }

    /// The elements of DAV:resourcetype, where it is given. RFC 5689 §3.
    pub fn resource_type(&self) -> Option<Vec<&Name>> {
        let found = self.properties.iter().find(|property| property.name().is_dav("resourcetype"))?;
        Some(found.value.children().map(Element::name).collect())
    }
}

/// The elements within each DAV:prop.
fn properties_in(element: &Element) -> impl Iterator<Item = &Element> {
    element.children().filter(|child| child.name().is_dav("prop")).flat_map(Element::children)
}

fn check(count: usize) -> Result<(), BadRequest> {
    match count > PATCHES_MAX {
        true => Err(BadRequest::TooMany("there are too many properties")),
        false => Ok(()),
    }
}
