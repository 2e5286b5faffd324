use std::ops::ControlFlow;

use wbxml::{airsyncbase as base, email};

use super::super::read;
use super::super::tests::Phone;
use super::*;
use crate::doors::eas::ids::server_id;
use crate::doors::eas::sample::Sample;
use crate::mailbox::{Acting, Origin, OwnerId};
use crate::store::Space;

impl Phone<'_> {
    /// Another device of the account.
    async fn another(&self, device: u64) -> Self {
        let mut phone = Self { session: self.session.clone(), key: "0".to_owned(), ..*self };
        phone.session.device = Origin(device);
        phone.session.query.device_id = format!("phone{device}");
        phone.sync(vec![]).await;
        phone.sync(vec![]).await;
        phone
    }

    async fn add(&mut self, id: &str, data: Element<'static>) -> String {
        let told = self.answered(add(id, data)).await;
        assert_eq!(told.text_of(airsync::STATUS), Some("1"));
        assert_eq!(told.text_of(airsync::CLIENT_ID), Some(id));
        told.text_of(airsync::SERVER_ID).unwrap().to_owned()
    }

    fn stored(&self, role: Role) -> Vec<String> {
        let (view, folder) = (self.sample.view(), self.sample.folder(role));
        let mut all = Vec::new();
        view.items(&folder, Uid(0), &mut |item| {
            let raw = self.sample.eas.mailbox.message(&view, &folder, &item).unwrap();
            all.push(String::from_utf8(raw.to_vec()).unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
        all
    }
}

fn data(to: &str, subject: &str, text: &str) -> Element<'static> {
    let body = Element::new(base::BODY).with_number(base::TYPE, 1).with_text(base::DATA, text.to_owned());
    Element::new(airsync::APPLICATION_DATA)
        .with_text(email::TO, to.to_owned())
        .with_text(email::SUBJECT, subject.to_owned())
        .with(body)
}

fn add(id: &str, data: Element<'static>) -> Element<'static> {
    Element::new(airsync::ADD).with_text(airsync::CLIENT_ID, id.to_owned()).with(data)
}

fn change(id: &str, data: Element<'static>) -> Element<'static> {
    Element::new(airsync::CHANGE).with_text(airsync::SERVER_ID, id.to_owned()).with(data)
}

fn commands<'a>(answer: &'a Element<'static>, tag: wbxml::Tag) -> Vec<&'a str> {
    let commands = answer.child(airsync::COMMANDS).map(Element::children).unwrap_or_default();
    commands.iter().filter(|c| c.tag() == tag).filter_map(|c| c.text_of(airsync::SERVER_ID)).collect()
}

#[tokio::test]
async fn added_changed_and_sent() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_1, Role::Drafts).await;
    let id = phone.add("c1", data("anna@example.test", "plan", "First words.\n")).await;
    assert_eq!(phone.sync(vec![]).await, None, "its own draft does not come back");
    let [draft] = &phone.stored(Role::Drafts)[..] else { panic!("not one") };
    assert!(draft.contains("First words.") && draft.contains("Subject: plan"));
    let item = sample.view().item(&sample.folder(Role::Drafts), Uid(1)).unwrap().unwrap();
    assert!(item.flags.has(Flags::DRAFT.and(Flags::SEEN)));
    // The second change says nothing of the recipient.
    let words = Element::new(base::BODY).with_number(base::TYPE, 1).with_text(base::DATA, "Second words.\n");
    let second = Element::new(airsync::APPLICATION_DATA).with(words);
    let answer = phone.sync(vec![change(&id, second)]).await.unwrap();
    assert!(!answer.has(airsync::RESPONSES) && !answer.has(airsync::COMMANDS));
    let mut sent_folder = Phone::new(&sample, Version::V16_1, Role::Sent).await;
    let last = Element::new(airsync::APPLICATION_DATA).with_text(email::SUBJECT, "last");
    let answer = phone.sync(vec![change(&id, last).with_empty(email2::SEND)]).await.unwrap();
    assert!(!answer.has(airsync::RESPONSES));
    assert_eq!(commands(&answer, airsync::DELETE), [id.as_str()], "the client is told that its draft ended");
    assert_eq!(phone.stored(Role::Drafts).len(), 0);
    let [inbox] = &phone.stored(Role::Inbox)[..] else { panic!("not one") };
    assert!(inbox.contains("Second words.") && inbox.contains("Subject: last"));
    let [sent] = &phone.stored(Role::Sent)[..] else { panic!("not one") };
    assert!(sent.contains("Second words."));
    let copy = sent_folder.sync(vec![]).await.unwrap();
    assert_eq!(commands(&copy, airsync::ADD).len(), 1, "the phone sees the copy");
    assert_eq!(phone.sync(vec![]).await, None);
    let kept = crate::mailbox::expunged(sample.view().reader(), OwnerId(sample.account.id.0), 9).unwrap();
    assert_eq!(kept.len(), 1);
}

#[tokio::test]
async fn a_lost_answer_sends_once() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_0, Role::Drafts).await;
    let id = phone.add("c1", data("anna@example.test, far@other.test", "s", "t")).await;
    let send =
        Element::new(airsync::CHANGE).with_text(airsync::SERVER_ID, id.clone()).with_empty(email2::SEND);
    let at_once = add("c2", data("anna@example.test", "at once", "u")).with_empty(email2::SEND);
    let request = phone.request(vec![send, at_once]);
    let first = phone.ask(&request).await.unwrap();
    let second = phone.ask(&request).await.unwrap();
    assert_eq!(first.child(airsync::RESPONSES), second.child(airsync::RESPONSES));
    assert_eq!(first.child(airsync::COMMANDS), second.child(airsync::COMMANDS));
    let [told] = first.child(airsync::RESPONSES).unwrap().children() else { panic!("{first:?}") };
    assert_eq!((told.text_of(airsync::CLIENT_ID), told.text_of(airsync::STATUS)), (Some("c2"), Some("1")));
    let sent_at_once = told.text_of(airsync::SERVER_ID).unwrap();
    assert_eq!(commands(&first, airsync::DELETE), [id.as_str(), sent_at_once]);
    assert_eq!(phone.stored(Role::Inbox).len(), 2);
    assert_eq!(phone.stored(Role::Sent).len(), 2);
    assert_eq!(sample.eas.delivery.queued().unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_sent_stays() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_1, Role::Drafts).await;
    let id = phone.add("c1", data("", "s", "t")).await;
    let send = |id: &str| {
        Element::new(airsync::CHANGE).with_text(airsync::SERVER_ID, id.to_owned()).with_empty(email2::SEND)
    };
    for to in ["", "no address", "nobody@example.test"] {
        let told = phone.answered(change(&id, data(to, "s", "t")).with_empty(email2::SEND)).await;
        assert_eq!(told.tag(), airsync::CHANGE);
        assert_eq!(told.text_of(airsync::STATUS), Some("183"), "{to}");
    }
    assert_eq!(
        phone.answered(send(&server_id(phone.folder, Uid(99)))).await.text_of(airsync::STATUS),
        Some("8")
    );
    let told = phone.answered(add("c2", data("", "s", "t")).with_empty(email2::SEND)).await;
    assert_eq!((told.text_of(airsync::STATUS), told.has(airsync::SERVER_ID)), (Some("183"), false));
    assert_eq!(phone.stored(Role::Drafts).len(), 1);
    // A full mailbox: the other commands of the request are applied.
    let (mailbox, owner) = (sample.eas.mailbox.clone(), OwnerId(sample.account.id.0));
    let full = mailbox.write(Acting::System, Origin::OTHER, move |tx| tx.set_quota(owner, Some(10)));
    full.await.unwrap();
    let at_once = add("c3", data("far@other.test", "s", "t")).with_empty(email2::SEND);
    let unread = change(&id, Element::new(airsync::APPLICATION_DATA).with_flag(email::READ, false));
    let answer = phone.sync(vec![at_once, unread]).await.unwrap();
    let told = &answer.child(airsync::RESPONSES).unwrap().children()[0];
    assert_eq!(told.text_of(airsync::STATUS), Some("9"));
    assert_eq!(sample.folder(Role::Drafts).unseen, 1);
    assert_eq!(sample.eas.delivery.queued().unwrap().len(), 0);
    // A draft makes room for its copy; one that finds none is not sent.
    let send = |text: &str| change(&id, data("far@other.test", "s", text)).with_empty(email2::SEND);
    assert_eq!(phone.answered(send("t")).await.text_of(airsync::STATUS), Some("9"));
    let (mailbox, used) = (sample.eas.mailbox.clone(), 1_000);
    let room = mailbox.write(Acting::System, Origin::OTHER, move |tx| tx.set_quota(owner, Some(used)));
    room.await.unwrap();
    let sent = phone.sync(vec![send("u")]).await.unwrap();
    assert_eq!(commands(&sent, airsync::DELETE), [id.as_str()]);
    assert_eq!((sample.eas.delivery.queued().unwrap().len(), sample.folder(Role::Sent).items), (1, 1));
}

