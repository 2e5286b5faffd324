//! Reports. RFC 3253 §3.6, §3.8; RFC 3744 §9; RFC 4791 §7; RFC 6352 §8; RFC 6578 §3.

use super::{BadRequest, CardFilter, ComponentFilter, Test, TimeRange, Wanted, word};
use crate::dav::{Depth, Document, Element, Name, Precondition, XmlLimits};
use crate::{Object, Zone};

/// Resources that one multiget may ask for.
const HREFS_MAX: usize = 10_000;

/// Properties that one DAV:expand-property may name, all in all.
const EXPANDED_MAX: usize = 200;

/// Conditions of one search for principals.
const SEARCHES_MAX: usize = 50;

/// What a REPORT asks for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Report {
    /// CALDAV:calendar-query.
    CalendarQuery(CalendarQuery),
    /// CALDAV:calendar-multiget. RFC 4791 §7.9.
    CalendarMultiget(Multiget),
    /// CALDAV:free-busy-query. RFC 4791 §7.10.
    FreeBusyQuery(TimeRange),
    /// CARDDAV:addressbook-query.
    AddressbookQuery(AddressbookQuery),
    /// CARDDAV:addressbook-multiget. RFC 6352 §8.7.
    AddressbookMultiget(Multiget),
    /// DAV:sync-collection.
    SyncCollection(SyncCollection),
    /// DAV:expand-property. RFC 3253 §3.8.
    ExpandProperty(Vec<ExpandProperty>),
    /// DAV:principal-property-search.
    PrincipalPropertySearch(PrincipalPropertySearch),
    /// DAV:principal-search-property-set. RFC 3744 §9.5.
    PrincipalSearchPropertySet,
    /// DAV:principal-match. RFC 3744 §9.3.
    PrincipalMatch(PrincipalMatch),
    /// DAV:acl-principal-prop-set: properties of whoever the ACL names. RFC 3744 §9.2.
    AclPrincipalPropSet(Wanted),
}

/// CALDAV:calendar-query. RFC 4791 §7.8.
#[derive(Clone, Debug)]
pub struct CalendarQuery {
    /// The properties that are wanted.
    pub wanted: Wanted,
    /// The filter of VCALENDAR.
    pub filter: ComponentFilter,
    /// By which floating times and days count; by the calendar's own when it is not said.
    pub zone: Option<Zone>,
    /// Objects that are enough, as CardDAV has it for address books.
    pub limit: Option<u32>,
}

/// Objects by their names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Multiget {
    /// The properties that are wanted.
    pub wanted: Wanted,
    /// The resources, as the request names them.
    pub hrefs: Vec<String>,
}

/// CARDDAV:addressbook-query. RFC 6352 §8.6.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressbookQuery {
    /// The properties that are wanted.
    pub wanted: Wanted,
    /// The filter.
    pub filter: CardFilter,
    /// Cards that are enough. RFC 6352 §10.6.
    pub limit: Option<u32>,
}

/// DAV:sync-collection. RFC 6578 §3.2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncCollection {
    /// What the client knows; nothing as yet.
    pub token: Option<String>,
    /// How far down: members, or all below. A request without a level has it in its Depth.
    pub level: Option<Depth>,
    /// Responses that are enough. RFC 6578 §3.7.
    pub limit: Option<u32>,
    /// The properties that are wanted.
    pub wanted: Wanted,
}

/// A property of DAV:expand-property.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpandProperty {
    /// The property.
    pub name: Name,
    /// What is wanted of the resources that it names; it is given as it is when there is nothing.
    pub properties: Vec<Self>,
}

/// DAV:principal-property-search. RFC 3744 §9.4.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrincipalPropertySearch {
    /// How many of the searches must succeed; all when it is not said.
    pub test: Test,
    /// What is looked for.
    pub searches: Vec<PropertySearch>,
    /// The properties that are wanted of those that match.
    pub wanted: Wanted,
    /// All principals are searched, wherever the request goes.
    pub everywhere: bool,
}

/// A text to be found in each of some properties.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PropertySearch {
    /// The properties.
    pub properties: Vec<Name>,
    /// The text; case does not count.
    pub text: String,
    /// It must stand at the start, as Apple's clients want it; else anywhere.
    pub starts_with: bool,
}

/// DAV:principal-match. RFC 3744 §9.3.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrincipalMatch {
    /// The property that must name the user; the resource itself must be the user when there is none.
    pub property: Option<Name>,
    /// The properties that are wanted.
    pub wanted: Wanted,
}

