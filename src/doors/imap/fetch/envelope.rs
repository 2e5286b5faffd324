//! ENVELOPE, from a record. RFC 9051 §7.5.2.

use crate::doors::imap::out::Out;
use crate::message::record::{Address, Envelope, Text};

/// `envelope`
pub(super) fn write(envelope: &Envelope<'_>, out: &mut Out) {
    out.byte(b'(');
    out.nstring(text(envelope.date.as_ref()));
    out.byte(b' ');
    out.nstring(text(envelope.subject.as_ref()));
    // Sender and Reply-To default to From, which the record leaves to us.
    let sender = if envelope.sender.is_empty() { &envelope.from } else { &envelope.sender };
    let reply_to = if envelope.reply_to.is_empty() { &envelope.from } else { &envelope.reply_to };
    for list in [&envelope.from, sender, reply_to, &envelope.to, &envelope.cc, &envelope.bcc] {
        out.byte(b' ');
        addresses(list, out);
    }
    out.byte(b' ');
    out.nstring(text(envelope.in_reply_to.as_ref()));
    out.byte(b' ');
    out.nstring(text(envelope.message_id.as_ref()));
    out.byte(b')');
}

pub(super) fn text<'t>(text: Option<&'t Text<'_>>) -> Option<&'t str> {
    text.map(|text| &**text)
}

/// `"(" 1*address ")" / nil`
fn addresses(list: &[Address<'_>], out: &mut Out) {
    if list.is_empty() {
        return out.text("NIL");
    }
    out.byte(b'(');
    for address in list {
        match address {
            Address::Mailbox { name, local, domain } => {
                out.byte(b'(');
                out.nstring(text(name.as_ref()));
                out.text(" NIL ");
                out.string(local);
                out.byte(b' ');
                // NIL would make it a group: an address without a domain has an empty one.
                out.string(domain);
                out.byte(b')');
            }
            Address::GroupStart(name) => {
                out.text("(NIL NIL ");
                out.string(name);
                out.text(" NIL)");
            }
            Address::GroupEnd => out.text("(NIL NIL NIL NIL)"),
        }
    }
    out.byte(b')');
}