#[tokio::test]
async fn attachments_are_told_by_their_references() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_1, Role::Drafts).await;
    let file = |id: &'static str| {
        Element::new(base::ADD)
            .with_text(base::CLIENT_ID, id)
            .with_text(base::DISPLAY_NAME, format!("{id}.txt"))
            .with_text(base::CONTENT_TYPE, "text/plain")
            .with_opaque(base::CONTENT, id.as_bytes().to_vec())
    };
    let files =
        |ids: &[&'static str]| Element::new(base::ATTACHMENTS).with_all(ids.iter().map(|id| file(id)));
    let request = phone.request(vec![add("c1", data("a@x.test", "s", "t").with(files(&["f1", "f2"])))]);
    let (first, again) = (phone.ask(&request).await.unwrap(), phone.ask(&request).await.unwrap());
    assert_eq!(first.child(airsync::RESPONSES), again.child(airsync::RESPONSES));
    phone.key = again.text_of(airsync::SYNC_KEY).unwrap().to_owned();
    let told = &first.child(airsync::RESPONSES).unwrap().children()[0];
    let id = told.text_of(airsync::SERVER_ID).unwrap().to_owned();
    let references = |told: &Element<'_>| -> Vec<(String, String)> {
        let files = told.at(&[airsync::APPLICATION_DATA, base::ATTACHMENTS]).unwrap().children();
        let text = |file: &Element<'_>, tag| file.text_of(tag).unwrap().to_owned();
        files.iter().map(|file| (text(file, base::CLIENT_ID), text(file, base::FILE_REFERENCE))).collect()
    };
    let added = references(told);
    assert_eq!(added, [("f1".to_owned(), format!("{id}:2")), ("f2".to_owned(), format!("{id}:3"))]);
    let delete = Element::new(base::DELETE).with_text(base::FILE_REFERENCE, format!("{id}:2"));
    let swap = Element::new(airsync::APPLICATION_DATA).with(files(&["f3"]).with(delete));
    let told = phone.answered(change(&id, swap)).await;
    assert_eq!(told.text_of(airsync::STATUS), Some("1"));
    assert_eq!(references(&told), [("f3".to_owned(), format!("{id}:3"))]);
    let [draft] = &phone.stored(Role::Drafts)[..] else { panic!("not one") };
    assert!(!draft.contains("f1.txt") && draft.contains("f2.txt") && draft.contains("f3.txt"));
}

