//! Filters of queries as they stand in requests. RFC 4791 §9.7, §9.9; RFC 6352 §10.5.

use std::ops::Range;

use super::BadRequest;
use crate::dav::{Element, Namespace, Precondition};
use crate::recur::wall_of;
use crate::{DateTime, Moment};

/// Conditions of one filter, all in all. Each costs something for each object.
const CONDITIONS_MAX: usize = 200;

/// A range of time in UTC, open where an end is missing. RFC 4791 §9.9.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeRange {
    /// Its first second since 1970-01-01T00:00:00Z.
    pub start: Option<i64>,
    /// The second after its last.
    pub end: Option<i64>,
}

/// Whether one condition is enough. RFC 6352 §10.5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Test {
    /// One is enough.
    AnyOf,
    /// All must hold.
    AllOf,
}

/// How texts are compared. RFC 4790; RFC 5051.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Collation {
    /// `i;ascii-casemap`: the case of ASCII letters does not count.
    AsciiCasemap,
    /// `i;unicode-casemap`: no case counts, nor how characters are composed.
    UnicodeCasemap,
    /// `i;octet`: each octet counts.
    Octet,
}

/// Where in a value a text must stand. RFC 6352 §10.5.4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Matching {
    /// Anywhere.
    Contains,
    /// It is the value.
    Equals,
    /// At its start.
    StartsWith,
    /// At its end.
    EndsWith,
}

/// A text to look for. RFC 4791 §9.7.5; RFC 6352 §10.5.4.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TextMatch {
    /// The text.
    pub text: String,
    /// It, as it is compared.
    folded: String,
    /// How it is compared.
    pub collation: Collation,
    /// It matches what does not have it.
    pub negate: bool,
    /// Where it stands.
    pub matching: Matching,
}

/// CALDAV:comp-filter. All of its conditions must hold for one component. RFC 4791 §9.7.1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ComponentFilter {
    /// The component, in upper case.
    pub name: String,
    /// There must be none.
    pub not_defined: bool,
    /// When the component, or an instance of it, is.
    pub time_range: Option<TimeRange>,
    /// What its properties are like.
    pub properties: Vec<PropertyFilter>,
    /// What is within it.
    pub components: Vec<Self>,
}

/// CALDAV:prop-filter. RFC 4791 §9.7.2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PropertyFilter {
    /// The property, in upper case.
    pub name: String,
    /// What its value is like.
    pub test: PropertyTest,
    /// What its parameters are like, all of them.
    pub parameters: Vec<ParameterFilter>,
}

/// What a property or a parameter is to be like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PropertyTest {
    /// It is there.
    Defined,
    /// It is not there.
    NotDefined,
    /// Its value lies within.
    During(TimeRange),
    /// Its value has a text.
    Text(TextMatch),
}

/// CALDAV:param-filter or CARDDAV:param-filter. RFC 4791 §9.7.3; RFC 6352 §10.5.2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParameterFilter {
    /// The parameter, in upper case.
    pub name: String,
    /// What it is like; never [`PropertyTest::During`].
    pub test: PropertyTest,
}

/// CARDDAV:filter. RFC 6352 §10.5.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CardFilter {
    /// How many of the conditions must hold.
    pub test: Test,
    /// The conditions; every card matches when there are none.
    pub properties: Vec<CardPropertyFilter>,
}

/// CARDDAV:prop-filter. RFC 6352 §10.5.1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CardPropertyFilter {
    /// The group it must be in, where one is named.
    pub group: Option<String>,
    /// The property, in upper case.
    pub name: String,
    /// How many of the conditions must hold.
    pub test: Test,
    /// There must be none.
    pub not_defined: bool,
    /// What its value is like.
    pub texts: Vec<TextMatch>,
    /// What its parameters are like.
    pub parameters: Vec<ParameterFilter>,
}

impl TimeRange {
    /// As a range of instants.
    pub fn range(&self) -> Range<i64> {
        self.start.unwrap_or(i64::MIN)..self.end.unwrap_or(i64::MAX)
    }

    /// RFC 4791 §9.9: `start`, `end` or both, in UTC.
    pub(super) fn of(element: &Element) -> Result<Self, BadRequest> {
        const INVALID: BadRequest = BadRequest::Refused(Precondition::ValidFilter);
        let instant = |name| element.attribute(name).map(instant).transpose();
        let range = Self { start: instant("start")?, end: instant("end")? };
        match (range.start, range.end) {
            (None, None) => Err(INVALID),
            (Some(start), Some(end)) if start >= end => Err(INVALID),
            _ => Ok(range),
        }
    }

    /// As in CALDAV:expand, which must have both ends.
    pub(super) fn closed(element: &Element) -> Result<Self, BadRequest> {
        let range = Self::of(element)?;
        match range.start.is_some() && range.end.is_some() {
            true => Ok(range),
            false => Err(BadRequest::Invalid("a range has a start and an end")),
        }
    }
}