/// Reads what stands in the element of a report.
type Reader = fn(&Element) -> Result<Report, BadRequest>;

impl Report {
    /// Reads the body.
    ///
    /// # Errors
    /// [`BadRequest`] says why not; DAV:supported-report for a report that is not known here.
    pub fn parse(body: &[u8], limits: &XmlLimits) -> Result<Self, BadRequest> {
        let document = Document::parse(body, limits)?;
        let root = document.root();
        let name = root.name();
        let known: [(Name, Reader); 11] = [
            (Name::caldav("calendar-query"), calendar_query),
            (Name::caldav("calendar-multiget"), |root| multiget(root).map(Self::CalendarMultiget)),
            (Name::caldav("free-busy-query"), free_busy_query),
            (Name::carddav("addressbook-query"), addressbook_query),
            (Name::carddav("addressbook-multiget"), |root| multiget(root).map(Self::AddressbookMultiget)),
            (Name::dav("sync-collection"), sync_collection),
            (Name::dav("expand-property"), |root| expanded(root, &mut 0).map(Self::ExpandProperty)),
            (Name::dav("principal-property-search"), principal_property_search),
            (Name::dav("principal-search-property-set"), |_| Ok(Self::PrincipalSearchPropertySet)),
            (Name::dav("principal-match"), principal_match),
            (Name::dav("acl-principal-prop-set"), |root| wanted(root).map(Self::AclPrincipalPropSet)),
        ];
        let read = known.iter().find(|(known, _)| known == name).map(|(_, read)| read);
        read.ok_or(BadRequest::Refused(Precondition::SupportedReport))?(root)
    }
}

/// What is wanted; nothing when the request does not say it.
fn wanted(root: &Element) -> Result<Wanted, BadRequest> {
    Ok(Wanted::of(root)?.unwrap_or_else(|| Wanted::These(super::Properties::default())))
}

fn calendar_query(root: &Element) -> Result<Report, BadRequest> {
    let filter = root.child(&Name::caldav("filter"));
    let filter = filter.ok_or(BadRequest::Refused(Precondition::ValidFilter))?;
    let zone = match (root.child(&Name::caldav("timezone")), root.child(&Name::caldav("timezone-id"))) {
        (None, None) => None,
        (Some(_), Some(_)) => return Err(BadRequest::Invalid("there is one time zone")),
        (Some(definition), None) => Some(zone_of(&definition.text())?),
        // RFC 7809 §5.3
        (None, Some(id)) => {
            let zone = Zone::named(&word(id));
            Some(zone.ok_or(BadRequest::Refused(Precondition::ValidTimezoneId))?)
        }
    };
    let (wanted, filter) = (wanted(root)?, ComponentFilter::of(filter)?);
    let limit = limit(root, &Name::caldav("limit"), &Name::caldav("nresults"))?;
    Ok(Report::CalendarQuery(CalendarQuery { wanted, filter, zone, limit }))
}

/// The zone of an iCalendar object with just that. RFC 4791 §9.8.
fn zone_of(text: &str) -> Result<Zone, BadRequest> {
    let object = Object::parse(text.trim_start().as_bytes()).ok();
    let component = object.as_ref().and_then(Object::calendar).and_then(|c| c.component("VTIMEZONE"));
    let zone = component.and_then(Zone::defined_by);
    zone.ok_or(BadRequest::Refused(Precondition::ValidCalendarData))
}

fn multiget(root: &Element) -> Result<Multiget, BadRequest> {
    let hrefs = root.children().filter(|child| child.name().is_dav("href"));
    let hrefs: Vec<String> = hrefs.take(HREFS_MAX + 1).map(word).collect();
    if hrefs.is_empty() {
        return Err(BadRequest::Invalid("no resource is named"));
    }
    if hrefs.len() > HREFS_MAX {
        return Err(BadRequest::TooMany("there are too many resources"));
    }
    Ok(Multiget { wanted: wanted(root)?, hrefs })
}

fn free_busy_query(root: &Element) -> Result<Report, BadRequest> {
    let range = root.child(&Name::caldav("time-range"));
    let range =
        TimeRange::of(range.ok_or(BadRequest::Invalid("free and busy time is asked for of a range"))?)?;
    Ok(Report::FreeBusyQuery(range))
}