#[tokio::test]
async fn twice_in_one_request() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_1, Role::Drafts).await;
    let id = phone.add("c1", data("anna@example.test", "one", "t")).await;
    let only = |tag, text: &'static str| Element::new(airsync::APPLICATION_DATA).with_text(tag, text);
    let answer = phone
        .sync(vec![
            change(&id, only(email::SUBJECT, "two")),
            change(&id, only(email::CC, "far@other.test")),
            Element::new(airsync::CHANGE).with_text(airsync::SERVER_ID, id.clone()).with_empty(email2::SEND),
            change(&id, only(email::SUBJECT, "too late")),
        ])
        .await
        .unwrap();
    let told = answer.child(airsync::RESPONSES).unwrap().children();
    assert_eq!(told.iter().map(|r| r.text_of(airsync::STATUS)).collect::<Vec<_>>(), [Some("8")]);
    let [sent] = &phone.stored(Role::Sent)[..] else { panic!("not one") };
    assert!(sent.contains("Subject: two") && sent.contains("far@other.test"));
    assert_eq!(sample.eas.delivery.queued().unwrap().len(), 1);

    // Nor is anything sent twice, in the same words or in others.
    let id = phone.add("c2", data("anna@example.test", "again", "t")).await;
    let send =
        || Element::new(airsync::CHANGE).with_text(airsync::SERVER_ID, id.clone()).with_empty(email2::SEND);
    let other = change(&id, only(email::SUBJECT, "other")).with_empty(email2::SEND);
    let answer = phone.sync(vec![send(), send(), other]).await.unwrap();
    let told = answer.child(airsync::RESPONSES).unwrap().children();
    assert_eq!(told.iter().map(|r| r.text_of(airsync::STATUS)).collect::<Vec<_>>(), [Some("8")]);
    assert_eq!(phone.stored(Role::Sent).len(), 2);
}