impl Collation {
    /// The names of all, as CALDAV:supported-collation-set lists them.
    pub const NAMES: [&'static str; 3] = ["i;ascii-casemap", "i;octet", "i;unicode-casemap"];

    fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "i;ascii-casemap" => Some(Self::AsciiCasemap),
            // RFC 4790 §3.1: what a server likes best.
            "i;unicode-casemap" | "default" => Some(Self::UnicodeCasemap),
            "i;octet" => Some(Self::Octet),
            _ => None,
        }
    }
}

impl ComponentFilter {
    /// Reads CALDAV:filter, which holds the filter of VCALENDAR. RFC 4791 §9.7.
    pub(super) fn of(filter: &Element) -> Result<Self, BadRequest> {
        let mut count = 0;
        let mut inner = filter.children().filter(|child| child.name().is_caldav("comp-filter"));
        let (Some(calendar), None) = (inner.next(), inner.next()) else {
            return Err(BadRequest::Refused(Precondition::ValidFilter));
        };
        let found = Self::read(calendar, &mut count)?;
        match found.name == "VCALENDAR" {
            true => Ok(found),
            false => Err(BadRequest::Refused(Precondition::ValidFilter)),
        }
    }

    fn read(element: &Element, count: &mut usize) -> Result<Self, BadRequest> {
        let mut filter = Self {
            name: name_of(element, count)?,
            not_defined: false,
            time_range: None,
            properties: Vec::new(),
            components: Vec::new(),
        };
        for child in element.children() {
            let name = child.name();
            if name.is_caldav("is-not-defined") {
                filter.not_defined = true;
            } else if name.is_caldav("time-range") {
                filter.time_range = Some(TimeRange::of(child)?);
            } else if name.is_caldav("prop-filter") {
                filter.properties.push(PropertyFilter::read(child, count)?);
            } else if name.is_caldav("comp-filter") {
                filter.components.push(Self::read(child, count)?);
            } else if *name.namespace() == Namespace::CalDav {
                return Err(BadRequest::Refused(Precondition::SupportedFilter));
            }
        }
        let has_more =
            filter.time_range.is_some() || !filter.properties.is_empty() || !filter.components.is_empty();
        if filter.not_defined && has_more {
            return Err(BadRequest::Refused(Precondition::ValidFilter));
        }
        let timed = ["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VALARM", "VAVAILABILITY"];
        if filter.time_range.is_some() && !timed.contains(&filter.name.as_str()) {
            return Err(BadRequest::Refused(Precondition::SupportedFilter));
        }
        Ok(filter)
    }
}

impl PropertyFilter {
    fn read(element: &Element, count: &mut usize) -> Result<Self, BadRequest> {
        let name = name_of(element, count)?;
        let mut tests = Vec::new();
        let mut parameters = Vec::new();
        for child in element.children() {
            let name = child.name();
            if name.is_caldav("is-not-defined") {
                tests.push(PropertyTest::NotDefined);
            } else if name.is_caldav("time-range") {
                tests.push(PropertyTest::During(TimeRange::of(child)?));
            } else if name.is_caldav("text-match") {
                tests.push(PropertyTest::Text(TextMatch::calendar(child)?));
            } else if name.is_caldav("param-filter") {
                parameters.push(ParameterFilter::calendar(child, count)?);
            }
        }
        let test = one_test(tests)?;
        if test == PropertyTest::NotDefined && !parameters.is_empty() {
            return Err(BadRequest::Refused(Precondition::ValidFilter));
        }
        Ok(Self { name, test, parameters })
    }
}

impl ParameterFilter {
    fn calendar(element: &Element, count: &mut usize) -> Result<Self, BadRequest> {
        let name = name_of(element, count)?;
        let mut tests = Vec::new();
        for child in element.children() {
            if child.name().is_caldav("is-not-defined") {
                tests.push(PropertyTest::NotDefined);
            } else if child.name().is_caldav("text-match") {
                tests.push(PropertyTest::Text(TextMatch::calendar(child)?));
            }
        }
        Ok(Self { name, test: one_test(tests)? })
    }

    fn card(element: &Element, count: &mut usize) -> Result<Self, BadRequest> {
        let name = name_of(element, count)?;
        let mut tests = Vec::new();
        for child in element.children() {
            if child.name().is_carddav("is-not-defined") {
                tests.push(PropertyTest::NotDefined);
            } else if child.name().is_carddav("text-match") {
                tests.push(PropertyTest::Text(TextMatch::card(child)?));
            }
        }
        Ok(Self { name, test: one_test(tests)? })
    }
}

