//! What follows from a change in a calendar beside the change itself: who takes part is told.

use super::reply::Failure;
use super::session::{Eas, Session};
use crate::mailbox::Folder;
use crate::store::{self, Tx};

/// Messages that go out in the transaction that changes the event.
#[derive(Default)]
pub(super) struct Follows {}

impl Follows {
    /// What follows when an event becomes `new`, and the event as it is to be stored; `Err` is the status of
    /// the item.
    pub(super) async fn of_change(
        _session: &Session,
        _folder: &Folder,
        _old: Option<&[u8]>,
        new: Vec<u8>,
    ) -> Result<Result<(Vec<u8>, Self), u16>, Failure> {
        Ok(Ok((new, Self::default())))
    }

    /// What follows when an event is removed.
    pub(super) async fn of_removal(
        _session: &Session,
        _folder: &Folder,
        _old: &[u8],
    ) -> Result<Result<Self, u16>, Failure> {
        Ok(Ok(Self::default()))
    }

    /// Hands the messages to the queue; before folders are changed in the same transaction.
    pub(super) fn place(&mut self, _eas: &Eas, _tx: &mut Tx<'_>) -> Result<(), store::Error> {
        Ok(())
    }
}
