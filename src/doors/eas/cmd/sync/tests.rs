//! What a phone that synchronises one folder is told, and what is written down of it.

use wbxml::{Element, Version, airsync, airsyncbase, email, ping};

use super::{read, run};
use crate::directory::device;
use crate::doors::eas::cmd;
use crate::doors::eas::ids::server_id;
use crate::doors::eas::reply::Reply;
use crate::doors::eas::sample::{NOW, Sample, document};
use crate::doors::eas::session::Session;
use crate::doors::eas::state;
use crate::mailbox::{Flags, FolderId, Modseq, Role, Uid};

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
        match run(&self.session, read(&self.session, Some(request)).unwrap()).await.unwrap() {
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
                0 | 1 => {
                    let asked = cmd::ping::read(&session, Some(&request)).unwrap();
                    cmd::ping::run(&session, asked).await.map(drop)
                }
                _ => run(&session, read(&session, Some(&request)).unwrap()).await.map(drop),
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

fn change(id: String, read: bool) -> Element<'static> {
    let data = Element::new(airsync::APPLICATION_DATA).with(Element::boolean(email::READ, read));
    Element::new(airsync::CHANGE).with_text(airsync::SERVER_ID, id).with(data)
}

/// The same command twice is two, and a repeated request none.
#[tokio::test]
async fn commands_that_are_alike() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_1, Role::Inbox).await;
    let uid = sample.deliver(phone.folder, b"Subject: s\r\n\r\nt").await.uid;
    phone.sync(vec![]).await.unwrap();
    let is_read = || {
        let (view, folder) = (sample.view(), sample.folder(Role::Inbox));
        view.item(&folder, uid).unwrap().unwrap().flags.has(Flags::SEEN)
    };
    let (there_and_back, back) =
        (commands_of(&phone, uid, &[true, false, true]), commands_of(&phone, uid, &[true, false]));
    phone.ask(&phone.request(there_and_back.clone())).await.unwrap();
    assert!(is_read());
    let changed = phone.highest();
    phone.ask(&phone.request(there_and_back)).await.unwrap();
    assert_eq!(phone.highest(), changed, "the answer got lost: it is the same request");
    phone.sync(back).await.unwrap();
    assert!(is_read(), "all of it was done before");
    phone.sync(commands_of(&phone, uid, &[false, true, false])).await.unwrap();
    assert!(!is_read());
}

fn commands_of(phone: &Phone<'_>, uid: Uid, values: &[bool]) -> Vec<Element<'static>> {
    values.iter().map(|read| change(server_id(phone.folder, uid), *read)).collect()
}

fn statuses(answer: &Element<'_>) -> Vec<(String, u8)> {
    let all = answer.child(airsync::COLLECTIONS).unwrap().children();
    let status = |c: &Element<'_>| c.parse_of(airsync::STATUS).unwrap().unwrap();
    all.iter().map(|c| (c.text_of(airsync::COLLECTION_ID).unwrap().to_owned(), status(c))).collect()
}

async fn ask(session: &Session, collections: Vec<Element<'static>>) -> Element<'static> {
    let request = Element::new(airsync::SYNC).with(Element::new(airsync::COLLECTIONS).with_all(collections));
    document(run(session, read(session, Some(&request)).unwrap()).await.unwrap())
}

fn collection(folder: FolderId, key: &str) -> Element<'static> {
    Element::new(airsync::COLLECTION)
        .with_text(airsync::SYNC_KEY, key.to_owned())
        .with_text(airsync::COLLECTION_ID, folder.0.to_string())
}

/// What is wrong with one collection is told of it alone.
#[tokio::test]
async fn a_wrong_collection_does_not_spoil_the_others() {
    let sample = Sample::new().await;
    let session = sample.session(Version::V16_1);
    let (inbox, drafts, sent) =
        (sample.folder(Role::Inbox).id, sample.folder(Role::Drafts).id, sample.folder(Role::Sent).id);
    let unknown = Element::new(airsync::COMMANDS).with(Element::new(airsync::SOFT_DELETE));
    let answer = ask(
        &session,
        vec![
            collection(inbox, "0").with_number(airsync::GET_CHANGES, 1),
            collection(drafts, "0"),
            collection(sent, "1.0123456789abcdef").with(unknown),
        ],
    )
    .await;
    let id = |id: FolderId| id.0.to_string();
    assert_eq!(statuses(&answer), [(id(inbox), 4), (id(drafts), 1), (id(sent), 4)]);
    // Without a name there is nothing to tell it of.
    let nameless = Element::new(airsync::COLLECTION).with_text(airsync::SYNC_KEY, "0");
    let answer = ask(&session, vec![collection(drafts, "0"), nameless]).await;
    assert_eq!(answer.text_of(airsync::STATUS), Some("4"));
}

/// However much is asked for, an answer holds one item beyond its limit at the most.
#[tokio::test]
async fn what_is_fetched_has_a_limit() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_1, Role::Inbox).await;
    let sent = sample.folder(Role::Sent).id;
    let begun = ask(&phone.session, vec![collection(sent, "0")]).await;
    let path = [airsync::COLLECTIONS, airsync::COLLECTION, airsync::SYNC_KEY];
    let sent_key = begun.at(&path).and_then(Element::text).unwrap().to_owned();
    let large = [b"Subject: s\r\n\r\n".as_slice(), &b"0123456789abcde\n".repeat(3 << 16)].concat();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(server_id(phone.folder, sample.deliver(phone.folder, &large).await.uid));
        while phone.sync(vec![]).await.is_some() {}
    }
    sample.deliver(sent, b"Subject: small\r\n\r\nt").await;
    let fetches = [0, 0, 0, 1, 2]
        .map(|n: usize| Element::new(airsync::FETCH).with_text(airsync::SERVER_ID, ids[n].clone()));
    let fetches = Element::new(airsync::COMMANDS).with_all(fetches);
    let asked = vec![collection(phone.folder, &phone.key).with(fetches), collection(sent, &sent_key)];
    let answer = ask(&phone.session, asked).await;
    let [inbox, sent] = answer.child(airsync::COLLECTIONS).unwrap().children() else { panic!("{answer}") };
    let told: Vec<_> = inbox
        .child(airsync::RESPONSES)
        .unwrap()
        .children()
        .iter()
        .map(|fetch| (fetch.text_of(airsync::SERVER_ID).unwrap(), fetch.text_of(airsync::STATUS).unwrap()))
        .collect();
    assert_eq!(told, [(&*ids[0], "1"), (&*ids[1], "1"), (&*ids[2], "16")]);
    assert!(sent.has(airsync::MORE_AVAILABLE) && !sent.has(airsync::COMMANDS));
    let key = sent.text_of(airsync::SYNC_KEY).unwrap();
    let next = ask(&phone.session, vec![collection(sample.folder(Role::Sent).id, key)]).await;
    assert_eq!(added(&next.child(airsync::COLLECTIONS).unwrap().children()[0]).len(), 1);
}
