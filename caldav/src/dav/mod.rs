//! WebDAV, CalDAV and CardDAV as data: what requests ask and what answers say. RFC 4918, RFC 4791, RFC 6352.
//!
//! Bodies of requests are read within bounds ([`XmlLimits`]): [`Propfind`], [`Proppatch`], [`Mkcol`] and
//! [`Report`]. Answers are written piece by piece: [`Multistatus`], and [`Precondition`] for a refusal.

mod fragment;
mod header;
mod href;
mod multistatus;
mod name;
mod precondition;
mod privilege;
mod request;
mod status;
mod value;
mod write;
mod xml;

pub use fragment::{Fragment, Property};
pub use header::{
    Depth, ETag, ETags, If, IfCondition, IfList, IfState, Prefer, Timeout, overwrite, schedule_reply,
    timeouts,
};
pub use href::{Href, Target};
pub use multistatus::{
    Multistatus, PropertyResponse, Recipient, mkcol_response, principal_search_property_set,
    schedule_response,
};
pub use name::{Name, Namespace};
pub use precondition::Precondition;
pub use privilege::{Ace, Principal, Privilege};
pub use request::{
    AddressData, AddressbookQuery, BadRequest, CalendarData, CalendarQuery, CardFilter, CardPropertyFilter,
    Collation, ComponentFilter, ComponentSelection, ExpandProperty, Matching, Mkcol, Multiget,
    ParameterFilter, Patch, PrincipalMatch, PrincipalPropertySearch, Properties, PropertyFilter,
    PropertySearch, PropertySelection, PropertyTest, Propfind, Proppatch, Recurrences, Report, Selected,
    SyncCollection, Test, TextMatch, TimeRange, Wanted,
};
pub use status::Status;
pub use value::{Value, http_date};
pub use write::XmlWriter;
pub use xml::{Document, Element, XmlError, XmlLimits};

#[cfg(test)]
mod tests;
