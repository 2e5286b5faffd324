//! A message on its way out: its row, its row in the schedule, and what keeps the two together.

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::address::Domain;
use super::envelope::{Addressee, Envelope};
use crate::clock::Millis;
use crate::store::keys::{Key, Parts, Table};
use crate::store::{BodyId, Error, Order, Read, Referrer, StagedBody, Tx, record};

/// The layout of [`Entry`]; every released one stays readable.
const VERSION: u8 = 1;

/// The name of a queued message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct QueueId(pub u64);

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Q{}", self.0)
    }
}

impl FromStr for QueueId {
    type Err = std::num::ParseIntError;

    /// Reads what `Display` writes; the `Q` may be left out.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix(['Q', 'q']).unwrap_or(text).parse().map(Self)
    }
}

/// Where mail goes next; what goes to one place shares connections and their failures.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Destination {
    /// The server that takes all our mail.
    Smarthost,
    /// The servers of a domain.
    Domain(Domain),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Smarthost => f.write_str("the smarthost"),
            Self::Domain(domain) => domain.fmt(f),
        }
    }
}

/// A queued message with the recipients that share a destination.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its name; not part of the row, whose key it is.
    #[serde(skip, default = "no_id")]
    pub id: QueueId,
    /// Sender and what holds for all recipients.
    pub envelope: Envelope,
    /// The recipients and how far they are.
    pub recipients: Vec<QueuedRecipient>,
    /// Where it goes.
    pub destination: Destination,
    /// What stands in front of the body: our Received line.
    pub prefix: Vec<u8>,
    /// The message as it came: its body's id in the store.
    pub body: [u8; 32],
    /// Octets of prefix and body.
    pub size: u64,
    /// It holds octets above 127.
    pub eight_bit: bool,
    /// When it was accepted.
    pub created: Millis,
    /// When it is tried next.
    pub due: Millis,
    /// How often it was tried.
    pub attempts: u32,
    /// The sender was told of a delay.
    pub warned: bool,
}

fn no_id() -> QueueId {
    QueueId(0)
}

/// One recipient of a queued message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QueuedRecipient {
    /// Address and wishes.
    pub addressee: Addressee,
    /// How far it is.
    pub status: Status,
    /// The latest failure.
    pub last: Option<Failure>,
}

impl QueuedRecipient {
    pub(super) fn new(addressee: Addressee) -> Self {
        Self { addressee, status: Status::Pending, last: None }
    }

    /// One whose mailbox has the message.
    pub(super) fn delivered(addressee: Addressee) -> Self {
        Self { addressee, status: Status::Delivered, last: None }
    }
}

/// How far a recipient is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// To be tried.
    Pending,
    /// The next server has it.
    Done,
    /// It was given up.
    Failed,
    /// It is in its mailbox, of which the sender is to be told.
    Delivered,
}

/// Why a recipient did not get the message, at least not yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Trying again is of no use.
    pub permanent: bool,
    /// The status code. RFC 3463.
    pub status: StatusCode,
    /// What happened, in words; the server's reply if there was one.
    pub text: String,
    /// The server that said so; `None` when it is our own finding.
    pub host: Option<String>,
}

/// A status code: class, subject, detail. RFC 3463 §2.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StatusCode(pub u8, pub u16, pub u16);

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{host} said: {}", self.text),
            None => write!(f, "{} ({})", self.text, self.status),
        }
    }
}

impl Failure {
    /// No failure at all, as reports of success have it. RFC 3463 §3.1.
    pub(super) fn none() -> Self {
        Self { permanent: false, status: StatusCode(2, 0, 0), text: String::new(), host: None }
    }

    /// A failure that may pass: class 4.
    pub(super) fn temporary(subject: u16, detail: u16, text: impl Into<String>) -> Self {
        Self { permanent: false, status: StatusCode(4, subject, detail), text: text.into(), host: None }
    }

    /// A failure for good: class 5.
    pub(super) fn permanent(subject: u16, detail: u16, text: impl Into<String>) -> Self {
        Self { permanent: true, status: StatusCode(5, subject, detail), text: text.into(), host: None }
    }
}

impl Entry {
    /// An entry that is due at once; [`Entry::describe`] completes it.
    pub(super) fn new(
        envelope: Envelope,
        addressees: Vec<Addressee>,
        destination: Destination,
        now: Millis,
    ) -> Self {
        Self {
            id: no_id(),
            envelope,
            recipients: addressees.into_iter().map(QueuedRecipient::new).collect(),
            destination,
            prefix: Vec::new(),
            body: [0; 32],
            size: 0,
            eight_bit: false,
            created: now,
            due: now,
            attempts: 0,
            warned: false,
        }
    }

    /// Notes what is to be sent.
    pub(super) fn describe(&mut self, prefix: Vec<u8>, staged: &StagedBody, body: &[u8]) {
        self.size = staged.size().saturating_add(u64::try_from(prefix.len()).unwrap_or(u64::MAX));
        self.eight_bit = !body.is_ascii();
        self.body = staged.id().0;
        self.prefix = prefix;
    }

    /// The same message for other recipients.
    pub(super) fn for_others(&self, recipients: Vec<QueuedRecipient>, destination: Destination) -> Self {
        Self { recipients, destination, ..self.clone() }
    }

    /// The places of the recipients still to be tried.
    pub(super) fn pending(&self) -> Vec<usize> {
        let pending = |(n, r): (usize, &QueuedRecipient)| (r.status == Status::Pending).then_some(n);
        self.recipients.iter().enumerate().filter_map(pending).collect()
    }

    /// Reads a row.
    fn decode(id: QueueId, row: &[u8]) -> Result<Self, Error> {
        Ok(Self { id, ..record::decode_v(VERSION, row)? })
    }
}

