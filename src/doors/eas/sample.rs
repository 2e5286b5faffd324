//! A server with one account, as the commands' tests see it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wbxml::Element;

use super::reply::Reply;
use super::request::{Query, Version};
use super::session::{Eas, Session};
use crate::clock::{Clock, Millis};
use crate::config::Config;
use crate::delivery::{Delivery, SystemResolver};
use crate::directory::device::{Came, Device};
use crate::directory::{Account, AuthLimits, Directory, Domain, Login, NewAccount, PasswordCost, Service};
use crate::mailbox::{
    Acting, Error, Flags, Folder, FolderId, MailTx, Mailbox, NewItem, Origin, OwnerId, Placed, Role,
    ThreadKeys, Uid, View,
};
use crate::message::{MailRecord, parse};
use crate::metrics::Metrics;
use crate::net::Shutdown;
use crate::objects::Objects;
use crate::store::Store;

/// 2026-11-24T12:00:00Z.
pub(super) const NOW: Millis = 1_795_521_600_000;
/// What delivery puts in front of a message.
const PREFIX: &str = "Return-Path: <>\r\nDelivered-To: anna@example.test\r\n";

/// One account's server.
pub(super) struct Sample {
    pub(super) eas: Arc<Eas>,
    pub(super) account: Account,
    pub(super) domain: Domain,
    login: Login,
}

impl Sample {
    /// The account `anna@example.test`, with an alias, and her standard folders.
    pub(super) async fn new() -> Self {
        let clock = Clock::set(NOW);
        let store = Store::in_memory_at(&clock).unwrap();
        let cost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1, scram_iterations: 4096 };
        let limits = AuthLimits { cost, remembered_for: Duration::ZERO, ..AuthLimits::default() };
        let directory = Directory::new(store.clone(), clock.clone(), limits).unwrap();
        let domain = directory.insert_domain("example.test").await.unwrap();
        let mailbox = Mailbox::new(store, clock);
        let config = Arc::new(Config::default());
        let resolver = Arc::new(SystemResolver::default());
        let delivery =
            Delivery::new(mailbox.clone(), Objects::default(), config.smtp.clone(), resolver, Metrics::new());
        let eas = Eas::new(mailbox, directory, delivery, config, Shutdown::new(), Metrics::new());
        let eas = Arc::new(eas);
        let login = add_account(&eas, "anna@example.test", &["anna.berg@example.test"]).await;
        Self { eas, account: login.account.clone(), domain, login }
    }

    /// Another account of the same server.
    pub(super) async fn other(&self, address: &str) -> Self {
        let login = add_account(&self.eas, address, &[]).await;
        let account = login.account.clone();
        Self { eas: self.eas.clone(), account, domain: self.domain.clone(), login }
    }

    /// A request of the account's phone.
    pub(super) fn session(&self, version: Version) -> Session {
        let query = Query::parse("Cmd=Sync&DeviceId=phone1&DeviceType=SmartPhone&User=anna").unwrap();
        Session {
            connection: None,
            eas: self.eas.clone(),
            login: self.login.clone(),
            device: Origin(77),
            registered: Device::new(
                &Came { id: "phone1", device_type: "SmartPhone", user_agent: "", version: "16.1" },
                NOW,
            ),
            version,
            query,
            message: Bytes::new(),
            waited: Arc::default(),
        }
    }

    pub(super) fn view(&self) -> View {
        self.eas.mailbox.view(Acting::account(self.account.id.0)).unwrap()
    }

    pub(super) fn folder(&self, role: Role) -> Folder {
        self.view().by_role(OwnerId(self.account.id.0), role).unwrap()
    }

    /// Runs a change as another client of the account.
    pub(super) async fn act<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut MailTx<'_, '_>) -> Result<T, Error> + Send + 'static,
    ) -> T {
        let acting = Acting::account(self.account.id.0);
        self.eas.mailbox.write(acting, Origin::OTHER, f).await.unwrap()
    }

    /// Puts a message into a folder as delivery does.
    pub(super) async fn deliver(&self, folder: FolderId, raw: &[u8]) -> Placed {
        self.deliver_at(folder, NOW, raw).await
    }

    /// As [`Sample::deliver`], at another time.
    pub(super) async fn deliver_at(&self, folder: FolderId, at: Millis, raw: &[u8]) -> Placed {
        let new = NewItem { internal_date: at, ..self.item(raw) };
        self.act(move |tx| {
            let to = tx.granted(folder)?;
            tx.append(&to, new)
        })
        .await
    }

    /// Makes an item's record unreadable.
    pub(super) async fn damage_record(&self, folder: FolderId, uid: Uid) {
        use crate::store::keys::{Key, Table};
        let key = Key::of(Table::Record).u64(folder.0).u32(uid.0).done();
        let damage = self.eas.mailbox.store().write_async(move |tx| {
            assert!(crate::store::Read::get(tx, &key)?.is_some(), "there is no such row");
            tx.put(key, b"\x01damaged".to_vec());
            Ok::<_, crate::store::Error>(())
        });
        damage.await.unwrap();
    }

    /// Makes the body of an item unreadable.
    pub(super) async fn damage_body(&self, folder: FolderId, uid: Uid) {
        use crate::store::keys::{Key, Table};
        let view = self.view();
        let item = view.item(&view.readable(folder).unwrap(), uid).unwrap().unwrap();
        let key = Key::of(Table::Body).raw(&item.body).done();
        let damage = self.eas.mailbox.store().write_async(move |tx| {
            let row = crate::store::Read::get(tx, &key)?.expect("there is such a row");
            // A place where it is not.
            tx.put(key, [&row[..1], &[row[1] ^ 1], &row[2..]].concat());
            Ok::<_, crate::store::Error>(())
        });
        damage.await.unwrap();
    }

    fn item(&self, raw: &[u8]) -> NewItem {
        let store = self.eas.mailbox.store();
        let body = store.stage_body(&store.body_key(self.domain.id.0), &Bytes::copy_from_slice(raw)).unwrap();
        let record = MailRecord::from_message(&parse(raw)).shift(u32::try_from(PREFIX.len()).unwrap());
        NewItem {
            body,
            prefix: Bytes::from_static(PREFIX.as_bytes()),
            record: record.encode().into(),
            internal_date: NOW,
            filter_date: None,
            flags: Flags::NONE,
            keywords: Vec::new(),
            thread: ThreadKeys::default(),
            dav_name: None,
            ical_uid: None,
            properties: Vec::new(),
        }
    }
}

async fn add_account(eas: &Eas, address: &str, aliases: &[&str]) -> Login {
    let new = NewAccount {
        address: address.to_owned(),
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        ..NewAccount::default()
    };
    let account = eas.directory.insert_account(new, Some("secret")).await.unwrap();
    let owner = OwnerId(account.id.0);
    let made = eas.mailbox.write(Acting::System, Origin::OTHER, move |tx| tx.create_owner(owner, None));
    made.await.unwrap();
    let peer = std::net::Ipv4Addr::LOCALHOST.into();
    eas.directory.authenticate(address, b"secret", peer, Service::Eas).await.unwrap()
}

/// The document of a reply.
pub(super) fn document(reply: Reply) -> Element<'static> {
    match reply {
        Reply::Document(document) => document,
        other => panic!("no document but {other:?}"),
    }
}