#[tokio::test]
async fn options_that_cannot_be_met() {
    let sample = Sample::new().await;
    let phone = Phone::new(&sample, Version::V16_1, Role::Inbox).await;
    let with = |key: &str, options| {
        let collection = Element::new(airsync::COLLECTION)
            .with_text(airsync::SYNC_KEY, key.to_owned())
            .with_text(airsync::COLLECTION_ID, phone.folder.0.to_string())
            .with(options);
        Element::new(airsync::SYNC).with(Element::new(airsync::COLLECTIONS).with(collection))
    };
    let filter = |filter: u8| Element::new(airsync::OPTIONS).with_number(airsync::FILTER_TYPE, filter);
    for key in [phone.key.as_str(), "0"] {
        for (kind, status) in [(5, "1"), (6, "4"), (8, "4"), (200, "4")] {
            let told = phone.ask(&with(key, filter(kind))).await;
            let told = told.as_ref().map_or(Some("1"), |told| told.text_of(airsync::STATUS));
            assert_eq!(told, Some(status), "{kind} with {key}");
        }
    }
    let part = |kind: u8| {
        let wanted = Element::new(base::BODY_PART_PREFERENCE).with_number(base::TYPE, kind);
        with("0", Element::new(airsync::OPTIONS).with(wanted))
    };
    let refused = read(&phone.session, Some(&part(1)));
    assert!(matches!(refused, Err(Failure::Common(Status::BodyPartPreferenceTypeNotSupported))));
    assert!(read(&phone.session, Some(&part(2))).unwrap().is_ok());
    let before = sample.session(Version::V14_0);
    assert!(read(&before, Some(&part(1))).unwrap().is_ok(), "there is no such thing");
}

#[tokio::test]
async fn only_drafts_and_only_from_16_0() {
    let sample = Sample::new().await;
    let add = || add("c1", data("anna@example.test", "s", "t"));
    let mut inbox = Phone::new(&sample, Version::V16_1, Role::Inbox).await;
    assert_eq!(inbox.answered(add()).await.text_of(airsync::STATUS), Some("6"));
    let mut before = Phone::new(&sample, Version::V14_1, Role::Drafts).await;
    assert_eq!(before.answered(add()).await.text_of(airsync::STATUS), Some("6"));
    assert_eq!(sample.folder(Role::Drafts).items + sample.folder(Role::Inbox).items, 0);
}