impl TextMatch {
    /// RFC 4791 §9.7.5.
    fn calendar(element: &Element) -> Result<Self, BadRequest> {
        let collation =
            element.attribute("collation").map_or(Some(Collation::AsciiCasemap), Collation::named);
        Self::read(element, collation.ok_or(BadRequest::Refused(Precondition::SupportedCollation))?)
    }

    /// RFC 6352 §10.5.4.
    fn card(element: &Element) -> Result<Self, BadRequest> {
        let collation =
            element.attribute("collation").map_or(Some(Collation::UnicodeCasemap), Collation::named);
        Self::read(element, collation.ok_or(BadRequest::Refused(Precondition::SupportedCardCollation))?)
    }

    fn read(element: &Element, collation: Collation) -> Result<Self, BadRequest> {
        let matching = match element.attribute("match-type").map(str::trim) {
            None | Some("contains") => Matching::Contains,
            Some("equals") => Matching::Equals,
            Some("starts-with") => Matching::StartsWith,
            Some("ends-with") => Matching::EndsWith,
            Some(_) => return Err(BadRequest::Refused(Precondition::ValidFilter)),
        };
        let negate = element.attribute("negate-condition").is_some_and(|value| value.trim() == "yes");
        Ok(Self::new(&element.text(), collation, matching, negate))
    }

    /// A text to look for.
    pub fn new(text: &str, collation: Collation, matching: Matching, negate: bool) -> Self {
        let folded = crate::filter::fold(collation, text).into_owned();
        Self { text: text.to_owned(), folded, collation, negate, matching }
    }

    /// What is compared with a folded value.
    pub(crate) fn folded(&self) -> &str {
        &self.folded
    }
}

impl CardFilter {
    /// Reads CARDDAV:filter. RFC 6352 §10.5.
    pub(super) fn of(element: &Element) -> Result<Self, BadRequest> {
        let mut count = 0;
        let filters = element.children().filter(|child| child.name().is_carddav("prop-filter"));
        let properties =
            filters.map(|child| CardPropertyFilter::read(child, &mut count)).collect::<Result<_, _>>()?;
        Ok(Self { test: Test::of(element)?, properties })
    }
}

impl CardPropertyFilter {
    fn read(element: &Element, count: &mut usize) -> Result<Self, BadRequest> {
        let name = name_of(element, count)?;
        let (group, name) = match name.split_once('.') {
            Some((group, name)) => (Some(group.to_owned()), name.to_owned()),
            None => (None, name),
        };
        let mut filter = Self {
            group,
            name,
            test: Test::of(element)?,
            not_defined: false,
            texts: Vec::new(),
            parameters: Vec::new(),
        };
        for child in element.children() {
            if child.name().is_carddav("is-not-defined") {
                filter.not_defined = true;
            } else if child.name().is_carddav("text-match") {
                add(count)?;
                filter.texts.push(TextMatch::card(child)?);
            } else if child.name().is_carddav("param-filter") {
                filter.parameters.push(ParameterFilter::card(child, count)?);
            }
        }
        let has_more = !filter.texts.is_empty() || !filter.parameters.is_empty();
        match filter.not_defined && has_more {
            true => Err(BadRequest::Refused(Precondition::SupportedCardFilter)),
            false => Ok(filter),
        }
    }
}

impl Test {
    /// RFC 6352 §10.5: one is enough when it is not said.
    fn of(element: &Element) -> Result<Self, BadRequest> {
        match element.attribute("test").map(str::trim) {
            None | Some("anyof") => Ok(Self::AnyOf),
            Some("allof") => Ok(Self::AllOf),
            Some(_) => Err(BadRequest::Refused(Precondition::SupportedCardFilter)),
        }
    }
}

/// The value of `start` or `end`: a point in time in UTC. RFC 4791 §9.9.
fn instant(value: &str) -> Result<i64, BadRequest> {
    let time = DateTime::parse(value.trim(), None);
    match time.map(Moment::At) {
        Ok(Moment::At(DateTime::Utc(local))) => Ok(wall_of(local)),
        _ => Err(BadRequest::Refused(Precondition::ValidFilter)),
    }
}

fn name_of(element: &Element, count: &mut usize) -> Result<String, BadRequest> {
    add(count)?;
    let name = element.attribute("name").map(|name| name.trim().to_ascii_uppercase());
    name.filter(|name| !name.is_empty()).ok_or(BadRequest::Refused(Precondition::ValidFilter))
}

fn add(count: &mut usize) -> Result<(), BadRequest> {
    *count += 1;
    match *count > CONDITIONS_MAX {
        true => Err(BadRequest::TooMany("the filter has too many conditions")),
        false => Ok(()),
    }
}

fn one_test(mut tests: Vec<PropertyTest>) -> Result<PropertyTest, BadRequest> {
    let test = tests.pop().unwrap_or(PropertyTest::Defined);
    match tests.is_empty() {
        true => Ok(test),
        false => Err(BadRequest::Refused(Precondition::ValidFilter)),
    }
}
