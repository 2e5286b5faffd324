//! What a phone that synchronises one folder is told, and what is written down of it.

use wbxml::{Element, Version, airsync, airsyncbase, email, ping};

use super::run;
use crate::directory::device;
use crate::doors::eas::cmd;
use crate::doors::eas::reply::Reply;
use crate::doors::eas::sample::{NOW, Sample, document};
use crate::doors::eas::session::Session;
use crate::doors::eas::state;
use crate::mailbox::{FolderId, Modseq, Role};

/// A phone that synchronises one folder.
pub(super) struct Phone<'s> {
    pub(super) sample: &'s Sample,
    pub(super) session: Session,
    pub(super) folder: FolderId,
    pub(super) key: String,
    pub(super) filter: u8,
}

impl<'s> Phone<'s> {
    pub(super) async fn new(sample: &'s Sample, version: Version, role: Role) -> Self {
        let (session, folder) = (sample.session(version), sample.folder(role).id);
        let mut phone = Self { sample, session, folder, key: "0".to_owned(), filter: 0 };
        phone.sync(vec![]).await;
        phone
    }

    pub(super) fn request(&self, commands: Vec<Element<'static>>) -> Element<'static> {
        let commands = (!commands.is_empty()).then(|| Element::new(airsync::COMMANDS).with_all(commands));
        let collection = Element::new(airsync::COLLECTION)
            .with_text(airsync::SYNC_KEY, self.key.clone())
            .with_text(airsync::COLLECTION_ID, self.folder.0.to_string())
            .with_all(
                (self.key != "0")
                    .then(|| Element::new(airsync::OPTIONS).with_number(airsync::FILTER_TYPE, self.filter)),
            )
            .with_all(commands);
        Element::new(airsync::SYNC).with(Element::new(airsync::COLLECTIONS).with(collection))
    }

    pub(super) async fn ask(&self, request: &Element<'_>) -> Option<Element<'static>> {
        match run(&self.session, Some(request)).await.unwrap() {
            Reply::Empty => None,
            answer => document(answer).at(&[airsync::COLLECTIONS, airsync::COLLECTION]).cloned(),
        }
    }

    /// Synchronises; the answer's collection.
    pub(super) async fn sync(&mut self, commands: Vec<Element<'static>>) -> Option<Element<'static>> {
        let answer = self.ask(&self.request(commands)).await;
        if let Some(answer) = &answer {
            assert_eq!(answer.text_of(airsync::STATUS), Some("1"), "{answer:?}");
            self.key = answer.text_of(airsync::SYNC_KEY).unwrap().to_owned();
        }
        answer
    }

    pub(super) async fn answered(&mut self, command: Element<'static>) -> Element<'static> {
        let answer = self.sync(vec![command]).await.unwrap();
        answer.child(airsync::RESPONSES).unwrap().children()[0].clone()
    }
}

const DAY: i64 = 86_400_000;

impl Phone<'_> {
    /// Up to where the phone was told, as it is written down.
    fn cursor(&self) -> Modseq {
        let view = self.sample.view();
        let mut row = state::collection(view.reader(), &self.session, self.folder).unwrap().unwrap();
        assert!(row.accept(self.key.parse().unwrap()));
        row.state.cursor
    }

    fn highest(&self) -> Modseq {
        self.sample.view().readable(self.folder).unwrap().highest
    }
}

fn added(answer: &Element<'_>) -> Vec<Element<'static>> {
    let commands = answer.child(airsync::COMMANDS).into_iter().flat_map(|c| c.children_of(airsync::ADD));
    commands.map(|add| add.child(airsync::APPLICATION_DATA).unwrap().clone().into_owned()).collect()
}

/// What a filter leaves out is passed once, not walked again with every request.
#[tokio::test]
async fn a_quiet_answer_is_written_down() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_1, Role::Inbox).await;
    phone.filter = 1;
    sample.deliver(phone.folder, b"Subject: new\r\n\r\nt").await;
    assert_eq!(added(&phone.sync(vec![]).await.unwrap()).len(), 1);
    let key = phone.key.clone();
    for n in 0..3 {
        sample.deliver_at(phone.folder, NOW - 2 * DAY - n, b"Subject: old\r\n\r\nt").await;
        assert!(phone.cursor() < phone.highest());
        assert!(phone.sync(vec![]).await.is_none(), "old mail is not for it");
        assert_eq!((phone.cursor(), &phone.key), (phone.highest(), &key));
    }
    sample.deliver(phone.folder, b"Subject: newer\r\n\r\nt").await;
    let lost = phone.ask(&phone.request(vec![])).await.unwrap();
    assert_eq!(added(&lost).len(), 1);
    assert_eq!(added(&phone.sync(vec![]).await.unwrap()).len(), 1, "the key is as good as before");
}

/// Damage costs what is damaged: the phone has the item all the same, and is told of its changes.
#[tokio::test]
async fn what_cannot_be_shown_is_told_as_far_as_it_is_known() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_1, Role::Inbox).await;
    let uid = sample.deliver(phone.folder, b"From: a@b.test\r\nSubject: whole\r\n\r\nt").await.uid;
    sample.damage_record(phone.folder, uid).await;
    let adds = added(&phone.sync(vec![]).await.unwrap());
    assert_eq!(adds[0].text_of(email::SUBJECT), Some("(damaged message)"));
    let body = adds[0].child(airsyncbase::BODY).unwrap();
    assert_eq!(body.text_of(airsyncbase::TRUNCATED), Some("1"));
    assert!(body.text_of(airsyncbase::DATA).unwrap().contains("damaged"));
    assert!(phone.sync(vec![]).await.is_none());
    assert_eq!(phone.cursor(), phone.highest());
}

/// A Ping and a Sync that wait do the same.
#[tokio::test]
async fn who_waits_passes_what_is_not_for_it() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_1, Role::Inbox).await;
    phone.filter = 1;
    let (account, registered) = (sample.account.id, phone.session.registered.clone());
    let seen = sample.eas.mailbox.store().write_async(move |tx| device::seen(tx, account, registered, 1));
    assert!(seen.await.unwrap().is_some());
    let watched = Element::new(ping::FOLDER).with_text(ping::ID, phone.folder.0.to_string());
    let ping = Element::new(ping::PING)
        .with_number(ping::HEARTBEAT_INTERVAL, 600)
        .with(Element::new(ping::FOLDERS).with(watched));
    let sync = |phone: &Phone<'_>| phone.request(vec![]).with_number(airsync::HEARTBEAT_INTERVAL, 600);
    for round in 0..4 {
        // Its last answer is not confirmed in the first rounds.
        if round == 0 || round == 2 {
            sample.deliver(phone.folder, b"Subject: new\r\n\r\nt").await;
            phone.sync(vec![]).await.unwrap();
        }
        let (session, request) = (phone.session.clone(), if round < 2 { ping.clone() } else { sync(&phone) });
        let waiting = async {
            match round {
                0 | 1 => cmd::ping::run(&session, Some(&request)).await.map(drop),
                _ => run(&session, Some(&request)).await.map(drop),
            }
        };
        let passed = async {
            tokio::task::yield_now().await;
            sample.deliver_at(phone.folder, NOW - 2 * DAY, b"Subject: old\r\n\r\nt").await;
            while phone.cursor() < phone.highest() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            told = waiting => panic!("round {round}: woken in vain: {told:?}"),
            () = passed => {}
            () = tokio::time::sleep(std::time::Duration::from_secs(20)) => panic!("nothing is written down"),
        }
    }
    assert!(phone.sync(vec![]).await.is_none());
}
