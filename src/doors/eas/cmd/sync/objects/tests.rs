//! Contacts, tasks and notes through Sync: what comes of a command, and who is told of it.

use bytes::Bytes;
use wbxml::{Element, Tag, Version, airsync, airsyncbase, calendar, contacts, notes, tasks};

use super::super::tests::Phone;
use crate::doors::eas::ids::{item_id, server_id};
use crate::doors::eas::sample::Sample;
use crate::mailbox::{Error, FolderId, Kind, Knew, Role, Uid};
use crate::objects::{self, Expected, Limits, Prepared, Target};

fn leaf(tag: Tag, text: &str) -> Element<'static> {
    Element::leaf(tag, text.to_owned())
}

fn data(children: impl IntoIterator<Item = Element<'static>>) -> Element<'static> {
    Element::new(airsync::APPLICATION_DATA).with_all(children)
}

fn add(id: &str, children: impl IntoIterator<Item = Element<'static>>) -> Element<'static> {
    Element::new(airsync::ADD).with_text(airsync::CLIENT_ID, id.to_owned()).with(data(children))
}

fn change(id: &str, children: impl IntoIterator<Item = Element<'static>>) -> Element<'static> {
    Element::new(airsync::CHANGE).with_text(airsync::SERVER_ID, id.to_owned()).with(data(children))
}

fn named(name: &str) -> [Element<'static>; 2] {
    [leaf(contacts::FILE_AS, name), leaf(contacts::FIRST_NAME, name)]
}

/// The commands in an answer, with the names of their items.
fn told(answer: Option<&Element<'_>>) -> Vec<(Tag, String)> {
    let commands = answer.and_then(|answer| answer.child(airsync::COMMANDS));
    let id = |c: &Element<'_>| c.text_of(airsync::SERVER_ID).unwrap_or_default().to_owned();
    commands.into_iter().flat_map(Element::children).map(|c| (c.tag(), id(c))).collect()
}

impl Phone<'_> {
    async fn added(&mut self, command: Element<'static>) -> String {
        let answer = self.answered(command).await;
        assert_eq!(answer.text_of(airsync::STATUS), Some("1"), "{answer}");
        answer.text_of(airsync::SERVER_ID).unwrap().to_owned()
    }

    fn object(&self, id: &str) -> String {
        let (folder, uid) = item_id(id).unwrap();
        let view = self.sample.view();
        let object = objects::read(&view, &view.readable(folder).unwrap(), uid).unwrap();
        String::from_utf8(object.bytes.to_vec()).unwrap()
    }
}

impl Sample {
    /// Puts an object as another client does.
    async fn put(&self, folder: FolderId, kind: Kind, uid: Option<Uid>, text: &str) -> Uid {
        let prepared =
            Prepared::of(kind, Bytes::copy_from_slice(text.as_bytes()), &Limits::default()).unwrap();
        let object = prepared.stage(self.eas.mailbox.store(), self.domain.id.0).unwrap();
        let placed = self.act(move |tx| {
            let at = tx.granted(folder)?;
            let target = uid.map_or(Target::New { name: None }, Target::Of);
            objects::put(tx, &at, &target, Expected::Any, &object, Knew(None))
                .map_err(|_| Error::Invalid("it was not put"))
        });
        placed.await.uid
    }
}

fn card(uid: &str, name: &str) -> String {
    format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{name}\r\nN:;{name};;;\r\nX-SKIN:1\r\nEND:VCARD\r\n"
    )
}

#[tokio::test]
async fn a_contact_is_added_changed_and_deleted() {
    let sample = Sample::new().await;
    for version in [Version::V12_1, Version::V16_1] {
        let mut phone = Phone::new(&sample, version, Role::Contacts).await;
        let request = phone.request(vec![add("c1", named("Ada"))]);
        let lost = phone.ask(&request).await.unwrap();
        let again = phone.ask(&request).await.unwrap();
        let id = |answer: &Element<'_>| {
            let added = answer.child(airsync::RESPONSES).unwrap().children()[0].clone();
            added.text_of(airsync::SERVER_ID).unwrap().to_owned()
        };
        assert_eq!(id(&lost), id(&again), "the same request adds once");
        assert!(told(Some(&again)).is_empty(), "what came out as it was sent is no news");
        phone.key = again.text_of(airsync::SYNC_KEY).unwrap().to_owned();
        let id = id(&again);
        let answer = phone.sync(vec![change(&id, named("Augusta"))]).await.unwrap();
        assert!(!answer.has(airsync::RESPONSES) && told(Some(&answer)).is_empty(), "{answer}");
        assert!(phone.object(&id).contains("FN:Augusta\r\n"));
        let delete = Element::new(airsync::DELETE).with_text(airsync::SERVER_ID, id.clone());
        phone.sync(vec![delete]).await;
        let (folder, uid) = item_id(&id).unwrap();
        let view = sample.view();
        assert!(view.item(&view.readable(folder).unwrap(), uid).unwrap().is_none());
        assert_eq!(sample.folder(Role::Trash).items, 0, "the folder of deleted items holds mail");
        assert!(phone.sync(vec![]).await.is_none());
    }
}

