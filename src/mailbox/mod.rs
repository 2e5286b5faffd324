//! The shared folder store: accounts' folders, items, rights, change log, quota, notifications.
//!
//! Reads go through a [`View`] of one snapshot, changes through a [`MailTx`] that the committer runs
//! over its current view. Both see everything with the rights of whoever acts. Every door stands on
//! this and on nothing below it.

mod change;
mod damaged;
mod error;
mod folder;
mod hot;
mod ids;
mod item;
mod items;
mod notify;
mod purge;
mod recover;
mod restored;
mod rows;
mod seen;
pub mod sync;
#[cfg(test)]
mod tests;
mod thread;
mod tree;
mod tx;
mod verify;
mod view;

pub use change::{Edit, Knew, NewContent, NewItem, Placed};
pub use error::Error;
pub use folder::{FOLDERS_MAX, Folder, Kind, NAME_MAX, Owner, Role, STANDARD, TreeChange, check_name};
pub use hot::{Light, Lights};
pub use ids::{Acting, FolderId, Modseq, Origin, OwnerId, Uid};
pub use item::{Expunged, Flags, Item, LogRow, SPAN, ThreadKeys};
pub use notify::{Notifier, Place, Watch};
pub use purge::{
    Leftover, ThreadEntry, Tombstone, deleted_folders, old_threads, old_tombstones, owners_to_purge,
    removed_owners, seen_by_nobody, states_of_nothing,
};
pub use recover::{ExpungedId, expunged};
pub use restored::Restored;
pub use rows::Record;
pub use tree::NewFolder;
pub use tx::{Granted, MailTx};
pub use verify::{Difference, owners, verify};
pub use view::{Seen, Synced, View};

use std::sync::Arc;

use bytes::Bytes;

use crate::clock::Clock;
use crate::store::{BodyId, Store, Tx};
use hot::HotFolders;

/// The shared folder store. Cheap to clone.
#[derive(Clone)]
pub struct Mailbox {
    store: Store,
    clock: Clock,
    notifier: Notifier,
    hot: Arc<HotFolders>,
}

/// Memory for hot folders, in bytes, unless said otherwise: some 2 million items.
pub const HOT_BYTES: u64 = 64 << 20;

impl Mailbox {
    /// The folders kept in `store`.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self::with_hot(store, clock, HOT_BYTES)
    }

    /// As [`Mailbox::new`], with `hot_bytes` of memory for folders looked at lately.
    pub fn with_hot(store: Store, clock: Clock, hot_bytes: u64) -> Self {
        let hot = Arc::new(HotFolders::new(hot_bytes));
        Self { store, clock, notifier: Notifier::default(), hot }
    }

    /// The store beneath.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Where to wait for changes.
    pub fn notifier(&self) -> &Notifier {
        &self.notifier
    }

    /// The time by which items are stamped.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A snapshot seen by `acting`.
    pub fn view(&self, acting: Acting) -> Result<View, Error> {
        Ok(View::new(self.store.read()?, acting))
    }

    /// An item's whole message: its trace prefix and its body, checked against its hash.
    pub fn message(&self, view: &View, folder: &Folder, item: &Item) -> Result<Bytes, Error> {
        let body = view.reader().body(&BodyId(item.body))?;
        let record = view.record(folder, item.uid)?;
        let prefix = record.as_ref().map(Record::prefix).unwrap_or_default();
        if prefix.is_empty() {
            return Ok(body);
        }
        Ok([prefix, &body].concat().into())
    }

    /// What listings ask of a folder's items, as `view` has them: from memory when the folder was looked at
    /// lately.
    pub fn lights(&self, view: &View, folder: &Folder) -> Result<Lights, Error> {
        self.hot.lights(view, folder)
    }

    /// Runs `f` as one transaction; the future is ready when it is durable.
    pub fn write<T, E, F>(
        &self,
        acting: Acting,
        origin: Origin,
        f: F,
    ) -> impl Future<Output = Result<T, E>> + Send + use<T, E, F>
    where
        F: FnOnce(&mut MailTx<'_, '_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<crate::store::Error> + Send + 'static,
    {
        let this = self.clone();
        self.store.write_async(move |tx| this.within(tx, acting, origin, f))
    }

    /// As [`Mailbox::write`], for a change that frees space: it goes on while the store is full.
    pub fn shrink<T, E, F>(
        &self,
        acting: Acting,
        origin: Origin,
        f: F,
    ) -> impl Future<Output = Result<T, E>> + Send + use<T, E, F>
    where
        F: FnOnce(&mut MailTx<'_, '_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<crate::store::Error> + Send + 'static,
    {
        let this = self.clone();
        self.store.shrink_async(move |tx| this.within(tx, acting, origin, f))
    }

    /// Runs `f` on the folders as part of a transaction of the store.
    pub fn within<T, E>(
        &self,
        tx: &mut Tx<'_>,
        acting: Acting,
        origin: Origin,
        f: impl FnOnce(&mut MailTx<'_, '_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut mail = MailTx::new(tx, acting, origin, self.clock.now());
        let result = f(&mut mail)?;
        mail.finish(&self.notifier);
        Ok(result)
    }
}
