use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use wbxml::{airsync, airsyncbase as base, email, search};

use super::*;
use crate::doors::eas::ids::server_id;
use crate::doors::eas::render::conversation_id;
use crate::doors::eas::sample::{Sample, document};
use crate::mailbox::{FolderId, Kind, NewFolder, Role, Uid};

const FILES: &str = "From: a@example.org\r\nSubject: files\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n\
    --m\r\n\r\nsee there\r\n--m\r\nContent-Type: application/pdf; name=a.pdf\r\n\
    Content-Transfer-Encoding: base64\r\n\r\naGVsbG8gd29ybGQ=\r\n--m\r\nContent-Type: message/rfc822\r\n\r\n\
    Subject: inner\r\n\r\ninner text\r\n--m--\r\n";

fn fetch(children: impl IntoIterator<Item = Element<'static>>) -> Element<'static> {
    Element::new(tags::FETCH).with_text(tags::STORE, "Mailbox").with_all(children)
}

fn by_ids(folder: FolderId, item: &str) -> Element<'static> {
    fetch([
        Element::leaf(airsync::COLLECTION_ID, folder.0.to_string()),
        Element::leaf(airsync::SERVER_ID, item.to_owned()),
    ])
}

fn by_reference(reference: &str, range: Option<&'static str>) -> Element<'static> {
    let options = range.map(|range| Element::new(tags::OPTIONS).with_text(tags::RANGE, range));
    fetch([Element::leaf(base::FILE_REFERENCE, reference.to_owned())].into_iter().chain(options))
}

async fn all(sample: &Sample, operations: Vec<Element<'static>>) -> Vec<Element<'static>> {
    let request = Element::new(tags::ITEM_OPERATIONS).with_all(operations);
    let answer = document(run(&sample.session(Version::V14_1), Some(&request)).await.unwrap());
    assert_eq!(answer.text_of(tags::STATUS), Some("1"));
    answer.child(tags::RESPONSE).unwrap().children().to_vec()
}

async fn one(sample: &Sample, operation: Element<'static>) -> Element<'static> {
    let mut told = all(sample, vec![operation]).await;
    assert_eq!(told.len(), 1);
    told.remove(0)
}

async fn status_of(sample: &Sample, operation: Element<'static>) -> String {
    one(sample, operation).await.text_of(tags::STATUS).unwrap().to_owned()
}

#[tokio::test]
async fn items_by_their_ids() {
    let sample = Sample::new().await;
    let inbox = sample.folder(Role::Inbox).id;
    let placed = sample.deliver(inbox, b"Subject: x\r\n\r\nall the words").await;
    let id = server_id(inbox, placed.uid);
    let told = one(&sample, by_ids(inbox, &id)).await;
    assert_eq!(told.text_of(tags::STATUS), Some("1"));
    assert_eq!(told.text_of(airsync::SERVER_ID), Some(id.as_str()));
    assert_eq!(told.text_of(airsync::CLASS), Some("Email"));
    let properties = told.child(tags::PROPERTIES).unwrap();
    assert_eq!(properties.text_of(email::SUBJECT), Some("x"));
    let body = properties.child(base::BODY).unwrap();
    assert_eq!(body.text_of(base::DATA), Some("all the words"));
    let long = one(&sample, fetch([Element::leaf(search::LONG_ID, id.clone())])).await;
    assert_eq!(long.child(tags::PROPERTIES), Some(properties));
    assert_eq!(long.text_of(search::LONG_ID), Some(id.as_str()));
    // A schema leaves the rest out.
    let schema = Element::new(tags::SCHEMA).with_empty(email::SUBJECT).with_empty(email::TO);
    let narrow =
        fetch([Element::leaf(search::LONG_ID, id.clone()), Element::new(tags::OPTIONS).with(schema)]);
    let narrow = one(&sample, narrow).await;
    let tags: Vec<_> =
        narrow.child(self::tags::PROPERTIES).unwrap().children().iter().map(Element::tag).collect();
    assert_eq!(tags, [email::SUBJECT]);
}

#[tokio::test]
async fn what_is_not_there() {
    let sample = Sample::new().await;
    let (inbox, junk) = (sample.folder(Role::Inbox).id, sample.folder(Role::Junk).id);
    let placed = sample.deliver(inbox, FILES.as_bytes()).await;
    let berta = sample.other("berta@example.test").await;
    let id = server_id(inbox, placed.uid);
    let reference = format!("{id}:2");
    for (operation, status) in [
        (by_ids(inbox, "no-such-item"), "6"),
        (by_ids(inbox, &server_id(inbox, Uid(99))), "6"),
        (by_ids(junk, &id), "6"),
        (fetch([Element::leaf(search::LONG_ID, "x")]), "6"),
        (fetch([]), "2"),
        (Element::new(tags::FETCH).with_text(tags::STORE, "DocumentLibrary"), "9"),
        (by_reference("no-such-reference", None), "15"),
        (by_reference(&format!("{id}:1"), None), "15"),
        (by_reference(&format!("{id}:9"), None), "15"),
    ] {
        assert_eq!(status_of(&sample, operation.clone()).await, status, "{operation:?}");
    }
    // What is another's is nobody's.
    assert_eq!(status_of(&berta, by_ids(inbox, &id)).await, "6");
    assert_eq!(status_of(&berta, by_reference(&reference, None)).await, "15");
    assert_eq!(status_of(&sample, by_reference(&reference, None)).await, "1");
}

#[tokio::test]
async fn attachments_whole_and_by_range() {
    let sample = Sample::new().await;
    let inbox = sample.folder(Role::Inbox).id;
    let placed = sample.deliver(inbox, FILES.as_bytes()).await;
    let reference = format!("{}:2", server_id(inbox, placed.uid));
    let told = one(&sample, by_reference(&reference, None)).await;
    assert_eq!(told.text_of(base::FILE_REFERENCE), Some(reference.as_str()));
    let properties = told.child(tags::PROPERTIES).unwrap();
    assert_eq!(properties.text_of(base::CONTENT_TYPE), Some("application/pdf"));
    assert_eq!(properties.text_of(tags::DATA), Some(STANDARD.encode("hello world").as_str()));
    assert!(!properties.has(tags::RANGE));
    for (range, status, told_range, data) in [
        ("0-4", "1", Some("0-4"), Some("hello")),
        ("6-100", "1", Some("6-10"), Some("world")),
        ("10-10", "1", Some("10-10"), Some("d")),
        ("11-12", "8", None, None),
        ("4-0", "8", None, None),
        ("x", "8", None, None),
    ] {
        let told = one(&sample, by_reference(&reference, Some(range))).await;
        assert_eq!(told.text_of(tags::STATUS), Some(status), "{range}");
        let properties = told.child(tags::PROPERTIES);
        assert_eq!(properties.and_then(|p| p.text_of(tags::RANGE)), told_range, "{range}");
        assert_eq!(properties.and_then(|p| p.text_of(tags::TOTAL)), told_range.map(|_| "11"), "{range}");
        let data = data.map(|data| STANDARD.encode(data));
        assert_eq!(properties.and_then(|p| p.text_of(tags::DATA)), data.as_deref(), "{range}");
    }
    let inner = one(&sample, by_reference(&format!("{}:3", server_id(inbox, placed.uid)), None)).await;
    let inner = inner.child(tags::PROPERTIES).unwrap();
    assert_eq!(inner.text_of(base::CONTENT_TYPE), Some("message/rfc822"));
    assert_eq!(inner.text_of(tags::DATA), Some(STANDARD.encode("Subject: inner\r\n\r\ninner text").as_str()));
}

#[tokio::test]
async fn bodies_and_attachments_in_parts() {
    let sample = Sample::new().await;
    let inbox = sample.folder(Role::Inbox).id;
    let placed = sample.deliver(inbox, FILES.as_bytes()).await;
    let id = server_id(inbox, placed.uid);
    let mut session = sample.session(Version::V14_1);
    session.query.accept_multipart = true;
    let request = Element::new(tags::ITEM_OPERATIONS).with_all([
        by_reference(&format!("{id}:2"), Some("6-10")),
        by_ids(inbox, "no-such-item"),
        by_ids(inbox, &id),
    ]);
    let Reply::Multipart(answer, parts) = run(&session, Some(&request)).await.unwrap() else { panic!() };
    assert_eq!(parts, ["world", "see there"]);
    let [file, missing, item] = answer.child(tags::RESPONSE).unwrap().children() else { panic!() };
    assert_eq!(file.child(tags::PROPERTIES).unwrap().text_of(tags::PART), Some("1"));
    assert_eq!(missing.text_of(tags::STATUS), Some("6"));
    let body = item.at(&[tags::PROPERTIES, base::BODY]).unwrap();
    assert_eq!(body.text_of(tags::PART), Some("2"));
    assert!(!body.has(base::DATA));
}

#[tokio::test]
async fn requests_are_bounded() {
    let sample = Sample::new().await;
    let session = sample.session(Version::V14_1);
    let inbox = sample.folder(Role::Inbox).id;
    let many = std::iter::repeat_n(by_ids(inbox, "1:1"), 10_000);
    for (request, status) in [
        (Element::new(tags::ITEM_OPERATIONS).with_all(many), "11"),
        (Element::new(tags::ITEM_OPERATIONS), "2"),
        (Element::new(tags::ITEM_OPERATIONS).with_empty(tags::DATA), "2"),
    ] {
        let answer = document(run(&session, Some(&request)).await.unwrap());
        assert_eq!(answer.text_of(tags::STATUS), Some(status));
        assert!(!answer.has(tags::RESPONSE));
    }
    assert!(matches!(run(&session, None).await, Err(Failure::Common(Status::InvalidXml))));
    let mut room = Room { left: 0, parts: None };
    let told = fetch::run(&session, &by_ids(inbox, "1:1"), &mut room).await.unwrap();
    assert_eq!(told.text_of(tags::STATUS), Some("11"));
}

fn empty_folder(folder: &str, sub_folders: bool) -> Element<'static> {
    let options = Element::new(tags::OPTIONS).with_empty(tags::DELETE_SUB_FOLDERS);
    Element::new(tags::EMPTY_FOLDER_CONTENTS)
        .with_text(airsync::COLLECTION_ID, folder.to_owned())
        .with_all(sub_folders.then_some(options))
}

#[tokio::test]
async fn a_folder_is_emptied() {
    let sample = Sample::new().await;
    let (owner, trash) = (sample.session(Version::V14_1).owner(), sample.folder(Role::Trash));
    for n in 0..CHUNK_AND_MORE {
        sample.deliver(trash.id, format!("Subject: {n}\r\n\r\n").as_bytes()).await;
    }
    let below = sample
        .act(move |tx| {
            tx.create_folder(owner, &NewFolder { parent: trash.id, name: "below", kind: Kind::Mail })
        })
        .await;
    let id = trash.id.0.to_string();
    let told = one(&sample, empty_folder(&id, false)).await;
    assert_eq!(told.text_of(tags::STATUS), Some("1"));
    assert_eq!(told.text_of(airsync::COLLECTION_ID), Some(id.as_str()));
    assert_eq!(sample.folder(Role::Trash).items, 0);
    assert!(sample.view().folder(below).is_ok());
    assert_eq!(status_of(&sample, empty_folder(&id, true)).await, "1");
    assert!(sample.view().folder(below).is_err());
    let kept = crate::mailbox::expunged(sample.view().reader(), owner, 10_000).unwrap();
    assert_eq!(kept.len(), CHUNK_AND_MORE, "all can be recovered");
    let calendar = sample.folder(Role::Calendar).id.0.to_string();
    let others = sample.other("berta@example.test").await.folder(Role::Trash).id.0.to_string();
    for (folder, status) in [("99999", "6"), ("x", "6"), (others.as_str(), "6"), (calendar.as_str(), "5")] {
        assert_eq!(status_of(&sample, empty_folder(folder, true)).await, status, "{folder}");
    }
}

const CHUNK_AND_MORE: usize = 520;

#[tokio::test]
async fn a_conversation_is_moved() {
    let sample = Sample::new().await;
    let (inbox, junk) = (sample.folder(Role::Inbox), sample.folder(Role::Junk));
    let placed = sample.deliver(inbox.id, b"Subject: x\r\n\r\n").await;
    sample.deliver(inbox.id, b"Subject: other\r\n\r\n").await;
    let thread = sample.view().item(&inbox, placed.uid).unwrap().unwrap().thread;
    let session = sample.session(Version::V14_1);
    let ask = |id: &[u8], to: String| {
        Element::new(tags::MOVE)
            .with_opaque(tags::CONVERSATION_ID, id.to_vec())
            .with_text(tags::DST_FLD_ID, to)
            .with(Element::new(tags::OPTIONS).with_empty(tags::MOVE_ALWAYS))
    };
    let id = conversation_id(session.owner(), thread);
    let (to, calendar) = (junk.id.0.to_string(), sample.folder(Role::Calendar).id.0.to_string());
    assert_eq!(status_of(&sample, ask(&id, calendar)).await, "156");
    assert_eq!(status_of(&sample, ask(&id, "x".to_owned())).await, "156");
    assert_eq!(status_of(&sample, ask(b"nonsense", to.clone())).await, "6");
    let told = one(&sample, ask(&id, to.clone())).await;
    assert_eq!(told.text_of(tags::STATUS), Some("1"));
    assert_eq!(told.bytes_of(tags::CONVERSATION_ID), Some(&id[..]));
    assert_eq!((sample.folder(Role::Inbox).items, sample.folder(Role::Junk).items), (1, 1));
    assert_eq!(status_of(&sample, ask(&id, to)).await, "6");
}