/// What did not come out as it was sent is told back, and what was refused as it is.
#[tokio::test]
async fn what_came_out_otherwise_is_told_back() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_1, Role::Contacts).await;
    let with_name = [leaf(contacts::FILE_AS, "A"), leaf(contacts::EMAIL1_ADDRESS, "\"A B\" <a@b.test>")];
    let answer = phone.sync(vec![add("c1", with_name)]).await.unwrap();
    let added = &answer.child(airsync::RESPONSES).unwrap().children()[0];
    let id = added.text_of(airsync::SERVER_ID).unwrap().to_owned();
    assert!(told(Some(&answer)).is_empty() && answer.has(airsync::MORE_AVAILABLE), "it learns the id first");
    assert_eq!(told(phone.sync(vec![]).await.as_ref()), [(airsync::CHANGE, id.clone())]);
    let answer = phone.sync(vec![change(&id, [leaf(contacts::BIRTHDAY, "soon")])]).await.unwrap();
    let response = &answer.child(airsync::RESPONSES).unwrap().children()[0];
    assert_eq!(response.text_of(airsync::STATUS), Some("6"));
    assert_eq!(told(Some(&answer)), [(airsync::CHANGE, id.clone())]);
    assert!(phone.sync(vec![]).await.is_none(), "once is enough");
    // One that fails takes nobody along.
    let bad = add("bad", [leaf(contacts::PICTURE, "not base64!")]);
    let answer = phone.sync(vec![bad, add("good", named("Good"))]).await.unwrap();
    let statuses: Vec<_> = answer
        .child(airsync::RESPONSES)
        .unwrap()
        .children()
        .iter()
        .map(|r| r.text_of(airsync::STATUS))
        .collect();
    assert_eq!(statuses, [Some("6"), Some("1")]);
}

/// Another client's change that the phone has not seen goes before its own, unless it says otherwise.
#[tokio::test]
async fn both_changed_it() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V14_1, Role::Contacts).await;
    let uid = sample.put(phone.folder, Kind::Contacts, None, &card("1", "Ada")).await;
    let id = server_id(phone.folder, uid);
    assert_eq!(told(phone.sync(vec![]).await.as_ref()), [(airsync::ADD, id.clone())]);
    sample.put(phone.folder, Kind::Contacts, Some(uid), &card("1", "Augusta")).await;
    let answer = phone.sync(vec![change(&id, named("Anna"))]).await.unwrap();
    assert_eq!(answer.child(airsync::RESPONSES).unwrap().children()[0].text_of(airsync::STATUS), Some("7"));
    assert_eq!(told(Some(&answer)), [(airsync::CHANGE, id.clone())]);
    assert!(phone.object(&id).contains("FN:Augusta\r\n"));
    // It has seen that, and now its change counts; what it does not know survives.
    phone.sync(vec![change(&id, named("Anna"))]).await.unwrap();
    assert!(phone.object(&id).contains("FN:Anna\r\n") && phone.object(&id).contains("X-SKIN:1\r\n"));
}