fn addressbook_query(root: &Element) -> Result<Report, BadRequest> {
    let filter = root.child(&Name::carddav("filter"));
    let filter = CardFilter::of(filter.ok_or(BadRequest::Refused(Precondition::SupportedCardFilter))?)?;
    let limit = limit(root, &Name::carddav("limit"), &Name::carddav("nresults"))?;
    Ok(Report::AddressbookQuery(AddressbookQuery { wanted: wanted(root)?, filter, limit }))
}

fn sync_collection(root: &Element) -> Result<Report, BadRequest> {
    let token = root.child(&Name::dav("sync-token")).map(word);
    let level = match root.child(&Name::dav("sync-level")).map(word).as_deref() {
        None => None,
        Some("1") => Some(Depth::One),
        Some("infinite" | "infinity") => Some(Depth::Infinity),
        Some(_) => return Err(BadRequest::Invalid("no level of synchronisation")),
    };
    let limit = limit(root, &Name::dav("limit"), &Name::dav("nresults"))?;
    Ok(Report::SyncCollection(SyncCollection {
        token: token.filter(|token| !token.is_empty()),
        level,
        limit,
        wanted: wanted(root)?,
    }))
}

fn expanded(element: &Element, count: &mut usize) -> Result<Vec<ExpandProperty>, BadRequest> {
    let mut found = Vec::new();
    // As deep as the document may be.
    for child in element.children().filter(|child| child.name().is_dav("property")) {
        *count += 1;
        if *count > EXPANDED_MAX {
            return Err(BadRequest::TooMany("there are too many properties"));
        }
        let local = child.attribute("name").ok_or(BadRequest::Invalid("a property has a name"))?;
        let namespace = crate::dav::Namespace::of(child.attribute("namespace").unwrap_or("DAV:"));
        let name = Name::read(namespace, local.trim()).ok_or(BadRequest::Invalid("a property has a name"))?;
        found.push(ExpandProperty { name, properties: expanded(child, count)? });
    }
    Ok(found)
}

fn principal_property_search(root: &Element) -> Result<Report, BadRequest> {
    let test = match root.attribute("test").map(str::trim) {
        None | Some("allof") => Test::AllOf,
        Some("anyof") => Test::AnyOf,
        Some(_) => return Err(BadRequest::Invalid("a test is anyof or allof")),
    };
    let mut searches = Vec::new();
    for search in root.children().filter(|child| child.name().is_dav("property-search")) {
        if searches.len() == SEARCHES_MAX {
            return Err(BadRequest::TooMany("there are too many searches"));
        }
        let text = search.child(&Name::dav("match"));
        let text = text.ok_or(BadRequest::Invalid("a search has a text"))?;
        let starts_with = text.attribute("match-type").or_else(|| search.attribute("match-type"));
        let prop = search.child(&Name::dav("prop")).map(|p| p.children().take(SEARCHES_MAX));
        searches.push(PropertySearch {
            properties: prop.into_iter().flatten().map(|element| element.name().clone()).collect(),
            text: word(text),
            starts_with: starts_with == Some("starts-with"),
        });
    }
    if searches.is_empty() {
        return Err(BadRequest::Invalid("nothing is looked for"));
    }
    let everywhere = root.child(&Name::dav("apply-to-principal-collection-set")).is_some();
    Ok(Report::PrincipalPropertySearch(PrincipalPropertySearch {
        test,
        searches,
        wanted: wanted(root)?,
        everywhere,
    }))
}

fn principal_match(root: &Element) -> Result<Report, BadRequest> {
    let property = root.child(&Name::dav("principal-property"));
    let property = match (property, root.child(&Name::dav("self"))) {
        (None, Some(_)) => None,
        (Some(element), None) => {
            let inner = element.children().next().ok_or(BadRequest::Invalid("a property has a name"))?;
            Some(inner.name().clone())
        }
        _ => return Err(BadRequest::Invalid("there is one of self and principal-property")),
    };
    Ok(Report::PrincipalMatch(PrincipalMatch { property, wanted: wanted(root)? }))
}

/// A limit with its number of results. RFC 5323 §5.17; RFC 6352 §10.6; RFC 6578 §3.7.
fn limit(root: &Element, limit: &Name, nresults: &Name) -> Result<Option<u32>, BadRequest> {
    let Some(element) = root.child(limit) else { return Ok(None) };
    let number = element.child(nresults).map(word).and_then(|number| number.parse().ok());
    match number.filter(|number| *number > 0) {
        Some(number) => Ok(Some(number)),
        None => Err(BadRequest::Invalid("a limit has a number of results")),
    }
}
