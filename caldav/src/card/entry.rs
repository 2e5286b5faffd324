//! The values of properties that a card may have several times, and structured ones.

use super::CardVersion;
use crate::{ContentLine, Parameter};

/// One of several values of a kind, such as an e-mail address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry<T> {
    /// The value.
    pub value: T,
    /// The words of TYPE in upper case, without PREF; and the label that Apple gives it in its group, where
    /// that is one of Apple's own.
    pub types: Vec<String>,
    /// The label of its own that its group has: X-ABLABEL.
    pub label: Option<String>,
    /// 1 is liked best, 100 least. RFC 6350 §5.3.
    pub preference: Option<u8>,
    /// Which of the card's lines it is.
    pub(crate) line: usize,
}

/// A person's name. RFC 6350 §6.2.2.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PersonName {
    /// Family names.
    pub family: String,
    /// Given names.
    pub given: String,
    /// Further names.
    pub additional: String,
    /// What stands before: Dr.
    pub prefix: String,
    /// What stands behind: Jr.
    pub suffix: String,
}

/// A postal address. RFC 6350 §6.3.1.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Address {
    /// Post office box.
    pub po_box: String,
    /// Flat, floor.
    pub extended: String,
    /// Street and number; may have several lines.
    pub street: String,
    /// City.
    pub locality: String,
    /// State or province.
    pub region: String,
    /// Postal code.
    pub code: String,
    /// Country.
    pub country: String,
}

/// An organization with its units, the greatest first. RFC 6350 §6.6.4.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Organization {
    /// Its name.
    pub name: String,
    /// Departments.
    pub units: Vec<String>,
}

/// Where an address or number belongs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// At home.
    Home,
    /// At work.
    Work,
    /// Neither is said.
    Other,
}

/// What a telephone number is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PhoneKind {
    /// Voice at home.
    Home,
    /// Voice at work.
    Work,
    /// In the pocket.
    Mobile,
    /// A pager.
    Pager,
    /// In the car.
    Car,
    /// A radio telephone.
    Radio,
    /// Fax at home.
    HomeFax,
    /// Fax at work.
    WorkFax,
    /// Fax, and no more is said.
    OtherFax,
    /// The assistant's.
    Assistant,
    /// The company's main number.
    Company,
    /// None of these.
    Other,
}

/// A picture. RFC 6350 §6.2.4; RFC 2426 §3.1.4.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Photo {
    /// In the card.
    Inline {
        /// Such as `image/jpeg`, in lower case; empty when it is not said.
        media_type: String,
        /// The picture in base64, on one line.
        base64: String,
    },
    /// Somewhere else.
    Uri(String),
}

impl Address {
    /// True when nothing is said.
    pub fn is_empty(&self) -> bool {
        self.fields().into_iter().all(str::is_empty)
    }

    pub(crate) fn of(line: &ContentLine) -> Self {
        let mut fields = joined(line).into_iter();
        let mut next = || fields.next().unwrap_or_default();
        Self {
            po_box: next(),
            extended: next(),
            street: next(),
            locality: next(),
            region: next(),
            code: next(),
            country: next(),
        }
    }

    pub(crate) fn fields(&self) -> [&str; 7] {
        [&self.po_box, &self.extended, &self.street, &self.locality, &self.region, &self.code, &self.country]
    }
}

impl PersonName {
    /// True when nothing is said.
    pub fn is_empty(&self) -> bool {
        self.fields().into_iter().all(str::is_empty)
    }

    /// The name as it is spoken: prefix, given, further and family name, suffix.
    pub fn full(&self) -> String {
        let parts = [&self.prefix, &self.given, &self.additional, &self.family, &self.suffix];
        let parts: Vec<&str> =
            parts.into_iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    }

    pub(crate) fn of(line: &ContentLine) -> Self {
        let mut fields = joined(line).into_iter();
        let mut next = || fields.next().unwrap_or_default();
        Self { family: next(), given: next(), additional: next(), prefix: next(), suffix: next() }
    }

