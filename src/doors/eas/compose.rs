//! What SendMail, SmartReply and SmartForward have in common: their request, and the one transaction in
//! which a message leaves. MS-ASCMD §2.2.1.17, §2.2.1.19, §2.2.1.20.
//!
//! Together in it: the row by which a repeated request is recognised, delivery or the queue's entry, the
//! copy in Sent, and what is noted at the message that was answered.

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use wbxml::{Element, Tag, composemail as tags};

use super::ids::{folder_id, item_id, of_long_id};
use super::outbox::{Outgoing, blocking, unique};
use super::render::{VERB_PROPERTY, Verb};
use super::reply::{Failure, Reply, Status};
use super::session::{Eas, Session};
use super::state::{self, device_row};
use crate::clock::Millis;
use crate::mailbox::{Acting, Edit, Error, Flags, FolderId, Kind, Knew, Origin, Uid};
use crate::message::build::{Labels, Merge, Mode};
use crate::store::keys::{Key, Table};
use crate::store::{self, Order, Read, Tx};

/// Longest ClientId in characters; MS-ASCMD §2.2.3.28.1 allows 40.
const CLIENT_ID_MAX: usize = 255;
/// How long a ClientId is remembered, and how many of one device.
const REMEMBERED_FOR: Millis = 30 * 86_400_000;
const REMEMBERED_MAX: usize = 200;

/// A request of the three commands.
pub(super) struct Request {
    client_id: Option<ClientId>,
    /// Mime.
    pub(super) mime: Option<Bytes>,
    save_in_sent: bool,
    source: Option<Source>,
    /// ReplaceMime: the client's message is whole.
    pub(super) replace: bool,
}

/// What a request is recognised by when it is repeated.
struct ClientId {
    /// The row it is remembered in.
    row: Vec<u8>,
    /// A digest of the whole request.
    content: [u8; 32],
}

/// A ClientId that was used.
#[derive(Serialize, Deserialize)]
struct Used {
    at: Millis,
    content: [u8; 32],
}

/// The message that is answered or passed on.
#[derive(Clone, Copy)]
enum Source {
    Item(FolderId, Uid),
    /// The ids name nothing.
    Nothing,
}

/// A message that was found to answer or to pass on.
pub(super) struct Original {
    folder: FolderId,
    uid: Uid,
    /// The whole message.
    pub(super) message: Bytes,
}

impl Original {
    fn read(eas: &Eas, acting: Acting, folder: FolderId, uid: Uid) -> Result<Self, Failure> {
        let mailbox = &eas.mailbox;
        let view = mailbox.view(acting)?;
        // A folder that may not be read is as good as none.
        let folder = match view.readable(folder) {
            Ok(folder) if folder.kind == Kind::Mail => folder,
            Ok(_) | Err(Error::Missing | Error::Denied) => return Err(Status::ItemNotFound.into()),
            Err(e) => return Err(e.into()),
        };
        let item = view.item(&folder, uid)?.ok_or(Status::ItemNotFound)?;
        let message = mailbox.message(&view, &folder, &item)?;
        Ok(Self { folder: folder.id, uid, message })
    }
}

impl Request {
    /// Reads a request. From 14.0 on it is a document; before, the body is the message alone, and what else
    /// there is to say stands in the query.
    pub(super) fn read(session: &Session, request: Option<&Element<'_>>, root: Tag) -> Result<Self, Failure> {
        let Some(request) = request else { return Ok(Self::of_query(session)) };
        if request.tag() != root {
            return Err(Status::InvalidXml.into());
        }
        if let Some(account) = request.text_of(tags::ACCOUNT_ID)
            && !account.is_empty()
            && account != session.login.account.id.0.to_string()
        {
            return Err(Status::InvalidAccountId.into());
        }
        let client_id = request.text_of(tags::CLIENT_ID).ok_or(Status::InvalidXml)?;
        if client_id.is_empty() || client_id.len() > CLIENT_ID_MAX {
            return Err(Status::InvalidXml.into());
        }
        let source = request.child(tags::SOURCE).map(Source::read).transpose()?;
        Ok(Self {
            client_id: Some(ClientId::new(session, client_id, request)),
            mime: request.bytes_of(tags::MIME).map(Bytes::copy_from_slice),
            save_in_sent: request.flag_of(tags::SAVE_IN_SENT_ITEMS)?.unwrap_or(false),
            source,
            replace: request.flag_of(tags::REPLACE_MIME)?.unwrap_or(false),
        })
    }

