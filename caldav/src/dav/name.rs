//! Names of XML elements, attributes and properties. XML Namespaces 1.0; RFC 4918 §4.5.

use std::fmt;
use std::sync::Arc;

/// A namespace: one that this server knows, or another by its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Namespace {
    /// No namespace.
    None,
    /// `DAV:`. RFC 4918 §14.
    Dav,
    /// `urn:ietf:params:xml:ns:caldav`. RFC 4791 §4.
    CalDav,
    /// `urn:ietf:params:xml:ns:carddav`. RFC 6352 §4.
    CardDav,
    /// `http://calendarserver.org/ns/`: what Apple's server added.
    CalendarServer,
    /// `http://apple.com/ns/ical/`: colours and orders of calendars.
    AppleIcal,
    /// `http://www.w3.org/XML/1998/namespace`: the prefix `xml`.
    Xml,
    /// Any other.
    Other(Arc<str>),
}

/// A name with its namespace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name {
    namespace: Namespace,
    local: Local,
}

/// A local part; those that stand in the code take no memory of their own.
#[derive(Clone, Debug)]
enum Local {
    Known(&'static str),
    Read(Arc<str>),
}

impl Namespace {
    /// Those that documents written here declare, with the prefixes they have there.
    pub(crate) const DECLARED: [(&'static str, Self); 5] = [
        ("D", Self::Dav),
        ("C", Self::CalDav),
        ("CR", Self::CardDav),
        ("CS", Self::CalendarServer),
        ("A", Self::AppleIcal),
    ];

    /// The namespace of this name; the empty one is none.
    pub fn of(uri: &str) -> Self {
        let known = [
            Self::None,
            Self::Dav,
            Self::CalDav,
            Self::CardDav,
            Self::CalendarServer,
            Self::AppleIcal,
            Self::Xml,
        ];
        known.into_iter().find(|known| known.uri() == uri).unwrap_or_else(|| Self::Other(uri.into()))
    }

    /// Its name.
    pub fn uri(&self) -> &str {
        match self {
            Self::None => "",
            Self::Dav => "DAV:",
            Self::CalDav => "urn:ietf:params:xml:ns:caldav",
            Self::CardDav => "urn:ietf:params:xml:ns:carddav",
            Self::CalendarServer => "http://calendarserver.org/ns/",
            Self::AppleIcal => "http://apple.com/ns/ical/",
            Self::Xml => "http://www.w3.org/XML/1998/namespace",
            Self::Other(uri) => uri,
        }
    }

    /// The prefix that it has in every document written here.
    pub(crate) fn prefix(&self) -> Option<&'static str> {
        match self {
            Self::Xml => Some("xml"),
            _ => Self::DECLARED.iter().find(|(_, known)| known == self).map(|(prefix, _)| *prefix),
        }
    }
}

impl Name {
    /// A name that stands in the code.
    pub const fn new(namespace: Namespace, local: &'static str) -> Self {
        Self { namespace, local: Local::Known(local) }
    }

    /// A name of `DAV:`.
    pub const fn dav(local: &'static str) -> Self {
        Self::new(Namespace::Dav, local)
    }

    /// A name of CalDAV.
    pub const fn caldav(local: &'static str) -> Self {
        Self::new(Namespace::CalDav, local)
    }

    /// A name of CardDAV.
    pub const fn carddav(local: &'static str) -> Self {
        Self::new(Namespace::CardDav, local)
    }

    /// A name of Apple's calendar server.
    pub const fn calendar_server(local: &'static str) -> Self {
        Self::new(Namespace::CalendarServer, local)
    }

    /// A name of Apple's iCal.
    pub const fn apple(local: &'static str) -> Self {
        Self::new(Namespace::AppleIcal, local)
    }

    /// A name as it comes from outside, such as a stored dead property's; `None` when `local` is no name.
    pub fn read(namespace: Namespace, local: &str) -> Option<Self> {
        is_ncname(local).then(|| Self { namespace, local: Local::Read(local.into()) })
    }

    /// The namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The part without a namespace.
    pub fn local(&self) -> &str {
        match &self.local {
            Local::Known(local) => local,
            Local::Read(local) => local,
        }
    }

    /// True when this is `local` of `namespace`.
    pub fn is(&self, namespace: &Namespace, local: &str) -> bool {
        self.local() == local && self.namespace == *namespace
    }

    /// True when this is `local` of `DAV:`.
    pub fn is_dav(&self, local: &str) -> bool {
        self.is(&Namespace::Dav, local)
    }

    /// True when this is `local` of CalDAV.
    pub fn is_caldav(&self, local: &str) -> bool {
        self.is(&Namespace::CalDav, local)
    }

    /// True when this is `local` of CardDAV.
    pub fn is_carddav(&self, local: &str) -> bool {
        self.is(&Namespace::CardDav, local)
    }

    /// Whatever tells the name apart from all others in one string: `{namespace}local`.
    pub fn clark(&self) -> String {
        format!("{{{}}}{}", self.namespace.uri(), self.local())
    }

    /// Reads what [`Name::clark`] writes.
    pub fn from_clark(text: &str) -> Option<Self> {
        let (uri, local) = text.strip_prefix('{')?.rsplit_once('}')?;
        Self::read(Namespace::of(uri), local)
    }
}

impl PartialEq for Local {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Local {}

impl PartialOrd for Local {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Local {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl std::hash::Hash for Local {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Local {
    fn as_str(&self) -> &str {
        match self {
            Self::Known(local) => local,
            Self::Read(local) => local,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.clark())
    }
}

/// NCName of XML Namespaces 1.0 §3: a name without a colon.
pub(crate) fn is_ncname(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

/// NameStartChar of XML 1.0 §2.3, without the colon.
fn is_name_start(c: char) -> bool {
    matches!(c, 'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}'
        | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}