impl Destination {
    /// As it stands in keys and in the schedule; `*` is no part of a domain.
    fn to_part(&self) -> String {
        match self {
            Self::Smarthost => "*".into(),
            Self::Domain(domain) => domain.to_string(),
        }
    }

    fn of_part(part: &[u8]) -> Option<Self> {
        match std::str::from_utf8(part).ok()? {
            "" => None,
            "*" => Some(Self::Smarthost),
            literal if literal.starts_with('[') => Domain::read(literal).ok().map(|(it, _)| Self::Domain(it)),
            name => Some(Self::Domain(Domain::Name(name.to_owned()))),
        }
    }
}

/// Adds an entry under a new id, with a reference to its body.
pub(super) fn insert(tx: &mut Tx<'_>, entry: &Entry, body: &StagedBody) -> Result<QueueId, Error> {
    let entry = Entry { id: QueueId(tx.new_id()?), ..entry.clone() };
    tx.attach_body(body, Referrer::Queue { id: entry.id.0 })?;
    put(tx, &entry);
    Ok(entry.id)
}

/// Stores a changed entry, to be tried at `due`.
pub(super) fn reschedule(tx: &mut Tx<'_>, entry: &mut Entry, due: Millis) {
    tx.delete(schedule_key(entry.due, entry.id));
    entry.due = due;
    put(tx, entry);
}

/// Stores an entry whose recipients have changed, and nothing else.
pub(super) fn replace(tx: &mut Tx<'_>, entry: &Entry) {
    tx.put(key(entry.id), record::encode(VERSION, entry));
}

/// Notes whether the latest attempt found no server. Only what was tried can have the row.
pub(super) fn set_unreached(tx: &mut Tx<'_>, entry: &Entry, unreached: bool) -> Result<(), Error> {
    let row = unreached_key(&entry.destination, entry.id);
    if unreached {
        tx.put(row, Vec::new());
    } else if tx.get(&row)?.is_some() {
        tx.delete(row);
    }
    Ok(())
}

/// Removes an entry and its reference to its body.
pub(super) fn remove(tx: &mut Tx<'_>, entry: &Entry) -> Result<(), Error> {
    set_unreached(tx, entry, false)?;
    tx.delete(schedule_key(entry.due, entry.id));
    tx.delete(key(entry.id));
    tx.release_body(BodyId(entry.body), Referrer::Queue { id: entry.id.0 })
}

/// The entry `id`, if it is still there.
pub(super) fn load(read: &impl Read, id: QueueId) -> Result<Option<Entry>, Error> {
    read.get(&key(id))?.map(|row| Entry::decode(id, &row)).transpose()
}

/// Visits all entries, oldest first; a damaged one is passed over with a log line.
pub(super) fn visit(read: &impl Read, mut visit: impl FnMut(Entry)) -> Result<(), Error> {
    read.scan(&Key::of(Table::Queue).range(), Order::Forward, &mut |key, row| {
        if let Some(id) = Parts::of(key).u64().map(QueueId) {
            match Entry::decode(id, row) {
                Ok(entry) => visit(entry),
                Err(error) => tracing::error!(%error, "cannot read a queued message"),
            }
        }
        ControlFlow::Continue(())
    })
}

/// Visits the schedule, earliest first, until `visit` breaks. The first releases wrote no destination.
pub(super) fn visit_schedule(
    read: &impl Read,
    mut visit: impl FnMut(Millis, QueueId, Option<Destination>) -> ControlFlow<()>,
) -> Result<(), Error> {
    read.scan(&Key::of(Table::QueueSchedule).range(), Order::Forward, &mut |key, row| {
        let mut parts = Parts::of(key);
        match (parts.time(), parts.u64()) {
            (Some(due), Some(id)) => visit(due, QueueId(id), Destination::of_part(row)),
            _ => ControlFlow::Continue(()),
        }
    })
}

/// The messages for `destination` whose latest attempt found no server, oldest first.
pub(super) fn unreached(read: &impl Read, destination: &Destination) -> Result<Vec<QueueId>, Error> {
    let mut ids = Vec::new();
    let range = Key::of(Table::QueueUnreached).text(&destination.to_part()).range();
    read.scan(&range, Order::Forward, &mut |key, _| {
        let mut parts = Parts::of(key);
        ids.extend(parts.text().and_then(|_| parts.u64()).map(QueueId));
        ControlFlow::Continue(())
    })?;
    Ok(ids)
}

/// Visits all messages whose latest attempt found no server, by destination.
pub(super) fn visit_unreached(
    read: &impl Read,
    mut visit: impl FnMut(Destination, QueueId),
) -> Result<(), Error> {
    read.scan(&Key::of(Table::QueueUnreached).range(), Order::Forward, &mut |key, _| {
        let mut parts = Parts::of(key);
        let destination = parts.text().and_then(|part| Destination::of_part(part.as_bytes()));
        if let (Some(destination), Some(id)) = (destination, parts.u64()) {
            visit(destination, QueueId(id));
        }
        ControlFlow::Continue(())
    })
}

fn put(tx: &mut Tx<'_>, entry: &Entry) {
    replace(tx, entry);
    tx.put(schedule_key(entry.due, entry.id), entry.destination.to_part());
}

fn unreached_key(destination: &Destination, id: QueueId) -> Vec<u8> {
    Key::of(Table::QueueUnreached).text(&destination.to_part()).u64(id.0).done()
}

fn key(id: QueueId) -> Vec<u8> {
    Key::of(Table::Queue).u64(id.0).done()
}

fn schedule_key(due: Millis, id: QueueId) -> Vec<u8> {
    Key::of(Table::QueueSchedule).time(due).u64(id.0).done()
}
