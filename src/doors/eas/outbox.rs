//! What a phone sends: made ready before the transaction, handed to delivery within it.
//!
//! The message gets the fields it lacks, and loses those that are not for its readers. Its From stays if
//! every address in it is one of the account's own, and becomes the account's otherwise: nobody writes in
//! another's name. The copy in Sent keeps its blind recipients.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::reply::{Failure, Status};
use super::session::{Eas, Session};
use crate::clock;
use crate::delivery::{
    Address, Addressee, Answers, Envelope, Incoming, Parsed, Prepared, Recipient, Refusal, Submitter, Trace,
};
use crate::directory::Account;
use crate::mailbox::{Error, Flags, FolderId, MailTx, NewItem, Role};
use crate::message::build::{address_field, message_id, missing_fields, without_bcc, without_fields};
use crate::message::date::Date;
use crate::message::{self, MailRecord, parse};
use crate::store::{INLINE_MAX, Tx};

/// The keyword of Received for mail that came over HTTP.
const WITH: &str = "HTTP";

/// A message that is ready to be sent.
pub(super) struct Outgoing {
    prepared: Prepared,
    /// Its copy for the Sent folder.
    sent: NewItem,
    sent_folder: Option<FolderId>,
    /// How many it goes to.
    pub(super) recipients: usize,
}

impl Outgoing {
    /// Makes a message ready. Nothing is kept of it unless [`Outgoing::place`] commits.
    pub(super) async fn prepare(session: &Session, mime: Bytes) -> Result<Self, Failure> {
        let (eas, account, mime_len) = (session.eas.clone(), session.login.account.clone(), mime.len());
        let work = move || compose(&eas, &account, &mime);
        let composed = blocking(&session.eas, mime_len, work).await?;
        let Composed { message, sent, sender, recipients } = composed;
        let smtputf8 = !sender.is_ascii() || recipients.iter().any(|address| !address.is_ascii());
        let count = recipients.len();
        let located = recipients.into_iter().map(|address| {
            let place = session.eas.delivery.locate(&address)?;
            Ok::<_, Failure>(Recipient { addressee: Addressee::new(address), place })
        });
        let incoming = Incoming {
            envelope: Envelope { sender: Some(sender), smtputf8, ..Envelope::default() },
            recipients: located.collect::<Result<_, _>>()?,
            trace: Trace { via: None, with: WITH.to_owned() },
            submitter: Some(Submitter {
                account: session.login.account.id.0,
                domain: session.login.domain.id.0,
            }),
            answers: Answers::One,
            body: message,
        };
        let prepared = session.eas.delivery.prepare(incoming).await?;
        let (eas, domain) = (session.eas.clone(), session.login.domain.id.0);
        let size = sent.len();
        let work = move || kept(&eas, domain, sent, Flags::SEEN);
        let sent = blocking(&session.eas, size, work).await?;
        let view = session.eas.mailbox.view(session.acting())?;
        let sent_folder = match view.by_role(session.owner(), Role::Sent) {
            Ok(folder) => Some(folder.id),
            Err(Error::Missing) => None,
            Err(e) => return Err(e.into()),
        };
        Ok(Self { prepared, sent, sent_folder, recipients: count })
    }

    /// Hands the message to delivery as part of a transaction of the store. `Err` when nobody gets it: then
    /// nothing of it was put down. Must not be called while folders are changed in the same transaction: it
    /// changes folders itself.
    pub(super) fn place(
        &self,
        eas: &Eas,
        tx: &mut Tx<'_>,
    ) -> Result<Result<(), Status>, crate::store::Error> {
        let receipt = eas.delivery.place(tx, &self.prepared)?;
        if receipt.accepted() {
            return Ok(Ok(()));
        }
        let unknown = receipt.verdicts.iter().all(|verdict| *verdict == Err(Refusal::NoSuchUser));
        Ok(Err(if unknown { Status::MessageRecipientUnresolved } else { Status::MailSubmissionFailed }))
    }

    /// Puts the copy into Sent.
    pub(super) fn keep_copy(&self, tx: &mut MailTx<'_, '_>) -> Result<(), Error> {
        let Some(folder) = self.sent_folder else { return Ok(()) };
        let sent = tx.granted(folder)?;
        tx.append(&sent, self.sent.clone())?;
        Ok(())
    }
}

/// Stages a message of the account's own as an item. Blocks when it is large.
pub(super) fn kept(eas: &Eas, domain: u64, message: Bytes, flags: Flags) -> Result<NewItem, Failure> {
    let store = eas.mailbox.store();
    let staged = store.stage_body(&store.body_key(domain), &message)?;
    Ok(Parsed::of(&message).item(staged, Bytes::new(), eas.mailbox.clock().now(), flags))
}

/// Runs what takes long for a large message where it does not hold up the sockets.
pub(super) async fn blocking<T: Send + 'static>(
    eas: &Eas,
    size: usize,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    if size <= INLINE_MAX { work() } else { eas.blocking(work).await }
}

