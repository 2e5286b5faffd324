//! Commands whose outcome is worked out before the transaction, which then only puts it down: of drafts and
//! of items that are not mail.

use super::apply::Done;
use super::request::Command;
use super::{drafts, objects};
use crate::doors::eas::render::Kept;
use crate::doors::eas::reply::Failure;
use crate::doors::eas::session::{Eas, Session};
use crate::mailbox::sync::Given;
use crate::mailbox::{Error, Folder, FolderId, Granted, Item, Kind, Knew, MailTx, Modseq, Origin, Uid};
use crate::store::{self, Tx};

/// 7: client and server both changed the item, and the server's stays. MS-ASCMD §2.2.3.177.17.
pub(super) const CONFLICT: u16 = 7;

/// What commands come to.
pub(super) enum Plans {
    Drafts(drafts::Plans),
    Objects(objects::Plans),
}

/// Whose change counts where client and server both changed an item.
#[derive(Clone, Copy)]
pub(super) struct Claim {
    /// The client.
    pub(super) device: Origin,
    /// Up to where it knew the folder.
    pub(super) knew: Modseq,
    /// Conflict: its change replaces the server's. MS-ASCMD §2.2.3.34.
    pub(super) client_wins: bool,
}

impl Claim {
    /// Whether a change would undo what the client has not seen.
    pub(super) fn conflicts(&self, item: &Item) -> bool {
        let knows = item.content_modseq <= self.knew
            || item.silent_for.is(self.device)
            || (item.content_modseq == item.born && item.born_by.is(self.device));
        !knows && !self.client_wins
    }
}

/// Works out the commands that were not applied before.
pub(super) async fn plan(
    session: &Session,
    folder: &Folder,
    commands: &[Command],
    before: &[Given],
    kept: &Kept,
) -> Result<Plans, Failure> {
    match folder.kind {
        Kind::Mail => drafts::plan(session, folder, commands, before).await.map(Plans::Drafts),
        _ => objects::plan(session, folder, commands, before, kept).await.map(Plans::Objects),
    }
}

impl Plans {
    /// Holds the plans against what the client knew and what they were made from. `Stale` when an item is
    /// not the one that a change was worked out from.
    pub(super) fn check(
        &mut self,
        tx: &mut MailTx<'_, '_>,
        folder: FolderId,
        commands: &[Command],
        claim: Claim,
    ) -> Result<(), Error> {
        match self {
            Self::Drafts(plans) => plans.check(tx, folder, commands, claim),
            Self::Objects(plans) => plans.check(tx, folder, commands, claim),
        }
    }

    /// Hands over what goes out; before folders are changed in the same transaction.
    pub(super) fn place(&mut self, eas: &Eas, tx: &mut Tx<'_>) -> Result<(), store::Error> {
        match self {
            Self::Drafts(plans) => plans.place(eas, tx),
            // Theirs goes out with the item.
            Self::Objects(_) => Ok(()),
        }
    }

    /// Puts down what a command comes to. `None` for one that needs no plan.
    pub(super) fn apply<'g>(
        &self,
        tx: &mut MailTx<'_, 'g>,
        at: &Granted<'g>,
        command: (usize, &Command),
        uid: Option<Uid>,
        knew: Knew,
    ) -> Result<Option<Result<Done, u16>>, Error> {
        match self {
            Self::Drafts(plans) => plans.apply(tx, at, command, uid, knew),
            Self::Objects(plans) => plans.apply(tx, at, command, uid, knew),
        }
    }

    /// Keeps copies of what was sent.
    pub(super) fn keep_copies(&self, tx: &mut MailTx<'_, '_>) -> Result<(), Error> {
        match self {
            Self::Drafts(plans) => plans.keep_copies(tx),
            Self::Objects(_) => Ok(()),
        }
    }

    /// Lets nothing be sent: each command that would send fails with a status of its own.
    pub(super) fn refuse_to_send(&mut self, status: u16) {
        match self {
            Self::Drafts(plans) => plans.refuse_to_send(status),
            Self::Objects(_) => {}
        }
    }

    /// Whether an item is added or changed.
    pub(super) fn any(&self) -> bool {
        match self {
            Self::Drafts(plans) => plans.any(),
            Self::Objects(plans) => plans.any(),
        }
    }

    /// Whether a draft is sent.
    pub(super) fn send_any(&self) -> bool {
        match self {
            Self::Drafts(plans) => plans.send_any(),
            Self::Objects(_) => false,
        }
    }

    /// Whether it is worth another try when something came in between.
    pub(super) fn can_be_made_again(&self) -> bool {
        matches!(self, Self::Objects(_))
    }
}
