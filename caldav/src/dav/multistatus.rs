//! Answers in several parts. RFC 4918 §13, §14.16; RFC 6638 §10.2; RFC 5689 §5.2.

use super::{Href, Name, Precondition, Status, Value, XmlWriter};

/// DAV:multistatus, written response by response: what is done can be sent before the rest is known.
///
/// ```
/// use caldav::dav::{Href, Multistatus, Name, Value};
///
/// let mut answer = Multistatus::new();
/// let mut response = answer.response(&Href::new(["cal", "1.ics"], false));
/// response.value(&Name::dav("getetag"), &Value::Text("\"1\""));
/// response.missing(&Name::dav("displayname"));
/// response.end();
/// let text = String::from_utf8(answer.finish())?;
/// assert!(text.contains("<D:getetag>\"1\"</D:getetag></D:prop><D:status>HTTP/1.1 200 OK</D:status>"));
/// # Ok::<(), std::string::FromUtf8Error>(())
/// ```
#[derive(Debug)]
pub struct Multistatus {
    xml: XmlWriter,
}

/// The properties of one resource. RFC 4918 §14.24.
///
/// Dropped without [`PropertyResponse::end`] it is ended all the same.
#[derive(Debug)]
pub struct PropertyResponse<'m> {
    xml: &'m mut XmlWriter,
    /// What is answered with 200, as it stands in the prop element.
    found: bool,
    refused: Vec<(Status, Option<Precondition>, Name)>,
    ended: bool,
}

impl Default for Multistatus {
    fn default() -> Self {
        Self::new()
    }
}

impl Multistatus {
    /// An answer without a response as yet.
    pub fn new() -> Self {
        Self { xml: XmlWriter::new(&Name::dav("multistatus")) }
    }

    /// Begins the response about a resource and its properties.
    pub fn response(&mut self, href: &Href) -> PropertyResponse<'_> {
        self.xml.open(&Name::dav("response"));
        self.xml.leaf(&Name::dav("href"), href.as_str());
        PropertyResponse::new(&mut self.xml)
    }

    /// A response about a resource as a whole: what became of it, and why. RFC 4918 §14.24.
    pub fn status(&mut self, href: &Href, status: Status, error: Option<&Precondition>) {
        self.xml.open(&Name::dav("response"));
        self.xml.leaf(&Name::dav("href"), href.as_str());
        self.xml.leaf(&Name::dav("status"), status.line());
        write_error(error, &mut self.xml);
        self.xml.close();
    }

    /// DAV:sync-token, which stands after all responses. RFC 6578 §6.4.
    pub fn sync_token(&mut self, token: &str) {
        self.xml.leaf(&Name::dav("sync-token"), token);
    }

    /// DAV:responsedescription of the whole. RFC 4918 §14.25.
    pub fn description(&mut self, text: &str) {
        self.xml.leaf(&Name::dav("responsedescription"), text);
    }

    /// What was written since the last call, to be sent.
    pub fn take(&mut self) -> Vec<u8> {
        self.xml.take()
    }

    /// How much [`Multistatus::take`] would give, in octets.
    pub fn pending(&self) -> usize {
        self.xml.pending()
    }

    /// Ends the answer, and gives what was written since the last [`Multistatus::take`].
    pub fn finish(self) -> Vec<u8> {
        self.xml.finish()
    }
}

impl<'m> PropertyResponse<'m> {
    fn new(xml: &'m mut XmlWriter) -> Self {
        Self { xml, found: false, refused: Vec::new(), ended: false }
    }

    /// A property with its value.
    pub fn value(&mut self, name: &Name, value: &Value<'_>) {
        self.begin();
        value.write(name, self.xml);
    }

    /// A property without its value: for DAV:propname, and what a PROPPATCH changed.
    pub fn done(&mut self, name: &Name) {
        self.begin();
        self.xml.empty(name);
    }

    /// A property that holds what only the caller can write, such as responses within DAV:expand-property.
    /// RFC 3253 §3.8.
    pub fn nested(&mut self, name: &Name, write: impl FnOnce(&mut Multistatus)) {
        self.begin();
        self.xml.open(name);
        let mut inner = Multistatus { xml: XmlWriter::piece() };
        write(&mut inner);
        self.xml.insert(&inner.xml);
        self.xml.close();
    }

    /// A property that the resource does not have.
    pub fn missing(&mut self, name: &Name) {
        self.refused(name, Status::NOT_FOUND, None);
    }