    pub(crate) fn fields(&self) -> [&str; 5] {
        [&self.family, &self.given, &self.additional, &self.prefix, &self.suffix]
    }
}

impl Organization {
    pub(crate) fn of(line: &ContentLine) -> Self {
        let mut fields = joined(line).into_iter();
        let name = fields.next().unwrap_or_default();
        Self { name, units: fields.filter(|unit| !unit.is_empty()).collect() }
    }
}

impl Place {
    /// What the words of TYPE say; home wins over work.
    pub fn of(types: &[String]) -> Self {
        let has = |word: &str| types.iter().any(|own| own == word);
        match (has("HOME"), has("WORK")) {
            (true, _) => Self::Home,
            (false, true) => Self::Work,
            (false, false) => Self::Other,
        }
    }

    pub(crate) fn types(self) -> &'static [&'static str] {
        match self {
            Self::Home => &["home"],
            Self::Work => &["work"],
            Self::Other => &[],
        }
    }
}

impl PhoneKind {
    /// What the words of TYPE say.
    pub fn of(types: &[String]) -> Self {
        let has = |words: &[&str]| types.iter().any(|own| words.contains(&own.as_str()));
        if has(&["FAX", "HOME FAX", "WORK FAX", "HOMEFAX", "WORKFAX"]) {
            return match (has(&["HOME", "HOME FAX", "HOMEFAX"]), has(&["WORK", "WORK FAX", "WORKFAX"])) {
                (true, _) => Self::HomeFax,
                (false, true) => Self::WorkFax,
                (false, false) => Self::OtherFax,
            };
        }
        if has(&["PAGER"]) {
            Self::Pager
        } else if has(&["CAR"]) {
            Self::Car
        } else if has(&["X-RADIO", "RADIO", "X-EVOLUTION-RADIO"]) {
            Self::Radio
        } else if has(&["X-ASSISTANT", "ASSISTANT", "X-EVOLUTION-ASSISTANT"]) {
            Self::Assistant
        } else if has(&["X-COMPANY", "COMPANY", "X-EVOLUTION-COMPANY", "MAIN", "MAIN-NUMBER"]) {
            Self::Company
        } else if has(&["CELL", "MOBILE", "IPHONE", "APPLE WATCH"]) {
            Self::Mobile
        } else {
            match Place::of(types) {
                Place::Home => Self::Home,
                Place::Work => Self::Work,
                Place::Other => Self::Other,
            }
        }
    }

    pub(crate) fn types(self) -> &'static [&'static str] {
        match self {
            Self::Home => &["home", "voice"],
            Self::Work => &["work", "voice"],
            Self::Mobile => &["cell"],
            Self::Pager => &["pager"],
            Self::Car => &["car"],
            Self::Radio => &["x-radio"],
            Self::HomeFax => &["home", "fax"],
            Self::WorkFax => &["work", "fax"],
            Self::OtherFax => &["fax"],
            Self::Assistant => &["x-assistant"],
            Self::Company => &["x-company"],
            Self::Other => &["voice"],
        }
    }
}

