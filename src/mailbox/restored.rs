//! After a restore from a backup: nothing that was given out since the backup may be given out again with
//! another meaning.
//!
//! A backup knows nothing of the ids, UIDs and modseqs that clients have seen since. Without this they would
//! be drawn again for other things: an IMAP client would take new messages for ones it has (RFC 9051
//! §2.3.1.1), a phone would hold what is not there any more. Nothing in a folder that was copied back can
//! tell that it was, so an administrator says it, before the server starts.

use super::Mailbox;
use super::error::Error;
use super::ids::{Acting, FolderId, Modseq, Origin, OwnerId};
use super::tx::MailTx;
use crate::store::keys::{Parts, Table};
use crate::store::sweep;

/// Owners or folders that one transaction changes.
const STEP: usize = 200;
/// How far an owner's modseqs go ahead: further than they come between two backups.
const MODSEQ_SKIP: u64 = 1 << 32;
/// Modseqs go to this many for each second since 1970 at least, so that a backup that is restored for a second
/// time does not give out those of the first time again.
const MODSEQS_A_SECOND: u64 = 1 << 24;
/// How far UIDVALIDITY goes ahead of the clock, and of what the backup knows.
const UID_VALIDITY_SKIP: u32 = 1 << 16;
/// How far a folder's UIDs go ahead, as long as half of them are left.
const UID_SKIP: u32 = 1 << 20;

/// What became new.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    /// The store's epoch now.
    pub epoch: u64,
    /// Owners whose modseqs went ahead.
    pub owners: usize,
    /// Folders with a new UIDVALIDITY.
    pub folders: usize,
    /// Rows that could not be read and stay as they are.
    pub damaged: usize,
}

impl Mailbox {
    /// Makes a store that was copied back from a backup fit to be served: every client starts again, and
    /// nothing is given out twice. Nobody else may use the store. Interrupted, it must be called again; it
    /// may be called any number of times. Blocks.
    pub fn restored(&self) -> Result<Restored, Error> {
        let owners = self.each(Table::Owner, |tx, id| tx.skip_ahead(OwnerId(id)))?;
        let folders = self.each(Table::Folder, |tx, id| tx.begin_anew(FolderId(id)))?;
        // At last: until then no client could be told anything, and a second run does all of it again.
        let epoch = self.store.raise_epoch()?;
        Ok(Restored { epoch, owners: owners.0, folders: folders.0, damaged: owners.1 + folders.1 })
    }

    /// Does something with each id of a table, in transactions of [`STEP`]; counts what was done, and what
    /// could not be read.
    fn each(
        &self,
        table: Table,
        act: fn(&mut MailTx<'_, '_>, u64) -> Result<(), Error>,
    ) -> Result<(usize, usize), Error> {
        let (mut done, mut damaged) = (0, 0);
        let mut at = None;
        loop {
            let swept = sweep(&self.store.read()?, table, at.as_ref(), STEP, |key, _| Parts::of(key).u64())?;
            let this = self.clone();
            let step = self.store.shrink(move |tx| {
                this.within(tx, Acting::System, Origin::OTHER, |tx| {
                    let mut step = (0, 0);
                    for id in swept.found {
                        match act(tx, id) {
                            Ok(()) => step.0 += 1,
                            Err(error) if error.is_damage() || matches!(error, Error::Missing) => {
                                tracing::error!(?table, id, %error, "left as it is");
                                step.1 += 1;
                            }
                            Err(error) => return Err(error),
                        }
                    }
                    Ok(step)
                })
            });
            let (more, bad) = step?;
            done += more;
            damaged += bad;
            at = swept.next;
            if at.is_none() {
                return Ok((done, damaged));
            }
        }
    }
}

impl MailTx<'_, '_> {
    /// Sends an owner's counters beyond anything given out since the backup.
    fn skip_ahead(&mut self, owner: OwnerId) -> Result<(), Error> {
        let now = u32::try_from(self.now.div_euclid(1000)).unwrap_or_default();
        let row = self.owner_row(owner)?;
        let ahead = row.modseq.0.saturating_add(MODSEQ_SKIP);
        row.modseq = Modseq(ahead.max(u64::from(now).saturating_mul(MODSEQS_A_SECOND)));
        row.uid_validity = row.uid_validity.max(now).saturating_add(UID_VALIDITY_SKIP);
        Ok(())
    }

    /// Gives a folder, a deleted one too, a new UIDVALIDITY, a modseq above all that were given out, and UIDs
    /// that were not. Whoever has an older state starts again.
    fn begin_anew(&mut self, id: FolderId) -> Result<(), Error> {
        let owner = self.raw_folder_row(id)?.ok_or(Error::Missing)?.owner;
        let at = self.next_owner_modseq(owner)?;
        let uid_validity = self.next_uid_validity(owner)?;
        let row = self.raw_folder_row(id)?.ok_or(Error::Missing)?;
        row.highest = at;
        row.purged = at;
        row.uid_validity = uid_validity;
        row.uid_next = row.uid_next.max(row.uid_next.saturating_add(UID_SKIP).min(u32::MAX / 2));
        Ok(())
    }
}
