//! What follows from a change in a calendar beside the change itself: who takes part is told.
//!
//! Up to 14.1 a client mails invitations, cancellations and answers itself, by SendMail; from 16.0 on the
//! server does (MS-ASCMD §2.2.1.11, §2.2.1.21). Nobody is told twice.

use caldav::Object;
use wbxml::Version;

use super::class::CONVERSION;
use super::outbox::blocking;
use super::reply::Failure;
use super::session::Session;
use crate::delivery::{Delivery, Outbound};
use crate::directory::{self, Account, AccountId};
use crate::mailbox::{Error, Folder, OwnerId, View};
use crate::scheduling::{self, Asked, Plan, Refused};
use crate::store::{self, Tx};

/// Messages that go out in the transaction that changes the event.
#[derive(Default)]
pub(super) struct Follows(Option<(Delivery, Outbound)>);

impl Follows {
    /// What follows when an event becomes `new`, and the event as it is to be stored; `Err` is the status of
    /// the item.
    pub(super) async fn of_change(
        session: &Session,
        folder: &Folder,
        old: Option<&[u8]>,
        new: Vec<u8>,
    ) -> Result<Result<(Vec<u8>, Self), u16>, Failure> {
        let (old, owner, of) = (old.map(<[u8]>::to_vec), folder.owner, session.clone());
        let size = old.as_ref().map_or(0, Vec::len).saturating_add(new.len());
        blocking(&session.eas, size, move || {
            let Some(planned) = plan(&of, owner, old.as_deref(), Some(&new))? else {
                return Ok(Ok((new, Self::default())));
            };
            let Ok((account, plan)) = planned else { return Ok(Err(CONVERSION)) };
            let stored = match plan.bytes() {
                Some(bytes) if plan.differs => bytes.to_vec(),
                _ => new,
            };
            Ok(Ok((stored, Self::of_plan(&of, &account, &plan)?)))
        })
        .await
    }

    /// What follows when an event is removed.
    pub(super) async fn of_removal(
        session: &Session,
        folder: &Folder,
        old: &[u8],
    ) -> Result<Result<Self, u16>, Failure> {
        let (old, owner, of) = (old.to_vec(), folder.owner, session.clone());
        blocking(&session.eas, old.len(), move || match plan(&of, owner, Some(&old), None)? {
            Some(Ok((account, plan))) => Ok(Ok(Self::of_plan(&of, &account, &plan)?)),
            // What cannot be understood can be removed still.
            Some(Err(_)) | None => Ok(Ok(Self::default())),
        })
        .await
    }

    fn of_plan(session: &Session, account: &Account, plan: &Plan) -> Result<Self, Failure> {
        let delivery = session.eas.delivery.clone();
        let outbound = delivery.outbound(account.domain.0, &plan.mails)?;
        Ok(Self(Some((delivery, outbound))))
    }

    /// Hands the messages to the queue in the transaction of the event, once that is put down: what comes to
    /// nothing is told to nobody.
    pub(super) fn post(&self, tx: &mut Tx<'_>) -> Result<(), store::Error> {
        self.0.as_ref().map_or(Ok(()), |(delivery, outbound)| delivery.post(tx, outbound))
    }
}

/// Whether a client mails itself what is to be told.
pub(super) fn mails_itself(version: Version) -> bool {
    version < Version::V16_0
}

/// Plans a change in somebody's calendar. `None` where the calendar is nobody's or the object cannot be read.
#[expect(clippy::type_complexity, reason = "a plan and whose it is")]
fn plan(
    session: &Session,
    owner: OwnerId,
    old: Option<&[u8]>,
    new: Option<&[u8]>,
) -> Result<Option<Result<(Account, Plan), Refused>>, Failure> {
    let view = session.eas.mailbox.view(session.acting())?;
    let Some(account) = account_of(&view, owner)? else { return Ok(None) };
    let parse = |octets: Option<&[u8]>| octets.map(Object::parse).transpose();
    let (Ok(old), Ok(new)) = (parse(old), parse(new)) else { return Ok(None) };
    let asked = Asked { quiet: mails_itself(session.version), strict: false };
    let now = session.eas.mailbox.clock().now_secs();
    match scheduling::plan(&view, &account, old.as_ref(), new.as_ref(), None, asked, now) {
        Ok(plan) => Ok(Some(Ok((account, plan)))),
        Err(Refused::Mailbox(Error::Store(e))) => Err(e.into()),
        Err(refused) => {
            tracing::info!(%refused, "a change of a meeting is refused");
            Ok(Some(Err(refused)))
        }
    }
}

/// Whose folders are an owner's; `None` for those that are nobody's.
pub(super) fn account_of(view: &View, owner: OwnerId) -> Result<Option<Account>, Failure> {
    Ok(directory::account(view.reader(), AccountId(owner.0))?)
}
