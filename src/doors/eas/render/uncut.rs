//! Records of very large headers are cut to fit into a row. What a client shows of a message, and answers to
//! all of, must not be: then the record is made anew of the message.

use bytes::Bytes;

use crate::mailbox::{Error, Folder, Item, Mailbox, View};
use crate::message::{self, Flags, MailRecord};

/// The whole message, if its record was cut.
pub(super) fn message_of_cut(
    mailbox: &Mailbox,
    view: &View,
    folder: &Folder,
    item: &Item,
    record: &MailRecord<'_>,
) -> Result<Option<Bytes>, Error> {
    let is_cut = record.flags.contains(Flags::TRUNCATED);
    is_cut.then(|| mailbox.message(view, folder, item)).transpose()
}

/// The record of `whole`, where that is there.
pub(super) fn uncut<'a>(record: MailRecord<'a>, whole: Option<&'a Bytes>) -> MailRecord<'a> {
    whole.map_or(record, |whole| MailRecord::from_message(&message::parse(whole)))
}