/// Several changes of one item in a request build on one another.
#[tokio::test]
async fn one_change_upon_another() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_0, Role::Notes).await;
    let id = phone.added(add("n1", [leaf(notes::SUBJECT, "one")])).await;
    let second = change(&id, [leaf(notes::SUBJECT, "two")]);
    let body = Element::new(airsyncbase::BODY)
        .with_number(airsyncbase::TYPE, 1)
        .with_text(airsyncbase::DATA, "text");
    let third = change(&id, [leaf(notes::SUBJECT, "three"), body]);
    let answer = phone.sync(vec![second, third]).await.unwrap();
    assert!(!answer.has(airsync::RESPONSES), "{answer}");
    let stored = phone.object(&id);
    assert!(stored.contains("SUMMARY:three\r\n") && stored.contains("DESCRIPTION:text\r\n"), "{stored}");
    let delete = Element::new(airsync::DELETE).with_text(airsync::SERVER_ID, id.clone());
    let answer = phone.sync(vec![delete, change(&id, [leaf(notes::SUBJECT, "four")])]).await.unwrap();
    let failed = &answer.child(airsync::RESPONSES).unwrap().children()[0];
    assert_eq!((failed.tag(), failed.text_of(airsync::STATUS)), (airsync::CHANGE, Some("8")));
}

/// What the phone said of its properties when it began holds for all that comes.
#[tokio::test]
async fn supported_is_kept() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V14_1, Role::Contacts).await;
    let supported = Element::new(airsync::SUPPORTED).with_empty(contacts::JOB_TITLE);
    let begin = Element::new(airsync::COLLECTION)
        .with_text(airsync::SYNC_KEY, "0")
        .with_text(airsync::COLLECTION_ID, phone.folder.0.to_string())
        .with(supported);
    let begin = Element::new(airsync::SYNC).with(Element::new(airsync::COLLECTIONS).with(begin));
    phone.key = phone.ask(&begin).await.unwrap().text_of(airsync::SYNC_KEY).unwrap().to_owned();
    let all = [leaf(contacts::JOB_TITLE, "Cook"), leaf(contacts::WEB_PAGE, "https://a.test/")];
    let id = phone.added(add("c1", named("Ada").into_iter().chain(all))).await;
    phone.sync(vec![change(&id, named("Augusta"))]).await.unwrap();
    let stored = phone.object(&id);
    assert!(!stored.contains("Cook") && stored.contains("URL:https://a.test/"), "{stored}");
    assert!(phone.sync(vec![]).await.is_none(), "it has what stayed");
}

