//! Tests of the shared folder store against a store in memory.

mod damaged;
mod folders;
mod hot;
mod items;
mod kept;
mod model;
mod random;
mod restored;
mod shared;
mod verified;

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::clock::Clock;
use crate::policy::{Grant, Rights};
use crate::store::keys::{Key, Table};
use crate::store::{Change, Engine, Memory, Order, Read, Space, Store};

/// An account's mailbox, fresh.
struct Home {
    mailbox: Mailbox,
    owner: OwnerId,
}

impl Home {
    async fn new() -> Self {
        let clock = Clock::set(1_800_000_000_000);
        Self::over(Mailbox::new(Store::in_memory_at(&clock).unwrap(), clock)).await
    }

    async fn over(mailbox: Mailbox) -> Self {
        let owner = OwnerId(7);
        let made = mailbox.write(Acting::System, Origin::OTHER, move |tx| tx.create_owner(owner, None)).await;
        made.unwrap();
        Self { mailbox, owner }
    }

    /// The same home over these rows.
    fn with_rows(&self, rows: Vec<Change>) -> Self {
        let engine = Memory::default();
        engine.commit(rows).unwrap();
        let clock = self.mailbox.clock();
        let store = Store::over_at(Arc::new(engine), clock).unwrap();
        Self { mailbox: Mailbox::new(store, clock.clone()), owner: self.owner }
    }

    fn me(&self) -> Acting {
        Acting::account(self.owner.0)
    }

    fn view(&self) -> View {
        self.mailbox.view(self.me()).unwrap()
    }

    fn view_of(&self, account: u64) -> View {
        self.mailbox.view(Acting::account(account)).unwrap()
    }

    fn now(&self) -> crate::clock::Millis {
        self.mailbox.clock().now()
    }

    /// The folder's row, whoever may see it.
    fn folder(&self, id: FolderId) -> Folder {
        self.mailbox.view(Acting::System).unwrap().folder(id).unwrap().folder
    }

    /// The item as its owner sees it.
    fn get(&self, folder: FolderId, uid: Uid) -> Option<Item> {
        self.view().item(&self.folder(folder), uid).unwrap()
    }

    fn counters(&self) -> Owner {
        self.view().owner(self.owner).unwrap()
    }

    fn log(&self, folder: FolderId) -> Vec<(Modseq, LogRow)> {
        let mut rows = Vec::new();
        self.view()
            .log(&self.folder(folder), Modseq(0), &mut |at, row| {
                rows.push((at, row));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        rows
    }

    /// All keys of a table.
    fn keys(&self, table: Table) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let range = Key::of(table).range();
        self.mailbox
            .store()
            .read()
            .unwrap()
            .scan(&range, Order::Forward, &mut |key, _| {
                keys.push(key.to_vec());
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        keys
    }

    /// Makes a mail folder.
    async fn make(&self, parent: FolderId, name: &str) -> Result<FolderId, Error> {
        let (owner, name) = (self.owner, name.to_owned());
        self.act(Origin::OTHER, move |tx| {
            tx.create_folder(owner, &NewFolder { parent, name: &name, kind: Kind::Mail })
        })
        .await
    }

    /// Lets somebody do something in a folder.
    async fn grant(&self, folder: FolderId, grantee: u64, allow: Rights, deny: Rights) {
        self.act(Origin::OTHER, move |tx| {
            let folder = tx.granted(folder)?;
            tx.set_grant(&folder, Grant { grantee, allow, deny })
        })
        .await
        .unwrap();
    }

    /// Acts as another account.
    async fn as_account<T: Send + 'static>(
        &self,
        account: u64,
        f: impl FnOnce(&mut MailTx<'_, '_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.mailbox.write(Acting::account(account), Origin::OTHER, f).await
    }

    /// Acts as the server.
    async fn as_system<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut MailTx<'_, '_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.mailbox.write(Acting::System, Origin::OTHER, f).await
    }

    fn role(&self, role: Role) -> Folder {
        self.view().by_role(self.owner, role).unwrap()
    }

    fn item(&self, text: &str, date: i64) -> NewItem {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        NewItem {
            body: stage(&self.mailbox, bytes),
            prefix: Bytes::from_static(b"Return-Path: <>\r\n"),
            record: Bytes::from_static(b"record"),
            internal_date: date,
            filter_date: None,
            flags: Flags::NONE,
            keywords: Vec::new(),
            thread: ThreadKeys::default(),
            dav_name: None,
            ical_uid: None,
            properties: Vec::new(),
        }
    }

    async fn add(&self, folder: FolderId, text: &str, date: i64) -> Placed {
        let item = self.item(text, date);
        self.act(Origin::OTHER, move |tx| {
            let to = tx.granted(folder)?;
            tx.append(&to, item)
        })
        .await
        .unwrap()
    }

    async fn act<T: Send + 'static>(
        &self,
        origin: Origin,
        f: impl FnOnce(&mut MailTx<'_, '_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.mailbox.write(self.me(), origin, f).await
    }

    fn check(&self) {
        let differences = verify(self.view().reader()).unwrap();
        assert!(differences.is_empty(), "{differences:#?}");
    }
}

/// All rows of a store, as a backup has them. Large bodies are not among them.
fn copy_of(store: &Store) -> Vec<Change> {
    let reader = store.read().unwrap();
    let mut rows = Vec::new();
    for space in [Space::Rows, Space::Bodies] {
        let all = (Bound::Unbounded, Bound::Unbounded);
        reader
            .scan_in(space, &all, Order::Forward, &mut |key, value| {
                rows.push(Change { space, key: key.to_vec(), value: Some(value.clone()) });
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
    }
    rows
}

fn stage(mailbox: &Mailbox, bytes: Bytes) -> crate::store::StagedBody {
    let store = mailbox.store();
    store.stage_body(&store.body_key(0), &bytes).unwrap()
}