/// 128 random bits.
pub(super) fn unique() -> Result<u128, Failure> {
    Ok(u128::from_be_bytes(clock::random().map_err(|_| Status::ServerErrorRetryLater)?))
}

/// A message as it goes out and as it is kept.
struct Composed {
    message: Bytes,
    sent: Bytes,
    sender: Address,
    recipients: Vec<Address>,
}

fn compose(eas: &Arc<Eas>, account: &Account, mime: &[u8]) -> Result<Composed, Failure> {
    let smtp = &eas.config.smtp;
    if mime.trim_ascii().is_empty() {
        return Err(Status::InvalidMime.into());
    }
    if u64::try_from(mime.len()).unwrap_or(u64::MAX) > smtp.max_message {
        return Err(Status::AttachmentIsTooLarge.into());
    }
    let mime = with_crlf(mime);
    let (mime, sender) = in_own_name(eas, account, &mime)?;
    let parsed = parse(&mime);
    let record = MailRecord::from_message(&parsed);
    let recipients = recipients(&record, usize::try_from(smtp.max_recipients).unwrap_or(usize::MAX))?;
    let date = Date { unix: eas.mailbox.clock().now_secs(), offset_minutes: 0 };
    let missing = missing_fields(&parsed, date, &message_id(unique()?, &smtp.hostname));
    let sent = [missing.as_bytes(), &mime].concat();
    let message = match without_bcc(&sent) {
        Cow::Borrowed(_) => None,
        Cow::Owned(message) => Some(Bytes::from(message)),
    };
    let sent = Bytes::from(sent);
    Ok(Composed { message: message.unwrap_or_else(|| sent.clone()), sent, sender, recipients })
}

/// Ends every line by CR LF, as mail is sent. RFC 5322 §2.3.
fn with_crlf(mime: &[u8]) -> Cow<'_, [u8]> {
    let bare = |(at, byte): (usize, &u8)| match byte {
        b'\n' => at == 0 || mime.get(at - 1) != Some(&b'\r'),
        b'\r' => mime.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    if !mime.iter().enumerate().any(bare) {
        return Cow::Borrowed(mime);
    }
    let mut out = Vec::with_capacity(mime.len() + mime.len() / 32);
    let mut bytes = mime.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => {
                if *byte == b'\r' {
                    bytes.next_if_eq(&&b'\n');
                }
                out.extend_from_slice(b"\r\n");
            }
            other => out.push(*other),
        }
    }
    Cow::Owned(out)
}

/// The message with a From of the account's, and the address it is from.
fn in_own_name<'m>(
    eas: &Eas,
    account: &Account,
    mime: &'m [u8],
) -> Result<(Cow<'m, [u8]>, Address), Failure> {
    let parsed = parse(mime);
    let record = MailRecord::from_message(&parsed);
    let is_own = |address: &message::Address<'_>| match address.address() {
        Some(address) => eas.directory.may_send_as(account.id, &address),
        None => Ok(true),
    };
    let all_own = |list: &[message::Address<'_>]| {
        list.iter().map(is_own).try_fold(true, |all, own| Ok::<_, crate::directory::Error>(all && own?))
    };
    let envelope = &record.envelope;
    let named = envelope.from.iter().find_map(message::Address::address);
    let sender = named.as_deref().and_then(|address| address.parse().ok());
    let own_sender = all_own(&envelope.sender).map_err(unavailable)?;
    let fields = parsed
        .parts()
        .first()
        .map_or(0, |root| parsed.fields(root).filter(|(name, _)| name.eq_ignore_ascii_case(b"From")).count());
    if let (Some(sender), 1, true) = (sender, fields, all_own(&envelope.from).map_err(unavailable)?) {
        if own_sender {
            return Ok((Cow::Borrowed(mime), sender));
        }
        let kept = without_fields(mime, |name| name.eq_ignore_ascii_case(b"Sender"));
        return Ok((Cow::Owned(kept.into_owned()), sender));
    }
    let own = account.address.to_string();
    let sender = own.parse().map_err(|_| Status::MailSubmissionFailed)?;
    let kept = without_fields(mime, |name| {
        name.eq_ignore_ascii_case(b"From") || name.eq_ignore_ascii_case(b"Sender")
    });
    Ok((Cow::Owned([&from_field(account), &*kept].concat()), sender))
}

/// Looking an address up fails only because of the store.
fn unavailable(e: crate::directory::Error) -> Failure {
    crate::delivery::Error::from(e).into()
}

/// The From of a message that the account writes.
pub(super) fn from_field(account: &Account) -> Vec<u8> {
    let own = message::Address::Mailbox {
        name: Some(account.display_name.as_str().into()),
        local: account.address.local().into(),
        domain: account.address.domain().into(),
    };
    address_field("From", &[own])
}