    /// A property that is not given, or not changed, and why.
    pub fn refused(&mut self, name: &Name, status: Status, error: Option<Precondition>) {
        self.refused.push((status, error, name.clone()));
    }

    /// Ends the response.
    pub fn end(mut self) {
        self.write_end(true);
    }

    fn begin(&mut self) {
        if !self.found {
            self.found = true;
            self.xml.open(&Name::dav("propstat"));
            self.xml.open(&Name::dav("prop"));
        }
    }

    fn write_end(&mut self, within_response: bool) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if self.found || self.refused.is_empty() {
            // A response has at least one propstat.
            self.begin();
            self.xml.close();
            self.xml.leaf(&Name::dav("status"), Status::OK.line());
            self.xml.close();
        }
        let mut refused = std::mem::take(&mut self.refused);
        // Stable, so that names keep their order.
        refused.sort_by_key(|(status, _, _)| *status);
        for same in refused.chunk_by(|a, b| a.0 == b.0 && a.1 == b.1) {
            self.xml.open(&Name::dav("propstat"));
            self.xml.open(&Name::dav("prop"));
            same.iter().for_each(|(_, _, name)| self.xml.empty(name));
            self.xml.close();
            if let Some((status, error, _)) = same.first() {
                self.xml.leaf(&Name::dav("status"), status.line());
                write_error(error.as_ref(), self.xml);
            }
            self.xml.close();
        }
        if within_response {
            self.xml.close();
        }
    }
}

impl Drop for PropertyResponse<'_> {
    fn drop(&mut self) {
        self.write_end(true);
    }
}

fn write_error(error: Option<&Precondition>, xml: &mut XmlWriter) {
    if let Some(error) = error {
        xml.open(&Name::dav("error"));
        error.write(xml);
        xml.close();
    }
}

/// The answer to an extended MKCOL or a MKCALENDAR that was refused: what became of each property.
/// RFC 5689 §5.2; RFC 4791 §9.3.
pub fn mkcol_response(
    is_calendar: bool,
    properties: impl IntoIterator<Item = (Name, Status, Option<Precondition>)>,
) -> Vec<u8> {
    let root = if is_calendar { Name::caldav("mkcalendar-response") } else { Name::dav("mkcol-response") };
    let mut xml = XmlWriter::new(&root);
    let mut response = PropertyResponse::new(&mut xml);
    for (name, status, error) in properties {
        match status {
            Status::OK => response.done(&name),
            status => response.refused(&name, status, error),
        }
    }
    response.write_end(false);
    drop(response);
    xml.finish()
}

/// What became of a free-busy request for one recipient. RFC 6638 §10.2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipient<'r> {
    /// The address that the request named: `mailto:` of somebody.
    pub address: &'r str,
    /// Such as `2.0;Success`. RFC 5545 §3.8.8.3, RFC 6638 §3.2.9.
    pub request_status: &'r str,
    /// The answer as iCalendar.
    pub data: Option<&'r str>,
    /// Why there is none.
    pub error: Option<Precondition>,
}

/// The answer to a POST to an outbox. RFC 6638 §10.1.
pub fn schedule_response<'r>(recipients: impl IntoIterator<Item = Recipient<'r>>) -> Vec<u8> {
    let mut xml = XmlWriter::new(&Name::caldav("schedule-response"));
    for recipient in recipients {
        xml.open(&Name::caldav("response"));
        xml.open(&Name::caldav("recipient"));
        xml.leaf(&Name::dav("href"), recipient.address);
        xml.close();
        xml.leaf(&Name::caldav("request-status"), recipient.request_status);
        if let Some(data) = recipient.data {
            xml.leaf(&Name::caldav("calendar-data"), data);
        }
        write_error(recipient.error.as_ref(), &mut xml);
        xml.close();
    }
    xml.finish()
}

/// The answer to DAV:principal-search-property-set: what principals can be searched by, with what that is.
/// RFC 3744 §9.5.
pub fn principal_search_property_set(properties: &[(Name, &str)]) -> Vec<u8> {
    let mut xml = XmlWriter::new(&Name::dav("principal-search-property-set"));
    for (name, description) in properties {
        xml.open(&Name::dav("principal-search-property"));
        xml.open(&Name::dav("prop"));
        xml.empty(name);
        xml.close();
        xml.open_with(&Name::dav("description"), &[("xml:lang", "en")]);
        xml.text(description);
        xml.close();
        xml.close();
    }
    xml.finish()
}
