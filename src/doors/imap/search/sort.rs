//! Sorting what was found, by keys that are taken from the records. RFC 5256 §3; RFC 5957 §3.

use std::cmp::Ordering;

use crate::doors::imap::grammar::{Criterion, SortKey};
use crate::mailbox::Item;
use crate::message::MailRecord;
use crate::message::record::Address;
use crate::message::thread::base_subject;

/// Text of one key that counts, in bytes.
const TEXT_MAX: usize = 256;

/// What is kept of a message to sort it by.
#[derive(Debug)]
pub(super) struct Row {
    uid: u32,
    /// In the order of the criteria.
    keys: Vec<Value>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Value {
    Number(i64),
    /// In upper case. RFC 5051.
    Text(Box<str>),
}

impl Row {
    pub(super) fn new(item: &Item, record: &MailRecord<'_>, criteria: &[Criterion]) -> Self {
        let keys = criteria.iter().map(|criterion| value(item, record, criterion.key)).collect();
        Self { uid: item.uid.0, keys }
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.keys.iter().map(|key| match key {
            Value::Number(_) => 0,
            Value::Text(text) => text.len(),
        });
        texts.sum::<usize>() + self.keys.len() * size_of::<Value>() + size_of::<Self>()
    }
}

/// Whether a criterion needs the record.
pub(super) fn needs_record(criterion: &Criterion) -> bool {
    !matches!(criterion.key, SortKey::Arrival | SortKey::Size)
}

/// The UIDs in order; those whose keys are alike stay in the order of the mailbox.
pub(super) fn sorted(mut rows: Vec<Row>, criteria: &[Criterion]) -> Vec<u32> {
    rows.sort_by(|a, b| {
        let keys = criteria.iter().zip(a.keys.iter().zip(&b.keys));
        let compared = keys.map(|(criterion, (a, b))| if criterion.reverse { b.cmp(a) } else { a.cmp(b) });
        compared.fold(Ordering::Equal, Ordering::then)
    });
    rows.into_iter().map(|row| row.uid).collect()
}

fn value(item: &Item, record: &MailRecord<'_>, key: SortKey) -> Value {
    let envelope = &record.envelope;
    match key {
        SortKey::Arrival => Value::Number(item.internal_date),
        SortKey::Size => Value::Number(i64::try_from(item.size).unwrap_or(i64::MAX)),
        SortKey::Date => Value::Number(sent(item, record)),
        SortKey::Subject => text(&base_subject(&record.subject()).0),
        SortKey::From => text(&mailbox_of(&envelope.from)),
        SortKey::To => text(&mailbox_of(&envelope.to)),
        SortKey::Cc => text(&mailbox_of(&envelope.cc)),
        SortKey::DisplayFrom => text(&shown(&envelope.from)),
        SortKey::DisplayTo => text(&shown(&envelope.to)),
    }
}

/// When it was sent, in milliseconds; a message without a date of its own has that of its arrival.
pub(super) fn sent(item: &Item, record: &MailRecord<'_>) -> i64 {
    record.sent.map_or(item.internal_date, |sent| sent.unix.saturating_mul(1_000))
}

/// `addr-mailbox` of the first address.
fn mailbox_of(addresses: &[Address<'_>]) -> String {
    match addresses.first() {
        Some(Address::Mailbox { local, .. }) => local.to_string(),
        Some(group) => group.display_name().unwrap_or_default(),
        None => String::new(),
    }
}

/// What is shown of the first address.
fn shown(addresses: &[Address<'_>]) -> String {
    addresses.first().and_then(Address::display_name).unwrap_or_default()
}

fn text(text: &str) -> Value {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Value::Text(text.get(..end).unwrap_or_default().to_uppercase().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(uid: u32, keys: Vec<Value>) -> Row {
        Row { uid, keys }
    }

    #[test]
    fn keys_one_after_another() {
        let by = |key, reverse| Criterion { key, reverse };
        let rows = || {
            vec![
                row(1, vec![text("b"), Value::Number(1)]),
                row(2, vec![text("B"), Value::Number(2)]),
                row(3, vec![text("a"), Value::Number(3)]),
                row(4, vec![text("b"), Value::Number(2)]),
            ]
        };
        let up = [by(SortKey::Subject, false), by(SortKey::Size, true)];
        assert_eq!(sorted(rows(), &up), [3, 2, 4, 1]);
        let down = [by(SortKey::Subject, true), by(SortKey::Size, false)];
        assert_eq!(sorted(rows(), &down), [1, 2, 4, 3]);
    }

    #[test]
    fn long_texts_are_cut_between_letters() {
        assert!(matches!(text(&"ü".repeat(1_000)), Value::Text(text) if text.chars().count() == 128));
    }
}
