//! Scheduling over accounts: what a change of a calendar object, an answer or an arriving message comes to,
//! as an object to be stored and mails to be sent. RFC 6638, RFC 6047.
//!
//! What is decided is in [`caldav::itip`]; here it meets the accounts: whose calendar it is, which of the
//! others live in this server, and what their mail says to people. Nothing is written here. Doors and
//! delivery put the object and the mails down in one transaction, so that each change is told exactly once
//! however often a client repeats its request: what is stored already is told to nobody.
//!
//! - [`plan`]: a change that a client makes; [`respond`]: an answer to an invitation.
//! - [`Notice`] and [`arrive()`]: a scheduling message in a mail.
//! - [`free_busy`]: when an account is busy.

mod arrive;
mod busy;
mod mail;
mod notice;
mod statement;

use std::fmt;

use bytes::Bytes;
use caldav::Object;
use caldav::itip::{self, Change, Method, Outcome, Outgoing, Part, Refusal};

use crate::directory::{self, Account};
use crate::mailbox::{self, FolderId, Kind, OwnerId, Uid, View};

pub use arrive::{Arrived, arrive, own_answer};
pub use busy::{free_busy, merged};
pub use caldav::itip::Answer;
pub use mail::{Mail, Person};
pub use notice::Notice;

/// What a change comes to.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is to be stored; `None` when the object is to be removed.
    pub object: Option<Object>,
    /// What is to be sent, at most one mail to each attendee or to the organizer.
    pub mails: Vec<Mail>,
    /// Properties of an attendee's edit that were put back, by name: they are the organizer's.
    pub undone: Vec<String>,
    /// The object differs from what the client sent.
    pub differs: bool,
}

impl Plan {
    /// The bytes to be stored.
    pub fn bytes(&self) -> Option<Bytes> {
        self.object.as_ref().map(|object| Bytes::from(object.write()))
    }
}

/// How a change is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Asked {
    /// Nothing is to be sent: the client does so itself, or does not want it.
    pub quiet: bool,
    /// An attendee's edit that touches times or the organizer is refused, not put right. RFC 6638 §3.2.4.4
    /// asks for that.
    pub strict: bool,
}

/// Why a change is not made. Each but the last is a precondition of RFC 6638 §3.2.4.
#[derive(Clone, Debug)]
pub enum Refused {
    /// `unique-scheduling-object-resource`: the meeting is in another calendar of the account already.
    NotUnique(FolderId, Uid),
    /// `same-organizer-in-all-components`.
    SameOrganizer,
    /// `allowed-organizer-scheduling-object-change`.
    OrganizerChange,
    /// `allowed-attendee-scheduling-object-change`.
    AttendeeChange,
    /// An answer by somebody who is not invited, or about an instance that is not there.
    NoSuchInstance,
    /// The object cannot be understood; says why.
    Invalid(caldav::Invalid),
    /// The store's.
    Mailbox(mailbox::Error),
}

/// What of an attendee's edit is refused where it is not put right.
const REFUSED: [&str; 5] = ["DTSTART", "DTEND", "RRULE", "RDATE", "ORGANIZER"];

/// Plans a change in a calendar of `account`, who need not be the one who acts: from `old` to `new`, where one
/// is missing when the object is made or removed. `item` is where it is, if it is stored; `now` is in seconds
/// since 1970.
///
/// # Errors
/// [`Refused`] when it must not be made.
pub fn plan(
    view: &View,
    account: &Account,
    old: Option<&Object>,
    new: Option<&Object>,
    item: Option<(FolderId, Uid)>,
    asked: Asked,
    now: i64,
) -> Result<Plan, Refused> {
    let own = own_addresses(account);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    if let Some(new) = new.filter(|new| old.is_none() && Part::of(new, &own) != Part::None) {
        check_unique(view, account, new, item)?;
    }
    let by = Change { own: &own, now, quiet: asked.quiet };
    let outcome = itip::change(old, new, &by)?;
    if asked.strict && outcome.undone.iter().any(|name| REFUSED.contains(&name.as_str())) {
        return Err(Refused::AttendeeChange);
    }
    planned(view, account, outcome, new, asked.quiet)
}

/// Plans an answer to an invitation in a calendar of `account`, at `now` (seconds since 1970). With `quiet` nothing is sent. The same answer
/// again comes to no mail.
///
/// # Errors
/// [`Refused::NoSuchInstance`].
pub fn respond(
    view: &View,
    account: &Account,
    current: &Object,
    answer: &Answer,
    quiet: bool,
    now: i64,
) -> Result<Plan, Refused> {
    let own = own_addresses(account);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let by = Change { own: &own, now, quiet };
    let outcome = itip::respond(current, answer, &by)?;
    planned(view, account, outcome, Some(current), quiet)
}