impl Photo {
    /// Reads PHOTO of either version; `None` for one that says nothing.
    pub(crate) fn of(line: &ContentLine) -> Option<Self> {
        let value = line.value().trim();
        if value.is_empty() {
            return None;
        }
        let encoded = line
            .parameter("ENCODING")
            .is_some_and(|word| word.eq_ignore_ascii_case("b") || word.eq_ignore_ascii_case("base64"))
            || line.parameters().iter().any(|p| p.values().is_empty() && p.is("BASE64"));
        if encoded {
            return Some(Self::Inline { media_type: media_type(line), base64: compact(value) });
        }
        match value.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:")) {
            // RFC 2397 §3
            Some(_) => {
                let (head, data) = value.get(5..)?.split_once(',')?;
                // Commas of text are escaped by some who take the value for one.
                let head = head.trim_end_matches('\\').replace('\\', "");
                let media_type = head.split(';').next().unwrap_or_default().to_ascii_lowercase();
                let is_base64 = head.split(';').any(|word| word.eq_ignore_ascii_case("base64"));
                is_base64.then(|| Self::Inline { media_type, base64: compact(data) })
            }
            None => Some(Self::Uri(value.to_owned())),
        }
    }

    /// The line that a version has for it.
    pub(crate) fn line(&self, name: &str, version: CardVersion) -> Result<ContentLine, crate::Invalid> {
        match (self, version) {
            (Self::Inline { media_type, base64 }, CardVersion::V3) => {
                let line = ContentLine::new(name, compact(base64))?.with("ENCODING", "b")?;
                match media_type.rsplit('/').next().unwrap_or_default() {
                    "" => Ok(line),
                    kind => line.with("TYPE", &kind.to_ascii_uppercase()),
                }
            }
            (Self::Inline { media_type, base64 }, CardVersion::V4) => {
                ContentLine::new(name, format!("data:{media_type};base64,{}", compact(base64)))
            }
            (Self::Uri(uri), CardVersion::V3) => ContentLine::new(name, uri.as_str())?.with("VALUE", "uri"),
            (Self::Uri(uri), CardVersion::V4) => ContentLine::new(name, uri.as_str()),
        }
    }
}

/// The media type of what stands in a line of vCard 3.0. RFC 2426 §3.1.4.
fn media_type(line: &ContentLine) -> String {
    if let Some(kind) = line.parameter("MEDIATYPE") {
        return kind.to_ascii_lowercase();
    }
    let kinds = line.parameters().iter();
    let kind = kinds
        .filter(|p| p.is("TYPE"))
        .flat_map(Parameter::values)
        .find(|word| !word.eq_ignore_ascii_case("pref"));
    let prefix = if line.is("SOUND") || line.is("KEY") { "application" } else { "image" };
    match kind.map(|kind| kind.to_ascii_lowercase()) {
        None => String::new(),
        Some(kind) if kind.contains('/') => kind,
        Some(kind) if kind == "jpg" => format!("{prefix}/jpeg"),
        Some(kind) => format!("{prefix}/{kind}"),
    }
}

fn compact(base64: &str) -> String {
    base64.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The fields of a structured value; what a field has several of is joined by commas.
fn joined(line: &ContentLine) -> Vec<String> {
    line.fields().into_iter().map(|field| field.join(",")).collect()
}

/// The words of TYPE in upper case, and how much the value is liked. RFC 6350 §5.3, §5.6; RFC 2426 §3.3.1.
pub(crate) fn types_of(line: &ContentLine) -> (Vec<String>, Option<u8>) {
    let mut types: Vec<String> = Vec::new();
    let mut preference = None;
    for parameter in line.parameters() {
        if parameter.is("PREF") && !parameter.values().is_empty() {
            let number = parameter.values().first().and_then(|value| value.trim().parse::<u8>().ok());
            preference = number.filter(|n| (1..=100).contains(n)).or(preference);
        } else if parameter.is("TYPE") {
            // vCard 4.0 has lists within quotes, too.
            let words = parameter.values().iter().flat_map(|value| value.split(','));
            types.extend(words.map(|word| word.trim().to_ascii_uppercase()));
        } else if parameter.values().is_empty() {
            types.push(parameter.name().to_ascii_uppercase());
        }
    }
    if types.iter().any(|word| word == "PREF") {
        types.retain(|word| word != "PREF");
        preference = preference.or(Some(1));
    }
    types.retain(|word| !word.is_empty());
    (types, preference)
}

/// TYPE as a version writes it.
pub(crate) fn type_parameter(types: &[&str], version: CardVersion) -> Option<Parameter> {
    let words: Vec<String> = match version {
        CardVersion::V3 => types.iter().map(|word| word.to_ascii_uppercase()).collect(),
        CardVersion::V4 => types.iter().map(|word| word.to_ascii_lowercase()).collect(),
    };
    // There are no control characters in the words of the code; others are dropped.
    Parameter::new("TYPE", words.iter().map(String::as_str)).ok()
}
