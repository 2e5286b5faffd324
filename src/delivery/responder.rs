//! Answers for those who are away: the out-of-office message of an account, with the care that RFC 3834 and
//! RFC 5230 ask for.
//!
//! Whether a message is answered is worked out before its transaction. In that, the answer is queued with the
//! copy that it is about, and a row says that this sender has had one: the same sender gets none for a week,
//! unless the owner went away anew.

use std::sync::Arc;

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::entry::{self, Entry};
use super::envelope::{Addressee, Envelope, Notify};
use super::error::{Error, Refusal};
use super::local::locate;
use super::place::Place;
use super::prepare::Prepared;
use super::trace::{self, Trace};
use super::{Delivery, Inner};
use crate::clock::{self, Millis};
use crate::directory::{self, Account, AccountId, OutOfOffice, OutOfOfficeMessage};
use crate::mailbox::sync::{Position, View as _};
use crate::mailbox::{self, Acting, OwnerId, Role, Uid};
use crate::message::build::Draft;
use crate::message::date::Date;
use crate::message::html::{self, Links};
use crate::message::{self, Address as HeaderAddress, MailRecord, Message, charset, parse_addresses, thread};
use crate::store::keys::{Key, Table};
use crate::store::{self, Order, Read, StagedBody, Tx, record};

/// How long a sender is not answered again. RFC 5230 §4.1.
const ANSWERED_FOR: Millis = 7 * 86_400_000;
/// The version of the rows that say who was answered.
const VERSION: u8 = 1;
/// Most addresses of a message among which the owner is looked for.
const NAMED_MAX: usize = 500;
/// Most of the newest sent messages in which a sender is looked for.
const SENT_MAX: usize = 500;
/// Longest part of a subject that is repeated, in characters.
const SUBJECT_MAX: usize = 200;

/// Local parts that programs write from, and how others of them begin and end. RFC 3834 §2, RFC 5230 §4.6.
const PROGRAMS: [&str; 13] = [
    "mailer-daemon",
    "postmaster",
    "listserv",
    "majordomo",
    "mailman",
    "nobody",
    "noreply",
    "no-reply",
    "donotreply",
    "do-not-reply",
    "owner",
    "bounce",
    "bounces",
];
const BEGINNINGS: [&str; 5] = ["owner-", "bounce-", "bounces-", "noreply-", "no-reply-"];
const ENDS: [&str; 6] = ["-request", "-owner", "-bounce", "-bounces", "-noreply", "-no-reply"];

/// An answer that is ready to be placed.
pub(super) struct Answer {
    /// Which of the message's copies it is about.
    copy: usize,
    /// The row that will say that the sender has had it.
    row: Vec<u8>,
    answered: Answered,
    entry: Box<Entry>,
    body: StagedBody,
}

/// That a sender was answered.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Answered {
    at: Millis,
    /// When the owner went away.
    period: Millis,
}

/// An owner who is away.
struct Away {
    copy: usize,
    account: AccountId,
    setting: OutOfOffice,
}

/// A message that may be answered.
struct Asked {
    sender: Address,
    message: Bytes,
    now: Millis,
}

impl Delivery {
    /// The answers to a message that is ready to be placed. Mail is not kept from anybody because one cannot
    /// be made.
    pub(super) async fn answers(&self, prepared: &Prepared) -> Vec<Answer> {
        let Some(sender) = prepared.incoming.envelope.sender.clone().filter(|s| !is_of_a_program(s)) else {
            return Vec::new();
        };
        let now = self.inner.clock.now();
        let answers = match self.inner.away(prepared, now) {
            Ok(away) if away.is_empty() => return Vec::new(),
            Ok(away) => {
                let asked = Asked { sender, message: prepared.incoming.body.clone(), now };
                let inner = self.inner.clone();
                let composed = tokio::task::spawn_blocking(move || inner.compose(&asked, &away)).await;
                composed.unwrap_or(Err(Error::Store(store::Error::Stopped)))
            }
            Err(e) => Err(e),
        };
        answers.unwrap_or_else(|error| {
            tracing::error!(id = prepared.id, %error, "no answer can be made for one who is away");
            Vec::new()
        })
    }
}

impl Inner {
    /// Which of those who get a copy are away.
    fn away(&self, prepared: &Prepared, now: Millis) -> Result<Vec<Away>, Error> {
        let read = self.store.read()?;
        let mut away = Vec::new();
        for (copy, account) in prepared.copies.list.iter().map(|copy| copy.account).enumerate() {
            let account = AccountId(account);
            match directory::setting::<OutOfOffice>(&read, account, OutOfOffice::SETTING) {
                Ok(Some(setting)) if setting.is_away(now) => {
                    away.push(Away { copy, account, setting });
                }
                Ok(_) => {}
                // That of one must not take the others'.
                Err(error) => tracing::error!(account = account.0, %error, "an out-of-office message"),
            }
        }
        Ok(away)
    }

