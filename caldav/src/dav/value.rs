//! Values of live properties. RFC 4918 §15; RFC 3744 §5; RFC 4791 §5.2, §6.2; RFC 6352 §6.2; RFC 6638 §9.

use super::{Ace, Fragment, Href, Name, Privilege, XmlWriter};
use crate::recur::local_of;

/// What a property holds.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Value<'v> {
    /// Nothing, as DAV:lockdiscovery of what is not locked.
    Empty,
    /// Text.
    Text(&'v str),
    /// A number, such as DAV:getcontentlength.
    Number(u64),
    /// DAV:creationdate: seconds since 1970-01-01T00:00:00Z. RFC 4918 §15.1.
    Created(i64),
    /// DAV:getlastmodified: seconds since 1970-01-01T00:00:00Z. RFC 4918 §15.7.
    Modified(i64),
    /// A point in time as iCalendar has it, in UTC: CALDAV:min-date-time. RFC 4791 §5.2.6.
    DateTime(i64),
    /// DAV:href, once for each: CALDAV:calendar-home-set.
    Hrefs(&'v [Href]),
    /// DAV:current-user-principal of nobody. RFC 5397 §3.
    Unauthenticated,
    /// Elements with nothing in them: DAV:resourcetype, CALDAV:schedule-calendar-transp.
    Names(&'v [Name]),
    /// DAV:supported-report-set. RFC 3253 §3.1.5.
    Reports(&'v [Name]),
    /// DAV:supported-method-set. RFC 3253 §3.1.3.
    Methods(&'v [&'v str]),
    /// DAV:current-user-privilege-set. RFC 3744 §5.4.
    Privileges(&'v [Privilege]),
    /// DAV:supported-privilege-set: those that stand for themselves, with what they contain. RFC 3744 §5.3.
    SupportedPrivileges(&'v [Privilege]),
    /// DAV:acl. RFC 3744 §5.5.
    Acl(&'v [Ace]),
    /// CALDAV:supported-calendar-component-set. RFC 4791 §5.2.3.
    Components(&'v [&'v str]),
    /// CALDAV:supported-calendar-component-sets: what a MKCALENDAR may ask for. It was left to servers by all standards.
    ComponentSets(&'v [&'v [&'v str]]),
    /// CALDAV:supported-calendar-data: media types with their versions. RFC 4791 §5.2.4.
    CalendarData(&'v [(&'v str, &'v str)]),
    /// CARDDAV:supported-address-data. RFC 6352 §6.2.2.
    AddressData(&'v [(&'v str, &'v str)]),
    /// CALDAV:supported-collation-set. RFC 4791 §7.5.1.
    Collations(&'v [&'v str]),
    /// CARDDAV:supported-collation-set. RFC 6352 §8.3.1.
    CardCollations(&'v [&'v str]),
    /// CALDAV:calendar-data or CARDDAV:address-data: an object, with its media type and version where they are
    /// not the usual ones. RFC 4791 §9.6.
    Data {
        /// The object.
        text: &'v str,
        /// `content-type` and `version`.
        kind: Option<(&'v str, &'v str)>,
    },
    /// What a client once set. It has the property's name already.
    Dead(&'v Fragment),
}

impl Value<'_> {
    /// Writes the property.
    pub(crate) fn write(&self, name: &Name, xml: &mut XmlWriter) {
        match self {
            Self::Empty => xml.empty(name),
            Self::Text(text) => xml.leaf(name, text),
            Self::Number(number) => xml.leaf(name, &number.to_string()),
            Self::Created(at) => xml.leaf(name, &rfc3339(*at)),
            Self::Modified(at) => xml.leaf(name, &http_date(*at)),
            Self::DateTime(at) => xml.leaf(name, &format!("{}Z", local_of(*at))),
            Self::Data { text, kind: None } => xml.leaf(name, text),
            Self::Data { text, kind: Some((kind, version)) } => {
                xml.open_with(name, &[("content-type", kind), ("version", version)]);
                xml.text(text);
                xml.close();
            }
            Self::Dead(fragment) => xml.fragment(fragment),
            _ => {
                xml.open(name);
                self.write_inner(xml);
                xml.close();
            }
        }
    }

    fn write_inner(&self, xml: &mut XmlWriter) {
        match self {
            Self::Hrefs(hrefs) => hrefs.iter().for_each(|href| xml.leaf(&Name::dav("href"), href.as_str())),
            Self::Unauthenticated => xml.empty(&Name::dav("unauthenticated")),
            Self::Names(names) => names.iter().for_each(|name| xml.empty(name)),
            Self::Reports(names) => {
                for name in *names {
                    xml.open(&Name::dav("supported-report"));
                    xml.open(&Name::dav("report"));
                    xml.empty(name);
                    xml.close();
                    xml.close();
                }
            }
            Self::Methods(methods) => {
                methods.iter().for_each(|m| xml.empty_with(&Name::dav("supported-method"), &[("name", m)]));
            }
            Self::Privileges(privileges) => privileges.iter().for_each(|privilege| privilege.write(xml)),
            Self::SupportedPrivileges(privileges) => {
                privileges.iter().for_each(|privilege| privilege.write_supported(xml));
            }
            Self::Acl(aces) => aces.iter().for_each(|ace| ace.write(xml)),
            Self::Components(components) => write_components(components, xml),
            Self::ComponentSets(sets) => {
                for set in *sets {
                    xml.open(&Name::caldav("supported-calendar-component-set"));
                    write_components(set, xml);
                    xml.close();
                }
            }
            Self::CalendarData(types) => write_types(&Name::caldav("calendar-data"), types, xml),
            Self::AddressData(types) => write_types(&Name::carddav("address-data-type"), types, xml),
            Self::Collations(names) => {
                names.iter().for_each(|name| xml.leaf(&Name::caldav("supported-collation"), name));
            }
            Self::CardCollations(names) => {
                names.iter().for_each(|name| xml.leaf(&Name::carddav("supported-collation"), name));
            }
            _ => {}
        }
    }
}

fn write_components(components: &[&str], xml: &mut XmlWriter) {
    components.iter().for_each(|name| xml.empty_with(&Name::caldav("comp"), &[("name", name)]));
}

fn write_types(element: &Name, types: &[(&str, &str)], xml: &mut XmlWriter) {
    types.iter().for_each(|(kind, version)| {
        xml.empty_with(element, &[("content-type", kind), ("version", version)]);
    });
}

/// A point in time as DAV:creationdate has it. RFC 3339 §5.6.
fn rfc3339(at: i64) -> String {
    let local = local_of(at);
    let (date, time) = (local.date, local.time);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// A point in time as HTTP has it, given in seconds since 1970-01-01T00:00:00Z. RFC 9110 §5.6.7.
pub fn http_date(at: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let local = local_of(at);
    let (date, time) = (local.date, local.time);
    let day = usize::try_from(at.div_euclid(86_400).rem_euclid(7)).unwrap_or(0);
    let month = usize::from(date.month()).saturating_sub(1);
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        DAYS.get(day).unwrap_or(&""),
        date.day(),
        MONTHS.get(month).unwrap_or(&""),
        date.year(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_the_standards_have_them() {
        // The example of RFC 9110 §5.6.7.
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(-86_400), "Wed, 31 Dec 1969 00:00:00 GMT");
        assert_eq!(rfc3339(784_111_777), "1994-11-06T08:49:37Z");
    }
}
