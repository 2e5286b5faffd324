//! Bodies of requests.

mod data;
mod filter;
mod mkcol;
mod propfind;
mod report;

use std::fmt;

pub use data::{AddressData, CalendarData, ComponentSelection, PropertySelection, Recurrences, Selected};
pub use filter::{
    CardFilter, CardPropertyFilter, Collation, ComponentFilter, Matching, ParameterFilter, PropertyFilter,
    PropertyTest, Test, TextMatch, TimeRange,
};
pub use mkcol::{Mkcol, Patch, Proppatch};
pub use propfind::{Properties, Propfind, Wanted};
pub use report::{
    AddressbookQuery, CalendarQuery, ExpandProperty, Multiget, PrincipalMatch, PrincipalPropertySearch,
    PropertySearch, Report, SyncCollection,
};

use super::{Document, Element, Name, Precondition, Status, XmlError, XmlLimits};

/// Why the body of a request is not understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BadRequest {
    /// It is no XML that is read.
    Xml(XmlError),
    /// It is XML, but not what the method takes; says what.
    Invalid(&'static str),
    /// It is more than is done at once; says of what.
    TooMany(&'static str),
    /// It breaks a precondition.
    Refused(Precondition),
}

impl BadRequest {
    /// The status of the answer. RFC 4918 §8.1, §8.2.
    pub fn status(&self) -> Status {
        match self {
            Self::Xml(XmlError::TooLarge(_)) | Self::TooMany(_) => Status::CONTENT_TOO_LARGE,
            Self::Xml(XmlError::Entities) => Status::FORBIDDEN,
            Self::Xml(XmlError::NotWellFormed(_)) | Self::Invalid(_) => Status::BAD_REQUEST,
            Self::Refused(precondition) => precondition.status(),
        }
    }

    /// The precondition that stands in the body of the answer.
    pub fn precondition(&self) -> Option<Precondition> {
        match self {
            Self::Xml(XmlError::Entities) => Some(Precondition::NoExternalEntities),
            Self::Refused(precondition) => Some(precondition.clone()),
            _ => None,
        }
    }
}

impl From<XmlError> for BadRequest {
    fn from(error: XmlError) -> Self {
        Self::Xml(error)
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xml(error) => error.fmt(f),
            Self::Invalid(what) | Self::TooMany(what) => f.write_str(what),
            Self::Refused(precondition) => write!(f, "{} is not fulfilled", precondition.name().local()),
        }
    }
}

impl std::error::Error for BadRequest {}

/// The document, when its root has this name.
fn document(
    bytes: &[u8],
    limits: &XmlLimits,
    root: &Name,
    otherwise: &'static str,
) -> Result<Document, BadRequest> {
    let document = Document::parse(bytes, limits)?;
    match document.root().name() == root {
        true => Ok(document),
        false => Err(BadRequest::Invalid(otherwise)),
    }
}

/// The text of an element that holds a word or an address, without the white space around it.
fn word(element: &Element) -> String {
    element.text().trim().to_owned()
}
