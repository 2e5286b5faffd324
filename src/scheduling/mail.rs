//! A scheduling message as a mail: for people as text, for programs as a calendar. RFC 6047 §2, §3.

use caldav::itip::Method;
use caldav::{Component, ContentLine, Object};

use super::statement;
use crate::message::Address;
use crate::message::build::Draft;
use crate::message::date::Date;

/// Somebody with a name and an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// The name shown to people; may be empty.
    pub name: String,
    /// The address.
    pub address: String,
}

/// A scheduling message that is to be mailed.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Whose it is.
    pub from: Person,
    /// Whom it is for.
    pub to: Vec<Person>,
    /// What it asks or tells.
    pub method: Method,
    /// The message.
    pub object: Object,
    /// What differs from what the recipients knew, by names of properties.
    pub changed: Vec<String>,
    /// No person had it sent. RFC 3834 §5.
    pub automatic: bool,
}

impl Mail {
    /// The mail as it is sent: text and calendar as alternatives. RFC 6047 §2.4.
    pub fn write(&self, date: Date, message_id: &str, unique: u128) -> Vec<u8> {
        let calendar = String::from_utf8_lossy(&self.object.write()).into_owned();
        let text = statement::text(self);
        let subject = statement::subject(self);
        let fields =
            if self.automatic { vec![("Auto-Submitted", "auto-replied".to_owned())] } else { Vec::new() };
        let draft = Draft {
            from: vec![self.from.mailbox()],
            to: self.to.iter().map(Person::mailbox).collect(),
            subject: &subject,
            date,
            message_id,
            fields,
            text: Some(&text),
            calendar: Some((&calendar, self.method.as_str())),
            unique,
            ..Draft::default()
        };
        draft.build()
    }
}

impl Person {
    fn mailbox(&self) -> Address<'_> {
        let (local, domain) = self.address.rsplit_once('@').unwrap_or((&self.address, ""));
        let name = (!self.name.trim().is_empty()).then(|| self.name.as_str().into());
        Address::Mailbox { name, local: local.into(), domain: domain.into() }
    }
}

/// Whoever has an address, with the name that a meeting gives them.
pub(super) fn person(object: &Object, address: String) -> Person {
    let parts = object.calendar().into_iter().flat_map(Component::components);
    let mut lines = parts.flat_map(Component::lines).filter(|l| l.is("ATTENDEE") || l.is("ORGANIZER"));
    let line: Option<&ContentLine> = lines.find(|line| line.cal_address() == address);
    let name = line.and_then(|line| line.parameter("CN")).unwrap_or_default().to_owned();
    Person { name, address }
}
