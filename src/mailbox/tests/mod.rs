//! Tests of the shared folder store against a store in memory.

mod folders;
mod items;
mod model;

use bytes::Bytes;

use super::*;
use crate::clock::Clock;
use crate::store::Store;

/// An account's mailbox, fresh.
struct Home {
    mailbox: Mailbox,
    owner: OwnerId,
}

impl Home {
    async fn new() -> Self {
        let clock = Clock::set(1_800_000_000_000);
        let mailbox = Mailbox::new(Store::in_memory().unwrap(), clock);
        let owner = OwnerId(7);
        let made = mailbox.write(Acting::System, Origin::OTHER, move |tx| tx.create_owner(owner, None)).await;
        made.unwrap();
        Self { mailbox, owner }
    }

    fn me(&self) -> Acting {
        Acting::account(self.owner.0)
    }

    fn view(&self) -> View {
        self.mailbox.view(self.me()).unwrap()
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

fn stage(mailbox: &Mailbox, bytes: Bytes) -> crate::store::StagedBody {
    let store = mailbox.store();
    store.stage_body(&store.body_key(0), &bytes).unwrap()
}
