//! BODYSTRUCTURE, and BODY, which is the same without extension data; from a record.
//! RFC 9051 §7.5.2.

use super::envelope::{self, text};
use crate::doors::imap::out::Out;
use crate::message::record::{Disposition, MailRecord, Param, PartRecord, Text};
use crate::message::section::{Kind, Tree};

/// `body`, with its extension data when `extended`.
pub(super) fn write(record: &MailRecord<'_>, extended: bool, out: &mut Out) {
    Structure { record, extended }.part(0, out);
}

struct Structure<'r, 'm> {
    record: &'r MailRecord<'m>,
    extended: bool,
}

impl Structure<'_, '_> {
    /// Calls itself as deep as the message nests, which the message module bounds.
    fn part(&self, index: usize, out: &mut Out) {
        let Some(part) = self.record.parts.get(index) else {
            // Only a record without any part comes here.
            return out.text("(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)");
        };
        match self.record.kind(index) {
            Kind::Multipart => self.multipart(index, part, out),
            kind => self.single(index, part, kind, out),
        }
    }

    /// `body-type-mpart`
    fn multipart(&self, index: usize, part: &PartRecord<'_>, out: &mut Out) {
        out.byte(b'(');
        for child in self.record.children(index) {
            self.part(child, out);
        }
        out.byte(b' ');
        out.string(&part.subtype);
        if self.extended {
            out.byte(b' ');
            params(&part.params, out);
            extension(part, out);
        }
        out.byte(b')');
    }

    /// `body-type-1part`
    fn single(&self, index: usize, part: &PartRecord<'_>, kind: Kind, out: &mut Out) {
        out.byte(b'(');
        // A message that could not be looked into has no envelope to show, and must not be called one.
        let is_closed = kind != Kind::Message && &*part.media_type == "message" && is_message(&part.subtype);
        if is_closed {
            out.text("\"application\" \"octet-stream\"");
        } else {
            out.string(&part.media_type);
            out.byte(b' ');
            out.string(&part.subtype);
        }
        out.byte(b' ');
        params(&part.params, out);
        out.byte(b' ');
        out.nstring(text(part.id.as_ref()));
        out.byte(b' ');
        out.nstring(text(part.description.as_ref()));
        out.byte(b' ');
        out.string(&part.encoding);
        out.byte(b' ');
        out.number(part.body_len.into());
        if kind == Kind::Message {
            self.enclosed(index, part, out);
        } else if &*part.media_type == "text" {
            out.byte(b' ');
            out.number(part.lines.into());
        }
        if self.extended {
            out.byte(b' ');
            out.nstring(text(part.md5.as_ref()));
            extension(part, out);
        }
        out.byte(b')');
    }

    /// What `body-type-msg` has more: envelope, structure and lines of the enclosed message.
    fn enclosed(&self, index: usize, part: &PartRecord<'_>, out: &mut Out) {
        out.byte(b' ');
        match &part.envelope {
            Some(envelope) => envelope::write(envelope, out),
            None => envelope::write(&Default::default(), out),
        }
        out.byte(b' ');
        self.part(self.record.children(index).next().unwrap_or(usize::MAX), out);
        out.byte(b' ');
        out.number(part.lines.into());
    }
}

fn is_message(subtype: &str) -> bool {
    matches!(subtype, "rfc822" | "global")
}

/// What both kinds of extension data end with.
fn extension(part: &PartRecord<'_>, out: &mut Out) {
    out.byte(b' ');
    disposition(part.disposition.as_ref(), out);
    out.byte(b' ');
    languages(&part.language, out);
    out.byte(b' ');
    out.nstring(text(part.location.as_ref()));
}

/// `body-fld-param`
fn params(params: &[Param<'_>], out: &mut Out) {
    if params.is_empty() {
        return out.text("NIL");
    }
    let mut between = b'(';
    for param in params {
        out.byte(between);
        out.string(&param.name);
        out.byte(b' ');
        out.string(&param.value);
        between = b' ';
    }
    out.byte(b')');
}

/// `body-fld-dsp`
fn disposition(disposition: Option<&Disposition<'_>>, out: &mut Out) {
    let Some(disposition) = disposition else { return out.text("NIL") };
    out.byte(b'(');
    out.string(&disposition.kind);
    out.byte(b' ');
    params(&disposition.params, out);
    out.byte(b')');
}

/// `body-fld-lang`
fn languages(languages: &[Text<'_>], out: &mut Out) {
    match languages {
        [] => out.text("NIL"),
        [one] => out.string(one),
        many => {
            let mut between = b'(';
            for language in many {
                out.byte(between);
                out.string(language);
                between = b' ';
            }
            out.byte(b')');
        }
    }
}