/// What an account is in a meeting.
pub fn part(account: &Account, object: &Object) -> Part {
    let own = own_addresses(account);
    Part::of(object, &own.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The addresses of an account, as calendars have them.
pub fn own_addresses(account: &Account) -> Vec<String> {
    account.addresses().map(|address| address.to_string().to_lowercase()).collect()
}

/// The mails of an outcome, with what became of each noted in the object. RFC 6638 §7.3.
fn planned(
    view: &View,
    account: &Account,
    outcome: Outcome,
    sent: Option<&Object>,
    quiet: bool,
) -> Result<Plan, Refused> {
    let Outcome { mut object, messages, undone } = outcome;
    let messages = if quiet { Vec::new() } else { messages };
    let mut mails = Vec::new();
    for message in messages {
        let (mail, statuses) = mail_of(view, account, message)?;
        if let Some(object) = &mut object {
            itip::set_status(object, &statuses).map_err(Refused::Invalid)?;
        }
        mails.extend(mail);
    }
    let differs = object.as_ref() != sent;
    Ok(Plan { object, mails, undone, differs })
}

/// What became of a message, by recipients: values of SCHEDULE-STATUS.
type Statuses = Vec<(String, &'static str)>;

/// A message as a mail, and the SCHEDULE-STATUS of each recipient: whom mail cannot reach gets none.
/// RFC 6638 §3.2.9.
fn mail_of(view: &View, account: &Account, message: Outgoing) -> Result<(Option<Mail>, Statuses), Refused> {
    let mut statuses = Statuses::new();
    let mut to = Vec::new();
    for address in message.to {
        let status = match directory::Address::parse(&address) {
            Err(_) => "3.7",
            Ok(parsed) => {
                let reader = view.reader();
                let ours = directory::is_local_domain(reader, parsed.domain())?;
                let found = directory::resolve(reader, &address)?.is_some();
                match (ours, found) {
                    (true, false) => "3.7",
                    (_, true) => "1.2",
                    (false, false) => "1.1",
                }
            }
        };
        if status != "3.7" {
            to.push(address.clone());
        }
        statuses.push((address, status));
    }
    let mail = (!to.is_empty()).then(|| Mail {
        from: Person { name: account.display_name.clone(), address: sender(account, &message.from) },
        to: to.into_iter().map(|address| mail::person(&message.object, address)).collect(),
        method: message.method,
        object: message.object,
        changed: message.changed,
        automatic: false,
    });
    Ok((mail, statuses))
}

/// The address that a message is from: the one by which the account takes part.
fn sender(account: &Account, from: &str) -> String {
    let mut addresses = account.addresses().map(ToString::to_string);
    addresses.find(|own| own.to_lowercase() == from).unwrap_or_else(|| account.address.to_string())
}

/// A meeting is in one calendar of its owner. RFC 6638 §3.2.4.1.
fn check_unique(
    view: &View,
    account: &Account,
    new: &Object,
    item: Option<(FolderId, Uid)>,
) -> Result<(), Refused> {
    let Some(uid) = uid_of(new) else { return Ok(()) };
    for (folder, other) in view.by_ical_uid(OwnerId(account.id.0), &uid)? {
        let calendar = view.folder(folder)?.folder.kind == Kind::Calendar;
        if calendar && item != Some((folder, other)) {
            return Err(Refused::NotUnique(folder, other));
        }
    }
    Ok(())
}

/// The UID of an object.
fn uid_of(object: &Object) -> Option<String> {
    let parts = object.calendar()?.components().filter(|part| !part.is("VTIMEZONE"));
    let uid = parts.filter_map(|part| part.line("UID")).map(|line| line.value().trim().to_owned()).next();
    uid.filter(|uid| !uid.is_empty())
}

/// Whether a mail of the method is an automatic one when nobody looked at it.
fn is_answer(method: Method) -> bool {
    matches!(method, Method::Reply | Method::Counter)
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::SameOrganizer => Self::SameOrganizer,
            Refusal::OrganizerChange => Self::OrganizerChange,
            Refusal::NoSuchInstance | Refusal::NotInvited => Self::NoSuchInstance,
            Refusal::Invalid(invalid) => Self::Invalid(invalid),
        }
    }
}

impl From<mailbox::Error> for Refused {
    fn from(error: mailbox::Error) -> Self {
        Self::Mailbox(error)
    }
}

impl From<directory::Error> for Refused {
    fn from(error: directory::Error) -> Self {
        match error {
            directory::Error::Store(error) => Self::Mailbox(error.into()),
            other => Self::Mailbox(crate::store::Error::Io(other.to_string()).into()),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUnique(..) => f.write_str("the meeting is in another calendar already"),
            Self::SameOrganizer => f.write_str("the components have different organizers"),
            Self::OrganizerChange => f.write_str("an event cannot be given another organizer"),
            Self::AttendeeChange => f.write_str("only the organizer may change that"),
            Self::NoSuchInstance => f.write_str("there is no such instance for the one who answers"),
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Mailbox(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}