/// Everybody a message is for, each once.
fn recipients(record: &MailRecord<'_>, most: usize) -> Result<Vec<Address>, Failure> {
    let envelope = &record.envelope;
    let lists = envelope.to.iter().chain(&envelope.cc).chain(&envelope.bcc);
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for text in lists.filter_map(message::Address::address) {
        let address: Address = text.parse().map_err(|_| Status::MessageRecipientUnresolved)?;
        if seen.insert(address.clone()) {
            all.push(address);
        }
    }
    // More than are read from a field are more than anybody may write to.
    if all.len() > most || record.flags.contains(message::Flags::TRUNCATED) && all.len() >= ADDRESSES_MAX {
        return Err(Status::SendQuotaExceeded.into());
    }
    if all.is_empty() { Err(Status::MessageHasNoRecipient.into()) } else { Ok(all) }
}

/// Addresses read from one field.
const ADDRESSES_MAX: usize = message::limits::ADDRESSES;

#[cfg(test)]
mod tests {
    use super::super::sample::Sample;
    use super::*;
    use wbxml::Version;

    async fn composed(mime: &str) -> Result<(String, String, String, Vec<String>), Failure> {
        let sample = Sample::new().await;
        let composed = compose(&sample.eas, &sample.account, mime.as_bytes())?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let recipients = composed.recipients.iter().map(Address::to_string).collect();
        Ok((text(&composed.message), text(&composed.sent), composed.sender.to_string(), recipients))
    }

    #[tokio::test]
    async fn what_is_missing_is_added_and_bcc_is_kept_apart() {
        let (message, sent, sender, recipients) = composed(
            "From: anna.berg@example.test\nTo: a@x.test, A@x.test, a@X.test\nCc: b@x.test\nBcc: c@x.test\n\nHello\n",
        )
        .await
        .unwrap();
        assert_eq!(sender, "anna.berg@example.test");
        assert_eq!(recipients, ["a@x.test", "A@x.test", "b@x.test", "c@x.test"]);
        assert!(sent.starts_with("Date: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: <"));
        assert!(sent.contains("\r\nBcc: c@x.test\r\n"));
        assert_eq!(message, sent.replace("Bcc: c@x.test\r\n", ""));
        assert!(message.ends_with("\r\n\r\nHello\r\n"));
    }

    #[tokio::test]
    async fn nobody_writes_in_anothers_name() {
        for from in [
            "",
            "From: boss@example.test\r\n",
            "From: anna@example.test\r\nFrom: boss@example.test\r\n",
            "From: anna@example.test, boss@example.test\r\n",
            "From: nonsense\r\n",
            "From: boss@example.test\r\nSender: boss@example.test\r\n",
        ] {
            let (message, _, sender, _) = composed(&format!("{from}To: a@x.test\r\n\r\n")).await.unwrap();
            assert_eq!(sender, "anna@example.test", "{from}");
            assert!(!message.contains("boss"), "{message}");
            assert!(message.contains("From: \"anna\" <anna@example.test>\r\n"), "{message}");
        }
        let (message, _, sender, _) = composed(
            "From: Anna <anna+shop@example.test>\r\nSender: boss@example.test\r\nTo: a@x.test\r\n\r\n",
        )
        .await
        .unwrap();
        assert_eq!(sender, "anna+shop@example.test");
        assert!(message.contains("From: Anna <anna+shop@example.test>\r\n") && !message.contains("Sender"));
    }

    #[tokio::test]
    async fn what_cannot_be_sent() {
        let many: String = (0..1_001).map(|n| format!("u{n}@x.test,\r\n ")).collect();
        let million = "u@x.test,".repeat(1_000_000);
        for (mime, status) in [
            ("", Status::InvalidMime),
            (" \r\n", Status::InvalidMime),
            ("Subject: x\r\n\r\n", Status::MessageHasNoRecipient),
            ("To: undisclosed:;\r\n\r\n", Status::MessageHasNoRecipient),
            ("To: anna\r\n\r\n", Status::MessageRecipientUnresolved),
            ("To: <\"\"@x>\r\n\r\n", Status::MessageRecipientUnresolved),
            (&format!("To: {many}v@x.test\r\n\r\n"), Status::SendQuotaExceeded),
        ] {
            let result = composed(mime).await;
            assert!(matches!(result, Err(Failure::Common(s)) if s == status), "{result:?} for {status:?}");
        }
        // A million times the same address is one recipient, and takes no time.
        assert_eq!(composed(&format!("To: {million}\r\n\r\n")).await.unwrap().3, ["u@x.test"]);
        let sample = Sample::new().await;
        let large = Bytes::from(vec![b'x'; usize::try_from(sample.eas.config.smtp.max_message).unwrap() + 1]);
        let refused = Outgoing::prepare(&sample.session(Version::V14_0), large).await;
        assert!(matches!(refused, Err(Failure::Common(Status::AttachmentIsTooLarge))));
    }

    #[test]
    fn lines_end_as_mail_wants() {
        assert_eq!(&*with_crlf(b"a\nb\r\nc\rd\r\r\ne"), b"a\r\nb\r\nc\r\nd\r\n\r\ne");
        assert!(matches!(with_crlf(b"a\r\nb\r\n"), Cow::Borrowed(_)));
    }
}