    fn compose(self: &Arc<Self>, asked: &Asked, away: &[Away]) -> Result<Vec<Answer>, Error> {
        let message = message::parse(header(&asked.message));
        let read = self.store.read()?;
        let place = locate(&read, &asked.sender)?;
        if place == Place::Nowhere || !wants_answer(&message) {
            return Ok(Vec::new());
        }
        let original = MailRecord::from_message(&message);
        let mut answers = Vec::new();
        for away in away {
            let Some(account) = directory::account(&read, away.account)?.filter(|a| a.enabled) else {
                continue;
            };
            let row = row(away.account, &asked.sender);
            let answered = Answered { at: asked.now, period: away.setting.since };
            if answered.is_known(&read, &row)?
                || !is_named(&read, &account, &original)?
                || directory::may_send_as(&read, account.id, &asked.sender.to_string())?
            {
                continue;
            }
            let said = self.said(away, place, &asked.sender)?;
            if said.enabled && !said.text.trim().is_empty() {
                let (entry, body) = self.entry(asked, &account, &original, said)?;
                answers.push(Answer { copy: away.copy, row, answered, entry: Box::new(entry), body });
            }
        }
        Ok(answers)
    }

    /// What a sender is told. MS-ASCMD §2.2.3.12 calls known who stands in the owner's contacts; as long as
    /// there are none, it is whom the owner has written to, as the newest of Sent show.
    fn said<'a>(
        &self,
        away: &'a Away,
        place: Place,
        sender: &Address,
    ) -> Result<&'a OutOfOfficeMessage, Error> {
        let OutOfOffice { internal, external_known, external_unknown, .. } = &away.setting;
        if place != Place::Remote {
            return Ok(internal);
        }
        let known = external_known == external_unknown || self.has_written_to(away.account, sender)?;
        Ok(if known { external_known } else { external_unknown })
    }

    fn has_written_to(&self, account: AccountId, sender: &Address) -> Result<bool, Error> {
        let view = self.mailbox.view(Acting::System).map_err(only_store)?;
        let sent = match view.by_role(OwnerId(account.0), Role::Sent) {
            Ok(sent) => sent,
            Err(mailbox::Error::Store(e)) => return Err(e.into()),
            Err(_) => return Ok(false),
        };
        let mut newest = Vec::new();
        let all = (Position::cut_off(Millis::MIN), Position::TOP);
        let listed = view.synced(&sent).positions(all.0, all.1, Order::Backward, &mut |at| {
            newest.push(Uid(at.uid));
            if newest.len() < SENT_MAX {
                std::ops::ControlFlow::Continue(())
            } else {
                std::ops::ControlFlow::Break(())
            }
        });
        listed.map_err(only_store)?;
        let sender = sender.to_string().to_lowercase();
        for uid in newest {
            let Some(row) = view.record(&sent, uid).map_err(only_store)? else { continue };
            let Ok(record) = MailRecord::decode(row.record()) else { continue };
            let mut to = record.envelope.to.iter().chain(&record.envelope.cc).chain(&record.envelope.bcc);
            if to.any(|to| to.address().is_some_and(|to| to.to_lowercase() == sender)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes an answer, to be sent by the queue, whoever gets it: nobody hears of it when it fails.
    fn entry(
        self: &Arc<Self>,
        asked: &Asked,
        account: &Account,
        original: &MailRecord<'_>,
        said: &OutOfOfficeMessage,
    ) -> Result<(Entry, StagedBody), Error> {
        let (sender, now) = (&asked.sender, asked.now);
        let id = self.message_name(now);
        let unique = clock::random().map_err(|e| store::Error::Io(e.to_string()))?;
        let message_id = format!("{id}.away@{}", self.config.hostname);
        let body = write(asked, account, original, said, &message_id, u128::from_be_bytes(unique));
        let received = trace::received(&Trace::default(), &self.config.hostname, &id, Some(sender), now);
        let staged = self.store.stage_body(&self.store.body_key(account.domain.0), &body)?;
        let smtputf8 = !sender.is_ascii() || !account.address.to_string().is_ascii();
        let to = Addressee { notify: Some(Notify::NEVER), ..Addressee::new(sender.clone()) };
        let envelope = Envelope { smtputf8, ..Envelope::default() };
        let mut entry = Entry::new(envelope, vec![to], self.routes.destination(sender), now);
        entry.describe(received.into_bytes(), &staged, &body);
        Ok((entry, staged))
    }

    /// Queues the answers to a message whose copies were delivered, those that are still due.
    pub(super) fn place_answers(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        answers: &[Answer],
        delivered: &[Result<(), Refusal>],
    ) -> Result<(), store::Error> {
        for Answer { copy, row, answered, entry, body } in answers {
            let has_copy = delivered.get(*copy).is_some_and(Result::is_ok);
            if has_copy && !answered.is_known(&*tx, row)? {
                tx.put(row.clone(), record::encode(VERSION, answered));
                entry::insert(tx, entry, body)?;
                self.wake_after(tx);
            }
        }
        Ok(())
    }
}

impl Answered {
    /// Whether the sender has had an answer not long ago, in the same period.
    fn is_known(self, read: &impl Read, row: &[u8]) -> Result<bool, store::Error> {
        let Some(kept) = read.get(row)? else { return Ok(false) };
        let kept: Option<Self> = record::decode_v(VERSION, &kept).ok();
        Ok(kept.is_some_and(|kept| {
            kept.period == self.period && (0..ANSWERED_FOR).contains(&self.at.saturating_sub(kept.at))
        }))
    }
}

/// The header of a message: nothing below it matters to an answer.
fn header(message: &[u8]) -> &[u8] {
    let lines = message.split_inclusive(|&b| b == b'\n').take_while(|line| !line.trim_ascii().is_empty());
    let end = lines.map(<[u8]>::len).fold(0, usize::saturating_add);
    message.get(..end).unwrap_or_default()
}

fn row(account: AccountId, sender: &Address) -> Vec<u8> {
    let sender = digest(&SHA256, sender.to_string().to_lowercase().as_bytes());
    Key::of(Table::AnsweredSender).u64(account.0).raw(sender.as_ref()).done()
}

fn only_store(error: mailbox::Error) -> Error {
    match error {
        mailbox::Error::Store(error) => error.into(),
        other => store::Error::Io(other.to_string()).into(),
    }
}

/// Whether an address is one that nobody reads, or everybody. RFC 3834 §2.
fn is_of_a_program(sender: &Address) -> bool {
    let local = sender.local().to_lowercase();
    let name = local.split('+').next().unwrap_or_default();
    PROGRAMS.contains(&name)
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || ENDS.iter().any(|end| name.ends_with(end))
}

/// Whether a message is one person's to another, as far as its header says. RFC 3834 §2, §5.
fn wants_answer(message: &Message<'_>) -> bool {
    let Some(root) = message.parts().first() else { return false };
    !message.is_truncated()
        && message.fields(root).all(|(name, value)| {
            let value = message::header::raw_text(value).to_ascii_lowercase();
            let word = value.split([';', '(']).next().unwrap_or_default().trim();
            match name.to_ascii_lowercase().as_slice() {
                b"auto-submitted" => word == "no",
                b"precedence" => !matches!(word, "bulk" | "list" | "junk"),
                b"content-type" => word != "multipart/report",
                b"x-spam-flag" => word != "yes",
                b"x-auto-response-suppress" => {
                    !value.split(',').any(|what| matches!(what.trim(), "oof" | "all"))
                }
                name => !name.starts_with(b"list-"),
            }
        })
}

/// Whether a message is to one of the account's addresses, not just sent along. RFC 5230 §4.5.
fn is_named(read: &impl Read, account: &Account, original: &MailRecord<'_>) -> Result<bool, Error> {
    let named = original.envelope.to.iter().chain(&original.envelope.cc);
    for address in named.filter_map(HeaderAddress::address).take(NAMED_MAX) {
        if directory::may_send_as(read, account.id, &address)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes an answer. RFC 3834 §3.1.
fn write(
    asked: &Asked,
    account: &Account,
    original: &MailRecord<'_>,
    said: &OutOfOfficeMessage,
    message_id: &str,
    unique: u128,
) -> Bytes {
    let subject = original.subject();
    let subject = match charset::truncate_chars(subject.trim(), SUBJECT_MAX) {
        "" => "Automatic reply".to_owned(),
        subject => format!("Automatic reply: {subject}"),
    };
    let own = HeaderAddress::Mailbox {
        name: Some(account.display_name.as_str().into()),
        local: account.address.local().into(),
        domain: account.address.domain().into(),
    };
    let to = asked.sender.to_string();
    let id = original.envelope.message_id.as_ref().and_then(|id| thread::message_id(id.as_bytes()));
    let plain = said.is_html.then(|| html::to_text(&said.text, Links::Shown, said.text.len()));
    let draft = Draft {
        from: vec![own],
        to: parse_addresses(to.as_bytes()).0,
        subject: &subject,
        date: Date { unix: asked.now.div_euclid(1000), offset_minutes: 0 },
        message_id,
        in_reply_to: id.as_deref(),
        references: if id.is_some() { thread::keys(original).ids } else { Vec::new() },
        fields: vec![
            ("Auto-Submitted", "auto-replied".to_owned()),
            ("X-Auto-Response-Suppress", "All".to_owned()),
        ],
        text: Some(plain.as_deref().unwrap_or(&said.text)),
        html: said.is_html.then_some(&said.text),
        unique,
        ..Draft::default()
    };
    draft.build().into()
}