/// One item that cannot be read, or is none of the class, does not stop its folder.
#[tokio::test]
async fn one_item_does_not_block_its_folder() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V16_1, Role::Contacts).await;
    let first = sample.put(phone.folder, Kind::Contacts, None, &card("1", "One")).await;
    let group =
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:2\r\nFN:G\r\nX-ADDRESSBOOKSERVER-KIND:group\r\nEND:VCARD\r\n";
    let group = sample.put(phone.folder, Kind::Contacts, None, group).await;
    let broken = sample.put(phone.folder, Kind::Contacts, None, &card("3", "Three")).await;
    sample.damage_body(phone.folder, broken).await;
    let id = |uid| server_id(phone.folder, uid);
    let (first, group, broken) = (id(first), id(group), id(broken));
    let answer = phone.sync(vec![]).await.unwrap();
    let mut adds: Vec<_> = told(Some(&answer)).into_iter().map(|(_, id)| id).collect();
    adds.sort();
    assert_eq!(adds, [first.clone(), broken.clone()]);
    let stand_in = answer
        .child(airsync::COMMANDS)
        .unwrap()
        .children()
        .iter()
        .find(|add| add.text_of(airsync::SERVER_ID) == Some(broken.as_str()));
    let name = stand_in.unwrap().child(airsync::APPLICATION_DATA).unwrap().text_of(contacts::FILE_AS);
    assert_eq!(name, Some("(damaged contact)"));
    assert!(phone.sync(vec![]).await.is_none());
    // It is changed by nobody who has only seen that, and can be deleted.
    let answer = phone.sync(vec![change(&broken, named("X")), change(&first, named("Y"))]).await.unwrap();
    let failed = answer.child(airsync::RESPONSES).unwrap().children();
    assert_eq!(failed.iter().map(|r| r.text_of(airsync::STATUS)).collect::<Vec<_>>(), [Some("6")]);
    let fetch = Element::new(airsync::FETCH).with_text(airsync::SERVER_ID, group);
    assert_eq!(phone.answered(fetch).await.text_of(airsync::STATUS), Some("8"));
    phone.sync(vec![Element::new(airsync::DELETE).with_text(airsync::SERVER_ID, broken)]).await;
    assert_eq!(sample.folder(Role::Contacts).items, 2);
}

/// A phone that wants only what is still to be done loses sight of what is done.
#[tokio::test]
async fn tasks_that_are_done_are_filtered() {
    let sample = Sample::new().await;
    let mut phone = Phone::new(&sample, Version::V14_0, Role::Tasks).await;
    phone.filter = 8;
    let complete = |done| [leaf(tasks::SUBJECT, "s"), Element::boolean(tasks::COMPLETE, done)];
    let open = phone.added(add("t1", complete(false))).await;
    assert!(told(phone.sync(vec![]).await.as_ref()).is_empty());
    let answer = phone.sync(vec![change(&open, complete(true))]).await;
    let mut all = told(answer.as_ref());
    all.extend(told(phone.sync(vec![]).await.as_ref()));
    assert_eq!(all, [(airsync::SOFT_DELETE, open.clone())]);
    phone.filter = 0;
    assert_eq!(told(phone.sync(vec![]).await.as_ref()), [(airsync::ADD, open)]);
}

/// What was not stored is told to nobody, however often the phone tries.
#[tokio::test]
async fn an_event_that_has_no_room_invites_nobody() {
    let sample = Sample::new().await;
    let owner = sample.folder(Role::Calendar).owner;
    let quota = async |octets| {
        let set = move |tx: &mut crate::mailbox::MailTx<'_, '_>| tx.set_quota(owner, octets);
        let mailbox = &sample.eas.mailbox;
        mailbox.write(crate::mailbox::Acting::System, crate::mailbox::Origin::OTHER, set).await.unwrap();
    };
    let guest = Element::new(calendar::ATTENDEE).with_text(calendar::EMAIL, "bob@other.test");
    let meeting = |id: &str| {
        let times = [(calendar::START_TIME, "20270301T100000Z"), (calendar::END_TIME, "20270301T110000Z")];
        let times = times.map(|(tag, text)| leaf(tag, text));
        let guests = Element::new(calendar::ATTENDEES).with(guest.clone());
        add(id, times.into_iter().chain([leaf(calendar::SUBJECT, "Tea"), guests]))
    };
    let mut phone = Phone::new(&sample, Version::V16_1, Role::Calendar).await;
    let queued = || sample.eas.delivery.queued().unwrap().len();
    quota(Some(1)).await;
    for n in 0..3 {
        let answer = phone.answered(meeting(&format!("c{n}"))).await;
        assert_eq!(answer.text_of(airsync::STATUS), Some("9"), "{answer}");
    }
    assert_eq!(queued(), 0);
    quota(None).await;
    phone.added(meeting("c9")).await;
    assert_eq!(queued(), 1);
}