#[tokio::test]
async fn what_does_not_fit_into_a_row_is_refused() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_1, Role::Drafts).await;
    let id = phone.add("c1", data("anna@example.test", "s", "t")).await;
    let long = "x".repeat(1 << 20);
    let flag = Element::new(email::FLAG)
        .with_number(email::STATUS, 2)
        .with_text(wbxml::tasks::SUBJECT, long.clone());
    let categories = Element::new(email::CATEGORIES).with_text(email::CATEGORY, long);
    for marks in [flag, categories] {
        let marked = Element::new(airsync::APPLICATION_DATA).with(marks.clone());
        let told = phone.answered(change(&id, marked)).await;
        assert_eq!(told.text_of(airsync::STATUS), Some("6"));
        let told = phone.answered(add("c2", data("", "s", "t").with(marks))).await;
        assert_eq!(told.text_of(airsync::STATUS), Some("6"));
    }
    let item = sample.view().item(&sample.folder(Role::Drafts), Uid(1)).unwrap().unwrap();
    assert_eq!((item.properties.len(), sample.folder(Role::Drafts).items), (0, 1));
}

#[tokio::test]
async fn the_server_wins_unless_the_client_asks_otherwise() {
    let sample = Sample::new().await;
    let mut old = Phone::new(&sample, Version::V16_1, Role::Drafts).await;
    let id = old.add("c1", data("anna@example.test", "first", "t")).await;
    let mut new = old.another(78).await;
    assert_eq!(
        new.sync(vec![change(&id, data("anna@example.test", "newer", "t"))])
            .await
            .unwrap()
            .child(airsync::RESPONSES),
        None
    );
    // Neither what is stale is kept, nor what builds on it, nor is it sent.
    let stale = data("anna@example.test", "stale", "t");
    let more = Element::new(airsync::APPLICATION_DATA).with_text(email::CC, "far@other.test");
    let answer =
        old.sync(vec![change(&id, stale), change(&id, more).with_empty(email2::SEND)]).await.unwrap();
    let told = answer.child(airsync::RESPONSES).unwrap().children();
    assert_eq!(told.iter().map(|r| r.text_of(airsync::STATUS)).collect::<Vec<_>>(), [Some("7"); 2]);
    assert_eq!(commands(&answer, airsync::CHANGE), [id.as_str()], "it is told the server's");
    let [draft] = &old.stored(Role::Drafts)[..] else { panic!("not one") };
    assert!(draft.contains("Subject: newer") && old.stored(Role::Sent).is_empty());
    // Now that it knows, it may; and again, without having been told of its own change.
    for subject in ["known", "again"] {
        let answer = old.sync(vec![change(&id, data("anna@example.test", subject, "t"))]).await.unwrap();
        assert_eq!(answer.child(airsync::RESPONSES), None, "{subject}");
    }
    let mut asked = new.request(vec![change(&id, data("anna@example.test", "mine", "t"))]);
    let options = Element::new(airsync::OPTIONS).with_number(airsync::CONFLICT, 0);
    let collections = asked.clone().into_children().remove(0);
    let parts = collections.into_children().remove(0).into_children();
    let collection = Element::new(airsync::COLLECTION)
        .with_all(parts.into_iter().filter(|part| part.tag() != airsync::OPTIONS))
        .with(options);
    asked = Element::new(airsync::SYNC).with(Element::new(airsync::COLLECTIONS).with(collection));
    let answer = new.ask(&asked).await.unwrap();
    assert_eq!(answer.child(airsync::RESPONSES), None, "{answer:?}");
    assert!(new.stored(Role::Drafts)[0].contains("Subject: mine"));
}