    fn of_query(session: &Session) -> Self {
        let query = &session.query;
        let source = match (&query.long_id, &query.item_id) {
            (Some(long), _) => Some(Source::of(of_long_id(long))),
            (None, Some(item)) => {
                let folder = query.collection_id.as_deref().and_then(folder_id);
                Some(Source::of(item_id(item).filter(|(of, _)| folder == Some(*of))))
            }
            (None, None) => None,
        };
        Self {
            client_id: None,
            mime: Some(session.message.clone()),
            save_in_sent: query.save_in_sent,
            source,
            replace: false,
        }
    }

    /// The request as it was answered before, if it was. The same ClientId with other content is refused.
    pub(super) fn repeated(&self, session: &Session) -> Result<Option<Reply>, Failure> {
        let Some(client_id) = &self.client_id else { return Ok(None) };
        let used = client_id.used(&session.eas.mailbox.store().read()?)?;
        Ok(client_id.compare(used)?.map(|Repeated| Reply::Empty))
    }

    /// The message that the request is about. Status 150 if there is none.
    pub(super) async fn original(&self, session: &Session) -> Result<Original, Failure> {
        let Some(Source::Item(folder, uid)) = self.source else { return Err(Status::ItemNotFound.into()) };
        let (eas, acting) = (session.eas.clone(), session.acting());
        session.eas.blocking(move || Original::read(&eas, acting, folder, uid)).await
    }

    /// Sends a message, and notes at the original what was done with it.
    pub(super) async fn send(
        self,
        session: &Session,
        mime: Bytes,
        original: Option<(Original, Mode)>,
    ) -> Result<Reply, Failure> {
        let outgoing = Outgoing::prepare(session, mime).await?;
        let now = session.eas.mailbox.clock().now();
        let noted = original.map(|(original, mode)| noted(&original, mode, outgoing.recipients, now));
        let (eas, acting) = (session.eas.clone(), session.acting());
        let devices = device_row(Table::SentClientId, session.login.account.id.0, &session.query.device_id);
        let sent = session.eas.mailbox.store().write_async(move |tx| {
            if let Some(client_id) = &self.client_id {
                let used = client_id.used(&*tx)?;
                if client_id.compare(used)?.is_some() {
                    return Ok(());
                }
                forget(tx, &devices, now)?;
                client_id.remember(tx, now);
            }
            outgoing.place(&eas, tx)?.map_err(Failure::from)?;
            // Every device is told of the copy and of what was noted, this one too.
            eas.mailbox.within(tx, acting, Origin::OTHER, |mail| {
                if self.save_in_sent {
                    outgoing.keep_copy(mail)?;
                }
                let Some((folder, uid, edit)) = &noted else { return Ok(()) };
                let edited = mail.granted(*folder).and_then(|at| mail.edit(&at, *uid, edit, Knew::default()));
                match edited {
                    // It may be gone by now, or be somebody else's who lets nobody mark it.
                    Ok(_) | Err(Error::Missing | Error::Denied) => Ok(()),
                    Err(e) => Err(Failure::from(e)),
                }
            })
        });
        sent.await?;
        Ok(Reply::Empty)
    }
}

