//! The scheduling message in a mail. RFC 6047 §2.

use caldav::Object;
use caldav::itip::{self, Method};

use super::uid_of;
use crate::message::{MailRecord, charset, parse};

/// Largest calendar part that is looked at, in octets as it is in the mail.
const PART_MAX: usize = 2 << 20;

/// What a mail with a scheduling message says.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The message.
    pub object: Object,
    /// What it asks or tells.
    pub method: Method,
    /// Which meeting it is about.
    pub uid: String,
    /// Whom it comes from, by the mail: the addresses of From and of the envelope, in lower case.
    pub senders: Vec<String>,
}

impl Notice {
    /// The notice in a mail, if there is one that can be understood; a broken one is no reason not to
    /// deliver the mail. `sender` is that of the envelope.
    pub fn of(mail: &[u8], record: &MailRecord<'_>, sender: Option<String>) -> Option<Self> {
        let found = record.calendar.as_ref()?;
        // A calendar without a method is a file that came along.
        found.method.as_ref()?;
        let message = parse(mail);
        let part = message.parts().get(usize::from(found.part))?;
        if part.body.len() > PART_MAX {
            return None;
        }
        let bytes = message.decoded(part);
        let label = message.content_type_params(part).value("charset");
        let text = charset::decode(label.as_deref().or(Some("utf-8")), &bytes);
        let object = Object::parse_within(
            text.as_bytes(),
            &caldav::Limits { bytes: PART_MAX * 2, ..caldav::Limits::default() },
        );
        let object = object.ok()?;
        let method = itip::method_of(&object)?;
        // The two must agree. RFC 6047 §2.4.
        if !found.method.as_ref().is_some_and(|named| named.eq_ignore_ascii_case(method.as_str())) {
            return None;
        }
        let uid = uid_of(&object)?;
        let from = record.envelope.from.iter().filter_map(|from| from.address());
        let senders = from.map(|from| from.to_lowercase()).chain(sender.map(|s| s.to_lowercase())).collect();
        Some(Self { object, method, uid, senders })
    }
}