#[tokio::test]
async fn what_builds_on_a_change_that_failed_fails_alone() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_1, Role::Drafts).await;
    let id = phone.add("c1", data("far@other.test", "s", "t")).await;
    let (mailbox, owner) = (sample.eas.mailbox.clone(), OwnerId(sample.account.id.0));
    let full = mailbox.write(Acting::System, Origin::OTHER, move |tx| tx.set_quota(owner, Some(1_000)));
    full.await.unwrap();
    let only = |tag, text: String| Element::new(airsync::APPLICATION_DATA).with_text(tag, text);
    let large = || change(&id, data("far@other.test", "s", &"long ".repeat(1_000)));
    let unread = || change(&id, Element::new(airsync::APPLICATION_DATA).with_flag(email::READ, false));
    let told = |answer: &Element<'static>| -> Vec<String> {
        let told = answer.child(airsync::RESPONSES).map(Element::children).unwrap_or_default();
        told.iter().map(|r| r.text_of(airsync::STATUS).unwrap().to_owned()).collect()
    };
    let more = change(&id, only(email::SUBJECT, "more".to_owned()));
    let answer = phone.sync(vec![large(), more, unread()]).await.unwrap();
    assert_eq!(told(&answer), ["9", "9"]);
    assert_eq!(sample.folder(Role::Drafts).unseen, 1, "the other commands are applied");
    let send = Element::new(airsync::CHANGE).with_text(airsync::SERVER_ID, id.clone());
    let answer = phone.sync(vec![large(), send.clone().with_empty(email2::SEND)]).await.unwrap();
    assert_eq!(told(&answer), ["9", "9"]);
    assert_eq!(sample.eas.delivery.queued().unwrap().len(), 0);
    // Sending that fails, and a change of what was to be sent.
    let nobody = change(&id, only(email::TO, "nobody@example.test".to_owned())).with_empty(email2::SEND);
    let more = change(&id, only(email::SUBJECT, "more".to_owned()));
    let answer = phone.sync(vec![nobody, more]).await.unwrap();
    assert_eq!(told(&answer), ["183", "183"]);
    assert!(phone.stored(Role::Drafts)[0].contains("Subject: s"));
    // The same command twice is one command.
    let same = || change(&id, only(email::SUBJECT, "same".to_owned()));
    let answer = phone.sync(vec![same(), same()]).await.unwrap();
    assert_eq!(told(&answer), [""; 0]);
    // What is deleted or sent cannot be sent.
    let delete = Element::new(airsync::DELETE).with_text(airsync::SERVER_ID, id.clone());
    let answer = phone.sync(vec![delete, send.with_empty(email2::SEND)]).await.unwrap();
    assert_eq!(told(&answer), ["8"]);
    assert_eq!(sample.eas.delivery.queued().unwrap().len(), 0);
}

#[tokio::test]
async fn a_damaged_draft_fails_alone() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_1, Role::Drafts).await;
    let damaged = phone.add("c1", data("anna@example.test", "one", "t")).await;
    let sound = phone.add("c2", data("anna@example.test", "two", "t")).await;
    let body = sample.view().item(&sample.folder(Role::Drafts), Uid(1)).unwrap().unwrap().body;
    let damage = sample.eas.mailbox.store().write_async(move |tx| {
        tx.delete_in(Space::Bodies, body.to_vec());
        Ok::<_, Error>(())
    });
    damage.await.unwrap();
    let cc = || Element::new(airsync::APPLICATION_DATA).with_text(email::CC, "far@other.test");
    let answer = phone.sync(vec![change(&damaged, cc()), change(&sound, cc())]).await.unwrap();
    let [told] = answer.child(airsync::RESPONSES).unwrap().children() else { panic!("{answer:?}") };
    assert_eq!(told.text_of(airsync::SERVER_ID), Some(damaged.as_str()));
    assert_eq!(told.text_of(airsync::STATUS), Some("6"));
}