/// What is noted at a message that was answered or passed on.
fn noted(original: &Original, mode: Mode, recipients: usize, now: Millis) -> (FolderId, Uid, Edit) {
    let (set, verb) = match mode {
        Mode::Forward => (Flags::FORWARDED, Verb::FORWARD),
        Mode::Reply if recipients > 1 => (Flags::ANSWERED, Verb::REPLY_TO_ALL),
        Mode::Reply => (Flags::ANSWERED, Verb::REPLY),
    };
    let kept = Verb { verb, at: now }.kept();
    let properties = vec![(VERB_PROPERTY.to_owned(), Some(kept))];
    (original.folder, original.uid, Edit { set, properties, ..Edit::default() })
}

/// The client's message put together with the one it is about.
pub(super) async fn merged(
    session: &Session,
    new: Bytes,
    original: Bytes,
    mode: Mode,
) -> Result<Bytes, Failure> {
    let unique = unique()?;
    blocking(&session.eas, new.len().saturating_add(original.len()), move || {
        let merge = Merge { new: &new, original: &original, mode, labels: Labels::default(), unique };
        Ok(Bytes::from(merge.build()))
    })
    .await
}

impl Source {
    fn read(source: &Element<'_>) -> Result<Self, Failure> {
        let text = |tag| source.text_of(tag).filter(|text| !text.is_empty());
        let (folder, item) = (text(tags::FOLDER_ID), text(tags::ITEM_ID));
        match (text(tags::LONG_ID), folder, item) {
            (Some(long), None, None) => Ok(Self::of(of_long_id(long))),
            (None, Some(folder), Some(item)) => {
                Ok(Self::of(item_id(item).filter(|(of, _)| folder_id(folder) == Some(*of))))
            }
            _ => Err(Status::InvalidCombinationOfIds.into()),
        }
    }

    fn of(named: Option<(FolderId, Uid)>) -> Self {
        named.map_or(Self::Nothing, |(folder, uid)| Self::Item(folder, uid))
    }
}

/// The request was answered before.
struct Repeated;

impl ClientId {
    fn new(session: &Session, id: &str, request: &Element<'_>) -> Self {
        let name = digest(&SHA256, id.as_bytes());
        let row = Key::of(Table::SentClientId)
            .u64(session.login.account.id.0)
            .text(&session.query.device_id)
            .raw(name.as_ref())
            .done();
        let whole = digest(&SHA256, &wbxml::encode(request));
        let content = whole.as_ref().first_chunk().copied().unwrap_or_default();
        Self { row, content }
    }

    fn used(&self, from: &dyn Read) -> Result<Option<Used>, store::Error> {
        state::read(from, &self.row)
    }

    fn compare(&self, used: Option<Used>) -> Result<Option<Repeated>, Failure> {
        match used {
            None => Ok(None),
            Some(used) if used.content == self.content => Ok(Some(Repeated)),
            Some(_) => Err(Status::MessagePreviouslySent.into()),
        }
    }

    fn remember(&self, tx: &mut Tx<'_>, now: Millis) {
        tx.put(self.row.clone(), state::row(&Used { at: now, content: self.content }));
    }
}

/// Makes room for a ClientId: forgets those of a device that are too old, and the oldest of too many. What comes
/// after it is safe from it, whatever the clock says.
fn forget(tx: &mut Tx<'_>, device: &[u8], now: Millis) -> Result<(), store::Error> {
    let mut used = Vec::new();
    tx.scan(&store::prefixed(device), Order::Forward, &mut |key, value| {
        let at = state::decode::<Used>(value).map_or(Millis::MIN, |used| used.at);
        used.push((at, key.to_vec()));
        ControlFlow::Continue(())
    })?;
    used.sort_unstable();
    let excess = used.len().saturating_sub(REMEMBERED_MAX - 1);
    for (n, (at, key)) in used.into_iter().enumerate() {
        if n < excess || now.saturating_sub(at) > REMEMBERED_FOR {
            tx.delete(key);
        }
    }
    Ok(())
}
